#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::ffmpeg::command::Terms;
use std::time::Duration;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn refusals(arguments: &[String]) -> Vec<Refusal> {
    Arguments::parse(arguments).expect_err(&arguments.join(" "))
}

/// `text` is refused for one reason, at the argument `at`, with these words.
fn refused(text: &str, at: Option<usize>, why: &str) {
    let arguments = words(text);
    let said = refusals(&arguments);
    assert_eq!(said.len(), 1, "{text}: {said:?}");
    assert!(said[0].argument == at && said[0].text.contains(why), "{text}: {said:?}");
}

#[test]
fn commands_that_people_use_are_accepted() {
    let commands = [
        "-i {input_url} -c copy -f mpegts -y {output_path}/stream.ts",
        "-i {input_url} -c copy -f mpegts {output}",
        "-i {input_url} -c copy {output}",
        "-hide_banner -loglevel error -fflags +genpts+discardcorrupt -i {input_url} -map 0 -c copy -f mpegts {output}",
        "-analyzeduration 3000000 -probesize 10M -i {input_url} -map 0:v:0 -map 0:a? -c:v copy -c:a aac -b:a 192k -ac 2 -ar 48000 -f mpegts {output}",
        "-hwaccel cuda -hwaccel_output_format cuda -i {input_url} -c:v h264_nvenc -preset p1 -profile:v main -b:v 2M -bufsize 4M -maxrate 2M -c:a copy -f mpegts -y {output_path}/stream.ts",
        "-hwaccel vaapi -hwaccel_device /dev/dri/renderD128 -hwaccel_output_format vaapi -i {input_url} -vf deinterlace_vaapi,scale_vaapi=w=1280:h=-2 -c:v h264_vaapi -qp 23 -c:a aac -f mpegts {output}",
        "-init_hw_device vaapi=va:/dev/dri/renderD129 -filter_hw_device va -i {input_url} -vf format=nv12,hwupload -c:v hevc_vaapi {output}",
        "-init_hw_device qsv=hw -hwaccel qsv -c:v h264_qsv -i {input_url} -c:v h264_qsv -global_quality 25 -look_ahead 1 -f mpegts {output}",
        "-re -i {input_url} -c:v libx264 -preset veryfast -tune zerolatency -crf 23 -g 50 -keyint_min 50 -sc_threshold 0 -pix_fmt yuv420p -x264-params keyint=50:nal-hrd=cbr -c:a aac -f mpegts {output}",
        "-i {input_url} -filter_complex [0:v]yadif,scale=1280:-2[v];[0:a]loudnorm[a] -map [v] -map [a] -c:v libx264 -c:a aac -f mpegts {output}",
        "-i {input_url} -force_key_frames expr:gte(t,n_forced*2) -c:v libx264 -metadata service_name=Test -metadata:s:a:0 language=ger -streamid 0:256 -mpegts_service_id 0x1 -f mpegts {output}",
        "-i {input_url} -c:v libx265 -x265-params keyint=50 -tag:v hvc1 -r 25 -s 1280x720 -aspect 16:9 -f mpegts {output}",
        "-i {input_url} -c copy -bsf:v h264_mp4toannexb,dump_extra=freq=keyframe -muxdelay 0 -max_interleave_delta 0 -copyts {output}",
        "-i {input_url} -c copy -f hls -hls_time {segment_duration} -hls_list_size {max_segments} -hls_flags delete_segments+independent_segments -hls_segment_filename {output_path}/segment_%03d.ts -y {output_path}/playlist.m3u8",
        "-i {input_url} -c copy -f hls -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 {output_path}/live.m3u8",
        "-i {input_url} -c copy {output_path}/live.m3u8",
        "-i {input_url} -map 0:v? -map 0:a:m:language:deu? -map 0:s? -c copy -c:a aac -f mpegts {output}",
        "-i {input_url} -c:s copy -map 0:#0x100 -map -0:d -dn -c copy -f hls {output}",
    ];
    let mut seen = 0;
    for text in commands {
        let text = text.replace("0x1 ", "1 ");
        let parsed =
            Arguments::parse(&words(&text)).unwrap_or_else(|all| panic!("{text}\n{all:?}"));
        let is_hls = text.contains("hls") || text.contains("m3u8");
        assert_eq!(matches!(parsed.target(), Target::Hls { .. }), is_hls, "{text}");
        seen += 1;
    }
    assert_eq!(seen, 19);
}

#[test]
fn another_input_or_output_is_refused() {
    let only = "the input must be -i {input_url}";
    for input in [
        "http://h/x",
        "file:/etc/passwd",
        "concat:a|b",
        "subfile,,start,0,end,9,,:/x",
        "pipe:0",
        "data:text/plain,x",
        "rtp://h",
        "/etc/passwd",
        "-x",
        "{input_url}x",
        "{output}",
        "tcp://0.0.0.0:1?listen",
        "-",
    ] {
        let text = format!("-i {input} -c copy -f mpegts {{output}}");
        refused(&text, Some(0), only);
        assert!(!refusals(&words(&text))[0].text.contains("passwd"));
    }
    refused("-i {input_url} -i {input_url} -c copy {output}", Some(2), "a second input");
    refused("-f lavfi -i {input_url} {output}", Some(1), "weir feeds a transport stream");
    refused("-f concat -i {input_url} {output}", Some(1), "weir feeds a transport stream");
    refused("-c copy {output}", None, "no input");
    refused("-i {input_url} -c copy", None, "no output");
    refused("-i {input_url} -c copy {output} {output}", Some(4), "a second output");
    refused("-i {input_url} x.ts -c copy {output}", Some(2), "a second output");
    refused("-i {input_url} @more {output}", Some(2), "not read from a file");
    refused("-i {input_url} -f tee {output}", Some(3), "formats are mpegts and hls");
    refused("-i {input_url} -f segment {output}", Some(3), "formats are mpegts and hls");
    refused("-i {input_url} -f flv {output}", Some(3), "formats are mpegts and hls");
    refused("-i {input_url} -f nonsense {output}", Some(3), "not one of the formats");
    for output in [
        "/tmp/x.ts",
        "http://h/",
        "file:x.ts",
        "tee:x",
        "pipe:1",
        "-",
        "tcp://h:1",
        "{output}.ts",
        "{output_path}",
        "{output_path}/",
        "{output_path}/../x.ts",
        "{output_path}/a/b.ts",
        "{output_path}/.x.ts",
        "{output_path}/a|b.ts",
        "{output_path}/-x.ts",
        "x.ts",
    ] {
        let text = format!("-i {{input_url}} -c copy -f mpegts {output}");
        let said = refusals(&words(&text));
        assert!(said[0].text.contains("output"), "{text}: {said:?}");
    }
    refused("-i {input_url} -f hls {output_path}/x.ts", Some(4), "end with .m3u8");
    refused("-i {input_url} -f mpegts {output_path}/x.m3u8", Some(4), "write -f hls");
    refused("-i {input_url} {output_path}/x.mkv", Some(2), "does not tell the format");
}

/// Options of the output, and what is said of them.
const REACHING_OUT: [(&str, &str); 54] = [
    ("-filter_script:v x", "filter graph from a file"),
    ("-filter_complex_script x", "filter graph from a file"),
    ("-/filter:v x", "reads its value from a file"),
    ("-/vf x", "reads its value from a file"),
    ("-attach x", "puts a file into the output"),
    ("-dump_attachment:t x", "to a file"),
    ("-report", "log file"),
    ("-vstats_file x", "writes a file"),
    ("-passlogfile x", "two passes"),
    ("-pass 1", "two passes"),
    ("-protocol_whitelist ALL", "weir sets it"),
    ("-progress http://h/", "weir reads FFmpeg's progress itself"),
    ("-headers X", "weir opens the source itself"),
    ("-hls_key_info_file x", "weir serves the segments"),
    ("-hls_base_url http://h/", "weir serves the segments"),
    ("-t 5", "a live stream"),
    ("-fpre x", "options from a file"),
    ("-nonsense x", "not one of the options"),
    ("-nonsense", "not one of the options"),
    ("-rc-look_ahead 5", "not one of the options"),
    ("-vf movie=/etc/passwd", "opens a file"),
    ("-filter_complex [0:v]zmq[v]", "opens a socket"),
    ("-af amovie=x", "opens a file"),
    ("-x264-params stats=x", "read or write a file"),
    ("-x265-params csv=x", "read or write a file"),
    ("-bsf:v nonsense", "packet filters"),
    ("-c:v nonsense", "is not an encoder"),
    ("-c:v h264_cuvid", "is not an encoder"),
    ("-map 1:v", "there is one input"),
    ("-map [a:b]", "streams of the input"),
    ("-b:v 2X", "a number"),
    ("-b:v $(x)", "a number"),
    ("-b:v 1;reboot", "a number"),
    ("-preset `x`", "a word"),
    ("-preset ../x", "a word"),
    ("-preset /etc/x", "a word"),
    ("-s /etc", "a size"),
    ("-r 25/", "a frame rate"),
    ("-vaapi_device /dev/sda", "a render node"),
    ("-vaapi_device /dev/dri/../sda", "a render node"),
    ("-init_hw_device vaapi=va:/etc/x", "a device"),
    ("-init_hw_device vaapi=va,driver=x", "a device"),
    ("-hls_time 5", "write -f hls"),
    ("-hls_segment_filename {output_path}/../x_%03d.ts", "no folder"),
    ("-hls_segment_filename /tmp/x", "segments are written as"),
    ("-hls_segment_filename {output_path}/%s.ts", "only pattern"),
    ("-hls_segment_filename {output_path}/%d%d.ts", "no folder"),
    ("-hls_fmp4_init_filename a/b", "without a folder"),
    ("-force_key_frames expr:`x`", "times"),
    ("-metadata x", "key=value"),
    ("-loglevel trace", "a level"),
    ("-re", "before -i"),
    ("-b:v:/etc 1", "no such stream specifier"),
    ("-vf:0 yadif", "no such stream specifier"),
];

#[test]
fn options_that_reach_out_are_refused_with_their_reason() {
    let mut seen = 0;
    for (option, why) in REACHING_OUT {
        let text = format!("-i {{input_url}} {option} -c:a copy -f mpegts {{output}}");
        let said = refusals(&words(&text));
        assert!(said.len() == 1 && said[0].text.contains(why), "{text}: {said:?}");
        let at = said[0].argument.unwrap();
        assert!(at == 2 || at == 3, "{text}: {said:?}");
        seen += 1;
    }
    assert_eq!(seen, 54);
    refused("-b:v 2M -i {input_url} {output}", Some(0), "after -i");
    refused("-c:v libx264 -i {input_url} {output}", Some(1), "is not a decoder");
    for text in ["a\nb", "a\0b", "\r", "a\u{7}"] {
        let mut arguments = words("-i {input_url} -metadata x -c copy {output}");
        arguments[3] = format!("title={text}");
        assert!(refusals(&arguments)[0].text.contains("contains no"), "{text:?}");
    }
    let mut long = words("-i {input_url} -c copy {output}");
    long[3] = "x".repeat(5000);
    assert!(refusals(&long)[0].text.contains("longer than 4096"));
    assert!(refusals(&vec!["-vn".to_owned(); 300])[0].text.contains("more than 256"));
    assert_eq!(refusals(&vec!["x".to_owned(); 200]).len(), REFUSALS_MAX);
    assert!(refusals(&[])[0].text.contains("no input"));
}

#[test]
fn all_mistakes_are_told_and_none_twice() {
    let text = "-report -headers canary -nonsense value -i {input_url} -vf movie=x -b:v lots -attach file {output}";
    let at: Vec<_> = refusals(&words(text)).iter().map(|one| one.argument.unwrap()).collect();
    assert_eq!(at, [0, 1, 3, 8, 10, 11]);
    let all = format!("{:?}", refusals(&words(text)));
    assert!(!all.contains("canary") && !all.contains("`value`"), "{all}");
    let near = refusals(&words("-i {input_url} -force-key-frames 1 {output}"));
    assert!(near[0].text.contains("did you mean -force_key_frames?"), "{near:?}");
}

#[test]
fn no_option_stands_twice() {
    let all: Vec<_> = options::allowed().chain(options::refused()).collect();
    let once: std::collections::BTreeSet<_> = all.iter().collect();
    let twice: Vec<_> =
        once.iter().filter(|name| all.iter().filter(|one| one == *name).count() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(all.len() > 250);
}

const PARTS: [&str; 40] = [
    "-i",
    "{input_url}",
    "{output}",
    "{output_path}/x.ts",
    "{output_path}/x.m3u8",
    "-f",
    "mpegts",
    "hls",
    "-c",
    "copy",
    "-c:v",
    "libx264",
    "h264_nvenc",
    "-vf",
    "yadif",
    "hwupload,scale_vaapi=w=1",
    "movie=x",
    "-filter_complex",
    "[0:v]null[v]",
    "-map",
    "0",
    "[v]",
    "1:v",
    "-y",
    "-re",
    "-an",
    "-b:v",
    "2M",
    "-preset",
    "fast",
    "-hwaccel",
    "cuda",
    "-x264-params",
    "keyint=5",
    "stats=x",
    "-attach",
    "@x",
    "-/x",
    "é\n",
    "-",
];

proptest! {
    /// Whatever passes can be run: one input that is the pipe, one output, and the same in software.
    #[test]
    fn what_passes_opens_nothing_but_its_pipes(parts in proptest::collection::vec(prop::sample::select(PARTS.to_vec()), 0..24)) {
        let arguments: Vec<_> = ["-i", "{input_url}"].into_iter().chain(parts).chain(["{output}"]).map(str::to_owned).collect();
        let Ok(parsed) = Arguments::parse(&arguments) else { return Ok(()) };
        let terms = Terms { segment_duration: Duration::from_secs(6), max_segments: 10 };
        let software = parsed.software().map(|software| software.arguments);
        for parsed in std::iter::once(&parsed).chain(&software) {
            let line = parsed.command(&terms, true);
            prop_assert_eq!(line.iter().filter(|word| *word == "-i").count(), 1);
            prop_assert!(line.windows(2).any(|two| two == ["-i", "pipe:0"]));
            let last = line.last().map(String::as_str);
            prop_assert!(last == Some("pipe:1") || last.is_some_and(|name| name.ends_with(".m3u8")));
            let is_plain = !line.iter().any(|word| word.contains(['{', '\n']));
            prop_assert!(is_plain);
        }
    }

    #[test]
    fn no_text_panics(arguments in proptest::collection::vec("\\PC{0,20}", 0..12)) {
        drop(Arguments::parse(&arguments));
    }
}
