//! `ffmpeg`, at both places: of a profile, what FFmpeg does with a stream; at the top level, how its processes run.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::effective::MASK;
use super::forms::Choice;
use super::forms::Count;
use super::forms::Form;
use super::forms::Size;
use super::forms::Span;
use super::forms::Text;
use super::walk::Placed;
use super::walk::Section;
use super::walk::Walk;
use crate::ffmpeg::Arguments;
use crate::ffmpeg::Target;

mod built_in;
mod sound;

/// Words in the name of an FFmpeg option whose value is likely secret.
const SECRET_OPTIONS: [&str; 7] = ["header", "cookie", "_key", "pass", "token", "auth", "user"];

/// What FFmpeg does with a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    /// Its arguments, which the allow-list of [`Arguments`] has let through.
    pub args: Vec<String>,
    /// What it writes. Default as the arguments say: HLS with `-f hls` or a playlist as the output.
    pub output: Output,
    /// `{segment_duration}`. Default 6s, 500ms to 1m.
    pub segment_duration: Duration,
    /// `{max_segments}`. Default 10, 1 to 1000.
    pub max_segments: u32,
    /// A process that has been given input for so long and has written nothing is ended. Default 30s, 1s to 10m.
    pub input_timeout: Duration,
}

/// What FFmpeg writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A transport stream.
    Ts,
    /// A playlist and its segments.
    Hls,
}

/// How the processes of FFmpeg run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FfmpegProgram {
    /// A name to look for in `PATH`, or a path. Default `ffmpeg`.
    pub program: PathBuf,
    /// Memory that one process may allocate, in bytes (`RLIMIT_DATA`). Default 4GiB, 256MiB to 256GiB.
    pub memory: usize,
    /// Bytes of files that one process may keep. Default 512MiB, 1MiB to 64GiB.
    pub disk: usize,
    /// A process that fails so many times in a row is given up. Default 5, 0 to 1000.
    pub restarts: u32,
}

impl Default for Ffmpeg {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            output: Output::Ts,
            segment_duration: Duration::from_secs(6),
            max_segments: 10,
            input_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for FfmpegProgram {
    fn default() -> Self {
        Self { program: PathBuf::from("ffmpeg"), memory: 4 << 30, disk: 512 << 20, restarts: 5 }
    }
}

impl fmt::Debug for Ffmpeg {
    /// Arguments may carry what nobody should read, so the likely ones are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { args, output, segment_duration, max_segments, input_timeout } = self;
        f.debug_struct("Ffmpeg")
            .field("args", &mask_arguments(args))
            .field("output", output)
            .field("segment_duration", segment_duration)
            .field("max_segments", max_segments)
            .field("input_timeout", input_timeout)
            .finish()
    }
}

impl Ffmpeg {
    /// Reads `ffmpeg` of a profile.
    pub(crate) fn read(profile: &mut Section<'_>, walk: &mut Walk<'_>) -> Option<Self> {
        let mut section = profile.section(walk, "ffmpeg");
        if section.is_absent() {
            walk.effective.null(&section.path, &section.origin);
            section.know(&["args", "output", "segment_duration", "max_segments", "input_timeout"]);
            section.finish(walk);
            return None;
        }
        let default = Self::default();
        let args = section.list(walk, "args", &Argument, Vec::new());
        let written = check_arguments(&section, walk, &args);
        let segment = Span { min: Duration::from_millis(500), max: Duration::from_mins(1) };
        let segments = Count { min: 1, max: 1000 };
        let timeout = Span { min: Duration::from_secs(1), max: Duration::from_mins(10) };
        let ffmpeg = Self {
            args: args.into_iter().map(|(argument, _)| argument).collect(),
            output: read_output(&mut section, walk, written),
            segment_duration: section.value(
                walk,
                "segment_duration",
                &segment,
                default.segment_duration,
            ),
            max_segments: section.value(walk, "max_segments", &segments, default.max_segments),
            input_timeout: section.value(walk, "input_timeout", &timeout, default.input_timeout),
        };
        section.finish(walk);
        Some(ffmpeg)
    }
}

impl FfmpegProgram {
    /// Reads `ffmpeg` at the top level.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let program = Program { base: walk.base.clone() };
        let memory = Size { min: 256 << 20, max: 256 << 30 };
        let disk = Size { min: 1 << 20, max: 64 << 30 };
        let restarts = Count { min: 0, max: 1000 };
        let mut section = root.section(walk, "ffmpeg");
        let read = Self {
            program: section.value(walk, "program", &program, default.program),
            memory: section.value(walk, "memory", &memory, default.memory),
            disk: section.value(walk, "disk", &disk, default.disk),
            restarts: section.value(walk, "restarts", &restarts, default.restarts),
        };
        section.finish(walk);
        read
    }
}

/// Notes what is wrong with the arguments, each where it was written, and tells what they write.
fn check_arguments(
    section: &Section<'_>,
    walk: &mut Walk<'_>,
    args: &[Placed<String>],
) -> Option<Output> {
    if args.is_empty() {
        if !section.written_badly("args") {
            section.missing(walk, "args", "no arguments; the least are -i {input_url} {output}");
        }
        return None;
    }
    let path = section.path.key("args");
    let texts: Vec<_> = args.iter().map(|(argument, _)| argument.clone()).collect();
    match Arguments::parse(&texts) {
        Ok(arguments) => Some(output_of(&arguments)),
        Err(refusals) => {
            for refusal in refusals {
                let placed = refusal.argument.and_then(|index| Some((index, args.get(index)?)));
                match placed {
                    Some((index, (_, origin))) => {
                        walk.mistake(origin, &path.index(index), refusal.text);
                    }
                    None => section.missing(walk, "args", &refusal.text),
                }
            }
            None
        }
    }
}

/// Reads `output`, which must not contradict the arguments.
fn read_output(section: &mut Section<'_>, walk: &mut Walk<'_>, written: Option<Output>) -> Output {
    let outputs = Choice(&[("ts", Output::Ts), ("hls", Output::Hls)]);
    let (output, origin) = section.placed(walk, "output", &outputs, written.unwrap_or(Output::Ts));
    if written.is_some_and(|written| written != output) {
        let text = "the arguments write the other one; leave this out, or change -f";
        walk.mistake(&origin, &section.path.key("output"), text);
    }
    output
}

fn output_of(arguments: &Arguments) -> Output {
    match arguments.target() {
        Target::Ts => Output::Ts,
        Target::Hls { .. } => Output::Hls,
    }
}

/// One argument of a command; what may stand in it is said by [`Arguments`].
struct Argument;

impl Form for Argument {
    type Value = String;

    fn noun(&self) -> &'static str {
        "an argument, as \"-c:v\""
    }

    fn read(&self, text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        mask_arguments(std::slice::from_ref(value)).concat()
    }

    fn show_all(&self, values: &[String]) -> Vec<String> {
        mask_arguments(values)
    }
}

/// A program: a name, or a path, which starts at the folder of the file when it is relative.
struct Program {
    base: PathBuf,
}

impl Form for Program {
    type Value = PathBuf;

    fn noun(&self) -> &'static str {
        "a program, as ffmpeg or /opt/ffmpeg/bin/ffmpeg"
    }

    fn read(&self, text: &str) -> Result<PathBuf, String> {
        let text = Text { max: 4096 }.read(text)?;
        if !text.contains('/') {
            return Ok(PathBuf::from(text));
        }
        // It is run in folders of its own, where a path that is relative would mean another file.
        std::path::absolute(self.base.join(text)).map_err(|error| error.to_string())
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// Arguments as they may be shown: those that hold a URL, a header or white space, and those after an option for
/// secrets, are masked.
fn mask_arguments(arguments: &[String]) -> Vec<String> {
    let mut after_secret = false;
    let mask = |argument: &String| {
        let option = argument.starts_with('-');
        let secret = after_secret && !option;
        after_secret = option
            && SECRET_OPTIONS.iter().any(|word| argument.to_ascii_lowercase().contains(word));
        let telling = argument.contains("://")
            || argument.contains('@')
            || argument.contains(char::is_whitespace);
        if secret || telling { MASK.to_owned() } else { argument.clone() }
    };
    arguments.iter().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_may_be_secret_are_masked() {
        let arguments = [
            "-headers",
            "canary",
            "-i",
            "{input_url}",
            "-vf",
            "a=canary b",
            "http://canary/",
            "-c:v",
            "x264",
        ];
        let args: Vec<_> = arguments.map(str::to_owned).to_vec();
        let shown = ["-headers", "***", "-i", "{input_url}", "-vf", "***", "***", "-c:v", "x264"];
        assert_eq!(mask_arguments(&args), shown);
        let ffmpeg = Ffmpeg { args, ..Ffmpeg::default() };
        assert!(!format!("{ffmpeg:?}").contains("canary"));
    }

    #[test]
    fn a_program_is_a_name_or_a_path_from_the_root() {
        let program = Program { base: PathBuf::new() };
        assert_eq!(program.read("ffmpeg").unwrap(), PathBuf::from("ffmpeg"));
        assert!(program.read("bin/ffmpeg").unwrap().is_absolute());
        assert_eq!(program.read("/opt/ffmpeg").unwrap(), PathBuf::from("/opt/ffmpeg"));
    }

    #[test]
    fn what_is_built_in_passes_the_check() {
        let mut seen = 0;
        for (name, ffmpeg) in Ffmpeg::built_in() {
            let arguments = Arguments::parse(&ffmpeg.args);
            assert_eq!(arguments.as_ref().map(output_of), Ok(ffmpeg.output), "{name}");
            seen += 1;
        }
        assert_eq!(seen, 6);
    }
}
