//! Answers as they stand on the wire: heads with their names' case, bodies by their framing (RFC
//! 9112 6.3), strictly.

use std::time::Duration;

use tokio::time::Instant;

use super::Parting;

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The bytes, with the empty line.
    pub(crate) raw: Vec<u8>,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub(crate) version: String,
    /// The status code.
    pub(crate) status: u16,
    /// The reason phrase, possibly empty.
    pub(crate) reason: String,
    /// The fields in their order, names as they came, values trimmed.
    pub(crate) lines: Vec<(String, String)>,
    /// The 1xx answers before it.
    pub(crate) interim: Vec<Head>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The head.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: Body,
}

/// A body read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// Without framing.
    pub(crate) bytes: Vec<u8>,
    /// How it ended.
    pub(crate) ending: Ending,
    /// Trailer fields of a chunked body.
    pub(crate) trailers: Vec<(String, String)>,
}

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its framing says. A body delimited by the close ends so with every FIN.
    Complete,
    /// The connection ended before the framing did; so does every RST.
    Cut(Parting),
    /// The framing is wrong.
    Malformed(String),
}

/// When things happened on a connection; the latter three for the latest message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// The connection was there.
    pub(crate) connected: Instant,
    /// The latest request was written.
    pub(crate) sent: Option<Instant>,
    /// The head was complete.
    pub(crate) head: Option<Instant>,
    /// The first byte of the body came.
    pub(crate) first_byte: Option<Instant>,
    /// The latest bytes of the body came.
    pub(crate) last_byte: Option<Instant>,
    /// The longest time between two reads that gave bytes of the body.
    pub(crate) longest_gap: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The connection ended without a byte of an answer.
    Left(Parting),
    /// It ended within the head.
    Cut(Parting, Vec<u8>),
    /// What came is no HTTP/1 head.
    Malformed(String),
}

impl Answer {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body.bytes).expect("a body in UTF-8")
    }

    /// Head and body, for the search after secrets.
    pub(crate) fn everything(&self) -> Vec<u8> {
        [self.head.raw.as_slice(), &self.body.bytes].concat()
    }
}

impl Body {
    /// Whether it ended as its framing says.
    pub(crate) fn is_complete(&self) -> bool {
        self.ending == Ending::Complete
    }
}

impl Head {
    /// The first field of that name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// All fields of that name, whatever its case.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.lines.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Content-Length.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Names that are not written Like-This, which some receivers cannot read.
    pub(crate) fn names_not_in_title_case(&self) -> Vec<&str> {
        let title =
            |part: &str| part.chars().next().is_none_or(|first| !first.is_ascii_lowercase());
        let names = self.lines.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !name.split('-').all(title)).collect()
    }

    /// Reads a head that ends with its empty line.
    pub(super) fn parse(raw: Vec<u8>) -> Result<Self, String> {
        let text = raw.iter().map(|byte| char::from(*byte)).collect::<String>();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or("");
        let mut parts = line.splitn(3, ' ');
        let (version, status) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        // RFC 9112 4: the space before the reason phrase is there even if that is empty.
        let Some(reason) = parts.next() else { return Err(format!("status line {line:?}")) };
        let digits = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        if !["HTTP/1.0", "HTTP/1.1"].contains(&version) || !digits {
            return Err(format!("status line {line:?}"));
        }
        let mut fields = Vec::new();
        for line in lines {
            let field = line.split_once(':').filter(|(name, _)| !name.contains([' ', '\t']));
            let Some((name, value)) = field else { return Err(format!("field {line:?}")) };
            if value.contains(['\r', '\n', '\0']) || name.is_empty() {
                return Err(format!("field {line:?}"));
            }
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self {
            version: version.to_owned(),
            status: status.parse().map_err(|_| format!("status line {line:?}"))?,
            reason: reason.to_owned(),
            lines: fields,
            interim: Vec::new(),
            raw,
        })
    }
}

/// Takes bodies out of their framing.
#[derive(Debug)]
pub(super) struct Deframer {
    framing: Framing,
    /// Body bytes given out too early.
    returned: Vec<u8>,
    trailers: Vec<(String, String)>,
}

#[derive(Debug)]
enum Framing {
    /// Nothing more.
    Done,
    /// So many bytes more.
    Length(u64),
    /// Up to the FIN.
    Close,
    /// A chunk-size line comes next.
    ChunkSize,
    /// So many bytes of a chunk more, then its CRLF.
    Chunk(u64),
    /// The CRLF after a chunk.
    ChunkEnd,
    /// Trailers and the empty line.
    Trailers,
    /// What came was wrong.
    Broken(String),
}

/// A step through a body.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Ended(Ending),
    /// More must be read first.
    More,
}

/// Longest line of a chunked body.
const LINE_MAX: usize = 64 * 1024;

impl Deframer {
    /// Before any answer.
    pub(super) fn none() -> Self {
        Self { framing: Framing::Done, returned: Vec::new(), trailers: Vec::new() }
    }

    /// By RFC 9112 6.3; two framings at once are refused.
    pub(super) fn new(head: &Head, method: &str) -> Result<Self, String> {
        let mut deframer = Self::none();
        if method == "HEAD" || [101, 204, 304].contains(&head.status) {
            return Ok(deframer);
        }
        let codings = head.headers("transfer-encoding");
        let lengths = head.headers("content-length");
        deframer.framing = match (&*codings, &*lengths) {
            ([], []) => Framing::Close,
            ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Framing::ChunkSize,
            ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = length.parse().map_err(|_| format!("Content-Length {length:?}"))?;
                Framing::Length(length)
            }
            _ => return Err(format!("framing: {codings:?}, {lengths:?}")),
        };
        Ok(deframer)
    }

    /// Whether the body was read to its end.
    pub(super) fn is_done(&self) -> bool {
        let done = matches!(self.framing, Framing::Done | Framing::Length(0));
        done && self.returned.is_empty()
    }

    pub(super) fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Gives bytes back that [`Deframer::take`] gave out last.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.returned);
        self.returned = bytes;
    }

    /// The next bytes of the body from the front of `buffer`.
    pub(super) fn take(&mut self, buffer: &mut Vec<u8>, most: usize) -> Piece {
        if !self.returned.is_empty() {
            return Piece::Bytes(std::mem::take(&mut self.returned));
        }
        loop {
            match &mut self.framing {
                Framing::Done | Framing::Length(0) => return Piece::Ended(Ending::Complete),
                Framing::Broken(why) => return Piece::Ended(Ending::Malformed(why.clone())),
                Framing::Close => return split(buffer, u64::MAX, most),
                Framing::Length(left) => {
                    let piece = split(buffer, *left, most);
                    *left -= piece.length();
                    return piece;
                }
                Framing::Chunk(0) => self.framing = Framing::ChunkEnd,
                Framing::Chunk(left) => {
                    let piece = split(buffer, *left, most);
                    *left -= piece.length();
                    return piece;
                }
                Framing::ChunkSize | Framing::ChunkEnd | Framing::Trailers => {
                    let Some(line) = line(buffer) else {
                        if buffer.len() <= LINE_MAX {
                            return Piece::More;
                        }
                        self.framing = Framing::Broken("an endless line".to_owned());
                        continue;
                    };
                    self.line(&line);
                }
            }
        }
    }

    /// How the body ended when the connection did.
    pub(super) fn cut(&mut self, how: Parting) -> Ending {
        let ending = match (&self.framing, how) {
            (Framing::Close, Parting::Fin) => Ending::Complete,
            (Framing::Broken(why), _) => Ending::Malformed(why.clone()),
            _ => Ending::Cut(how),
        };
        self.framing = match &ending {
            Ending::Complete => Framing::Done,
            // A second look says the same.
            _ => return ending,
        };
        ending
    }

    /// A line of chunked framing (RFC 9112 7.1), without its CRLF.
    fn line(&mut self, line: &str) {
        self.framing = match &self.framing {
            Framing::ChunkEnd if line.is_empty() => Framing::ChunkSize,
            Framing::ChunkEnd => Framing::Broken(format!("{line:?} after a chunk")),
            Framing::ChunkSize => {
                let size = line.split(';').next().unwrap_or("").trim_end();
                let hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
                match u64::from_str_radix(size, 16) {
                    Ok(0) if hex => Framing::Trailers,
                    Ok(size) if hex => Framing::Chunk(size),
                    _ => Framing::Broken(format!("chunk size {line:?}")),
                }
            }
            _ if line.is_empty() => Framing::Done,
            _ => match line.split_once(':') {
                Some((name, value)) if self.trailers.len() < 1000 => {
                    self.trailers.push((name.to_owned(), value.trim().to_owned()));
                    Framing::Trailers
                }
                _ => Framing::Broken(format!("trailer {line:?}")),
            },
        };
    }
}

impl Piece {
    fn length(&self) -> u64 {
        if let Self::Bytes(bytes) = self { bytes.len() as u64 } else { 0 }
    }
}

/// At most `left` and `most` bytes from the front of `buffer`.
fn split(buffer: &mut Vec<u8>, left: u64, most: usize) -> Piece {
    let most = usize::try_from(left).map_or(most, |left| left.min(most));
    let count = buffer.len().min(most);
    if count == 0 { Piece::More } else { Piece::Bytes(buffer.drain(..count).collect()) }
}

/// The line at the front of `buffer`, if its CRLF is there.
fn line(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.windows(2).position(|window| window == b"\r\n")?;
    let line = buffer.drain(..end + 2).take(end).map(char::from).collect();
    Some(line)
}
