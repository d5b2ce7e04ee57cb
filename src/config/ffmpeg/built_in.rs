//! The six profiles that exist without being written. A profile of the same name takes the place of one.

use std::time::Duration;

use super::Ffmpeg;
use super::Output;

/// Names and arguments between spaces. `-map 0` would pass on what a transport stream cannot hold, so FFmpeg's own
/// choice (the best picture and the best sound) stands.
const BUILT_IN: [(&str, &str); 6] = [
    ("transport-stream", "-i {input_url} -c copy -f mpegts -y {output}"),
    ("hls", HLS),
    (
        "nvenc",
        "-hwaccel cuda -i {input_url} -c:v h264_nvenc -c:a copy -preset fast -b:v 2M -f mpegts -y {output}",
    ),
    (
        "vaapi",
        "-hwaccel vaapi -hwaccel_device /dev/dri/renderD128 -hwaccel_output_format vaapi -i {input_url} \
         -vf format=nv12|vaapi,hwupload -c:v h264_vaapi -c:a copy -b:v 2M -f mpegts -y {output}",
    ),
    (
        "h264",
        "-i {input_url} -c:v libx264 -preset veryfast -tune zerolatency -b:v 2M -maxrate 2M -bufsize 4M -g 50 \
         -pix_fmt yuv420p -c:a aac -b:a 128k -ac 2 -f mpegts -y {output}",
    ),
    ("hls-low-latency", HLS),
];

const HLS: &str = "-i {input_url} -c copy -f hls -hls_time {segment_duration} -hls_list_size {max_segments} \
     -hls_flags delete_segments -hls_segment_filename {output_path}/segment_%03d.ts -y {output_path}/playlist.m3u8";

impl Ffmpeg {
    /// Each with its name.
    pub(crate) fn built_in() -> [(&'static str, Self); 6] {
        BUILT_IN.map(|(name, args)| {
            let args: Vec<_> = args.split_whitespace().map(str::to_owned).collect();
            let output = if name.starts_with("hls") { Output::Hls } else { Output::Ts };
            let mut ffmpeg = Self { args, output, ..Self::default() };
            if name == "hls-low-latency" {
                (ffmpeg.segment_duration, ffmpeg.max_segments) = (Duration::from_secs(2), 6);
            }
            (name, ffmpeg)
        })
    }
}
