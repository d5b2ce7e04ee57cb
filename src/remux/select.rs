//! Which tracks of a programme are kept, and which come first.

use crate::media::ts::psi;
use crate::media::ts::psi::descriptor_tag;

/// `audio_type` of a description for those who do not see the picture (ISO/IEC 13818-1, table 2-60).
const VISUAL_IMPAIRED: u8 = 3;

/// What the descriptors of a track say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Its languages as they stand; a track has two where they share its channels.
    languages: [Option<[u8; 3]>; 2],
    is_description: bool,
}

impl Told {
    pub(super) fn of(descriptors: &[u8]) -> Self {
        let mut told = Self::default();
        let entries = psi::descriptors(descriptors)
            .filter(|(tag, _)| *tag == descriptor_tag::ISO_639_LANGUAGE)
            .flat_map(|(_, data)| data.as_chunks::<4>().0);
        for (slot, [a, b, c, audio_type]) in told.languages.iter_mut().zip(entries) {
            *slot = Some([*a, *b, *c]);
            told.is_description |= *audio_type == VISUAL_IMPAIRED;
        }
        told
    }

    /// The first language, where it is letters.
    pub(super) fn language(&self) -> Option<String> {
        let code = self.languages[0].filter(|code| code.iter().all(u8::is_ascii_alphabetic))?;
        String::from_utf8(code.to_vec()).ok()
    }

    /// Which of the wanted languages it has, the first being 0.
    fn rank(&self, wanted: &[[u8; 3]]) -> Option<usize> {
        let has = |wanted: &[u8; 3]| {
            let same = |code: &[u8; 3]| code.eq_ignore_ascii_case(wanted);
            self.languages.iter().flatten().any(same)
        };
        wanted.iter().position(has)
    }
}

/// The places of the tracks that are kept, in the order in which they are wanted. In the order of the programme,
/// descriptions last, where no language is wanted or none of those is there.
pub(super) fn select(tracks: &[Told], languages: &[[u8; 3]], max: usize) -> Vec<usize> {
    let mut kept: Vec<(usize, &Told)> = tracks.iter().enumerate().collect();
    if kept.iter().any(|(_, told)| told.rank(languages).is_some()) {
        kept.retain(|(_, told)| told.rank(languages).is_some());
        kept.sort_by_key(|(_, told)| (told.is_description, told.rank(languages)));
    } else if max < kept.len() {
        kept.sort_by_key(|(_, told)| told.is_description);
    }
    kept.truncate(max.max(1));
    kept.into_iter().map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(language: &[u8; 3], audio_type: u8) -> Told {
        let [a, b, c] = *language;
        Told::of(&[0x52, 1, 9, 0x0A, 4, a, b, c, audio_type])
    }

    #[test]
    fn tracks_are_kept_by_language_and_in_its_order() {
        let tracks =
            [told(b"fra", 0), told(b"fra", 3), told(b"ger", 0), told(b"ENG", 0), Told::of(&[])];
        let kept = |languages: &[[u8; 3]], max| select(&tracks, languages, max);
        assert_eq!(kept(&[], usize::MAX), [0, 1, 2, 3, 4]);
        assert_eq!(kept(&[], 2), [0, 2], "no description among few");
        assert_eq!(kept(&[*b"ger", *b"eng"], usize::MAX), [2, 3]);
        assert_eq!(kept(&[*b"eng", *b"ger"], usize::MAX), [3, 2]);
        assert_eq!(kept(&[*b"eng", *b"ger"], 1), [3]);
        assert_eq!(kept(&[*b"fra"], usize::MAX), [0, 1]);
        assert_eq!(
            kept(&[*b"ita"], usize::MAX),
            [0, 1, 2, 3, 4],
            "wrong sound is better than none"
        );
        assert_eq!(kept(&[*b"ita"], 1), [0]);
        assert_eq!(select(&[], &[*b"ita"], 1), [0_usize; 0]);
    }

    #[test]
    fn a_track_of_two_languages_has_both() {
        let both = Told::of(b"\x0A\x08deu\0fra\0");
        assert_eq!(select(&[told(b"ita", 0), both], &[*b"fra"], 9), [1]);
        assert_eq!(both.language().as_deref(), Some("deu"));
        assert_eq!(Told::of(b"\x0A\x04\0\0\0\0").language(), None);
    }
}
