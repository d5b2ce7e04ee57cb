//! The lines of a playlist, checked and cut so that nothing of them is lost.

use crate::media::m3u8::Error;

/// Lines in one playlist: days of two-second segments.
const LINES_MAX: usize = 100_000;

/// Bytes in one line, its ending included.
pub(super) const LINE_MAX: usize = 64 * 1024;

/// What may stand around the content of a line. The standard forbids it, sources write it.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// One line: `lead`, `content` and `ending` are all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Where the line begins in the text.
    pub(super) start: usize,
    /// Blanks before the content.
    pub(super) lead: &'a str,
    /// A URI, a tag, a comment, or nothing.
    pub(super) content: &'a str,
    /// Blanks and the line's end.
    pub(super) ending: &'a str,
}

impl Line<'_> {
    /// Where the next line begins.
    pub(super) const fn end(&self) -> usize {
        self.start + self.lead.len() + self.content.len() + self.ending.len()
    }

    /// Whether the line is a URI (8216 section 4.1).
    pub(super) fn is_uri(&self) -> bool {
        !self.content.is_empty() && !self.content.starts_with('#')
    }
}

/// The lines of a text that is an HLS playlist. The first is `#EXTM3U`.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a> {
    rest: &'a str,
    start: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// [`Error::NoHeader`] and [`Error::PlainList`]; the others come with the lines.
    pub(super) fn new(text: &'a str) -> Result<Self, Error> {
        let header = text.lines().next().unwrap_or_default();
        let after = header.strip_prefix("#EXTM3U").ok_or(Error::NoHeader)?;
        if !after.is_empty() && !after.starts_with(BLANKS) {
            return Err(Error::NoHeader);
        }
        if !text.lines().any(|line| line.trim_start_matches(BLANKS).starts_with("#EXT-X-")) {
            return Err(if after.contains('\r') { Error::Control } else { Error::PlainList });
        }
        Ok(Self { rest: text, start: 0, number: 0 })
    }

    fn cut(&mut self) -> Result<Line<'a>, Error> {
        let length = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        let (whole, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        let body = whole.strip_suffix('\n').unwrap_or(whole);
        let body = body.strip_suffix('\r').unwrap_or(body);
        if self.number >= LINES_MAX {
            return Err(Error::TooLong);
        }
        if length > LINE_MAX {
            return Err(Error::LineTooLong);
        }
        if body.chars().any(breaks) {
            return Err(Error::Control);
        }
        let content = body.trim_matches(BLANKS);
        let lead = body.len() - body.trim_start_matches(BLANKS).len();
        // In a line of blanks alone the content is empty and they are all lead.
        let line = Line {
            start: self.start,
            lead: whole.get(..lead).unwrap_or_default(),
            content,
            ending: whole.get(lead + content.len()..).unwrap_or_default(),
        };
        self.rest = rest;
        self.start += length;
        self.number += 1;
        Ok(line)
    }
}

/// Characters that end a line for some readers, or a text: controls (NEL among them) and the line
/// and paragraph separators of Unicode.
fn breaks(character: char) -> bool {
    match character {
        '\t' | ' '..='~' => false,
        '\u{2028}' | '\u{2029}' => true,
        other => other.is_control(),
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.cut();
        if line.is_err() {
            self.rest = "";
        }
        Some(line)
    }
}
