//! Arguments of FFmpeg, one a line: whatever passes can be run and opens nothing but its pipes.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir::ffmpeg::Arguments;
use weir::ffmpeg::Target;
use weir::ffmpeg::Terms;

const TERMS: Terms = Terms { segment_duration: Duration::from_secs(6), max_segments: 10 };

fuzz_target!(|text: &str| {
    let arguments: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let Ok(parsed) = Arguments::parse(&arguments) else { return };
    let software = parsed.software().map(|software| software.arguments);
    for parsed in std::iter::once(&parsed).chain(&software) {
        let line = parsed.command(&TERMS, true);
        let inputs = line.windows(2).filter(|two| two[0] == "-i").map(|two| two[1].as_str());
        assert_eq!(inputs.collect::<Vec<_>>(), ["pipe:0"]);
        let output = line.last().map(String::as_str);
        match parsed.target() {
            Target::Ts => assert_eq!(output, Some("pipe:1")),
            Target::Hls { playlist } => assert_eq!(output, Some(playlist.as_str())),
        }
        assert!(!line.iter().any(|word| word.contains(['\n', '\0'])));
    }
});
