//! What `weir check` and `weir doctor` say of sound that this build can convert, and of sound that it cannot.

use super::*;
use crate::support::ts::Codec;

/// Whether this build decodes AC-3.
const DECODES_AC3: bool = cfg!(feature = "libav");

fn warned(out: &str) -> Vec<&str> {
    out.lines().filter(|line| line.starts_with("warning: ")).collect()
}

#[tokio::test]
async fn check_warns_of_sound_that_this_build_cannot_convert() {
    let yaml = |audio: &str| {
        format!("{GOOD}profiles:\n  phones: {{delivery: shared, audio: {{{audio}}}}}\n")
    };
    let ended = Program::new(&["check"]).file("config.yaml", &yaml("codec: aac")).run().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let said = warned(&ended.out);
    assert_eq!(said.len(), usize::from(!DECODES_AC3), "{}", ended.out);
    for line in said {
        let words =
            ["profiles.phones.audio: ", "AC-3, E-AC-3", "LATM", "--features libav", "via: ffmpeg"];
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let ended = Program::new(&["check"]).file("config.yaml", &yaml("via: ffmpeg")).run().await;
    assert_eq!((ended.code, warned(&ended.out).len()), (Some(0), 0), "{}", ended.out);
    // As xg2g is told to.
    for (remuxer, warnings) in [("true", usize::from(!DECODES_AC3)), ("false", 0)] {
        let program = Program::new(&["check"])
            .file("config.yaml", "")
            .variable("XG2G_PROXY_TARGET", "http://127.0.0.1:9")
            .variable("XG2G_ENABLE_AUDIO_TRANSCODING", "true")
            .variable("XG2G_USE_RUST_REMUXER", remuxer);
        let ended = program.run().await;
        assert_eq!((ended.code, warned(&ended.out).len()), (Some(0), warnings), "{}", ended.out);
    }
}

#[tokio::test]
async fn doctor_says_what_becomes_of_each_track() {
    let tracks = [(Codec::Ac3, "deu"), (Codec::Aac, "fra")];
    let origin = Origin::live(TsPattern::new(1).audio(&tracks)).await;
    let film = Origin::start(|_| {
        Script::whole("200 OK", "video/mp4", [&b"\0\0\0\x18ftypisom"[..], &[0; 4000]].concat())
    })
    .await;
    let folder = Folder::new();
    let url = origin.url("/live.ts");
    let yaml = format!(
        "state_dir: {}\nlimits: {{clients: 10}}\nprofiles:\n  \
         all: {{audio: {{codec: aac}}}}\n  french: {{audio: {{languages: [fre]}}}}\n\
         channels:\n  plain: {{sources: [\"{url}\"]}}\n  all: {{profile: all, sources: [\"{url}\"]}}\n  \
         french: {{profile: french, sources: [\"{url}\"]}}\n  \
         film: {{profile: all, sources: [\"{}\"]}}\n",
        folder.path().display(),
        film.url("/film.mp4"),
    );
    let ended = Program::new(&["doctor"]).file("config.yaml", &yaml).run().await;
    assert_eq!(ended.code, Some(i32::from(!DECODES_AC3)), "{}{}", ended.out, ended.err);
    let line = |part: &str| {
        let line = ended.out.lines().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no line with {part} in\n{}", ended.out))
    };
    let says = |part: &str, good: bool, words: &[&str]| {
        let line = line(part);
        assert_eq!(line.starts_with("ok "), good, "{line}");
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    };
    assert!(!line("channel plain").contains("sound"), "{}", line("channel plain"));
    let french = "sound left out: PID 0x0101 (deu); stays as it is: AAC (fra)";
    says("channel french", true, &[french]);
    if DECODES_AC3 {
        says("channel all", true, &["AC-3 (deu)", "stays as it is: AAC (fra)"]);
    } else {
        let words = ["cannot be converted by this build: AC-3 (deu); stays", "--features libav"];
        says("channel all", false, &words);
    }
    says("channel film", true, &["only the sound of transport streams is converted"]);
    assert!(line("sound: this build converts").contains("MP2"));
    origin.idle().await;
    assert_eq!(origin.total(), 3, "a source is opened once");
}
