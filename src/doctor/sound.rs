//! What becomes of sound where a profile converts it in process: what this build can convert, what a source has, and
//! what to mend where the two do not meet.

use std::sync::Arc;

use crate::config::Audio;
use crate::config::AudioEncoder;
use crate::config::Config;
use crate::remux::Codecs;
use crate::remux::Coding;
use crate::remux::Options;
use crate::remux::Remux;
use crate::remux::Stage;
use crate::remux::codec::BuiltIn;
use crate::remux::report::Fate;
use crate::remux::report::Track;

/// What helps where something cannot be decoded.
const WAYS_OUT: &str =
    "use a build with `--features libav`, or set audio.via: ffmpeg and delivery: shared";

/// What a build has a decoder for, and what it has none for.
fn split(codecs: &dyn Codecs) -> (Vec<Coding>, Vec<Coding>) {
    Coding::ALL.into_iter().partition(|coding| codecs.decodes(*coding))
}

/// What the profiles of `config` ask for and `codecs` has not, one line a profile. Nothing of it is a mistake: the
/// sources may have nothing but what can be converted.
#[must_use]
pub fn warnings(config: &Config, codecs: &dyn Codecs) -> Vec<String> {
    let (_, missing) = split(codecs);
    let mut warnings = Vec::new();
    for (name, audio) in converting(config) {
        if !missing.is_empty() {
            let missing = listed(&missing);
            let text = format!("this build of weir cannot convert {missing}; {WAYS_OUT}");
            warnings.push(format!("profiles.{name}.audio: {text}"));
        }
        if audio.encoder == AudioEncoder::Libavcodec && !cfg!(feature = "libav") {
            let text = "this build of weir is not linked with libavcodec; the built-in one encodes";
            warnings.push(format!("profiles.{name}.audio.encoder: {text}"));
        }
    }
    warnings
}

/// What this build can convert; `None` where no profile asks for it.
pub(super) fn build_line(config: &Config, codecs: &dyn Codecs) -> Option<String> {
    let names: Vec<_> = converting(config).map(|(name, _)| name).collect();
    if names.is_empty() {
        return None;
    }
    let (there, missing) = split(codecs);
    let mut line = format!("sound: this build converts {}", listed(&there));
    if !missing.is_empty() {
        let (missing, names) = (listed(&missing), names.join(", "));
        line.push_str(&format!(", not {missing} (profiles: {names}); for these {WAYS_OUT}"));
    }
    Some(line)
}

/// The profiles that convert in process.
fn converting(config: &Config) -> impl Iterator<Item = (&str, &Audio)> {
    let profiles = config.profiles.iter();
    profiles.filter_map(|profile| Some((profile.name.as_str(), profile.audio.as_ref()?)))
}

/// Listens to a source as a client's conversion does.
pub(super) struct Listener {
    remux: Remux,
    /// What comes out, which nobody wants.
    out: Vec<u8>,
}

impl Listener {
    /// Before the first byte, for what `audio` asks.
    pub(super) fn new(audio: &Audio) -> Self {
        let options = Options {
            languages: audio.languages.clone(),
            tracks: audio.tracks.unwrap_or(usize::MAX),
            ..Options::default()
        };
        Self { remux: Remux::new(options, Arc::new(BuiltIn)), out: Vec::new() }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.remux.push(bytes, &mut self.out);
        self.out.clear();
    }

    /// Whether the sound of a programme is known.
    pub(super) fn knows(&self) -> bool {
        *self.remux.stage() != Stage::Waiting
    }

    /// What becomes of the sound, and whether that is what the profile asks for.
    pub(super) fn end(mut self) -> (bool, String) {
        self.remux.finish(&mut self.out);
        told(self.remux.stage(), &self.remux.tracks())
    }
}

/// What becomes of these tracks, in words, and whether nothing is to be mended.
fn told(stage: &Stage, tracks: &[Track]) -> (bool, String) {
    match stage {
        Stage::Waiting => {
            let text = "no PAT and PMT came, so nothing of it would; use a profile without audio";
            return (false, text.to_owned());
        }
        Stage::Refused(codings) => {
            let codings = listed(codings);
            let text =
                format!("sound {UNDECODABLE}: {codings}, and no other; to mend that, {WAYS_OUT}");
            return (false, text);
        }
        Stage::Running if tracks.is_empty() => return (true, "no sound in it".to_owned()),
        Stage::Running => {}
    }
    let mut fates: Vec<(&str, Vec<String>)> = Vec::new();
    for track in tracks {
        let (fate, name) = (fate(track), shown(track));
        match fates.iter_mut().find(|(same, _)| *same == fate) {
            Some((_, all)) => all.push(name),
            None => fates.push((fate, vec![name])),
        }
    }
    let fates: Vec<_> =
        fates.iter().map(|(fate, all)| format!("{fate}: {}", all.join(", "))).collect();
    let fates = format!("sound {}", fates.join("; "));
    if tracks.iter().any(|track| matches!(track.fate, Fate::Undecodable(_))) {
        return (false, format!("{fates}; to mend that, {WAYS_OUT}"));
    }
    let is_lost = |track: &Track| matches!(track.fate, Fate::Unknown(_) | Fate::Dropped);
    if tracks.iter().all(is_lost) {
        let text = "weir has no decoder for it; set audio.via: ffmpeg and delivery: shared";
        return (false, format!("{fates}; {text}"));
    }
    (true, fates)
}

const UNDECODABLE: &str = "cannot be converted by this build";

const fn fate(track: &Track) -> &'static str {
    match track.fate {
        Fate::Converted(_) => "becomes AAC",
        Fate::Passed | Fate::Unknown(_) => "stays as it is",
        Fate::Undecodable(_) => UNDECODABLE,
        Fate::Dropped => "left out",
    }
}

/// `AC-3 (deu)`.
fn shown(track: &Track) -> String {
    let coding = match track.fate {
        Fate::Converted(coding) | Fate::Undecodable(coding) => coding.name().to_owned(),
        Fate::Passed => "AAC".to_owned(),
        Fate::Unknown(stream_type) => format!("stream type {stream_type:#04x}"),
        Fate::Dropped => format!("PID {:#06x}", track.pid),
    };
    match &track.language {
        Some(language) => format!("{coding} ({language})"),
        None => coding,
    }
}

/// `AC-3, E-AC-3 and MP2`.
fn listed(codings: &[Coding]) -> String {
    match codings {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|coding| coding.name()).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::remux::codec::Decode;
    use crate::remux::codec::DecodeOptions;
    use crate::remux::codec::Encode;
    use crate::remux::codec::EncodeError;
    use crate::remux::codec::EncodeOptions;

    /// Decoders for these.
    #[derive(Debug)]
    struct Has(&'static [Coding]);

    impl Codecs for Has {
        fn decodes(&self, coding: Coding) -> bool {
            self.0.contains(&coding)
        }

        fn decoder(&self, _: Coding, _: DecodeOptions) -> Option<Box<dyn Decode>> {
            None
        }

        fn encoder(&self, _: EncodeOptions) -> Result<Box<dyn Encode>, EncodeError> {
            Err(EncodeError("none".to_owned()))
        }
    }

    const ALL: Has = Has(&Coding::ALL);
    const MP2: Has = Has(&[Coding::Mp2]);

    fn track(language: &str, fate: Fate) -> Track {
        let language = Some(language.to_owned()).filter(|language| !language.is_empty());
        Track { pid: 0x101, language, fate }
    }

    #[test]
    fn what_becomes_of_each_track_is_said() {
        let running = |tracks: &[Track]| told(&Stage::Running, tracks);
        let mut tracks = vec![
            track("deu", Fate::Converted(Coding::Ac3)),
            track("fra", Fate::Passed),
            track("", Fate::Converted(Coding::Mp2)),
            track("ita", Fate::Dropped),
        ];
        let said = "sound becomes AAC: AC-3 (deu), MP2; stays as it is: AAC (fra); left out: PID 0x0101 (ita)";
        assert_eq!(running(&tracks), (true, said.to_owned()));
        tracks.push(track("eng", Fate::Undecodable(Coding::Eac3)));
        let (good, said) = running(&tracks);
        let end =
            format!("cannot be converted by this build: E-AC-3 (eng); to mend that, {WAYS_OUT}");
        assert!(!good && said.ends_with(&end), "{said}");
        assert_eq!(running(&[]), (true, "no sound in it".to_owned()));
        let strange = track("", Fate::Unknown(0x8A));
        assert!(running(&[strange.clone(), track("", Fate::Passed)]).0, "something can be heard");
        let (good, said) = running(&[strange]);
        assert!(!good && said.contains("stays as it is: stream type 0x8a; weir has no"), "{said}");
        let (good, said) = told(&Stage::Refused(vec![Coding::Ac3, Coding::Latm]), &[]);
        assert!(!good && said.contains("AC-3 and AAC in LATM, and no other"), "{said}");
        let (good, said) = told(&Stage::Waiting, &[]);
        assert!(!good && said.contains("no PAT and PMT"), "{said}");
    }

    #[test]
    fn only_profiles_that_convert_here_are_warned_of() {
        let text = "
profiles:
  a: {audio: {codec: aac}}
  b: {delivery: shared, audio: {via: ffmpeg}}
  c: {delivery: shared}
";
        let parsed =
            |text: &str| crate::config::parse(text, "", &Environment::default()).unwrap().config;
        let config = parsed(text);
        let line = "profiles.a.audio: this build of weir cannot convert AC-3, E-AC-3 and AAC in LATM; use a build \
                    with `--features libav`, or set audio.via: ffmpeg and delivery: shared";
        assert_eq!(warnings(&config, &MP2), [line]);
        assert_eq!(warnings(&config, &ALL), Vec::<String>::new());
        let line = build_line(&config, &MP2).unwrap();
        assert!(
            line.contains("converts MP2, not AC-3, E-AC-3 and AAC in LATM (profiles: a)"),
            "{line}"
        );
        let line = build_line(&config, &ALL).unwrap();
        assert_eq!(line, "sound: this build converts AC-3, E-AC-3, MP2 and AAC in LATM");
        assert_eq!(build_line(&parsed(""), &MP2), None);
    }
}
