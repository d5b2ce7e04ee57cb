//! What an origin writes: steps in their order, and the answers that tests want most often.

use std::time::Duration;

use super::feed::Feed;
use crate::support::eventually::Gate;

/// Steps of an answer. Where they run out, the connection is closed (FIN) once the peer has had
/// everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(super) steps: Vec<Step>,
}

/// See the methods of [`Script`] of the same names.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Raw(Vec<u8>),
    Drip(Vec<u8>, Duration),
    Body(Vec<u8>),
    Feed(Feed),
    Chunked(Chunks),
    Unframed,
    LastChunk(Vec<u8>),
    Sliced { seed: u64, most: usize },
    Pause(Duration),
    Wait(Gate),
    Stall,
    GiveUpAfter(Duration),
    NextRequest,
    Close,
    Reset,
}

/// Sizes of the chunks of a chunked body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chunks {
    /// One chunk for each write.
    AsWritten,
    /// At most so many bytes each.
    Of(usize),
    /// 1 to `most` bytes each, a function of `seed`.
    Random {
        /// Of the dice.
        seed: u64,
        /// Largest chunk.
        most: usize,
    },
}

/// Answers.
impl Script {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An HTTP/1.1 head: `Script::head("200 OK", &[("Content-Type", "video/mp2t")])`.
    pub(crate) fn head(status: &str, fields: &[(&str, &str)]) -> Self {
        Self::new().raw(head_text("HTTP/1.1", status, fields))
    }

    /// An HTTP/1.0 head.
    pub(crate) fn head_1_0(status: &str, fields: &[(&str, &str)]) -> Self {
        Self::new().raw(head_text("HTTP/1.0", status, fields))
    }

    /// A live stream as most origins send it: HTTP/1.1, `video/mp2t`, no length, delimited by the
    /// close. From a pattern it plays in real time for ever.
    pub(crate) fn live(feed: impl Into<Feed>) -> Self {
        let fields = [("Content-Type", "video/mp2t"), ("Connection", "close")];
        Self::head("200 OK", &fields).feed(feed)
    }

    /// A live stream in chunks.
    pub(crate) fn live_chunked(feed: impl Into<Feed>, chunks: Chunks) -> Self {
        let fields = [("Content-Type", "video/mp2t"), ("Transfer-Encoding", "chunked")];
        Self::head("200 OK", &fields).chunked(chunks).feed(feed)
    }

    /// A stream by a SHOUTcast server: `ICY 200 OK`.
    pub(crate) fn icy(feed: impl Into<Feed>) -> Self {
        let head =
            "ICY 200 OK\r\nicy-name: test\r\nicy-br: 128\r\nContent-Type: video/mp2t\r\n\r\n";
        Self::new().raw(head).feed(feed)
    }

    /// A whole answer with Content-Length; the connection may be used again.
    pub(crate) fn whole(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let fields = [("Content-Type", content_type), ("Content-Length", &length)];
        Self::head(status, &fields).body(body).next_request()
    }

    /// A short HTML error page: `Script::error("404 Not Found")`.
    pub(crate) fn error(status: &str) -> Self {
        Self::whole(status, "text/html", format!("<html><h1>{status}</h1></html>"))
    }

    /// An error page of `bytes`.
    pub(crate) fn long_error(status: &str, bytes: usize) -> Self {
        Self::whole(status, "text/html", vec![b'x'; bytes])
    }

    /// A success that is no media: a web page.
    pub(crate) fn html(body: &str) -> Self {
        Self::whole("200 OK", "text/html; charset=utf-8", body)
    }

    /// A success that is no media: JSON.
    pub(crate) fn json(body: &str) -> Self {
        Self::whole("200 OK", "application/json", body)
    }

    /// A playlist.
    pub(crate) fn m3u(body: &str) -> Self {
        Self::whole("200 OK", "application/vnd.apple.mpegurl", body)
    }

    /// A redirect to `location`, absolute or relative: `Script::redirect("302 Found", "/b")`.
    pub(crate) fn redirect(status: &str, location: &str) -> Self {
        Self::head(status, &[("Location", location), ("Content-Length", "0")]).next_request()
    }

    /// No answer at all: the request is read, then silence.
    pub(crate) fn silent() -> Self {
        Self::new().stall()
    }
}

/// Steps.
impl Script {
    /// Writes `bytes` as they are, whatever the framing.
    pub(crate) fn raw(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Raw(bytes.as_ref().to_vec()))
    }

    /// Writes `bytes` one at a time, with `pause` between them.
    pub(crate) fn drip(self, bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        self.then(Step::Drip(bytes.as_ref().to_vec(), pause))
    }

    /// Writes `bytes` in the framing chosen.
    pub(crate) fn body(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Body(bytes.as_ref().to_vec()))
    }

    /// Writes `feed` in the framing chosen. A feed without an end runs until the peer leaves.
    pub(crate) fn feed(self, feed: impl Into<Feed>) -> Self {
        self.then(Step::Feed(feed.into()))
    }

    /// Puts bodies and feeds from here on into chunks.
    pub(crate) fn chunked(self, chunks: Chunks) -> Self {
        self.then(Step::Chunked(chunks))
    }

    /// Writes bodies and feeds from here on without chunks, as at the beginning.
    pub(crate) fn unframed(self) -> Self {
        self.then(Step::Unframed)
    }

    /// Ends a chunked body.
    pub(crate) fn last_chunk(self) -> Self {
        self.last_chunk_with("")
    }

    /// Ends a chunked body with trailer lines, each of them with its CRLF.
    pub(crate) fn last_chunk_with(self, trailers: &str) -> Self {
        self.then(Step::LastChunk(format!("0\r\n{trailers}\r\n").into_bytes()))
    }

    /// Cuts all writes from here on into pieces of 1 to `most` bytes, a function of `seed`, each in
    /// its own segment where the network lets it.
    pub(crate) fn sliced(self, seed: u64, most: usize) -> Self {
        self.then(Step::Sliced { seed, most })
    }

    /// Waits.
    pub(crate) fn pause(self, duration: Duration) -> Self {
        self.then(Step::Pause(duration))
    }

    /// Waits until the test opens `gate`, or the peer leaves.
    pub(crate) fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Writes nothing more until the peer leaves.
    pub(crate) fn stall(self) -> Self {
        self.then(Step::Stall)
    }

    /// From here on resets the connection when the reader takes nothing for `duration`.
    pub(crate) fn give_up_after(self, duration: Duration) -> Self {
        self.then(Step::GiveUpAfter(duration))
    }

    /// Ends this answer and reads the next request on the same connection.
    pub(crate) fn next_request(self) -> Self {
        self.then(Step::NextRequest)
    }

    /// Closes the connection (FIN) after what was written, and reads on until the peer leaves.
    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Resets the connection (RST); what the peer has not read yet may be lost.
    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Goes on with the steps of `other`.
    pub(crate) fn then_all(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

fn head_text(version: &str, status: &str, fields: &[(&str, &str)]) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{version} {status}\r\n{fields}\r\n")
}
