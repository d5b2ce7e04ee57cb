//! An answer as it stands on the wire, judged byte for byte: heads, and chunks by the letter of RFC
//! 9112 7.1 with nothing more than the gateway has reason to send (no extensions, no trailers, no
//! leading zeros). Bodies are looked at where they were read, so they may be of any size.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Case;
use super::Framing;
use super::Stand;
use super::in_each_way;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::eventually::within;
use crate::support::origin::Feed;
use crate::support::player::presets;

/// A connection of which every byte is accounted for.
pub(super) struct Reader {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The line end of a chunk is still to come.
    within: bool,
    chunks: usize,
}

/// How the bytes of a body were delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimited {
    Length(u64),
    Chunks,
    Close,
}

impl Reader {
    /// Connects and sends `request`.
    pub(super) async fn ask(address: SocketAddr, request: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let buffer = vec![0; 256 * 1024].into();
        Self { stream, buffer, start: 0, end: 0, within: false, chunks: 0 }
    }

    /// Reads a head, and says how its body is delimited.
    pub(super) async fn head(&mut self) -> Delimited {
        let mut delimited = Delimited::Close;
        let status = self.line().await;
        assert!(status.starts_with("HTTP/1.1 20") || status.starts_with("HTTP/1.0 20"), "{status}");
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return delimited;
            }
            let (name, value) = line.split_once(": ").expect("a field");
            match name {
                "Content-Length" => delimited = Delimited::Length(value.parse().unwrap()),
                "Transfer-Encoding" => {
                    assert_eq!(value, "chunked");
                    delimited = Delimited::Chunks;
                }
                _ => {}
            }
        }
    }

    /// Shows `look` the body to its end.
    pub(super) async fn body(&mut self, delimited: Delimited, mut look: impl FnMut(&[u8])) {
        match delimited {
            Delimited::Length(length) => self.stretch(length, &mut look).await,
            Delimited::Chunks => while self.chunk(&mut look).await > 0 {},
            Delimited::Close => {
                while self.fill_if_empty().await {
                    look(&self.buffer[self.start..self.end]);
                    self.start = self.end;
                }
            }
        }
    }

    /// Shows `look` one chunk, and says how long it was. The line end behind a chunk may come with the
    /// next one, so it is looked for there.
    async fn chunk(&mut self, look: &mut impl FnMut(&[u8])) -> usize {
        if std::mem::take(&mut self.within) {
            assert_eq!(self.line().await, "", "the end of a chunk");
        }
        let line = self.line().await;
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("chunk {line:?}"));
        assert_eq!(line, format!("{size:X}"), "the shortest form");
        if size == 0 {
            assert_eq!(self.line().await, "", "the end of all chunks");
            return 0;
        }
        self.stretch(size as u64, look).await;
        self.within = true;
        self.chunks += 1;
        size
    }

    /// Shows `look` the next `count` bytes of the body, and perhaps the rest of their chunk.
    async fn next(&mut self, delimited: Delimited, count: usize, look: &mut impl FnMut(&[u8])) {
        let mut left = count;
        while left > 0 {
            let got = if delimited == Delimited::Chunks {
                self.chunk(look).await
            } else {
                let there = self.fill_if_empty().await;
                assert!(there, "the end, {left} bytes early");
                let got = left.min(self.end - self.start);
                self.stretch(got as u64, look).await;
                got
            };
            assert!(got > 0 && got <= left, "{got} bytes where {left} are due");
            left -= got;
        }
    }

    /// Fails unless the connection ends here.
    pub(super) async fn assert_end(&mut self) {
        let more = self.fill_if_empty().await;
        assert!(!more, "{}", self.buffer[self.start..self.end].escape_ascii());
    }

    async fn stretch(&mut self, length: u64, look: &mut impl FnMut(&[u8])) {
        let mut left = length;
        while left > 0 {
            assert!(self.fill_if_empty().await, "the end, {left} bytes early");
            let count = usize::try_from(left).unwrap().min(self.end - self.start);
            look(&self.buffer[self.start..self.start + count]);
            self.start += count;
            left -= count as u64;
        }
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            assert!(self.fill_if_empty().await, "the end within {line:?}");
            line.push(self.buffer[self.start]);
            self.start += 1;
            assert!(line.len() < 1000, "an endless line: {}", line.escape_ascii());
            if let Some(line) = line.strip_suffix(b"\r\n") {
                return String::from_utf8(line.to_vec()).unwrap();
            }
        }
    }

    /// Whether there is a byte to look at.
    async fn fill_if_empty(&mut self) -> bool {
        if self.start == self.end {
            let read = within("a byte", self.stream.read(&mut self.buffer)).await.unwrap();
            (self.start, self.end) = (0, read);
        }
        self.start < self.end
    }
}

in_each_way!(chunks_are_well_formed_and_http_1_0_gets_none);

#[tokio::test]
async fn a_spliced_gibibyte_arrives_byte_for_byte() {
    a_gibibyte_arrives_byte_for_byte(Case::Film).await;
}

#[tokio::test]
async fn a_watched_gibibyte_arrives_byte_for_byte() {
    a_gibibyte_arrives_byte_for_byte(Case::Television).await;
}

#[tokio::test]
async fn a_framed_gibibyte_arrives_byte_for_byte() {
    a_gibibyte_arrives_byte_for_byte(Case::ChunkedFilm).await;
}

async fn a_gibibyte_arrives_byte_for_byte(case: Case) {
    const SIZE: u64 = 1 << 30;
    let stand = Stand::start(case).await;
    let gate = stand.plays_gated(Framing::Length, SIZE - case.lead() as u64);
    let request = presets::get("x", &stand.target());
    let mut reader = Reader::ask(stand.gateway.stream, &request).await;
    let delimited = reader.head().await;
    if case == Case::Film {
        assert_eq!(delimited, Delimited::Length(SIZE));
    } else {
        assert_eq!(delimited, Delimited::Chunks);
    }
    stand.assert_way().await;
    gate.open();
    let (content, mut at) = (case.content(), 0);
    let judge = |bytes: &[u8]| {
        content.assert_matches(at, bytes);
        at += bytes.len() as u64;
    };
    reader.body(delimited, judge).await;
    assert_eq!(at, SIZE);
    reader.assert_end().await;
}

async fn chunks_are_well_formed_and_http_1_0_gets_none(case: Case) {
    const PIECES: [usize; 8] = [1, 1, 2, 188, 1316, 40_000, 1, 300_000];
    let stand = Stand::start(case).await;
    let content = case.content();
    // Each piece is sent once the last one has come: so there are many chunks, of all sizes.
    for old in [false, true] {
        let gates: Vec<Gate> = PIECES.iter().map(|_| Gate::new()).collect();
        let mut script = case.answer(case.head(Framing::Close, 0));
        let mut at = case.lead();
        script = script.body(content.slice(0, at));
        for (gate, size) in gates.iter().zip(PIECES) {
            let piece = Feed::of(content.clone()).from(at as u64).bytes(size as u64);
            script = script.wait(gate).feed(piece);
            at += size;
        }
        stand.plays(case.end(script));
        let target = stand.target();
        let request = if old { presets::get_1_0(&target) } else { presets::get("x", &target) };
        let mut reader = Reader::ask(stand.gateway.stream, &request).await;
        let delimited = reader.head().await;
        let expected = if old { Delimited::Close } else { Delimited::Chunks };
        assert_eq!(delimited, expected);
        let mut got = 0;
        let mut judge = |bytes: &[u8]| {
            content.assert_matches(got as u64, bytes);
            got += bytes.len();
        };
        reader.next(delimited, case.lead(), &mut judge).await;
        stand.assert_way().await;
        for (gate, size) in gates.iter().zip(PIECES) {
            gate.open();
            reader.next(delimited, size, &mut judge).await;
        }
        if !old {
            assert_eq!(reader.chunk(&mut judge).await, 0);
            assert!(reader.chunks > PIECES.len(), "{} chunks", reader.chunks);
        }
        reader.assert_end().await;
        assert_eq!(got, at);
        stand.nothing_left().await;
    }
}
