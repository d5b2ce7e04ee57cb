//! What is sealed comes back, the same each time, and nothing else does.

use proptest::prelude::*;

use super::keys::Secret;
use super::*;

const SECRETS: [&str; 2] =
    ["the first secret of all the gateways", "the second secret, the one of last year"];

fn seal() -> Seal {
    Seal::new(Keyring::configured(&SECRETS).unwrap())
}

fn sample() -> Sealed {
    Sealed {
        channel: "orf1".into(),
        source: 1,
        behind: Behind::Media,
        session: 7,
        expires: 1_800_000_000,
        url: "http://u:p@h/live/secret-1234.ts?token=x".into(),
        variables: Vec::new(),
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// One of these for each field that can differ, and for each form of a field.
fn others() -> Vec<Sealed> {
    let mut others = vec![
        Sealed { channel: "orf2".into(), ..sample() },
        Sealed { channel: String::new(), ..sample() },
        Sealed { channel: "ö".repeat(100), ..sample() },
        Sealed { source: 255, ..sample() },
        Sealed { behind: Behind::Playlist, ..sample() },
        Sealed { behind: Behind::Part, ..sample() },
        Sealed { behind: Behind::Key, ..sample() },
        Sealed { behind: Behind::Document, ..sample() },
        Sealed { expires: 1_800_000_001, ..sample() },
        Sealed { variables: variables(&[("a", "b")]), ..sample() },
        Sealed { variables: variables(&[("", ""), ("ab", "")]), ..sample() },
        Sealed { variables: variables(&[("", ""), ("a", "b")]), ..sample() },
    ];
    for session in [0, 8, 127, 128, 1 << 14, (1 << 21) - 1, 1 << 21, u32::MAX] {
        others.push(Sealed { session, ..sample() });
    }
    for url in ["", "h", "http://", "https://", "http:/h", "https://u:p@h/", "HTTP://h", "rtp://h"]
    {
        others.push(Sealed { url: url.into(), ..sample() });
    }
    others
}

#[test]
fn what_was_sealed_opens() {
    let seal = seal();
    for sealed in others() {
        let text = seal.seal(&sealed).unwrap();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(seal.open(&text), Some(sealed));
    }
}

#[test]
fn the_same_content_gives_the_same_text_and_any_other_another() {
    let text = seal().seal(&sample()).unwrap();
    assert_eq!(seal().seal(&sample()).unwrap(), text);
    let mut texts: Vec<_> = others().iter().map(|other| seal().seal(other).unwrap()).collect();
    texts.push(text);
    let count = texts.len();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count);
}

/// Made with other implementations of RFC 5869, 2104 and 8439. Gateways of different versions share
/// secrets: a change of this text needs other purposes in the derivation of keys.
#[test]
fn the_format_does_not_change_unnoticed() {
    let sealed = Sealed { variables: variables(&[("q", "1")]), ..sample() };
    let text = "vnqQGqxFnelUUBCsJZOmX7CqohvOKwqFm70l9Vn6Ama5JvbM26lJNKbb4naHL5g-vTso7zU4SKQxBAC2N2euHAlPY5eadobIdHKYumzeqA";
    assert_eq!(seal().seal(&sealed).unwrap(), text);
    assert_eq!(seal().open(text), Some(sealed));
}

#[test]
fn every_change_of_a_character_is_refused() {
    let seal = seal();
    // Lengths that leave 0, 4 and 2 bits of the last character unused.
    for url in ["http://abc", "http://abcd", "http://abcde"] {
        let text = seal.seal(&Sealed { url: url.into(), ..sample() }).unwrap();
        for index in 0..text.len() {
            for byte in (0..128).filter(|byte| *byte != text.as_bytes()[index]) {
                let mut bytes = text.clone().into_bytes();
                bytes[index] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(seal.open(&changed), None, "{index}: {byte}");
            }
            assert_eq!(seal.open(text.split_at(index).0), None);
            assert_eq!(seal.open(text.split_at(index + 1).1), None);
        }
        for more in ["A", "AA", "AAAA", "=", "==", ".ts", "\0", "\n", "ä"] {
            assert_eq!(seal.open(&format!("{text}{more}")), None);
            assert_eq!(seal.open(&format!("{more}{text}")), None);
        }
    }
}

#[test]
fn every_change_of_a_sealed_byte_is_refused() {
    let ring = Keyring::configured(&SECRETS).unwrap();
    let whole = ring.seal(b"what is sealed").unwrap();
    for index in 0..whole.len() {
        for change in 1..=255 {
            let mut changed = whole.clone();
            changed[index] ^= change;
            assert_eq!(ring.open(&changed), None, "{index}: {change}");
        }
    }
    assert_eq!(ring.open(&whole).unwrap(), b"what is sealed");
}

#[test]
fn a_text_takes_50_characters_and_four_for_three_of_the_id_and_the_url() {
    let seal = seal();
    let length = |sealed: &Sealed| seal.seal(sealed).unwrap().len();
    let nothing = Sealed { channel: String::new(), url: String::new(), ..sample() };
    let fixed = 29 + 8;
    assert_eq!(length(&nothing), (fixed * 4_usize).div_ceil(3));
    assert_eq!(length(&nothing), 50);
    assert_eq!(length(&Sealed { url: "https://".into(), ..nothing.clone() }), 50);
    for (session, more) in [(127, 0), (128, 1), (1 << 14, 2), (1 << 21, 3), (u32::MAX, 3)] {
        let sealed = Sealed { session, ..nothing.clone() };
        assert_eq!(length(&sealed), ((fixed + more) * 4).div_ceil(3), "{session}");
    }
    for (pairs, more) in [(variables(&[("", "")]), 3), (variables(&[("ab", "c"), ("d", "")]), 9)] {
        let sealed = Sealed { variables: pairs, ..nothing.clone() };
        assert_eq!(length(&sealed), ((fixed + more) * 4).div_ceil(3));
    }
    let url = "http://cdn.example.com/live/orf1/1080p/segment-0012345.ts";
    let typical = Sealed { url: url.into(), session: 1000, ..sample() };
    assert_eq!((url.len(), length(&typical)), (57, 123));
}

#[test]
fn what_would_be_too_long_is_not_sealed_and_not_looked_at() {
    let seal = seal();
    // 12 KiB of text are 9 KiB of bytes; 37 and an id of 4 are not the URL's.
    let room = 9 * 1024 - 37 - 4;
    let sealed = |length| Sealed { url: format!("http://{}", "x".repeat(length)), ..sample() };
    let text = seal.seal(&sealed(room)).unwrap();
    assert_eq!(text.len(), SEALED_MAX);
    assert_eq!(seal.open(&text), Some(sealed(room)));
    assert_eq!(seal.seal(&sealed(room + 1)), Err(TooLong));
    let whole = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
    let ring = Keyring::configured(&SECRETS).unwrap();
    let mut plain = ring.open(&whole).unwrap();
    plain.push(b'x');
    let longer = BASE64_URL_SAFE_NO_PAD.encode(ring.seal(&plain).unwrap());
    assert_eq!(seal.open(&longer), None);
}

#[test]
fn what_is_sealed_but_no_sealed_url_is_refused() {
    let ring = Keyring::configured(&SECRETS).unwrap();
    let open =
        |plain: &[u8]| seal().open(&BASE64_URL_SAFE_NO_PAD.encode(ring.seal(plain).unwrap()));
    assert!(open(b"\x11\0\x01\0\0\0\x02\x01chost").is_some());
    assert_eq!(open(b"\x11\0\x01\0\0\0\x02\x01cho\xff"), None, "no UTF-8");
    assert_eq!(open(b"\x15\0\x01\0\0\0\x02\x01chost"), None, "something else behind it");
    assert_eq!(open(b""), None);
}

#[test]
fn keys_are_replaced_while_others_go_on() {
    let seal = seal();
    let text = seal.seal(&sample()).unwrap();
    let [first, second] = SECRETS;
    seal.replace(Keyring::configured(&[second, first]).unwrap());
    assert_eq!(seal.open(&text), Some(sample()), "the first key opens still");
    assert_ne!(seal.seal(&sample()).unwrap(), text);
    seal.replace(Keyring::configured(&[second]).unwrap());
    assert_eq!(seal.open(&text), None);
    seal.replace(Keyring::ephemeral().unwrap());
    let text = seal.seal(&sample()).unwrap();
    assert_eq!(seal.open(&text), Some(sample()));
    seal.replace(Keyring::ephemeral().unwrap());
    assert_eq!(seal.open(&text), None);
}

#[test]
fn nothing_secret_is_printed() {
    let sealed = Sealed { variables: variables(&[("token", "secret")]), ..sample() };
    assert_eq!(format!("{sealed:?}"), "Sealed(orf1 1 Media session 7 until 1800000000)");
    let file = keys::KeyFile::new(std::time::UNIX_EPOCH, Secret::random().unwrap());
    assert_eq!(format!("{file:?} {:?}", file.ring()), "KeyFile(1 keys) Keyring(1 keys)");
    assert!(!format!("{:?}", seal()).contains("secret"));
}

fn any_sealed() -> impl Strategy<Value = Sealed> {
    let pairs = prop::collection::vec((any::<String>(), any::<String>()), 0..4);
    let url = prop_oneof!["https?://.{0,60}", any::<String>()];
    let behind = [Behind::Playlist, Behind::Media, Behind::Part, Behind::Key, Behind::Document];
    let behind = prop::sample::select(behind.to_vec());
    (any::<String>(), any::<u8>(), behind, any::<u32>(), any::<u32>(), url, pairs).prop_map(
        |(channel, source, behind, session, expires, url, variables)| Sealed {
            channel,
            source,
            behind,
            session,
            expires,
            url,
            variables,
        },
    )
}

proptest! {
    #[test]
    fn anything_comes_back(sealed in any_sealed()) {
        let text = seal().seal(&sealed).unwrap();
        prop_assert_eq!(seal().open(&text), Some(sealed));
    }

    #[test]
    fn no_text_opens_but_one_that_was_sealed(text in ".{0,200}", code in "[A-Za-z0-9_-]{38,200}") {
        prop_assert_eq!(seal().open(&text), None);
        prop_assert_eq!(seal().open(&code), None);
    }

    #[test]
    fn no_mutation_opens(
        sealed in any_sealed(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..5),
    ) {
        let text = seal().seal(&sealed).unwrap();
        let mut bytes = text.clone().into_bytes();
        for (at, byte, how) in cuts {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        let mutated = String::from_utf8_lossy(&bytes);
        prop_assume!(mutated != text);
        prop_assert_eq!(seal().open(&mutated), None);
    }
}
