//! Recordings on disk, and what FFmpeg says of them when everything is over.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use super::Kind;
use super::Spread;
use super::clients::recording::Part;

/// Decoders that run at the same time.
const AT_ONCE: usize = 2;

/// Which round's; `None`: before anything happened.
pub(crate) type Of = Option<(Kind, Spread)>;

/// Recordings that are kept until the measurement is over.
pub(crate) struct Files {
    folder: PathBuf,
    kept: Vec<(Of, PathBuf, Option<PathBuf>)>,
    pub(crate) failures: Vec<String>,
}

/// What the decoder made of the recordings of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) of: Of,
    pub(crate) recordings: usize,
    /// Lines of errors in all: with the unit that was cut, and what came after.
    pub(crate) lines: usize,
    /// Recordings with any.
    pub(crate) marred: usize,
    /// Lines when decoding begins with the join: nothing of the cut is in there.
    pub(crate) after: usize,
    /// Recordings whose join is in them.
    pub(crate) joins: usize,
    /// What the lines say, numbers left out, and how often.
    pub(crate) messages: BTreeMap<String, usize>,
    pub(crate) pictures: usize,
}

impl Files {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: Vec::new(), failures: Vec::new() }
    }

    /// Writes parts of recordings down.
    pub(crate) fn keep(&mut self, of: Of, parts: Vec<Part>) {
        for part in parts {
            let number = self.kept.len();
            let whole = self.folder.join(format!("{number}.ts"));
            let behind = part.join.and_then(|join| part.bytes.get(join..));
            let after = behind.map(|bytes| (self.folder.join(format!("{number}-after.ts")), bytes));
            let written = std::fs::create_dir_all(&self.folder)
                .and_then(|()| std::fs::write(&whole, &part.bytes))
                .and_then(|()| after.as_ref().map_or(Ok(()), |(file, b)| std::fs::write(file, b)));
            match written {
                Ok(()) => self.kept.push((of, whole, after.map(|(file, _)| file))),
                Err(error) => self.failures.push(format!("a recording: {error}")),
            }
        }
    }

    /// Decodes all of them; `Err` where there is no decoder.
    pub(crate) fn decode(&self) -> Result<Vec<Decoded>, String> {
        let version = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status();
        version.map_err(|error| format!("ffmpeg: {error}"))?;
        let mut all: Vec<Decoded> = Vec::new();
        for chunk in self.kept.chunks(AT_ONCE) {
            let started: Vec<_> = chunk
                .iter()
                .map(|(of, whole, after)| (of, start(whole), after.as_deref().map(start)))
                .collect();
            for (of, whole, after) in started {
                let place = all.iter().position(|known| known.of == *of).unwrap_or_else(|| {
                    all.push(Decoded::new(*of));
                    all.len() - 1
                });
                let Some(decoded) = all.get_mut(place) else { continue };
                decoded.add(&finish(whole?)?, after.map(|child| finish(child?)).transpose()?);
            }
        }
        Ok(all)
    }
}

impl Decoded {
    fn new(of: Of) -> Self {
        Self {
            of,
            recordings: 0,
            lines: 0,
            marred: 0,
            after: 0,
            joins: 0,
            messages: BTreeMap::new(),
            pictures: 0,
        }
    }

    fn add(&mut self, whole: &Said, after: Option<Said>) {
        self.recordings += 1;
        self.lines += whole.errors.len();
        self.marred += usize::from(!whole.errors.is_empty());
        self.pictures += whole.pictures;
        self.joins += usize::from(after.is_some());
        let after = after.map(|said| said.errors).unwrap_or_default();
        self.after += after.len();
        for line in &whole.errors {
            *self.messages.entry(without_numbers(line)).or_default() += 1;
        }
    }
}

/// `[h264 @ 0x55ae886fee40] error while decoding MB 23 21` in the words that it shares with others.
fn without_numbers(line: &str) -> String {
    let words =
        line.split_ascii_whitespace().filter(|word| *word != "@" && !word.starts_with("0x"));
    let number = |word: &str| word.chars().all(|character| character.is_ascii_digit());
    words.map(|word| if number(word) { "N" } else { word }).collect::<Vec<_>>().join(" ")
}

/// What one decoder said.
struct Said {
    errors: Vec<String>,
    pictures: usize,
}

fn start(file: &Path) -> Result<Child, String> {
    Command::new("ffmpeg")
        .args(["-nostdin", "-threads", "1", "-v", "error", "-progress", "pipe:1", "-i"])
        .arg(file)
        .args(["-map", "0", "-f", "null", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ffmpeg: {error}"))
}

fn finish(child: Child) -> Result<Said, String> {
    let output = child.wait_with_output().map_err(|error| format!("ffmpeg: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let mut errors: Vec<String> =
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if !output.status.success() && errors.is_empty() {
        errors.push(format!("ffmpeg: {}", output.status));
    }
    let progress = String::from_utf8_lossy(&output.stdout);
    let frames = progress.lines().rev().find_map(|line| line.strip_prefix("frame="));
    let pictures = frames.and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    Ok(Said { errors, pictures })
}
