//! A VOD origin by the letter of RFC 9110: ranges, validators, preconditions, over content of any
//! size that exists only as a rule, with the shortcomings that real ones have as options.
//!
//! ```ignore
//! let vod = Vod::start(VodFile::new(Blob::new(1, 5 << 30)).cut_after(1 << 20, Cut::Reset, 1)).await;
//! ...
//! assert_eq!(vod.requests(2).await[1].header("Range"), Some("bytes=1048576-"));
//! ```

use std::ops::Deref;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::content::Blob;
use super::content::Content;
use super::origin::Origin;
use super::origin::OriginBuilder;
use super::origin::Recorded;
use super::origin::Script;

mod answer;
mod date;
mod range;
#[cfg(test)]
mod tests;

/// A running VOD origin; it is an [`Origin`] whose every path serves the same file.
#[derive(Debug)]
pub(crate) struct Vod {
    origin: Origin,
    file: Arc<Mutex<VodFile>>,
}

/// What a VOD origin serves, and how.
#[derive(Clone, Debug)]
pub(crate) struct VodFile {
    content: Arc<dyn Content>,
    length: u64,
    content_type: String,
    etag: Option<String>,
    last_modified: Option<String>,
    ranges: Ranges,
    head: HeadRequests,
    fields: Vec<(String, String)>,
    rate: Option<u64>,
    chunked: bool,
    cut: Option<(u64, Cut, usize)>,
}

/// What a server makes of Range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// As RFC 9110 14 wants it.
    Served,
    /// Ignored: always 200, and no Accept-Ranges.
    Ignored,
}

/// What a server makes of HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadRequests {
    /// The head of the GET.
    Answered,
    /// 405 Method Not Allowed.
    Refused,
    /// The connection is closed without an answer.
    Dropped,
}

/// How a body breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// Silence.
    Stall,
}

/// Last-Modified unless it is changed; the Date of every answer is later.
pub(crate) const LAST_MODIFIED: &str = "Sat, 01 Feb 2025 10:20:30 GMT";

impl VodFile {
    /// `content`, which has an end, as an MP4 file with a strong ETag and Last-Modified.
    ///
    /// # Panics
    /// If the content has no end.
    pub(crate) fn new(content: impl Content + 'static) -> Self {
        let length = content.length().expect("content with an end");
        Self {
            content: Arc::new(content),
            length,
            content_type: "video/mp4".to_owned(),
            etag: Some("\"weir-1\"".to_owned()),
            last_modified: Some(LAST_MODIFIED.to_owned()),
            ranges: Ranges::Served,
            head: HeadRequests::Answered,
            fields: Vec::new(),
            rate: None,
            chunked: false,
            cut: None,
        }
    }

    /// Pseudo-random bytes of `length`.
    pub(crate) fn of_length(length: u64) -> Self {
        Self::new(Blob::new(1, length))
    }

    /// Sets Content-Type.
    pub(crate) fn content_type(mut self, content_type: &str) -> Self {
        content_type.clone_into(&mut self.content_type);
        self
    }

    /// Sets the ETag, with its quotes and possibly `W/`.
    pub(crate) fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    /// Sends no ETag.
    pub(crate) fn no_etag(mut self) -> Self {
        self.etag = None;
        self
    }

    /// Sets Last-Modified, an IMF-fixdate.
    pub(crate) fn last_modified(mut self, date: &str) -> Self {
        self.last_modified = Some(date.to_owned());
        self
    }

    /// Sends no Last-Modified.
    pub(crate) fn no_last_modified(mut self) -> Self {
        self.last_modified = None;
        self
    }

    /// Chooses what is made of Range.
    pub(crate) fn ranges(mut self, ranges: Ranges) -> Self {
        self.ranges = ranges;
        self
    }

    /// Chooses what is made of HEAD.
    pub(crate) fn head(mut self, head: HeadRequests) -> Self {
        self.head = head;
        self
    }

    /// Adds a field to 200 and 206: Content-Disposition, a Content-Encoding that is only a label.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends so many bytes a second.
    pub(crate) fn slow(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Sends whole bodies chunked, without a length. Ranges keep theirs.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Breaks the bodies of the first `answers` GETs off after `bytes` of content each.
    pub(crate) fn cut_after(mut self, bytes: u64, cut: Cut, answers: usize) -> Self {
        self.cut = Some((bytes, cut, answers));
        self
    }

    /// The answer to a request, for an origin that has more than this file.
    pub(crate) fn answer(&self, request: &Recorded) -> Script {
        answer::to(request, self, &mut 0)
    }

    /// Length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Vod {
    /// Starts an origin that serves `file`.
    pub(crate) async fn start(file: VodFile) -> Self {
        Self::start_on(Origin::builder(), file).await
    }

    /// As [`Vod::start`], on an origin with options (TLS, for one).
    pub(crate) async fn start_on(origin: OriginBuilder, file: VodFile) -> Self {
        let file = Arc::new(Mutex::new(file));
        let served = Arc::clone(&file);
        let bodies = Mutex::new(0);
        let origin = origin.start(move |request| answer(request, &served, &bodies)).await;
        Self { origin, file }
    }

    /// Serves another file from now on.
    pub(crate) fn replace(&self, file: VodFile) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
    }
}

impl Deref for Vod {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

fn answer(request: &Recorded, file: &Mutex<VodFile>, bodies: &Mutex<usize>) -> Script {
    let file = file.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
    answer::to(request, &file, &mut bodies)
}
