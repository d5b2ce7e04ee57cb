//! The demo's film: one minute, made once, served with ranges.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::media::synth::Layout;
use crate::media::synth::Palette;
use crate::media::synth::Scene;
use crate::media::synth::Synth;
use crate::media::synth::Tone;
use crate::message::ByteRanges;
use crate::message::ContentRange;
use crate::message::range::ByteRange;

/// Length in pictures.
const PICTURES: u64 = 60 * Synth::FRAMES_PER_SECOND;

/// The whole film; about 5 MB.
pub(super) fn make() -> Bytes {
    let scene = Scene {
        title: "Demo film".to_owned(),
        text: "One minute. Seek as you like: every range is exact.".to_owned(),
        palette: Palette::Grey,
        tone: Tone::Low,
    };
    let mut synth = Synth::new(&scene, Layout::default(), 0);
    let mut packets = Vec::new();
    for _ in 0..PICTURES {
        synth.next_picture(&mut packets);
    }
    Bytes::from(packets)
}

/// Answers a request for the film: all of it, or one range. Several ranges are answered with all
/// of it, as RFC 9110 14.2 lets a server do.
pub(super) fn answer(film: &Bytes, headers: &HeaderMap) -> Response<Bytes> {
    let length = film.len() as u64;
    let asked =
        headers.get(RANGE).and_then(|range| range.to_str().ok()).and_then(ByteRanges::parse);
    let mut response = match asked.map(|ranges| ranges.resolve(length)).as_deref() {
        Some([]) => not_satisfiable(length),
        Some([range]) => part(film, *range),
        Some(_) | None => Response::new(film.clone()),
    };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    fields.insert(ETAG, HeaderValue::from_static("\"demo-film-1\""));
    response
}

fn part(film: &Bytes, range: ByteRange) -> Response<Bytes> {
    let position = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let bytes = film.get(position(range.first)..=position(range.last)).unwrap_or_default();
    let mut response = Response::new(film.slice_ref(bytes));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    set_content_range(&mut response, ContentRange::Part(range, Some(film.len() as u64)));
    response
}

fn not_satisfiable(length: u64) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    set_content_range(&mut response, ContentRange::Unsatisfied(length));
    response
}

fn set_content_range(response: &mut Response<Bytes>, range: ContentRange) {
    // Digits and punctuation only: always a field value.
    if let Ok(value) = HeaderValue::try_from(range.to_string()) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
}
