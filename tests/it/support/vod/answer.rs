//! From a request to its answer: methods, preconditions (RFC 9110 13.2.2), ranges (14), bodies.

use std::sync::Arc;

use super::Cut;
use super::HeadRequests;
use super::Ranges;
use super::VodFile;
use super::date;
use super::range;
use super::range::Asked;
use crate::support::content::Content;
use crate::support::origin::Chunks;
use crate::support::origin::Feed;
use crate::support::origin::Recorded;
use crate::support::origin::Script;

/// The Date of every answer.
const DATE: &str = "Sun, 01 Jun 2025 00:00:00 GMT";
/// Between the parts of a multipart answer.
const BOUNDARY: &str = "weir_parts_3d6b6a416f9b5";

/// Answers `request`; `bodies` counts the GETs that were given content.
pub(super) fn to(request: &Recorded, file: &VodFile, bodies: &mut usize) -> Script {
    let is_head = request.method() == "HEAD";
    match (request.method(), file.head) {
        ("GET", _) | ("HEAD", HeadRequests::Answered) => {}
        ("HEAD", HeadRequests::Dropped) => return Script::new().close(),
        _ => return refusal("405 Method Not Allowed", &[("Allow", "GET")], is_head),
    }
    match precondition(request, file) {
        Precondition::Holds => {}
        Precondition::NotModified => {
            let mut fields = vec![("Date".to_owned(), DATE.to_owned())];
            fields.extend(validators(file));
            return Script::head("304 Not Modified", &borrowed(&fields)).next_request();
        }
        Precondition::Failed => return refusal("412 Precondition Failed", &[], is_head),
    }
    // RFC 9110 14.2: Range is defined for GET alone.
    let asked = match request.header("range") {
        Some(value) if !is_head && file.ranges == Ranges::Served && if_range(request, file) => {
            range::parse(value, file.length)
        }
        _ => Asked::Everything,
    };
    let parts = match asked {
        Asked::Unsatisfiable => {
            let total = format!("bytes */{}", file.length);
            let fields = [("Content-Range", total.as_str())];
            return refusal("416 Range Not Satisfiable", &fields, is_head);
        }
        Asked::Everything => None,
        Asked::Parts(parts) => Some(parts),
    };
    let answer = Draft::new(file, parts);
    if is_head {
        return answer.head().next_request();
    }
    *bodies += 1;
    answer.with_body(*bodies)
}

enum Precondition {
    Holds,
    NotModified,
    Failed,
}

/// RFC 9110 13.2.2, steps 1 to 4.
fn precondition(request: &Recorded, file: &VodFile) -> Precondition {
    let etag = file.etag.as_deref();
    let modified = file.last_modified.as_deref().and_then(date::seconds);
    let since = |name| request.header(name).and_then(date::seconds);
    if let Some(tags) = request.header("if-match") {
        if !is_listed(tags, etag, strong) {
            return Precondition::Failed;
        }
    } else if let (Some(since), Some(modified)) = (since("if-unmodified-since"), modified)
        && modified > since
    {
        return Precondition::Failed;
    }
    if let Some(tags) = request.header("if-none-match") {
        if is_listed(tags, etag, weak) {
            return Precondition::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (since("if-modified-since"), modified)
        && modified <= since
    {
        return Precondition::NotModified;
    }
    Precondition::Holds
}

/// RFC 9110 13.1.5: whether Range counts.
fn if_range(request: &Recorded, file: &VodFile) -> bool {
    let Some(validator) = request.header("if-range") else { return true };
    if validator.ends_with('"') {
        return file.etag.as_deref().is_some_and(|etag| strong(validator, etag));
    }
    // An exact match; that Last-Modified is strong follows from DATE being much later.
    file.last_modified.as_deref() == Some(validator)
}

/// Whether `tags`, a list or `*`, has `etag`.
fn is_listed(tags: &str, etag: Option<&str>, same: fn(&str, &str) -> bool) -> bool {
    let Some(etag) = etag else { return false };
    tags.trim() == "*" || tags.split(',').any(|tag| same(tag.trim(), etag))
}

/// RFC 9110 8.8.3.2.
fn strong(left: &str, right: &str) -> bool {
    left == right && !left.starts_with("W/")
}

fn weak(left: &str, right: &str) -> bool {
    left.trim_start_matches("W/") == right.trim_start_matches("W/")
}

fn refusal(status: &str, fields: &[(&str, &str)], is_head: bool) -> Script {
    let mut all = vec![("Date", DATE), ("Content-Length", "0")];
    all.extend(fields);
    debug_assert!(!is_head || all[1].1 == "0", "no body, so HEAD and GET look the same");
    Script::head(status, &all).next_request()
}

fn validators(file: &VodFile) -> Vec<(String, String)> {
    let etag = file.etag.iter().map(|etag| ("ETag".to_owned(), etag.clone()));
    let modified = file.last_modified.iter().map(|date| ("Last-Modified".to_owned(), date.clone()));
    etag.chain(modified).collect()
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// A 200 or 206 in the making.
struct Draft<'a> {
    file: &'a VodFile,
    status: &'static str,
    fields: Vec<(String, String)>,
    body: Vec<Piece>,
    chunked: bool,
}

/// A stretch of a body.
enum Piece {
    /// `length` bytes of the content from `first` on.
    Content { first: u64, length: u64 },
    /// What stands between the parts.
    Text(String),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Content { length, .. } => *length,
            Self::Text(text) => text.len() as u64,
        }
    }
}

impl<'a> Draft<'a> {
    fn new(file: &'a VodFile, parts: Option<Vec<(u64, u64)>>) -> Self {
        let total = file.length;
        let everything = vec![Piece::Content { first: 0, length: total }];
        let whole = parts.is_none();
        let of = |&(first, last): &(u64, u64)| format!("bytes {first}-{last}/{total}");
        let content =
            |&(first, last): &(u64, u64)| Piece::Content { first, length: last - first + 1 };
        let mut fields = vec![("Date".to_owned(), DATE.to_owned())];
        let (status, content_type, body) = match parts.as_deref() {
            None => ("200 OK", file.content_type.clone(), everything),
            Some([only]) => {
                fields.push(("Content-Range".to_owned(), of(only)));
                ("206 Partial Content", file.content_type.clone(), vec![content(only)])
            }
            Some(several) => {
                let mut body = Vec::new();
                for part in several {
                    let kind = &file.content_type;
                    let range = of(part);
                    body.push(Piece::Text(format!(
                        "\r\n--{BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Range: {range}\r\n\r\n"
                    )));
                    body.push(content(part));
                }
                body.push(Piece::Text(format!("\r\n--{BOUNDARY}--\r\n")));
                let content_type = format!("multipart/byteranges; boundary={BOUNDARY}");
                ("206 Partial Content", content_type, body)
            }
        };
        fields.push(("Content-Type".to_owned(), content_type));
        let chunked = file.chunked && whole;
        if chunked {
            fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        } else {
            let length: u64 = body.iter().map(Piece::length).sum();
            fields.push(("Content-Length".to_owned(), length.to_string()));
        }
        if file.ranges == Ranges::Served {
            fields.push(("Accept-Ranges".to_owned(), "bytes".to_owned()));
        }
        fields.extend(validators(file));
        fields.extend(file.fields.iter().cloned());
        Self { file, status, fields, body, chunked }
    }

    fn head(&self) -> Script {
        Script::head(self.status, &borrowed(&self.fields))
    }

    /// The whole answer, cut if this is one of the first.
    fn with_body(self, number: usize) -> Script {
        let cut = self.file.cut.filter(|(_, _, answers)| number <= *answers);
        let mut left = cut.map_or(u64::MAX, |(bytes, ..)| bytes);
        let mut script = self.head();
        if self.chunked {
            script = script.chunked(Chunks::AsWritten);
        }
        for piece in &self.body {
            script = match piece {
                Piece::Text(text) => script.body(text),
                Piece::Content { first, length } => {
                    let length = (*length).min(left);
                    left -= length;
                    script.feed(self.feed(*first, length))
                }
            };
            if left == 0 {
                break;
            }
        }
        match cut {
            Some((_, cut, _)) if left == 0 => match cut {
                Cut::Close => script.close(),
                Cut::Reset => script.reset(),
                Cut::Stall => script.stall(),
            },
            _ if self.chunked => script.last_chunk().next_request(),
            _ => script.next_request(),
        }
    }

    fn feed(&self, first: u64, length: u64) -> Feed {
        let feed = Feed::of(Shared(Arc::clone(&self.file.content))).from(first).bytes(length);
        self.file.rate.map_or(feed.clone(), |rate| feed.rate(rate))
    }
}

/// The content of a file, once more.
#[derive(Debug)]
struct Shared(Arc<dyn Content>);

impl Content for Shared {
    fn fill(&self, offset: u64, into: &mut [u8]) {
        self.0.fill(offset, into);
    }

    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}
