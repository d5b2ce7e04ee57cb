//! The ways in which a body moves: spliced in the kernel, through a buffer that is watched, or
//! framed by the HTTP library. One suite over all of them: whatever the way, a client gets the
//! source's bytes, all of them and nothing else, and nothing is left behind.
//!
//! A [`Case`] is a kind of source that makes the gateway take one of the ways; a [`Stand`] is a
//! gateway with one channel of that kind. Sources send their lead (what the gateway looks at before
//! it answers), wait until the test has seen which way was taken, and then go on.

mod ends;
mod fallback;
mod figures;
mod gathering;
mod keep_alive;
mod leaks;
mod pieces;
mod readers;
mod sizes;
mod stand;
mod wire;

use std::sync::Arc;
use std::sync::OnceLock;

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::origin::Chunks;
use crate::support::origin::Script;
use crate::support::ts::TsPattern;
use stand::Stand;

/// Each of `stories`, an async function of a [`Case`], as a test in every way.
macro_rules! in_each_way {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use crate::ways::Case;

            #[tokio::test]
            async fn spliced_film() {
                super::$story(Case::Film).await;
            }

            #[tokio::test]
            async fn spliced_television() {
                super::$story(Case::RawTelevision).await;
            }

            #[tokio::test]
            async fn spliced_radio() {
                super::$story(Case::Radio).await;
            }

            #[tokio::test]
            async fn watched_television() {
                super::$story(Case::Television).await;
            }

            #[tokio::test]
            async fn framed_film() {
                super::$story(Case::ChunkedFilm).await;
            }

            #[tokio::test]
            async fn framed_television() {
                super::$story(Case::ChunkedTelevision).await;
            }
        }
    )+};
}
use in_each_way;

/// A kind of source, and with it the way in which its bodies move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// A file.
    Film,
    /// A transport stream that is joined byte after byte.
    RawTelevision,
    /// A live stream that is no transport stream.
    Radio,
    /// A transport stream.
    Television,
    /// A file in chunks.
    ChunkedFilm,
    /// A transport stream in chunks.
    ChunkedTelevision,
}

/// How a source says where its body ends, where it does not send chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Content-Length.
    Length,
    /// HTTP/1.1 and the connection's end.
    Close,
    /// HTTP/1.0 and the connection's end, as receivers do.
    Old,
}

impl Case {
    /// All of them.
    const ALL: [Self; 6] = [
        Self::Film,
        Self::RawTelevision,
        Self::Radio,
        Self::Television,
        Self::ChunkedFilm,
        Self::ChunkedTelevision,
    ];

    /// The word for the way.
    fn way(self) -> &'static str {
        match self {
            Self::Film | Self::RawTelevision | Self::Radio => "spliced",
            Self::Television => "watched",
            Self::ChunkedFilm | Self::ChunkedTelevision => "framed",
        }
    }

    fn is_film(self) -> bool {
        matches!(self, Self::Film | Self::ChunkedFilm)
    }

    fn is_chunked(self) -> bool {
        matches!(self, Self::ChunkedFilm | Self::ChunkedTelevision)
    }

    /// How such a source may frame its bodies; one that sends chunks has no choice.
    fn framings(self) -> &'static [Framing] {
        match self.is_chunked() {
            true => &[Framing::Close],
            false => &[Framing::Length, Framing::Close, Framing::Old],
        }
    }

    /// What it sends.
    fn content(self) -> Cycle {
        static FILM: OnceLock<Arc<[u8]>> = OnceLock::new();
        static RADIO: OnceLock<Arc<[u8]>> = OnceLock::new();
        static TELEVISION: OnceLock<Arc<[u8]>> = OnceLock::new();
        // Each a length that no buffer divides.
        let blob = || Blob::new(7, u64::MAX).slice(0, 1_048_573);
        Cycle(Arc::clone(match self {
            Self::Film | Self::ChunkedFilm => FILM.get_or_init(|| blob().into()),
            Self::Radio => RADIO.get_or_init(|| [b"OggS".as_slice(), &blob()].concat().into()),
            Self::RawTelevision | Self::Television | Self::ChunkedTelevision => {
                TELEVISION.get_or_init(|| TsPattern::new(0x3a75).packets(0, 5003).into())
            }
        }))
    }

    /// How much the gateway looks at before it answers.
    fn lead(self) -> usize {
        match self {
            Self::Film | Self::ChunkedFilm => 1,
            Self::Radio => 16,
            Self::RawTelevision | Self::Television | Self::ChunkedTelevision => 376,
        }
    }

    /// The entry of such a channel with this source.
    fn entry(self, url: &str) -> String {
        let kind = if self.is_film() { "vod" } else { "live" };
        format!("{{kind: {kind}, sources: [\"{url}\"]}}")
    }

    /// Settings that it needs.
    fn settings(self) -> &'static str {
        if self == Self::RawTelevision { "failover: {rounds: 0, join: raw}\n" } else { "" }
    }

    /// The head of an answer of `total` bytes.
    fn head(self, framing: Framing, total: u64) -> String {
        let version = if framing == Framing::Old { "1.0" } else { "1.1" };
        let kind = match self {
            Self::Film | Self::ChunkedFilm => "video/mp4",
            Self::Radio => "application/ogg",
            _ => "video/mp2t",
        };
        let length = match framing {
            _ if self.is_chunked() => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::Length => format!("Content-Length: {total}\r\n"),
            Framing::Close | Framing::Old => String::new(),
        };
        format!(
            "HTTP/{version} 200 OK\r\nContent-Type: {kind}\r\n{length}Connection: close\r\n\r\n"
        )
    }

    /// An answer with this head, whose body is still to come.
    fn answer(self, head: impl AsRef<[u8]>) -> Script {
        let script = Script::new().raw(head);
        if !self.is_chunked() {
            return script;
        }
        script.chunked(Chunks::Random { seed: 11, most: 40_000 })
    }

    /// `bytes` as they stand on the wire.
    fn framed(self, bytes: &[u8]) -> Vec<u8> {
        if !self.is_chunked() {
            return bytes.to_vec();
        }
        [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
    }

    /// The clean end of an answer.
    fn end(self, script: Script) -> Script {
        if self.is_chunked() { script.last_chunk().close() } else { script.close() }
    }
}

/// A table of bytes over and over: any stretch is made and verified at the speed of memory.
#[derive(Clone)]
struct Cycle(Arc<[u8]>);

impl Content for Cycle {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        let mut rest = into;
        let mut place = (offset % self.0.len() as u64) as usize;
        while !rest.is_empty() {
            let count = rest.len().min(self.0.len() - place);
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(&self.0[place..place + count]);
            (rest, place) = (later, 0);
        }
    }

    fn length(&self) -> Option<u64> {
        None
    }

    fn mismatch(&self, offset: u64, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            let place = ((offset + at as u64) % self.0.len() as u64) as usize;
            let count = (bytes.len() - at).min(self.0.len() - place);
            let (expected, got) = (&self.0[place..place + count], &bytes[at..at + count]);
            if expected != got {
                return expected.iter().zip(got).position(|(a, b)| a != b).map(|wrong| at + wrong);
            }
            at += count;
        }
        None
    }
}

impl std::fmt::Debug for Cycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a cycle of {} bytes", self.0.len())
    }
}

#[test]
fn a_cycle_is_the_same_at_every_split_and_sees_what_is_wrong() {
    let cycle = Case::Radio.content();
    let whole = cycle.slice(1_048_000, 5000);
    for cut in (0..whole.len()).step_by(7) {
        let rest = cycle.slice(1_048_000 + cut as u64, 5000 - cut);
        assert_eq!([&whole[..cut], &rest].concat(), whole);
    }
    assert_eq!(cycle.mismatch(1_048_000, &whole), None);
    let mut wrong = whole;
    wrong[4711] ^= 1;
    assert_eq!(cycle.mismatch(1_048_000, &wrong), Some(4711));
    assert!(cycle.slice(0, 4) == b"OggS" && cycle.slice(1_048_577, 4) == b"OggS");
}
