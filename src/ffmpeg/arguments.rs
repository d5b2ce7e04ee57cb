//! Command lines for FFmpeg, checked by an allow-list. They follow FFmpeg's grammar: global options
//! anywhere, options of the input, `-i {input_url}`, options of the output, the output. Every option
//! must be in a table together with the form of its value, so nothing is left that could name another
//! input, another output, a file or a protocol.

use std::fmt;

use crate::ffmpeg::shown;
use options::Known;
use options::Place;
use output::output;
pub(super) use setting::Setting;

mod options;
mod output;
mod setting;
#[cfg(test)]
mod tests;
mod values;

/// What stands for the input: weir feeds it.
pub const INPUT_URL: &str = "{input_url}";
/// What stands for the output.
pub const OUTPUT: &str = "{output}";
/// What stands for the folder of a process, in `{output_path}/name` only.
pub const OUTPUT_PATH: &str = "{output_path}";
/// Seconds of one segment.
pub const SEGMENT_DURATION: &str = "{segment_duration}";
/// Segments in a playlist.
pub const MAX_SEGMENTS: &str = "{max_segments}";

/// Arguments of one command line.
pub const ARGUMENTS_MAX: usize = 256;
/// Bytes of one argument.
pub const ARGUMENT_BYTES_MAX: usize = 4096;
/// Refusals kept of one command line.
const REFUSALS_MAX: usize = 32;

/// A command line that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Options of the whole program.
    pub(super) global: Vec<Setting>,
    /// Options of the input; `-f` and `-i` are weir's.
    pub(super) input: Vec<Setting>,
    /// Options of the output without `-f`.
    pub(super) output: Vec<Setting>,
    /// What is written.
    pub(super) target: Target,
}

/// What FFmpeg writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A transport stream into its standard output.
    Ts,
    /// Segments and a playlist in its folder.
    Hls {
        /// The playlist's file name.
        playlist: String,
    },
}

/// One thing that is wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which argument, from 0; `None` where one is missing.
    pub argument: Option<usize>,
    /// What is wrong and what to do. Repeats no value that may be secret.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.argument {
            Some(argument) => write!(f, "argument {}: {}", argument + 1, self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Arguments {
    /// Reads and checks a command line, without the program's name.
    ///
    /// # Errors
    /// Everything that is wrong with it, at least one and at most 32, in the order of the arguments.
    pub fn parse(arguments: &[String]) -> Result<Self, Vec<Refusal>> {
        let mut reader = Reader {
            arguments,
            at: 0,
            has_input: false,
            format: None,
            read: Self {
                global: Vec::new(),
                input: Vec::new(),
                output: Vec::new(),
                target: Target::Ts,
            },
            refusals: Vec::new(),
        };
        if arguments.len() > ARGUMENTS_MAX {
            reader.refuse(None, format!("more than {ARGUMENTS_MAX} arguments"));
        } else {
            reader.run();
        }
        if reader.refusals.is_empty() { Ok(reader.read) } else { Err(reader.refusals) }
    }

    /// What is written.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Options of input and output together.
    pub(super) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.global.iter().chain(&self.input).chain(&self.output)
    }
}

/// The state of one reading, from the left to the right.
struct Reader<'a> {
    arguments: &'a [String],
    /// The next argument.
    at: usize,
    /// `-i` has been seen: what follows is of the output.
    has_input: bool,
    /// The output's `-f`.
    format: Option<String>,
    read: Arguments,
    refusals: Vec<Refusal>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) {
        if !self.arguments.iter().any(|argument| argument == "-i") {
            self.refuse(None, format!("no input: write -i {INPUT_URL}"));
            // What follows is taken to be of the output, where most of it is.
            self.has_input = true;
        }
        let mut target = None;
        while let Some(argument) = self.next() {
            let index = self.at - 1;
            if let Err(text) = check_text(argument) {
                self.refuse(Some(index), text);
            } else if let Some(name) = argument.strip_prefix('-').filter(|name| !name.is_empty()) {
                self.option(index, name);
            } else if self.at == self.arguments.len() {
                target = Some((index, argument));
            } else {
                self.refuse(Some(index), stray(argument));
            }
        }
        match target {
            Some((index, text)) => match output(text, self.format.as_deref()) {
                Ok(target) => self.read.target = target,
                Err(text) => self.refuse(Some(index), text),
            },
            None if self.refusals.is_empty() => {
                self.refuse(None, format!("no output: the last argument must be {OUTPUT}"));
            }
            None => {}
        }
        self.check_hls_options();
    }

    fn next(&mut self) -> Option<&'a String> {
        let argument = self.arguments.get(self.at)?;
        self.at += 1;
        Some(argument)
    }

    /// One option, whose value is taken with it.
    fn option(&mut self, index: usize, name: &str) {
        if name == "i" {
            return self.input(index);
        }
        if name.starts_with('/') {
            self.skip_value();
            let text = format!("{} reads its value from a file", shown(&format!("-{name}")));
            return self.refuse(Some(index), text);
        }
        let (base, specifier) = match name.split_once(':') {
            Some((base, specifier)) => (base, Some(specifier)),
            None => (name, None),
        };
        match options::find(base) {
            Known::Allowed(row) => self.allowed(index, name, specifier, row),
            Known::Refused { has_value, reason } => {
                if has_value {
                    self.at += 1;
                }
                self.refuse(Some(index), format!("-{base} is not allowed: {reason}"));
            }
            Known::Unknown { near } => {
                self.skip_value();
                let near = near.map_or(String::new(), |near| format!("; did you mean -{near}?"));
                let what = shown(&format!("-{name}"));
                let text = format!("{what} is not one of the options that weir allows{near}");
                self.refuse(Some(index), text);
            }
        }
    }

    fn input(&mut self, index: usize) {
        let value = self.next();
        let is_second = std::mem::replace(&mut self.has_input, true);
        if is_second {
            let text = "a second input: weir feeds FFmpeg one stream, by -i {input_url}";
            return self.refuse(Some(index), text.to_owned());
        }
        if value.is_none_or(|value| value != INPUT_URL) {
            let why = "weir opens the channel's source itself and feeds FFmpeg; no other protocol, file \
                       or device is read";
            self.refuse(Some(index), format!("the input must be -i {INPUT_URL}: {why}"));
        }
    }

    /// An option of the table.
    fn allowed(&mut self, index: usize, name: &str, specifier: Option<&str>, row: &options::Row) {
        let value = if row.form.has_value() {
            let Some(value) = self.next() else {
                return self.refuse(Some(index), format!("-{name} needs a value"));
            };
            Some(value)
        } else {
            None
        };
        if let Some(specifier) = specifier
            && !(row.has_specifier && values::is_specifier(specifier))
        {
            let text = format!("{} has no such stream specifier", shown(&format!("-{name}")));
            return self.refuse(Some(index), text);
        }
        match (row.place, self.has_input) {
            (Place::Input, true) => {
                return self
                    .refuse(Some(index), format!("-{name} is of the input: write it before -i"));
            }
            (Place::Output, false) => {
                return self
                    .refuse(Some(index), format!("-{name} is of the output: write it after -i"));
            }
            _ => {}
        }
        if let Some(value) = value
            && let Err(text) =
                check_text(value).and_then(|()| row.form.check(value, self.has_input))
        {
            return self.refuse(Some(index + 1), format!("-{name}: {text}"));
        }
        self.keep(name, value, row);
    }

    /// Puts an accepted option where it belongs. What weir sets itself is left out.
    fn keep(&mut self, name: &str, value: Option<&String>, row: &options::Row) {
        if name == "f" {
            if self.has_input {
                self.format = value.cloned();
            }
            return;
        }
        if row.is_ours {
            return;
        }
        let setting = Setting { name: name.to_owned(), value: value.cloned() };
        match (row.place, self.has_input) {
            (Place::Global, _) => self.read.global.push(setting),
            (_, false) => self.read.input.push(setting),
            (_, true) => self.read.output.push(setting),
        }
    }

    /// FFmpeg ends at once when an option of its HLS muxer finds none.
    fn check_hls_options(&mut self) {
        if self.read.target != Target::Ts {
            return;
        }
        let lost = self.read.output.iter().find(|setting| setting.name.starts_with("hls_"));
        if let Some(name) = lost.map(|setting| setting.name.clone()) {
            let is_it = |argument: &String| argument.strip_prefix('-') == Some(name.as_str());
            let index = self.arguments.iter().position(is_it);
            self.refuse(index, format!("-{name} is of HLS: write -f hls as well"));
        }
    }

    /// What follows an option that is not known is taken for its value, so that it is not called a
    /// mistake of its own.
    fn skip_value(&mut self) {
        let is_value = |argument: &String| !argument.starts_with('-');
        let is_last = self.at + 1 == self.arguments.len();
        if !is_last && self.arguments.get(self.at).is_some_and(is_value) {
            self.at += 1;
        }
    }

    fn refuse(&mut self, argument: Option<usize>, text: String) {
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(Refusal { argument, text });
        }
    }
}

/// What no argument may contain, whatever it is.
fn check_text(text: &str) -> Result<(), String> {
    match text {
        _ if text.len() > ARGUMENT_BYTES_MAX => {
            Err(format!("longer than {ARGUMENT_BYTES_MAX} bytes"))
        }
        _ if text.contains(['\n', '\r', '\0']) => {
            Err("an argument contains no line break and no zero byte".to_owned())
        }
        _ if text.chars().any(char::is_control) => {
            Err("an argument contains no control character".to_owned())
        }
        _ => Ok(()),
    }
}

/// Why a word that is no option and no value cannot stand where it does.
fn stray(argument: &str) -> String {
    if argument.starts_with('@') {
        return "arguments are not read from a file".to_owned();
    }
    let what = shown(argument);
    format!(
        "{what} is no value of the option before it, so FFmpeg would write to it: a second output; the only one is the last argument, {OUTPUT}"
    )
}
