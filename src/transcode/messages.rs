//! What FFmpeg says on standard error: cut into lines, told from its progress, made safe to show, the
//! last ones kept. Pure.

use std::collections::VecDeque;

use crate::ffmpeg::Progress;
use crate::ffmpeg::progress::Line;
use crate::ffmpeg::progress::Reader;

/// Lines that are kept.
const LINES_MAX: usize = 50;
/// Bytes of a line that are kept.
const LINE_BYTES_MAX: usize = 300;

/// The messages of one channel's processes. At most 50 lines of 300 bytes, escaped: 60 KiB at worst.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    lines: VecDeque<String>,
    /// Of them, those of the process that runs now.
    of_process: usize,
    /// The line that has not ended.
    open: Vec<u8>,
    progress: Reader,
}

impl Messages {
    /// Takes what was read; answers the last whole block of progress in it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Progress> {
        let mut progress = None;
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, is_ended) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_BYTES_MAX.saturating_sub(self.open.len());
            self.open.extend_from_slice(text.get(..room).unwrap_or(text));
            if is_ended {
                progress = self.line().or(progress);
            }
        }
        progress
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.lines.iter()
    }

    /// Another process begins.
    pub(super) fn begin(&mut self) {
        self.open.clear();
        self.progress = Reader::default();
        self.of_process = 0;
    }

    /// Whether the process that runs now has lately said something that `is` true of.
    pub(super) fn has_said(&self, is: impl Fn(&str) -> bool) -> bool {
        self.lines.iter().rev().take(self.of_process).any(|line| is(line))
    }

    /// The last line, or nothing.
    pub(super) fn last(&self) -> &str {
        self.lines.back().map_or("", String::as_str)
    }

    /// The open line has ended.
    fn line(&mut self) -> Option<Progress> {
        let bytes = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match self.progress.line(text) {
            Line::Part => None,
            Line::Whole(progress) => Some(progress),
            Line::Message => {
                if self.lines.len() == LINES_MAX {
                    self.lines.pop_front();
                }
                self.lines.push_back(safe(text));
                self.of_process = (self.of_process + 1).min(LINES_MAX);
                None
            }
        }
    }
}

/// `text` without what may be secret (a URL beyond its host, what stands around an `@`) and without
/// what a terminal obeys.
fn safe(text: &str) -> String {
    let words: Vec<_> = text.split(' ').map(word).collect();
    words.join(" ").chars().flat_map(shown).collect()
}

fn word(word: &str) -> String {
    if let Some((scheme, rest)) = word.split_once("://") {
        let authority = rest.split(['/', '?', '#', '\'', '"', '\\']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        return format!("{scheme}://{host}/***");
    }
    // FFmpeg's own `[h264 @ 0x55…]` has spaces around it.
    match word.split_once('@') {
        Some((before, after)) if !before.is_empty() || !after.is_empty() => "***".to_owned(),
        _ => word.to_owned(),
    }
}

fn shown(sign: char) -> Vec<char> {
    // Control characters, and those that turn the direction of writing.
    let is_unsafe =
        sign.is_control() || matches!(sign, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if sign == '\t' {
        return vec![' '];
    }
    if is_unsafe { sign.escape_unicode().collect() } else { vec![sign] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut messages = Messages::default();
        messages.push(text);
        messages.lines().cloned().collect()
    }

    #[test]
    fn messages_and_progress_are_told_apart() {
        let mut messages = Messages::default();
        let text = b"frame=5\nfps=1\n[mpegts @ 0x55e] Packet corrupt\r\nprogress=continue\nlast";
        assert_eq!(messages.push(text).unwrap().frame, 5);
        assert_eq!(messages.lines().collect::<Vec<_>>(), ["[mpegts @ 0x55e] Packet corrupt"]);
        messages.push(b" words\n\n");
        assert_eq!(messages.last(), "last words");
        assert!(messages.has_said(|line| line.contains("corrupt")));
        messages.begin();
        assert!(!messages.has_said(|_| true) && messages.lines().count() == 2);
    }

    #[test]
    fn nothing_secret_and_nothing_that_a_terminal_obeys_is_kept() {
        let cases = [
            (
                "open http://u:canary@h.example:80/canary?t=canary failed",
                "open http://h.example:80/*** failed",
            ),
            ("'https://h/canary': no", "'https://h/*** no"),
            ("user:canary@host x", "*** x"),
            ("[aac @ 0x1] x", "[aac @ 0x1] x"),
            ("a\u{1b}[31mb\u{202e}", "a\\u{1b}[31mb\\u{202e}"),
        ];
        for (text, kept) in cases {
            assert_eq!(lines(format!("{text}\n").as_bytes()), [kept], "{text}");
        }
        assert_eq!(lines(b"\xff\xfe\n"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn a_flood_keeps_the_last_lines_and_no_more() {
        let mut messages = Messages::default();
        for number in 0..10_000 {
            messages.push(format!("{number} {}\n", "x".repeat(1000)).as_bytes());
        }
        assert_eq!(messages.lines().count(), LINES_MAX);
        assert!(messages.last().starts_with("9999 x") && messages.last().len() == LINE_BYTES_MAX);
        let mut endless = Messages::default();
        for _ in 0..1000 {
            endless.push(&[b'x'; 1000]);
        }
        assert!(endless.open.len() <= LINE_BYTES_MAX && endless.lines().count() == 0);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_lines(bytes in proptest::collection::vec(prop::sample::select(b"ab=\n\r @:/\xff".to_vec()), 0..200), at in 0..200_usize) {
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            let mut cut = Messages::default();
            cut.push(one);
            cut.push(two);
            prop_assert_eq!(cut.lines().cloned().collect::<Vec<_>>(), lines(&bytes));
        }
    }
}
