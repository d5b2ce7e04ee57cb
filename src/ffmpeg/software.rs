//! The same command without hardware: for a machine whose encoder does not work, so that the channel
//! plays all the same.

use crate::ffmpeg::arguments::Arguments;
use crate::ffmpeg::arguments::Setting;
use crate::ffmpeg::graph::Filter;
use crate::ffmpeg::graph::Graph;

/// A command line without hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// The command line.
    pub arguments: Arguments,
    /// What was replaced, in a sentence for the log.
    pub what: String,
}

/// Options that only hardware has.
const HARDWARE_ONLY: [&str; 40] = [
    "hwaccel",
    "hwaccel_device",
    "hwaccel_output_format",
    "hwaccel_flags",
    "extra_hw_frames",
    "vaapi_device",
    "qsv_device",
    "init_hw_device",
    "filter_hw_device",
    "deint",
    "drop_second_field",
    "rc",
    "rc_mode",
    "rc-lookahead",
    "look_ahead",
    "look_ahead_depth",
    "lookahead",
    "async_depth",
    "low_power",
    "idr_interval",
    "surfaces",
    "delay",
    "zerolatency",
    "no-scenecut",
    "nonref_p",
    "strict_gop",
    "spatial-aq",
    "spatial_aq",
    "temporal-aq",
    "temporal_aq",
    "weighted_pred",
    "gpu",
    "cbr",
    "multipass",
    "2pass",
    "b_ref_mode",
    "quality",
    "usage",
    "dpb_size",
    "compression_level",
];

/// What x264 and x265 call their presets.
const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

impl Arguments {
    /// The same command with encoders, decoders and filters in software; `None` where it asks for no
    /// hardware.
    #[must_use]
    pub fn software(&self) -> Option<Software> {
        if self.hardware().is_empty() {
            return None;
        }
        let mut replaced = Vec::new();
        let mut arguments = self.clone();
        let mut changed = |settings: &mut Vec<Setting>| {
            *settings = settings.iter().filter_map(|one| setting(one, &mut replaced)).collect();
        };
        changed(&mut arguments.global);
        changed(&mut arguments.output);
        arguments.input.retain(|one| !is_hardware_decoding(one));
        if replaced.is_empty() {
            replaced.push("without hardware decoding".to_owned());
        }
        Some(Software { arguments, what: replaced.join(", ") })
    }
}

/// One option in software; `None` where there is nothing like it.
fn setting(one: &Setting, replaced: &mut Vec<String>) -> Option<Setting> {
    let value = one.value.as_deref().unwrap_or_default();
    let with = |name: &str, value: &str| {
        Some(Setting { name: name.to_owned(), value: Some(value.to_owned()) })
    };
    if let Some(graph) = one.graph() {
        let (graph, is_changed) = without_hardware(graph);
        if is_changed {
            replaced.push(format!("-{} in software", one.name));
        }
        let text = graph.to_string();
        return if text.is_empty() { None } else { with(&one.name, &text) };
    }
    match one.base() {
        "c" | "codec" | "vcodec" => {
            let Some(codec) = codec(value) else { return Some(one.clone()) };
            replaced.push(format!("{codec} in place of {value}"));
            with(&one.name, codec)
        }
        "preset" if value.starts_with('p') && value.len() == 2 => with(&one.name, "veryfast"),
        "preset" if !PRESETS.contains(&value) => with(&one.name, "veryfast"),
        "tune" if matches!(value, "ll" | "ull") => with(&one.name, "zerolatency"),
        "tune" if matches!(value, "hq" | "lossless") => None,
        "cq" => with("crf", value),
        "global_quality" => with("crf", value),
        base if HARDWARE_ONLY.contains(&base) => None,
        _ => Some(one.clone()),
    }
}

/// Whether an option of the input asks for decoding in hardware. Without it FFmpeg picks a decoder.
fn is_hardware_decoding(one: &Setting) -> bool {
    let decoder = one.value.as_deref().unwrap_or_default().rsplit_once('_');
    match one.base() {
        "c" | "codec" | "vcodec" => {
            decoder.is_some_and(|(_, kind)| matches!(kind, "cuvid" | "qsv" | "v4l2m2m" | "rkmpp"))
        }
        base => HARDWARE_ONLY.contains(&base),
    }
}

/// The encoder in software that takes the place of `name`.
fn codec(name: &str) -> Option<&'static str> {
    let (codec, hardware) = name.rsplit_once('_')?;
    match (codec, hardware) {
        ("h264", "nvenc" | "vaapi" | "qsv" | "amf" | "v4l2m2m" | "rkmpp") => Some("libx264"),
        ("hevc", "nvenc" | "vaapi" | "qsv" | "amf" | "v4l2m2m" | "rkmpp") => Some("libx265"),
        ("mpeg2", "vaapi" | "qsv") => Some("mpeg2video"),
        ("av1", "nvenc" | "vaapi" | "qsv") => Some("libsvtav1"),
        _ => None,
    }
}

/// A graph whose filters run in software, and whether it is another one.
fn without_hardware(graph: Graph) -> (Graph, bool) {
    let mut result = graph.clone();
    for chain in &mut result.chains {
        let before = std::mem::take(chain);
        let (first, last) = (before.first().cloned(), before.last().cloned());
        chain.extend(before.into_iter().filter_map(in_software));
        // The labels at both ends belong to the chain, whichever filters are left.
        let inputs = first.map_or(String::new(), |filter| filter.inputs);
        let outputs = last.map_or(String::new(), |filter| filter.outputs);
        let is_labelled = !inputs.is_empty() || !outputs.is_empty();
        if chain.is_empty() && is_labelled {
            let (name, options) = ("null".to_owned(), String::new());
            chain.push(Filter { inputs: String::new(), name, options, outputs: String::new() });
        }
        if let Some(first) = chain.first_mut() {
            first.inputs = inputs;
        }
        if let Some(last) = chain.last_mut() {
            last.outputs = outputs;
        }
    }
    let is_changed = result != graph;
    (result, is_changed)
}

/// One filter in software; `None` where it only moves pictures or has no counterpart.
fn in_software(filter: Filter) -> Option<Filter> {
    let name = match filter.name.as_str() {
        "hwupload" | "hwdownload" | "hwmap" | "hwupload_cuda" => return None,
        "denoise_vaapi" | "procamp_vaapi" | "sharpness_vaapi" | "tonemap_vaapi"
        | "tonemap_opencl" | "chromakey_cuda" | "colorspace_cuda" => return None,
        // Formats of hardware, or what it wants to be given: the encoder asks for its own.
        "format" => return None,
        "scale_vaapi" | "scale_cuda" | "scale_npp" | "scale_qsv" | "vpp_qsv" | "scale_vulkan"
        | "scale2ref_npp" => {
            let options = size_of(&filter.options);
            let is_empty = options.is_empty();
            let filter = Filter { name: "scale".to_owned(), options, ..filter };
            return if is_empty { None } else { Some(filter) };
        }
        "yadif_cuda" | "deinterlace_vaapi" | "deinterlace_qsv" => "yadif",
        "bwdif_cuda" | "bwdif_vulkan" => "bwdif",
        "overlay_vaapi" | "overlay_cuda" | "overlay_qsv" => "overlay",
        "transpose_vaapi" | "transpose_npp" => "transpose",
        _ => return Some(filter),
    };
    let keeps = matches!(name, "overlay" | "transpose");
    let options = if keeps { filter.options.clone() } else { String::new() };
    Some(Filter { name: name.to_owned(), options, ..filter })
}

/// Width and height among the options of a scaler: the two that the one in software shares.
fn size_of(options: &str) -> String {
    let is_size = |(place, option): &(usize, &str)| match option.split_once('=') {
        Some((key, _)) => matches!(key, "w" | "h" | "width" | "height"),
        None => *place < 2,
    };
    let kept = options.split(':').enumerate().filter(is_size).map(|(_, option)| option);
    kept.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffmpeg::hardware::Hardware;

    fn parsed(text: &str) -> Arguments {
        let text: Vec<_> = text.split(' ').map(str::to_owned).collect();
        Arguments::parse(&text).unwrap_or_else(|refusals| panic!("{refusals:?}"))
    }

    #[test]
    fn hardware_is_replaced_by_software() {
        let cases = [
            (
                "-hwaccel cuda -hwaccel_output_format cuda -i {input_url} -c:v h264_nvenc -preset p1 \
                 -tune ll -cq 23 -rc vbr -b:v 2M -c:a copy -f mpegts {output}",
                "-i {input_url} -c:v libx264 -preset veryfast -tune zerolatency -crf 23 -b:v 2M -c:a copy {output}",
                "libx264 in place of h264_nvenc",
            ),
            (
                "-vaapi_device /dev/dri/renderD128 -i {input_url} -vf \
                 yadif,format=nv12,hwupload,scale_vaapi=w=1280:h=720:format=nv12 -c:v hevc_vaapi {output}",
                "-i {input_url} -vf yadif,scale=w=1280:h=720 -c:v libx265 {output}",
                "-vf in software, libx265 in place of hevc_vaapi",
            ),
            (
                "-i {input_url} -filter_complex [0:v]hwupload_cuda,yadif_cuda[v] -map [v] -c:v \
                 h264_nvenc {output}",
                "-i {input_url} -filter_complex [0:v]yadif[v] -map [v] -c:v libx264 {output}",
                "-filter_complex in software, libx264 in place of h264_nvenc",
            ),
            (
                "-i {input_url} -filter_complex [0:v]format=nv12,hwupload[v] -map [v] -c:v h264_qsv \
                 -vf hwmap {output}",
                "-i {input_url} -filter_complex [0:v]null[v] -map [v] -c:v libx264 {output}",
                "-filter_complex in software, libx264 in place of h264_qsv, -vf in software",
            ),
            (
                "-hwaccel qsv -c:v h264_qsv -i {input_url} -c copy {output}",
                "-i {input_url} -c copy {output}",
                "without hardware decoding",
            ),
            (
                "-hwaccel cuda -c:v h264_cuvid -i {input_url} -c:v libx264 -preset fast {output}",
                "-i {input_url} -c:v libx264 -preset fast {output}",
                "without hardware decoding",
            ),
        ];
        for (with, without, what) in cases {
            let software = parsed(with).software().unwrap();
            assert_eq!(software.arguments, parsed(without), "{with}");
            assert_eq!(software.what, what, "{with}");
            assert!(software.arguments.hardware().is_empty(), "{with}");
        }
    }

    #[test]
    fn a_command_in_software_stays() {
        for text in [
            "-i {input_url} -c copy {output}",
            "-i {input_url} -vf format=yuv420p -c:v libx264 -preset fast -tune film {output}",
        ] {
            assert_eq!(parsed(text).software(), None, "{text}");
        }
    }

    #[test]
    fn every_kind_of_hardware_is_told() {
        let text = "-hwaccel vaapi -i {input_url} -vf scale_cuda=1280:720 -c:v hevc_qsv {output}";
        assert_eq!(parsed(text).hardware(), Hardware::ALL);
        assert!(Hardware::ALL.iter().all(|one| one.trial("/dev/dri/renderD128").len() > 10));
    }
}
