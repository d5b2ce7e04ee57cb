//! Languages as transport streams name them: three letters of ISO 639-2.

use super::forms::Form;
use super::mistake::quoted;

/// What people write with two letters (ISO 639-1), and the three letters that streams have (ISO 639-2/T).
const OF_TWO_LETTERS: [(&str, &str); 46] = [
    ("ar", "ara"),
    ("be", "bel"),
    ("bg", "bul"),
    ("br", "bre"),
    ("bs", "bos"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("cy", "cym"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("es", "spa"),
    ("et", "est"),
    ("eu", "eus"),
    ("fa", "fas"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("ga", "gle"),
    ("gl", "glg"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("is", "isl"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("ko", "kor"),
    ("lb", "ltz"),
    ("lt", "lit"),
    ("lv", "lav"),
    ("mk", "mkd"),
    ("nl", "nld"),
    ("no", "nor"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("sq", "sqi"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("zh", "zho"),
];

/// Languages with two codes, one for terminology and one for bibliographies. Broadcasters use either, as ETSI
/// EN 300 468 (6.2.20) lets them.
const OF_TWO_CODES: [(&[u8; 3], &[u8; 3]); 20] = [
    (b"bod", b"tib"),
    (b"ces", b"cze"),
    (b"cym", b"wel"),
    (b"deu", b"ger"),
    (b"ell", b"gre"),
    (b"eus", b"baq"),
    (b"fas", b"per"),
    (b"fra", b"fre"),
    (b"hye", b"arm"),
    (b"isl", b"ice"),
    (b"kat", b"geo"),
    (b"mkd", b"mac"),
    (b"mri", b"mao"),
    (b"msa", b"may"),
    (b"mya", b"bur"),
    (b"nld", b"dut"),
    (b"ron", b"rum"),
    (b"slk", b"slo"),
    (b"sqi", b"alb"),
    (b"zho", b"chi"),
];

/// A language of three letters; read in either case, kept in lower case.
pub(crate) struct Language;

impl Form for Language {
    type Value = [u8; 3];

    fn noun(&self) -> &'static str {
        "a language of three letters, as deu"
    }

    fn read(&self, text: &str) -> Result<[u8; 3], String> {
        let lower = text.to_ascii_lowercase();
        if let Ok(code) = <[u8; 3]>::try_from(lower.as_bytes())
            && code.iter().all(u8::is_ascii_lowercase)
        {
            return Ok(code);
        }
        let three = OF_TWO_LETTERS.iter().find(|(two, _)| *two == lower).map(|(_, three)| *three);
        Err(match three {
            Some(three) => format!("{} has two letters; write {three}", quoted(text)),
            None => format!(
                "{} is not a language of three letters (ISO 639-2), as deu, eng or fra",
                quoted(text)
            ),
        })
    }

    fn show(&self, value: &[u8; 3]) -> String {
        shown(value)
    }
}

/// A code as text.
pub(crate) fn shown(code: &[u8; 3]) -> String {
    String::from_utf8_lossy(code).into_owned()
}

/// Each language followed by its other code, where it has one; none twice.
pub(crate) fn with_other_codes(languages: impl IntoIterator<Item = [u8; 3]>) -> Vec<[u8; 3]> {
    let mut all = Vec::new();
    for language in languages {
        let other = OF_TWO_CODES.iter().find_map(|(one, other)| match language {
            _ if language == **one => Some(**other),
            _ if language == **other => Some(**one),
            _ => None,
        });
        for code in std::iter::once(language).chain(other) {
            if !all.contains(&code) {
                all.push(code);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_letters_are_a_language_and_two_name_the_three() {
        for (text, code) in [("deu", b"deu"), ("GER", b"ger"), ("qaa", b"qaa"), ("und", b"und")] {
            assert_eq!(Language.read(text), Ok(*code));
        }
        assert_eq!(Language.read("DE").unwrap_err(), "`DE` has two letters; write deu");
        assert_eq!(Language.read("no").unwrap_err(), "`no` has two letters; write nor");
        for text in ["", "d", "xx", "de1", "deut", "german", "dëu", "d u", "de-"] {
            let said = Language.read(text).unwrap_err();
            assert!(said.contains("not a language of three letters"), "{text}: {said}");
        }
    }

    #[test]
    fn the_other_code_of_a_language_counts_too() {
        let all = with_other_codes([*b"fre", *b"eng", *b"fra", *b"deu", *b"eng"]);
        assert_eq!(all, [*b"fre", *b"fra", *b"eng", *b"deu", *b"ger"]);
        assert_eq!(with_other_codes([]), Vec::<[u8; 3]>::new());
    }

    #[test]
    fn the_tables_are_in_order_and_hold_nothing_twice() {
        assert!(OF_TWO_LETTERS.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(OF_TWO_CODES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (two, three) in OF_TWO_LETTERS {
            let code = Language.read(three).unwrap();
            assert!(two.len() == 2 && !OF_TWO_CODES.iter().any(|(_, b)| **b == code), "{two}");
        }
        let mut codes: Vec<_> = OF_TWO_CODES.iter().flat_map(|(a, b)| [**a, **b]).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 40);
    }
}
