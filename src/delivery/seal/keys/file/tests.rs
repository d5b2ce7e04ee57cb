//! Keys over time, and the text that they are kept in.

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A secret that is easily told from others.
fn secret(number: u8) -> Secret {
    Secret([number; 32])
}

fn seals_alike(one: &KeyFile, other: &KeyFile) -> bool {
    one.ring().seal(b"x") == other.ring().seal(b"x")
}

#[test]
fn a_url_opens_until_it_expires_and_its_key_is_gone_soon_after() {
    let begin = at(1_800_000_000);
    let mut file = KeyFile::new(begin, secret(0));
    let (mut fresh, mut most) = (1, 0);
    let mut texts: Vec<(SystemTime, Vec<u8>)> = Vec::new();
    for hour in 0..24 * 100 {
        let now = begin + hour * HOUR;
        if file.due(now).is_zero() {
            file = KeyFile::parse(&file.rotated(now, secret(fresh)).to_secret_text()).unwrap();
            fresh += 1;
            assert!(!file.due(now).is_zero());
        }
        let ring = file.ring();
        most = most.max(ring.opening.len());
        for (sealed, text) in &texts {
            let age = now.duration_since(*sealed).unwrap();
            if age <= KEEP {
                assert!(ring.open(text).is_some(), "sealed {age:?} ago");
            } else if age > ROTATE + KEEP {
                assert!(ring.open(text).is_none(), "sealed {age:?} ago");
            }
        }
        texts.push((now, ring.seal(&hour.to_be_bytes()).unwrap()));
    }
    assert_eq!(fresh, 1 + 3 + 3, "three rotations, and after each the old key goes");
    assert_eq!(most, 1);
}

#[test]
fn a_rotation_is_due_to_the_second_and_changes_nothing_before() {
    let begin = at(1_800_000_000);
    let first = KeyFile::new(begin, secret(1));
    assert_eq!(first.due(begin), ROTATE);
    let rotation = begin + ROTATE;
    assert_eq!(first.due(rotation - SECOND), SECOND);
    assert!(first.clone().rotated(rotation - SECOND, secret(2)) == first);
    assert_eq!(first.due(rotation), Duration::ZERO);
    let second = first.clone().rotated(rotation, secret(2));
    assert!(!seals_alike(&second, &first));
    let last = rotation + KEEP;
    assert_eq!(second.due(rotation), KEEP + SECOND);
    assert!(second.clone().rotated(last, secret(3)) == second, "in its last second it opens");
    let third = second.clone().rotated(last + SECOND, secret(3));
    assert!(seals_alike(&third, &second));
    assert!(third.older.is_empty());
    assert_eq!(third.due(last + SECOND), ROTATE - KEEP - SECOND);
}

#[test]
fn after_a_long_rest_only_the_last_key_opens() {
    let file = KeyFile::new(at(1000), secret(1)).rotated(at(1000) + ROTATE, secret(2));
    let text = file.ring().seal(b"x").unwrap();
    let later = at(1000) + ROTATE * 10;
    let file = file.rotated(later, secret(3));
    assert_eq!((file.newest.made, file.older.len()), (since_epoch(later).as_secs(), 1));
    assert!(file.ring().open(&text).is_some(), "it sealed until now");
}

#[test]
fn a_clock_set_back_makes_nothing_due() {
    let file = KeyFile::new(at(1_800_000_000), secret(1));
    let file = file.rotated(at(1_800_000_000) + ROTATE, secret(2));
    for now in [at(0), UNIX_EPOCH - HOUR, at(1_799_999_999)] {
        assert!(!file.due(now).is_zero());
        assert!(file.clone().rotated(now, secret(3)) == file);
    }
}

#[test]
fn times_at_the_end_of_all_numbers_are_none_too_large() {
    let text = KeyFile::new(at(5), secret(1)).rotated(at(5) + ROTATE, secret(2)).to_secret_text();
    let text = text.replace("2592005 ", "18446744073709551615 ");
    let file = KeyFile::parse(&text).unwrap();
    assert!(!file.due(at(0)).is_zero());
    assert!(file.clone().rotated(at(1), secret(3)) == file);
}

#[test]
fn a_file_is_text_with_a_line_for_each_key() {
    let file = KeyFile::new(at(1_800_000_000), secret(0xab));
    let file = file.rotated(at(1_800_000_000) + ROTATE, secret(7));
    let text = file.to_secret_text();
    let (notes, keys) = text.lines().partition::<Vec<_>, _>(|line| line.starts_with("# "));
    assert_eq!(notes.len(), 3);
    let (old, new) = ("ab".repeat(32), "07".repeat(32));
    assert_eq!(keys, [format!("1802592000 {new}"), format!("1800000000 {old}")]);
    assert!(KeyFile::parse(&text).unwrap() == file);
    let edited =
        format!("\r\n# mine\r\n  1802592000   {new}\t\r\n\n1800000000 {}", "AB".repeat(32));
    assert!(KeyFile::parse(&edited).unwrap() == file);
}

#[test]
fn what_is_no_key_file_is_refused_by_line() {
    let key = format!("1 {}", "00".repeat(32));
    let short = "0".repeat(63);
    let refused = |text: &str| KeyFile::parse(text).err();
    assert_eq!(refused(""), Some(Malformed::Empty));
    assert_eq!(refused("# nothing\n\n"), Some(Malformed::Empty));
    for line in [
        "x",
        "1",
        "1 ",
        key.split_at(2).1,
        &key.replace(' ', "\t"),
        &format!("1 {short}"),
        &format!("1 {short}g"),
        &format!("1 {short}ä"),
        &format!("1 {short}+"),
        &format!("{key}0"),
        &format!("{key} x"),
        &format!("-{key}"),
        &format!("99999999999999999999{key}"),
    ] {
        let text = format!("# key\n{key}\n{line}\n");
        assert_eq!(refused(&text), Some(Malformed::NoKey(3)), "{line}");
    }
    assert_eq!(refused(&format!("{key}\n\n2{key}\n")), Some(Malformed::Repeated(3)));
    let many: String = (1..=65).map(|number| format!("1 {number:064x}\n")).collect();
    assert_eq!(refused(&many), Some(Malformed::TooMany(65)));
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_a_panic(text in "[0-9a-f #\\PC\n]{0,300}") {
        if let Ok(file) = KeyFile::parse(&text) {
            prop_assert!(KeyFile::parse(&file.to_secret_text()).unwrap() == file);
        }
    }

    #[test]
    fn whatever_is_due_is_done_by_one_rotation(
        made in prop::collection::vec(0..100_u64, 1..8),
        now in 0..100_u64,
    ) {
        let day = 24 * 3600;
        let lines = made.iter().zip(1..).map(|(days, key)| format!("{} {key:064x}\n", days * day));
        let file = KeyFile::parse(&lines.collect::<String>()).unwrap();
        let rotated = file.clone().rotated(at(now * day), secret(99));
        prop_assert!(!rotated.due(at(now * day)).is_zero());
        prop_assert_eq!(rotated == file, !file.due(at(now * day)).is_zero());
    }
}
