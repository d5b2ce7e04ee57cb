#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn graphs_that_people_write_are_read_and_shown_again() {
    let graphs = [
        "yadif",
        "scale=1280:720",
        "scale=w='min(1280,iw)':h=-2",
        "scale='if(gt(a,16/9),1280,-2)':'if(gt(a,16/9),-2,720)',setsar=1",
        "scale=w=min(1280\\,iw):h=-2,fps=30000/1001",
        "yadif=mode=send_field:parity=auto:deint=interlaced,format=yuv420p",
        "format=nv12|vaapi,hwupload",
        "deinterlace_vaapi=rate=field,scale_vaapi=w=1280:h=-2:format=nv12",
        "hwupload_cuda,scale_cuda=1280:720:interp_algo=lanczos",
        "pan=stereo|FL=FC+0.30*FL+0.30*BL|FR=FC+0.30*FR+0.30*BR",
        "loudnorm=I=-16:TP=-1.5:LRA=11,aresample=48000",
        "volume=1.5,alimiter=limit=0.9",
        "[0:v]split=2[a][b];[a]scale=1280:720[v1];[b]scale=640:360[v2]",
        "[0:v:0][0:s:0]overlay=(W-w)/2:H-h[v]",
        "sws_flags=bicubic;scale=1280:720",
        "scale@main=640:360",
        "setpts=PTS-STARTPTS,select='not(mod(n,2))'",
        "pad=ceil(iw/2)*2:ceil(ih/2)*2",
    ];
    for text in graphs {
        let graph = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(graph.to_string(), text);
        assert_eq!(parse(&graph.to_string()), Ok(graph));
    }
    let spaced = parse(" [0:v] scale = 1280:720 , yadif [v] ").unwrap().to_string();
    assert_eq!(spaced, "[0:v]scale=1280:720,yadif[v]");
}

#[test]
fn what_reaches_out_is_refused_with_its_reason() {
    let cases = [
        ("movie=/etc/passwd[x];[0:v][x]overlay", "opens a file or an address"),
        ("amovie=x.wav", "opens a file or an address"),
        ("[0:v]movie=http\\\\://h/x[out]", "opens a file or an address"),
        ("subtitles=/etc/passwd", "reads a file of subtitles"),
        ("ass=x.ass", "reads a file of subtitles"),
        ("drawtext=textfile=/etc/passwd", "fonts and texts"),
        ("yadif,drawtext@x=text=hello", "fonts and texts"),
        ("lut3d=x.cube", "table from a file"),
        ("frei0r=glow", "code from a library"),
        ("ladspa=file=x", "code from a library"),
        ("lv2=x", "code from a library"),
        ("sofalizer=sofa=x", "measurements"),
        ("zmq", "opens a socket"),
        ("sendcmd=f=x", "commands from a file"),
        ("metadata=mode=print:file=x", "write what it finds"),
        ("ssim=stats_file=x", "statistics"),
        ("psnr=f=x", "statistics"),
        ("testsrc=size=1x1", "a stream of its own"),
        ("anullsrc[a]", "a stream of its own"),
        ("libplacebo=custom_shader_path=x", "runs a program"),
        ("loudnorm=stats_file=/tmp/x", "names a file"),
        ("firequalizer=dumpfile=x", "names a file"),
        ("scale=/w=/etc/passwd", "from a file"),
        ("loudnorm=-16:-1:11:/tmp/x", "no value that weir lets through"),
        ("scale=w='/etc/passwd'", "no value that weir lets through"),
        ("scale=w=\\/etc/passwd", "no value that weir lets through"),
        ("scale=w=file\\\\://x", "no value that weir lets through"),
        ("scale=w=../x", "no value that weir lets through"),
        ("[1:v]scale=1:1", "there is one input"),
        ("[0:v", "without its ]"),
        ("[]scale", "no label"),
        ("nonsense", "not one of the filters"),
        ("mov\\ie=x", "not one of the filters"),
        ("'movie'=x", "not one of the filters"),
        ("", "not one of the filters"),
        ("scale,", "ends in a sign"),
        ("scale;;yadif", "not one of the filters"),
        ("scale=1:1]x", "not the beginning"),
        ("sws_flags=x=1;scale", "words and +"),
    ];
    for (text, why) in cases {
        let said = parse(text).map(|graph| graph.to_string()).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
    let many = ["null"; FILTERS_MAX + 1].join(",");
    assert!(parse(&many).unwrap_err().contains("more than 64"));
}

#[test]
fn no_filter_stands_in_both_lists() {
    let mut seen = 0;
    for (_, refused) in names::REFUSED {
        for name in refused.split_whitespace() {
            assert!(matches!(names::find(name), Known::Refused(_)), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 78);
}

proptest! {
    #[test]
    fn no_text_panics_and_what_passes_reads_back(parts in proptest::collection::vec(prop::sample::select(PARTS.to_vec()), 0..20)) {
        let text = parts.concat();
        if let Ok(graph) = parse(&text) {
            prop_assert_eq!(parse(&graph.to_string()), Ok(graph), "{}", text);
        }
    }

    #[test]
    fn no_bytes_panic(text in "\\PC{0,60}") {
        drop(parse(&text));
    }
}

const PARTS: [&str; 26] = [
    "scale",
    "yadif",
    "movie",
    "null",
    "=",
    ":",
    ",",
    ";",
    "[",
    "]",
    "[0:v]",
    "[a]",
    "'",
    "\\",
    "1280",
    "w",
    " ",
    "/etc",
    "..",
    "|",
    "+",
    "@",
    "sws_flags=",
    "é",
    "min(1,2)",
    "http://h/",
];
