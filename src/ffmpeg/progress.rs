//! What FFmpeg tells with `-progress`: lines `key=value`, a block of them closed by `progress=`.

use std::time::Duration;

/// How far FFmpeg has come. A figure that it does not give is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Pictures written.
    pub frame: u64,
    /// Pictures a second.
    pub fps: f64,
    /// Length of what was written.
    pub out_time: Duration,
    /// Seconds written per second: below 1 the machine is too slow.
    pub speed: f64,
    /// Pictures made up to keep the rate.
    pub dup_frames: u64,
    /// Pictures left out to keep the rate.
    pub drop_frames: u64,
}

/// The keys of FFmpeg 4.4 to 8; one a stream (`stream_0_0_q`) besides.
const KEYS: [&str; 11] = [
    "frame",
    "fps",
    "bitrate",
    "total_size",
    "out_time_us",
    "out_time_ms",
    "out_time",
    "dup_frames",
    "drop_frames",
    "speed",
    "progress",
];

/// Puts the lines together.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// The block so far.
    block: Progress,
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Line {
    /// Part of a block.
    Part,
    /// The end of one.
    Whole(Progress),
    /// None of progress: a message.
    Message,
}

impl Reader {
    /// Takes one line without its end.
    pub fn line(&mut self, line: &str) -> Line {
        let Some((key, value)) = line.split_once('=') else { return Line::Message };
        let is_quality = key.starts_with("stream_") && key.ends_with("_q");
        if !is_quality && !KEYS.contains(&key) {
            return Line::Message;
        }
        let value = value.trim();
        match key {
            "frame" => self.block.frame = value.parse().unwrap_or_default(),
            "fps" => self.block.fps = decimal(value),
            "speed" => self.block.speed = decimal(value.trim_end_matches('x')),
            // Before the first packet this is negative, later it is N/A.
            "out_time_us" => {
                self.block.out_time = Duration::from_micros(value.parse().unwrap_or_default());
            }
            "dup_frames" => self.block.dup_frames = value.parse().unwrap_or_default(),
            "drop_frames" => self.block.drop_frames = value.parse().unwrap_or_default(),
            "progress" => return Line::Whole(std::mem::take(&mut self.block)),
            _ => {}
        }
        Line::Part
    }
}

fn decimal(text: &str) -> f64 {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_of_ffmpeg_is_read() {
        let block = "frame=100\nfps=25.00\nstream_0_0_q=-1.0\nbitrate= 925.6kbits/s\ntotal_size=463420\n\
                     out_time_us=4005422\nout_time_ms=4005422\nout_time=00:00:04.005422\ndup_frames=2\n\
                     drop_frames=1\nspeed=3.28e+03x";
        let mut reader = Reader::default();
        for line in block.lines() {
            assert_eq!(reader.line(line), Line::Part, "{line}");
        }
        let progress = Progress {
            frame: 100,
            fps: 25.0,
            out_time: Duration::from_micros(4_005_422),
            speed: 3280.0,
            dup_frames: 2,
            drop_frames: 1,
        };
        assert_eq!(reader.line("progress=continue"), Line::Whole(progress));
        assert_eq!(reader.line("progress=end"), Line::Whole(Progress::default()));
    }

    #[test]
    fn what_is_missing_is_nought_and_messages_are_left() {
        let mut reader = Reader::default();
        for line in ["frame=N/A", "out_time_us=-21333", "speed=N/A", "fps=inf"] {
            assert_eq!(reader.line(line), Line::Part);
        }
        assert_eq!(reader.line("progress=continue"), Line::Whole(Progress::default()));
        for line in ["", "[mpegts @ 0x1] Packet corrupt (stream = 0, dts = 1).", "pid=5", "x=y"] {
            assert_eq!(reader.line(line), Line::Message, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(lines in proptest::collection::vec("(frame|fps|speed|out_time_us|progress)=.{0,20}|.{0,20}", 0..20)) {
            let mut reader = Reader::default();
            for line in lines {
                reader.line(&line);
            }
        }
    }
}
