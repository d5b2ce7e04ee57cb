//! Which fields may cross the gateway, and the fields it adds: allow-lists, CORS, and the values of
//! Retry-After and Content-Type.
//!
//! Allow-lists, not deny-lists: a field that nobody thought of stays where it is.

use std::time::Duration;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

use crate::message::syntax::decimal;
use crate::message::syntax::is_token_byte;
use crate::message::syntax::trim_whitespace;

#[cfg(test)]
mod tests;

/// Longest value that crosses; longer ones are dropped as if they had not been sent.
const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most lines of one field that cross.
const LINES_MAX: usize = 16;
/// A source that asks for a longer pause is asked again after a day all the same.
const RETRY_AFTER_MAX: u64 = 24 * 60 * 60;

/// Conditions that are lists and may stand on several lines (RFC 9110 section 13.1).
const CONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_NONE_MATCH];
/// Conditions that have one value.
const DATE_CONDITIONS: [HeaderName; 2] = [header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];
/// Response fields that have one value.
const SINGLE_RESPONSE: [HeaderName; 9] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    header::ETAG,
    header::LAST_MODIFIED,
    header::DATE,
    header::EXPIRES,
    header::AGE,
];
/// Response fields that are lists.
const LIST_RESPONSE: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::ACCEPT_RANGES,
    header::CACHE_CONTROL,
    header::VARY,
];

/// The fields of a client's request for a file that its source must see: Range and the conditions
/// of RFC 9110 section 13.1, less those that the client's Connection names.
///
/// Range goes along only as one line, and only if an If-Range that came with it can go along too:
/// alone it could join parts of two different files.
#[must_use]
pub fn vod_request(client: &HeaderMap) -> HeaderMap {
    let hop = ConnectionOptions::of(client);
    let mut request = HeaderMap::new();
    for name in CONDITIONS {
        copy_lines(client, &mut request, &hop, name);
    }
    for name in DATE_CONDITIONS {
        copy_single(client, &mut request, &hop, name);
    }
    copy_single(client, &mut request, &hop, header::IF_RANGE);
    if request.contains_key(header::IF_RANGE) || !client.contains_key(header::IF_RANGE) {
        copy_single(client, &mut request, &hop, header::RANGE);
    }
    if !request.contains_key(header::RANGE) {
        request.remove(header::IF_RANGE);
    }
    request
}

/// The fields of a source's answer that the client may see, less those that the source's
/// Connection names. Of single-valued fields sent twice the first counts. Framing survives:
/// Content-Length cannot be named away.
#[must_use]
pub fn end_to_end_response(upstream: &HeaderMap) -> HeaderMap {
    let hop = ConnectionOptions::of(upstream);
    let mut response = HeaderMap::new();
    for name in SINGLE_RESPONSE {
        if let Some(value) = upstream.get(&name).filter(|value| value.len() <= VALUE_BYTES_MAX)
            && (name == header::CONTENT_LENGTH || !hop.names(&name))
        {
            response.insert(name, value.clone());
        }
    }
    for name in LIST_RESPONSE {
        copy_lines(upstream, &mut response, &hop, name);
    }
    response
}

/// Lets pages of any origin read the answer and what players need of its head. Goes on every
/// answer of the media listener, errors too.
///
/// `*` never comes with credentials, so a page learns nothing by it that its server could not ask.
pub fn apply_cors(headers: &mut HeaderMap) {
    let exposed = HeaderValue::from_static(
        "Content-Length, Content-Range, Content-Encoding, Accept-Ranges, ETag, Last-Modified, \
         Date, Retry-After",
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// [`apply_cors`] and the answer to a preflight: safe methods, the request fields that players in
/// pages set, for a day.
pub fn apply_preflight(headers: &mut HeaderMap) {
    apply_cors(headers);
    // Authorization is not covered by `*` (Fetch, "CORS non-wildcard request-header name").
    let allowed = HeaderValue::from_static(
        "Authorization, Cache-Control, Content-Type, If-Match, If-Modified-Since, If-None-Match, \
         If-Range, If-Unmodified-Since, Pragma, Range",
    );
    let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
}

/// Retry-After as seconds, at most a day. `None` for none, a date, or anything else.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let digits = headers.get(header::RETRY_AFTER)?.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // A number that does not fit is a very long pause, not a syntax error.
    let seconds = is_number.then(|| decimal(digits).unwrap_or(RETRY_AFTER_MAX))?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX)))
}

/// The media type of Content-Type in lower case and without parameters, such as `video/mp2t`.
/// `None` for none or a malformed one, or one of more than 127 bytes a half (RFC 6838 section 4.2).
#[must_use]
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let essence = trim_whitespace(value.split(|byte| *byte == b';').next()?);
    let mut halves = essence.split(|byte| *byte == b'/');
    let is_half = |half: &[u8]| {
        (1..=127).contains(&half.len()) && half.iter().all(|byte| is_token_byte(*byte))
    };
    let is_type = is_half(halves.next()?) && is_half(halves.next()?) && halves.next().is_none();
    let text = is_type.then(|| std::str::from_utf8(essence).ok()).flatten()?;
    Some(text.to_ascii_lowercase())
}

/// The names that a message's Connection fields list.
struct ConnectionOptions<'a>(Vec<&'a [u8]>);

impl<'a> ConnectionOptions<'a> {
    /// Bounded by the bytes of the head that `headers` came from.
    fn of(headers: &'a HeaderMap) -> Self {
        let lines = headers.get_all(header::CONNECTION).into_iter();
        let options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        Self(options.map(trim_whitespace).filter(|option| !option.is_empty()).collect())
    }

    fn names(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
    }
}

/// Copies a field of which more than one line would contradict itself: then none goes along.
fn copy_single(
    from: &HeaderMap,
    to: &mut HeaderMap,
    hop: &ConnectionOptions<'_>,
    name: HeaderName,
) {
    let mut lines = from.get_all(&name).into_iter();
    if let (Some(value), None) = (lines.next(), lines.next())
        && value.len() <= VALUE_BYTES_MAX
        && !hop.names(&name)
    {
        to.insert(name, value.clone());
    }
}

/// Copies a list, line by line. A list that is too long goes along not at all rather than in part.
fn copy_lines(from: &HeaderMap, to: &mut HeaderMap, hop: &ConnectionOptions<'_>, name: HeaderName) {
    let lines = || from.get_all(&name).into_iter();
    let bytes: usize = lines().map(HeaderValue::len).sum();
    if bytes > VALUE_BYTES_MAX || lines().count() > LINES_MAX || hop.names(&name) {
        return;
    }
    for value in lines() {
        to.append(name.clone(), value.clone());
    }
}
