//! Rendering a clip with FFmpeg: one process for a few seconds, without a shell. No text stands in its
//! arguments: it is read from files, letter by letter.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::delivery::made::folder::Folder;
use crate::delivery::made::looped::Clip;
use crate::delivery::made::wanted::Wanted;
use crate::media::ts::join::Codings;
use crate::media::ts::join::PictureCoding;
use crate::media::ts::join::SoundCoding;

/// Most bytes of a clip.
pub(super) const CLIP_MAX: usize = 8 * 1024 * 1024;

/// How long FFmpeg may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Bytes kept of what it says when it fails.
const SAID_MAX: u64 = 2048;

/// Characters in a line of the title and of the text, as many as 1280 pixels have room for.
const TITLE_COLUMNS: usize = 26;
const TEXT_COLUMNS: usize = 44;

/// Lines of the title and of both together.
const TITLE_LINES_MAX: usize = 2;
const LINES_MAX: usize = 9;

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nothing may be kept.
    #[error("nothing may be kept")]
    NoFolder,
    /// The folder cannot be written to.
    #[error("clips cannot be kept in state_dir: {0}")]
    Folder(io::Error),
    /// The image cannot be read.
    #[error("the image cannot be read: {0}")]
    Image(io::Error),
    /// It is not installed.
    #[error("FFmpeg is needed for it, and is not installed")]
    NotInstalled,
    /// It did not start, or broke off.
    #[error("FFmpeg could not be run: {0}")]
    Run(io::Error),
    /// It took too long.
    #[error("FFmpeg did not finish within 10 s")]
    Late,
    /// It ended with an error.
    #[error("FFmpeg failed: {0}")]
    Failed(String),
    /// What it wrote is too long, or no transport stream.
    #[error("FFmpeg wrote no clip that can be played")]
    NoClip,
}

/// A line of text: a file of its own, its height in pixels and how far from the top it is.
struct Line {
    file: String,
    text: String,
    size: usize,
    top: usize,
}

/// Renders a clip with `program`, FFmpeg. The lines of a text lie in `folder` under `name` until it is
/// done. Cancel safe: FFmpeg is killed then.
pub(super) async fn render(
    program: &Path,
    wanted: &Wanted,
    folder: &Folder,
    name: &str,
) -> Result<Clip, Error> {
    let lines = match wanted {
        Wanted::Text { title, text, .. } => set(title, text, name),
        Wanted::Image { .. } => Vec::new(),
    };
    let input = match wanted {
        Wanted::Text { .. } => text_input(&lines),
        Wanted::Image { path, .. } => image_input(path),
    };
    let path = folder.path().to_owned();
    let (made, texts) = (folder.clone(), path.clone());
    let lines = off_the_lane(move || {
        made.make()?;
        for line in &lines {
            std::fs::write(texts.join(&line.file), &line.text)?;
        }
        Ok(lines)
    });
    let lines = lines.await.map_err(Error::Folder)?;
    let rendered = timeout(DEADLINE, run(program, input, output(wanted.codings()), &path)).await;
    let removed = off_the_lane(move || {
        lines.iter().try_for_each(|line| std::fs::remove_file(path.join(&line.file)))
    });
    removed.await.map_err(Error::Folder)?;
    Clip::new(rendered.map_err(|_| Error::Late)??).ok_or(Error::NoClip)
}

/// Does what waits for the disk where nobody waits for it.
pub(super) async fn off_the_lane<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Runs FFmpeg and takes what it writes.
async fn run(
    program: &Path,
    input: Vec<OsString>,
    output: Vec<OsString>,
    folder: &Path,
) -> Result<Bytes, Error> {
    let mut command = Command::new(program);
    // An image of which no picture comes would be tried again and again.
    command.args(["-v", "error", "-nostdin", "-hide_banner", "-xerror"]).args(input).args(output);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).current_dir(folder).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotInstalled,
        _ => Error::Run(error),
    })?;
    let (mut clip, mut said) = (Vec::new(), Vec::new());
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::NoClip); // Both were asked for.
    };
    let (mut out, mut err) = (out.take(CLIP_MAX as u64 + 1), err.take(SAID_MAX));
    let reading = tokio::try_join!(out.read_to_end(&mut clip), err.read_to_end(&mut said));
    reading.map_err(Error::Run)?;
    if clip.len() > CLIP_MAX {
        return Err(Error::NoClip);
    }
    // Whatever else it has to say is said to nobody.
    drop((out, err));
    let status = child.wait().await.map_err(Error::Run)?;
    if status.success() {
        return Ok(clip.into());
    }
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().next().unwrap_or("without a word");
    Err(Error::Failed(said.chars().filter(|c| !c.is_control()).take(200).collect()))
}

/// Four seconds of picture and sound in these codings, a picture group a second and pictures in their
/// order.
fn output(codings: Codings) -> Vec<OsString> {
    const LENGTH: [&str; 6] = ["-t", "4", "-map", "0:v:0", "-map", "1:a:0"];
    const GROUPS: [&str; 6] = ["-g", "25", "-bf", "0", "-pix_fmt", "yuv420p"];
    const CLIP: [&str; 5] = ["-threads", "1", "-f", "mpegts", "pipe:1"];
    let picture: &[&str] = match codings.picture {
        PictureCoding::H264 => &["-c:v", "libx264", "-preset", "veryfast", "-tune", "stillimage"],
        PictureCoding::Hevc => &[
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=error:keyint=25:min-keyint=25:open-gop=0:repeat-headers=1",
        ],
        PictureCoding::Mpeg2 => {
            &["-c:v", "mpeg2video", "-b:v", "2M", "-maxrate", "4M", "-bufsize", "1M"]
        }
    };
    let sound = match codings.sound {
        SoundCoding::Aac => ["-c:a", "aac", "-b:a", "64k"],
        SoundCoding::Ac3 => ["-c:a", "ac3", "-b:a", "192k"],
        SoundCoding::Mpeg => ["-c:a", "mp2", "-b:a", "128k"],
    };
    let all = LENGTH.iter().chain(picture).chain(&GROUPS).chain(&sound).chain(&CLIP);
    all.map(OsString::from).collect()
}

/// Silence.
const SILENCE: [&str; 4] = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo"];

/// A picture with these lines.
fn text_input(lines: &[Line]) -> Vec<OsString> {
    let draw = |Line { file, size, top, .. }: &Line| {
        format!(
            "drawtext=textfile={file}:expansion=none:fontcolor=white:fontsize={size}:\
             x=(w-text_w)/2:y={top}"
        )
    };
    let drawn: Vec<_> = lines.iter().map(draw).collect();
    let ground = ["-f", "lavfi", "-i", "color=c=0x0c183c:s=1280x720:r=25"];
    let mut input: Vec<OsString> = ground.iter().chain(&SILENCE).map(OsString::from).collect();
    input.extend(["-vf".into(), drawn.join(",").into()]);
    input
}

/// An image in the middle of a picture. It is read as what it is and no other file is, and it may not be
/// larger than 64 megapixels once it is unpacked.
fn image_input(path: &Path) -> Vec<OsString> {
    const FIT: &str = "scale=1280:720:force_original_aspect_ratio=decrease,\
                       pad=1280:720:(ow-iw)/2:(oh-ih)/2,setsar=1";
    let reads = [
        "-protocol_whitelist",
        "file",
        "-max_pixels",
        "67108864",
        "-f",
        "image2",
        "-pattern_type",
        "none",
        "-loop",
        "1",
        "-framerate",
        "25",
        "-i",
    ];
    let mut input: Vec<OsString> = reads.iter().map(OsString::from).collect();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = OsString::from("file:");
    url.push(path);
    input.push(url);
    input.extend(SILENCE.iter().chain(&["-vf", FIT]).map(OsString::from));
    input
}

/// Sets title and text in lines, in the middle of the picture.
fn set(title: &str, text: &str, name: &str) -> Vec<Line> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    lines.extend(
        wrap(title, TITLE_COLUMNS).into_iter().take(TITLE_LINES_MAX).map(|line| (line, 72)),
    );
    lines.extend(wrap(text, TEXT_COLUMNS).into_iter().map(|line| (line, 44)));
    lines.truncate(LINES_MAX);
    let height: usize = lines.iter().map(|(_, size)| size * 3 / 2).sum();
    let mut top = 720_usize.saturating_sub(height) / 2;
    let set = |(number, (text, size)): (usize, (String, usize))| {
        let line = Line { file: format!("{name}-{number}.txt"), text, size, top };
        top += size * 3 / 2;
        line
    };
    lines.into_iter().enumerate().map(set).collect()
}

/// Breaks between words, and within a word that is too long for a line.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(columns) {
            let piece: String = piece.iter().collect();
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + piece.chars().count() <= columns => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_long_as_the_picture_is_wide_and_none_is_beyond_it() {
        let text = "word ".repeat(60) + &"x".repeat(100);
        let lines = set("A title that takes more than one line of its own", &text, "abc");
        assert!(lines.len() <= LINES_MAX && lines.len() > 5);
        let bottom = lines.last().map(|line| line.top + line.size).unwrap();
        assert!(bottom <= 720, "{bottom}");
        assert!(lines.iter().all(|line| line.text.chars().count() <= TEXT_COLUMNS));
        assert_eq!((lines[0].size, lines[0].file.as_str()), (72, "abc-0.txt"));
    }

    #[tokio::test]
    async fn an_image_that_is_none_is_refused_as_soon_as_that_is_known() {
        if std::process::Command::new("ffmpeg").arg("-version").output().is_err() {
            return; // Not installed.
        }
        let own = std::env::temp_dir().join(format!("weir-render-{}", std::process::id()));
        std::fs::create_dir_all(&own).unwrap();
        let path = own.join("text.png");
        std::fs::write(&path, "hello").unwrap();
        let image = Wanted::Image { path, stamp: (0, 0, 0) };
        let rendered = render(Path::new("ffmpeg"), &image, &Folder::new(own.clone()), "a").await;
        std::fs::remove_dir_all(own).unwrap();
        assert!(matches!(rendered, Err(Error::Failed(_))), "{rendered:?}");
    }

    #[test]
    fn no_text_stands_in_an_argument() {
        let lines = set("it's: %{pts}, [a];", "\\' quoted", "abc");
        let input: Vec<_> = text_input(&lines);
        for argument in &input {
            let argument = argument.to_str().unwrap();
            assert!(!argument.contains("quoted") && !argument.contains("pts"), "{argument}");
        }
        assert_eq!(lines[0].text, "it's: %{pts}, [a];");
        let image = image_input(Path::new("-y/%d.png"));
        let path = image.iter().find(|argument| argument.to_str().unwrap().contains("%d"));
        assert!(
            path.unwrap().to_str().unwrap().starts_with("file:/"),
            "no option, and no protocol"
        );
    }
}
