//! A recorded request: the bytes as they came, and questions about them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

/// A request as the origin received it.
#[derive(Clone)]
pub(crate) struct Recorded {
    /// The head, verbatim, with the empty line.
    pub(crate) head: Arc<[u8]>,
    /// Which request for this path it is, from 1.
    pub(crate) attempt: usize,
    /// Which request of the origin it is, from 1.
    pub(crate) number: usize,
    /// On which connection it came, from 1.
    pub(crate) connection: usize,
    /// From where.
    pub(crate) peer: SocketAddr,
    /// When its connection was accepted.
    pub(crate) accepted: Instant,
    /// When its head was complete.
    pub(crate) at: Instant,
    /// Bytes that had come when the first line was complete: what a careless server looks at.
    pub(crate) first_read: usize,
    /// Numbers of the connections that were open at that moment, its own included.
    pub(crate) open: Arc<[usize]>,
}

impl Recorded {
    /// The method.
    pub(crate) fn method(&self) -> &str {
        self.request_line().split(' ').next().unwrap_or("")
    }

    /// The request target as it came.
    pub(crate) fn target(&self) -> &str {
        self.request_line().split(' ').nth(1).unwrap_or("")
    }

    /// The protocol version as it came.
    pub(crate) fn version(&self) -> &str {
        self.request_line().split(' ').nth(2).unwrap_or("")
    }

    /// The target up to its query.
    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or("")
    }

    /// The target after its first question mark.
    pub(crate) fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// The first field of that name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.lines().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields of that name, whatever its case.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let named = self.lines().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The fields in their order, names as they came, values trimmed.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.text().lines().skip(1).filter(|line| !line.is_empty());
        fields.map(|line| {
            line.split_once(':').map_or((line, ""), |(name, value)| (name, value.trim()))
        })
    }

    /// The head as text; empty if it is not UTF-8.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.head).unwrap_or("")
    }

    /// Fails the test unless the head is one request by the letter of RFC 9112: CRLF throughout,
    /// a request line of three parts, one Host, proper names and values, no obs-fold, no framing
    /// that contradicts itself.
    ///
    /// # Panics
    /// With the first thing that is wrong.
    pub(crate) fn assert_well_formed(&self) {
        if let Err(wrong) = well_formed(&self.head) {
            panic!("request {}: {wrong}: {self:?}", self.number);
        }
    }

    fn request_line(&self) -> &str {
        self.text().lines().next().unwrap_or("")
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, connection, attempt, .. } = self;
        write!(f, "#{number} (connection {connection}, attempt {attempt}) ")?;
        write!(f, "\"{}\"", self.head.escape_ascii())
    }
}

/// RFC 9112 3 and 5, RFC 9110 5.5 and 7.2.
fn well_formed(head: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(head).map_err(|error| error.to_string())?;
    let text = text.strip_suffix("\r\n\r\n").ok_or("no empty line at the end")?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or("");
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = *parts else { return Err(format!("request line {line:?}")) };
    let visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token(method) || !visible(target) || !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return Err(format!("request line {line:?}"));
    }
    let count = |name: &str| lines.clone().filter(|line| is_field(line, name)).count();
    let (hosts, lengths, codings) =
        (count("host"), count("content-length"), count("transfer-encoding"));
    if hosts != 1 && version == "HTTP/1.1" || hosts > 1 {
        return Err(format!("{hosts} Host fields"));
    }
    if lengths + codings > 1 {
        return Err("contradictory framing".to_owned());
    }
    for line in lines.by_ref() {
        let (name, value) = line.split_once(':').ok_or(format!("no colon in {line:?}"))?;
        let printable = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
        if !is_token(name) || !value.bytes().all(printable) {
            return Err(format!("field {line:?}"));
        }
    }
    Ok(())
}

fn is_field(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strict_reading_refuses_what_rfc_9112_forbids() {
        assert_eq!(well_formed(b"GET / HTTP/1.1\r\nHost: a\r\nX: b c\r\n\r\n"), Ok(()));
        assert_eq!(well_formed(b"GET /?a=%20 HTTP/1.0\r\n\r\n"), Ok(()));
        let bad: [&[u8]; 12] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n",
        ];
        for head in bad {
            assert!(well_formed(head).is_err(), "{} passed", head.escape_ascii());
        }
    }
}
