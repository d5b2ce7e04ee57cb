//! The forms of values: what may stand behind an option.

use crate::ffmpeg::arguments::MAX_SEGMENTS;
use crate::ffmpeg::arguments::SEGMENT_DURATION;
use crate::ffmpeg::arguments::output;
use crate::ffmpeg::graph;
use crate::ffmpeg::params;
use crate::ffmpeg::params::Encoder;
use crate::ffmpeg::shown;
use codecs::DECODERS;
use codecs::ENCODERS;

mod codecs;

/// The form of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ffmpeg) enum Form {
    /// None: a switch.
    Switch,
    /// A number with FFmpeg's suffixes, as `2M`, `-1`, `0.5`.
    Number,
    /// A time, as `1.5`, `00:00:01`, `500ms`.
    Duration,
    /// Letters, digits and `. _ + - |`, as `veryfast`, `+genpts`, `5.1`.
    Word,
    /// A size, as `1280x720`, `hd720`.
    Size,
    /// A frame rate, as `25`, `30000/1001`, `pal`.
    Rate,
    /// A ratio, as `16:9`.
    Ratio,
    /// The name of a decoder before `-i`, of an encoder or `copy` behind it.
    Codec,
    /// A container: `mpegts`, behind `-i` also `hls`.
    Container,
    /// `quiet` to `debug`.
    LogLevel,
    /// Streams of the input, or the label of a filter's output.
    Map,
    /// What metadata come from.
    MapMetadata,
    /// One `key=value`.
    Metadata,
    /// A stream's number and its PID, as `0:256`.
    StreamId,
    /// A filter graph.
    Graph,
    /// Filters of packets.
    BitstreamFilters,
    /// A render node, as `/dev/dri/renderD128`.
    RenderNode,
    /// A render node, a number, or the name of a device.
    Device,
    /// A device to open, as `vaapi=va:/dev/dri/renderD128`.
    HardwareDevice,
    /// `{output_path}/segment_%03d.ts`.
    SegmentName,
    /// A file name within the folder of the playlist.
    PlainName,
    /// Times, `expr:` with an expression, or `source`.
    KeyFrames,
    /// An encoder's own options.
    Params(Encoder),
}

impl Form {
    /// Whether an argument follows.
    pub(super) fn has_value(self) -> bool {
        self != Self::Switch
    }

    /// Whether it is a filter graph.
    pub(super) fn is_graph(self) -> bool {
        self == Self::Graph
    }

    /// Whether `value` has this form, before or behind `-i`.
    pub(super) fn check(self, value: &str, is_output: bool) -> Result<(), String> {
        let expect = |fits: bool, noun: &str| {
            if fits { Ok(()) } else { Err(format!("{} is not {noun}", shown(value))) }
        };
        match self {
            Self::Switch => Ok(()),
            Self::Number => expect(is_number(value), "a number, as 2M or -1"),
            Self::Duration => expect(is_duration(value), "a time, as 1.5 or 500ms"),
            Self::Word => expect(is_word(value), "a word that weir lets through"),
            Self::Size => expect(is_size(value), "a size, as 1280x720"),
            Self::Rate => expect(is_rate(value), "a frame rate, as 25 or 30000/1001"),
            Self::Ratio => expect(is_ratio(value), "a ratio, as 16:9"),
            Self::Codec if is_output => codec(value, &ENCODERS, "an encoder"),
            Self::Codec => codec(value, &DECODERS, "a decoder"),
            Self::Container => container(value, is_output),
            Self::LogLevel => expect(LOG_LEVELS.contains(&value), "a level, as warning"),
            Self::Map => map(value),
            Self::MapMetadata => expect(is_map_metadata(value), "-1 or 0"),
            Self::Metadata => expect(is_metadata(value), "key=value"),
            Self::StreamId => expect(is_stream_id(value), "a stream and its PID, as 0:256"),
            Self::Graph => graph::parse(value).map(drop),
            Self::BitstreamFilters => params::bitstream_filters(value),
            Self::RenderNode => expect(is_render_node(value), "a render node: /dev/dri/renderD128"),
            Self::Device => {
                expect(is_render_node(value) || is_word(value), "a device: /dev/dri/renderD128, 0")
            }
            Self::HardwareDevice => {
                expect(is_hardware_device(value), "a device, as vaapi=va:/dev/dri/renderD128")
            }
            Self::SegmentName => output::in_folder_numbered(value),
            Self::PlainName => output::plain_name(value),
            Self::KeyFrames => expect(is_key_frames(value), "times, expr:… or source"),
            Self::Params(encoder) => params::check(encoder, value),
        }
    }
}

/// `-loglevel`; above `debug` FFmpeg would write more than it encodes.
const LOG_LEVELS: [&str; 8] =
    ["quiet", "panic", "fatal", "error", "warning", "info", "verbose", "debug"];

/// Kinds of devices that hardware is reached through.
const DEVICES: [&str; 6] = ["vaapi", "cuda", "qsv", "drm", "vulkan", "opencl"];

/// Stream specifiers: letters, digits, `:`, `#` (a PID).
pub(super) fn is_specifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":#_-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-|".contains(&byte);
    (1..=100).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && !text.contains("..")
}

fn is_number(text: &str) -> bool {
    if text == SEGMENT_DURATION || text == MAX_SEGMENTS {
        return true;
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let unit = digits.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = digits.strip_suffix(unit).unwrap_or_default();
    // The suffixes of av_strtod: an SI prefix, `i` for powers of 1024, `B` for bytes.
    let unit = unit.strip_suffix('B').unwrap_or(unit);
    let unit = unit.strip_suffix('i').unwrap_or(unit);
    is_decimal(number) && matches!(unit, "" | "k" | "K" | "M" | "G" | "m" | "u")
}

fn is_decimal(text: &str) -> bool {
    text.len() <= 20
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.parse::<f64>().is_ok()
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let text = ["ms", "us", "s"].iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(text);
    let parts: Vec<_> = text.split(':').collect();
    parts.len() <= 3 && parts.into_iter().all(is_decimal)
}

fn is_digits(text: &str) -> bool {
    (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_size(text: &str) -> bool {
    is_name(text) && text.split_once('x').is_none_or(|(w, h)| is_digits(w) == is_digits(h))
}

fn is_rate(text: &str) -> bool {
    match text.split_once('/') {
        Some((above, below)) => is_digits(above) && is_digits(below),
        None => is_decimal(text) || is_name(text),
    }
}

fn is_ratio(text: &str) -> bool {
    match text.split_once([':', '/']) {
        Some((width, height)) => is_digits(width) && is_digits(height),
        None => is_decimal(text),
    }
}

fn codec(value: &str, known: &[&str], noun: &str) -> Result<(), String> {
    let all = known.iter().flat_map(|names| names.split(' '));
    if all.into_iter().any(|one| one == value) {
        return Ok(());
    }
    Err(format!("{} is not {noun} that weir allows in a transport stream", shown(value)))
}

fn container(value: &str, is_output: bool) -> Result<(), String> {
    match (value, is_output) {
        ("mpegts", _) | ("hls", true) => Ok(()),
        (_, false) => Err(format!("{}: weir feeds a transport stream; leave it out", shown(value))),
        ("tee" | "segment" | "stream_segment" | "dash" | "fifo" | "rtp_mpegts" | "flv", true) => {
            Err(format!(
                "{} writes to files or addresses of its own; the formats are mpegts and hls",
                shown(value)
            ))
        }
        (_, true) => Err(format!("{} is not one of the formats mpegts and hls", shown(value))),
    }
}

fn map(value: &str) -> Result<(), String> {
    let label = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if label.is_some_and(is_name) {
        return Ok(());
    }
    let streams = value.strip_prefix('-').unwrap_or(value);
    let streams = streams.strip_suffix('?').unwrap_or(streams);
    match streams.split_once(':') {
        Some(("0", specifier)) if is_specifier(specifier) => Ok(()),
        None if streams == "0" => Ok(()),
        _ if streams.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("{}: there is one input, number 0", shown(value)))
        }
        _ => Err(format!("{} is not streams of the input, as 0:v:0 or 0:a?", shown(value))),
    }
}

fn is_map_metadata(value: &str) -> bool {
    let from = value.split_once(':').map_or(Some((value, "g")), Some);
    from.is_some_and(|(file, rest)| matches!(file, "-1" | "0") && is_specifier(rest))
}

fn is_metadata(value: &str) -> bool {
    value.split_once('=').is_some_and(|(key, text)| is_name(key) && text.chars().count() <= 256)
}

fn is_stream_id(value: &str) -> bool {
    let pid = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => {
            (1..=4).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        None => is_digits(text),
    };
    value.split_once(':').is_some_and(|(stream, id)| is_digits(stream) && pid(id))
}

fn is_render_node(value: &str) -> bool {
    value.strip_prefix("/dev/dri/renderD").is_some_and(is_digits)
}

/// `type[=name][:device]` or `type[=name]@source`; no options of the device, which may name libraries.
fn is_hardware_device(value: &str) -> bool {
    let (device, source) = match value.split_once('@') {
        Some((device, source)) => (device, Some(source)),
        None => (value, None),
    };
    let (device, node) = match device.split_once(':') {
        Some((device, node)) => (device, Some(node)),
        None => (device, None),
    };
    let (kind, name) = match device.split_once('=') {
        Some((kind, name)) => (kind, Some(name)),
        None => (device, None),
    };
    DEVICES.contains(&kind)
        && name.is_none_or(is_name)
        && source.is_none_or(is_name)
        && node.is_none_or(|node| node.is_empty() || is_render_node(node) || is_name(node))
}

fn is_key_frames(value: &str) -> bool {
    if let Some(expression) = value.strip_prefix("expr:") {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_()*+-/,.".contains(&byte);
        return (1..=200).contains(&expression.len()) && expression.bytes().all(allowed);
    }
    matches!(value, "source" | "source_no_drop" | "scd_metadata")
        || value.split(',').all(is_duration)
}
