//! What becomes of sound where a profile converts it in process: what this build can convert, what a source has, and
//! what to mend where the two do not meet.

use crate::config::Audio;
use crate::config::AudioEncoder;
use crate::config::Config;
use crate::media::ts::psi::Pmt;
use crate::media::ts::psi::Stream;
use crate::remux::codec::Codecs;
use crate::remux::codec::Coding;
use crate::remux::sound::Sound;

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

/// One track of sound of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Track {
    sound: Sound,
    language: Option<[u8; 3]>,
    is_kept: bool,
}

/// What becomes of the sound of these programmes, and whether that is what the profile asks for. Nothing is converted
/// before the tables say what there is.
pub(super) fn fates<'a>(
    pmts: impl Iterator<Item = Pmt<'a>>,
    audio: &Audio,
    codecs: &dyn Codecs,
) -> (bool, String) {
    let mut pmts = pmts.peekable();
    if pmts.peek().is_none() {
        let text = "no PAT and PMT came, so nothing of it would; use a profile without audio";
        return (false, text.to_owned());
    }
    let tracks: Vec<_> = pmts.flat_map(|pmt| tracks_of(&pmt, audio)).collect();
    if tracks.is_empty() {
        return (true, "no sound in it".to_owned());
    }
    let fate = |track: &Track| match (track.sound, track.is_kept) {
        (_, false) => "left out",
        (Sound::Convertible(coding), _) if codecs.decodes(coding) => "becomes AAC",
        (Sound::Convertible(_), _) => "cannot be converted by this build",
        (Sound::Aac | Sound::Unknown(_), _) => "stays as it is",
    };
    let mut fates: Vec<(&str, Vec<String>)> = Vec::new();
    for track in &tracks {
        match fates.iter_mut().find(|(same, _)| *same == fate(track)) {
            Some((_, all)) => all.push(shown(track)),
            None => fates.push((fate(track), vec![shown(track)])),
        }
    }
    let fates: Vec<_> =
        fates.iter().map(|(fate, all)| format!("{fate}: {}", all.join(", "))).collect();
    let fates = format!("sound {}", fates.join("; "));
    let kept = || tracks.iter().filter(|track| track.is_kept);
    let is_undecodable = |track: &Track| matches!(track.sound, Sound::Convertible(coding) if !codecs.decodes(coding));
    if kept().any(is_undecodable) {
        return (false, format!("{fates}; to mend that, {WAYS_OUT}"));
    }
    if kept().all(|track| matches!(track.sound, Sound::Unknown(_))) {
        let text = "weir has no decoder for it; set audio.via: ffmpeg and delivery: shared";
        return (false, format!("{fates}; {text}"));
    }
    (true, fates)
}

/// The tracks of one programme, and which are kept: as `languages` and `tracks` of the profile are meant.
fn tracks_of(pmt: &Pmt<'_>, audio: &Audio) -> Vec<Track> {
    let track = |stream: Stream<'_>| {
        let sound = Sound::of(stream.stream_type, stream.descriptors)?;
        let language = stream.language().map(|code| code.map(|byte| byte.to_ascii_lowercase()));
        Some(Track { sound, language, is_kept: false })
    };
    let mut tracks: Vec<_> = pmt.streams().filter_map(track).collect();
    let rank = |track: &Track| {
        let place = |language| audio.languages.iter().position(|wanted| *wanted == language);
        track.language.and_then(place).unwrap_or(usize::MAX)
    };
    let is_spoken = tracks.iter().any(|track| rank(track) < usize::MAX);
    let mut order: Vec<&mut Track> = tracks.iter_mut().collect();
    order.retain(|track| !is_spoken || rank(track) < usize::MAX);
    order.sort_by_key(|track| rank(track));
    order
        .into_iter()
        .take(audio.tracks.unwrap_or(usize::MAX))
        .for_each(|track| track.is_kept = true);
    tracks
}

/// `AC-3 (deu)`.
fn shown(track: &Track) -> String {
    let coding = match track.sound {
        Sound::Convertible(coding) => coding.name().to_owned(),
        Sound::Aac => "AAC".to_owned(),
        Sound::Unknown(stream_type) => format!("stream type {stream_type:#04x}"),
    };
    match track.language.filter(|code| code.iter().all(u8::is_ascii_alphanumeric)) {
        Some(code) => format!("{coding} ({})", String::from_utf8_lossy(&code)),
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
    use crate::media::ts::packet::Pid;
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

    /// What is said of one programme with these streams.
    fn told(streams: &[(u8, &[u8])], audio: &Audio, codecs: &dyn Codecs) -> (bool, String) {
        let mut pids = 0x100..;
        let stream = |&(stream_type, descriptors)| Stream {
            stream_type,
            pid: Pid::masked(pids.next().unwrap()),
            descriptors,
        };
        let streams: Vec<_> = streams.iter().map(stream).collect();
        let section = Pmt::write(1, 0, Pid::masked(0x100), &[], &streams).unwrap();
        fates(std::iter::once(Pmt::parse(&section).unwrap()), audio, codecs)
    }

    const DVB: [(u8, &[u8]); 5] = [
        (0x1B, &[]),
        (0x06, b"\x6A\x01\x00\x0A\x04DEU\0"),
        (0x04, b"\x0A\x04eng\0"),
        (0x0F, b"\x0A\x04fra\0"),
        (0x06, b"\x56\x05deu\x09\x00"),
    ];

    #[test]
    fn what_becomes_of_each_track_is_said() {
        let audio = Audio::default();
        let said = "sound becomes AAC: AC-3 (deu), MP2 (eng); stays as it is: AAC (fra)";
        assert_eq!(told(&DVB, &audio, &ALL), (true, said.to_owned()));
        let (good, said) = told(&DVB, &audio, &MP2);
        let words = "sound cannot be converted by this build: AC-3 (deu); becomes AAC: MP2 (eng); ";
        assert!(!good && said.starts_with(words), "{said}");
        assert!(said.ends_with(WAYS_OUT), "{said}");
        assert_eq!(told(&[(0x1B, &[])], &audio, &MP2), (true, "no sound in it".to_owned()));
        assert!(told(&[(0x0F, &[]), (0x8A, &[])], &audio, &MP2).0, "there is something to hear");
        let (good, said) = told(&[(0x8A, b"\x0A\x04\x1B[2\0")], &audio, &ALL);
        assert!(!good && said.contains("stays as it is: stream type 0x8a; "), "{said:?}");
        assert!(!fates(std::iter::empty(), &audio, &ALL).0, "no tables");
    }

    #[test]
    fn tracks_that_are_not_wanted_need_no_decoder() {
        let of = |languages: &[&[u8; 3]], tracks| {
            let languages = languages.iter().map(|code| **code).collect();
            told(&DVB, &Audio { languages, tracks, ..Audio::default() }, &MP2)
        };
        let english = "sound left out: AC-3 (deu), AAC (fra); becomes AAC: MP2 (eng)";
        assert_eq!(of(&[b"eng"], None), (true, english.to_owned()));
        assert_eq!(of(&[b"eng", b"deu"], Some(1)), (true, english.to_owned()));
        assert!(!of(&[b"deu", b"eng"], Some(1)).0, "the first language counts");
        assert!(!of(&[b"ita"], None).0, "where no language is there all tracks are kept");
        assert!(!of(&[], Some(1)).0, "the first track");
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
