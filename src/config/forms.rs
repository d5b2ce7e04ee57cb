//! The forms that single values are written in: how each is read from text, within its bounds, and how it is shown.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::cidr::Cidr;
use super::cidr::cidrs;
use super::cidr::show_cidrs;
use super::mistake::did_you_mean;
use super::mistake::quoted;
use super::source_url::SourceUrl;
use super::units;

/// One form of value.
pub(crate) trait Form {
    /// What it reads to.
    type Value;

    /// What is expected, for a message: "a duration, as 500ms or 2s".
    fn noun(&self) -> &'static str;

    /// Reads `text`. An error says what is wrong and what to write.
    fn read(&self, text: &str) -> Result<Self::Value, String>;

    /// The value as the effective configuration shows it: no secrets.
    fn show(&self, value: &Self::Value) -> String;

    /// Values of a list as shown.
    fn show_all(&self, values: &[Self::Value]) -> Vec<String> {
        values.iter().map(|value| self.show(value)).collect()
    }

    /// Splits a list written in one environment variable.
    fn split(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }
}

/// A whole number within bounds.
pub(crate) struct Count<T> {
    /// Smallest.
    pub(crate) min: T,
    /// Largest.
    pub(crate) max: T,
}

impl<T: TryFrom<u64> + Copy + Display + PartialOrd> Form for Count<T> {
    type Value = T;

    fn noun(&self) -> &'static str {
        "a whole number"
    }

    fn read(&self, text: &str) -> Result<T, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
        match number {
            _ if !digits => Err(format!("{} is not a whole number", quoted(text))),
            Some(number) => bounded(text, number, &self.min, &self.max, T::to_string),
            None => Err(above(text, &self.max.to_string())),
        }
    }

    fn show(&self, value: &T) -> String {
        value.to_string()
    }
}

/// A duration within bounds.
pub(crate) struct Span {
    /// Shortest.
    pub(crate) min: Duration,
    /// Longest.
    pub(crate) max: Duration,
}

impl Form for Span {
    type Value = Duration;

    fn noun(&self) -> &'static str {
        "a duration, as 500ms, 2s, 5m or 1h"
    }

    fn read(&self, text: &str) -> Result<Duration, String> {
        let duration = units::duration(text)?;
        bounded(text, duration, &self.min, &self.max, |duration| units::show_duration(*duration))
    }

    fn show(&self, value: &Duration) -> String {
        units::show_duration(*value)
    }
}

/// A size in bytes within bounds.
pub(crate) struct Size {
    /// Smallest.
    pub(crate) min: usize,
    /// Largest.
    pub(crate) max: usize,
}

impl Form for Size {
    type Value = usize;

    fn noun(&self) -> &'static str {
        "a size, as 64KiB or 1MiB"
    }

    fn read(&self, text: &str) -> Result<usize, String> {
        bounded(text, units::size(text)?, &self.min, &self.max, |bytes| units::show_size(*bytes))
    }

    fn show(&self, value: &usize) -> String {
        units::show_size(*value)
    }
}

/// A bit rate within bounds, in bits per second.
pub(crate) struct Bitrate {
    /// Lowest.
    pub(crate) min: u32,
    /// Highest.
    pub(crate) max: u32,
}

impl Form for Bitrate {
    type Value = u32;

    fn noun(&self) -> &'static str {
        "a bit rate, as 192k"
    }

    fn read(&self, text: &str) -> Result<u32, String> {
        let bps = units::bitrate(text)?;
        let read = bounded(text, bps, &self.min, &self.max, |bps| units::show_bitrate(*bps));
        // FFmpeg counts bits, people thousands of them.
        let is_meant = |bps: &u32| (self.min..=self.max).contains(bps);
        let meant = bps.checked_mul(1000).filter(is_meant).map(units::show_bitrate);
        read.map_err(|text| match meant {
            Some(meant) => format!("{text}; did you mean {meant}?"),
            None => text,
        })
    }

    fn show(&self, value: &u32) -> String {
        units::show_bitrate(*value)
    }
}

/// One of several words.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Form for Choice<T> {
    type Value = T;

    fn noun(&self) -> &'static str {
        "a word"
    }

    fn read(&self, text: &str) -> Result<T, String> {
        let words = || self.0.iter().map(|(word, _)| *word);
        let chosen = self.0.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        chosen.ok_or_else(|| {
            let all = words().collect::<Vec<_>>().join(", ");
            format!("{} is not one of {all}{}", quoted(text), did_you_mean(text, words()))
        })
    }

    fn show(&self, value: &T) -> String {
        self.0
            .iter()
            .find(|(_, one)| one == value)
            .map_or_else(String::new, |(word, _)| (*word).to_owned())
    }
}

/// Text for people: not empty, no control characters, at most so many characters.
pub(crate) struct Text {
    /// Most characters.
    pub(crate) max: usize,
}

impl Form for Text {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a text"
    }

    fn read(&self, text: &str) -> Result<String, String> {
        match text {
            "" => Err("this is empty; write a text, or remove the key".to_owned()),
            _ if text.chars().any(char::is_control) => {
                Err("this contains a control character".to_owned())
            }
            _ if text.chars().count() > self.max => {
                Err(format!("longer than {} characters", self.max))
            }
            _ => Ok(text.to_owned()),
        }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// A header value in visible ASCII and spaces (RFC 9110, 5.5), at most 512 bytes.
pub(crate) struct HeaderText;

impl Form for HeaderText {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a text"
    }

    fn read(&self, text: &str) -> Result<String, String> {
        check_header_value(text)?;
        Text { max: 512 }.read(text)
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// Address ranges: a word, a range, or one address.
pub(crate) struct Cidrs;

impl Form for Cidrs {
    type Value = Vec<Cidr>;

    fn noun(&self) -> &'static str {
        "an address range, as 10.0.0.0/8"
    }

    fn read(&self, text: &str) -> Result<Vec<Cidr>, String> {
        cidrs(text).map_err(|error| {
            let near = did_you_mean(text, ["private", "link-local", "metadata", "any"]);
            format!(
                "{} is {error}, or one of the words private, link-local, metadata, any{near}",
                quoted(text)
            )
        })
    }

    fn show(&self, value: &Vec<Cidr>) -> String {
        show_cidrs(value).join(", ")
    }

    fn show_all(&self, values: &[Vec<Cidr>]) -> Vec<String> {
        show_cidrs(&values.concat())
    }
}

/// The URL of a source; shown as `scheme://host[:port]/***`.
pub(crate) struct Url;

impl Form for Url {
    type Value = SourceUrl;

    fn noun(&self) -> &'static str {
        "a URL, as http://host/path"
    }

    fn read(&self, text: &str) -> Result<SourceUrl, String> {
        text.parse().map_err(|error: super::source_url::UrlError| error.to_string())
    }

    fn show(&self, value: &SourceUrl) -> String {
        format!("{value}/***")
    }

    /// URLs may contain commas: only one that is followed by another URL separates.
    fn split(text: &str) -> Vec<String> {
        let mut urls: Vec<String> = Vec::new();
        for piece in text.split(',') {
            match urls.last_mut() {
                Some(last) if !begins_url(piece) => last.extend([",", piece]),
                _ => urls.push(piece.to_owned()),
            }
        }
        urls
    }
}

/// A path of a file or folder.
pub(crate) struct FilePath {
    /// Where relative ones start.
    pub(crate) base: PathBuf,
}

impl Form for FilePath {
    type Value = PathBuf;

    fn noun(&self) -> &'static str {
        "a path"
    }

    fn read(&self, text: &str) -> Result<PathBuf, String> {
        Text { max: 4096 }.read(text).map(|text| self.base.join(text))
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// The name of something defined elsewhere in the configuration.
pub(crate) struct Reference<'a> {
    /// What it names: "profile".
    pub(crate) what: &'static str,
    /// The names there are.
    pub(crate) names: &'a BTreeSet<String>,
}

impl Form for Reference<'_> {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a name"
    }

    fn read(&self, text: &str) -> Result<String, String> {
        if self.names.contains(text) {
            return Ok(text.to_owned());
        }
        let near = did_you_mean(text, self.names.iter().map(String::as_str));
        let what = self.what;
        Err(format!("there is no {what} {}{near}; define it under `{what}s`", quoted(text)))
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// The rule for the names of channels, receivers, providers, profiles and tokens: 1 to 64 of `A-Z a-z 0-9 . _ -`, and
/// not only dots, because names become parts of paths.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if allowed && (1..=64).contains(&name.len()) && name.bytes().any(|byte| byte != b'.') {
        Ok(())
    } else {
        Err("a name is 1 to 64 letters, digits, `.`, `_` or `-`, and not only dots".to_owned())
    }
}

/// Visible ASCII, and spaces or tabs inside: anything else would break the request.
pub(crate) fn check_header_value(text: &str) -> Result<(), String> {
    let allowed = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t');
    if allowed && text.trim() == text {
        Ok(())
    } else {
        Err("a header value is visible ASCII, without a space at either end".to_owned())
    }
}

fn begins_url(text: &str) -> bool {
    let scheme = text.trim_start().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// `value`, written as `text`, if it is within the bounds.
pub(crate) fn bounded<T: PartialOrd>(
    text: &str,
    value: T,
    min: &T,
    max: &T,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if value < *min {
        Err(format!("{} is below the minimum of {}", quoted(text), show(min)))
    } else if value > *max {
        Err(above(text, &show(max)))
    } else {
        Ok(value)
    }
}

fn above(text: &str, max: &str) -> String {
    format!("{} is above the maximum of {max}", quoted(text))
}
