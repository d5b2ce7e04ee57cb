//! The command line that FFmpeg is really run with: what was checked, between what weir forces. The
//! input is a pipe that weir feeds, so no address and no credential ever stands in it.

use std::time::Duration;

use crate::ffmpeg::arguments::Arguments;
use crate::ffmpeg::arguments::MAX_SEGMENTS;
use crate::ffmpeg::arguments::OUTPUT_PATH;
use crate::ffmpeg::arguments::SEGMENT_DURATION;
use crate::ffmpeg::arguments::Setting;
use crate::ffmpeg::arguments::Target;

/// What stands in front of everything. Progress goes where the messages go, one pipe for both: a third
/// one would have to be left open for FFmpeg by a process that starts others at the same time.
const BEFORE: [&str; 9] = [
    "-hide_banner",
    "-nostdin",
    "-nostats",
    "-loglevel",
    "warning",
    "-stats_period",
    "1",
    "-progress",
    "pipe:2",
];

/// What the placeholders of a command line mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Length of a segment.
    pub segment_duration: Duration,
    /// Segments in a playlist.
    pub max_segments: u32,
}

impl Arguments {
    /// The arguments for a process in its own folder. `goes_on` says that an earlier process has left
    /// its playlist there: its numbers go on.
    #[must_use]
    pub fn command(&self, terms: &Terms, goes_on: bool) -> Vec<String> {
        let mut line = Line(BEFORE.map(str::to_owned).to_vec(), *terms);
        line.settings(&self.global);
        line.words(&["-protocol_whitelist", "pipe"]);
        line.settings(&self.input);
        line.words(&["-f", "mpegts", "-i", "pipe:0"]);
        line.settings(&self.output);
        match &self.target {
            Target::Ts => line.words(&["-protocol_whitelist", "pipe", "-f", "mpegts", "pipe:1"]),
            Target::Hls { playlist } => {
                if goes_on {
                    line.words(&["-hls_flags", "+append_list"]);
                }
                line.words(&["-protocol_whitelist", "file", "-f", "hls", "-y", playlist]);
            }
        }
        line.0
    }
}

/// A command line in the making, and what its placeholders mean.
struct Line(Vec<String>, Terms);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn settings(&mut self, settings: &[Setting]) {
        for setting in settings {
            self.0.push(format!("-{}", setting.name));
            self.0.extend(setting.value.as_deref().map(|value| self.1.fill(value)));
        }
    }
}

impl Terms {
    /// `value` with its placeholder filled in. The folder is where FFmpeg runs, so a name alone is in
    /// it.
    fn fill(&self, value: &str) -> String {
        match value {
            SEGMENT_DURATION => self.segment_duration.as_secs_f64().to_string(),
            MAX_SEGMENTS => self.max_segments.to_string(),
            _ => {
                let name = value.strip_prefix(OUTPUT_PATH).and_then(|rest| rest.strip_prefix('/'));
                name.unwrap_or(value).to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { segment_duration: Duration::from_millis(2500), max_segments: 7 };

    fn command(text: &str, goes_on: bool) -> String {
        let arguments: Vec<_> = text.split(' ').map(str::to_owned).collect();
        Arguments::parse(&arguments).unwrap().command(&TERMS, goes_on).join(" ")
    }

    #[test]
    fn a_transport_stream_goes_through_pipes_alone() {
        let line = command(
            "-fflags +genpts -y -f mpegts -i {input_url} -c copy -f mpegts -copyts {output_path}/stream.ts",
            false,
        );
        assert_eq!(
            line,
            "-hide_banner -nostdin -nostats -loglevel warning -stats_period 1 -progress pipe:2 -copyts \
             -protocol_whitelist pipe -fflags +genpts -f mpegts -i pipe:0 -c copy \
             -protocol_whitelist pipe -f mpegts pipe:1"
        );
    }

    #[test]
    fn a_playlist_is_written_into_the_folder_of_the_process() {
        let text = "-i {input_url} -c copy -f hls -hls_time {segment_duration} -hls_list_size \
                    {max_segments} -hls_segment_filename {output_path}/segment_%03d.ts \
                    {output_path}/playlist.m3u8";
        let end =
            |goes_on: bool| command(text, goes_on).split("pipe:0 ").nth(1).unwrap().to_owned();
        assert_eq!(
            end(false),
            "-c copy -hls_time 2.5 -hls_list_size 7 -hls_segment_filename segment_%03d.ts \
             -protocol_whitelist file -f hls -y playlist.m3u8"
        );
        assert!(end(true).contains("-hls_flags +append_list -protocol_whitelist file"));
    }
}
