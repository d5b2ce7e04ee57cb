//! Which keys are taken, and what each of them opens.

use std::time::UNIX_EPOCH;

use super::*;

#[test]
fn secrets_have_to_be_long_and_different() {
    let (short, long) = ("x".repeat(31), "ä".repeat(32));
    let refused = |secrets: &[&str]| Keyring::configured(secrets).err();
    assert_eq!(refused(&[]), Some(Unusable::Missing));
    assert_eq!(refused(&[&long, &short]), Some(Unusable::Short(2)));
    assert_eq!(refused(&[&"ä".repeat(16)]), Some(Unusable::Short(1)), "characters, not bytes");
    assert_eq!(
        refused(&[&long, "another secret, which is long enough", &long]),
        Some(Unusable::Repeated(3))
    );
    assert_eq!(refused(&[&long]), None);
}

#[test]
fn a_text_is_not_a_random_secret() {
    let text = "0123456789abcdef0123456789abcdef";
    let random = Secret(text.as_bytes().try_into().unwrap());
    let configured = Keyring::configured(&[text]).unwrap();
    let sealed = configured.seal(b"x").unwrap();
    assert_ne!(KeyFile::new(UNIX_EPOCH, random).ring().seal(b"x").unwrap(), sealed);
}

#[test]
fn two_keys_with_one_id_both_open() {
    let first = Secret([0; 32]);
    let second =
        (1..=255).map(|number| Secret([number; 32])).find(|other| other.key().id == first.key().id);
    let second = second.expect("one of 255 has the same id");
    let old = KeyFile::new(UNIX_EPOCH, first);
    let text = old.ring().seal(b"old").unwrap();
    let ring = old.rotated(UNIX_EPOCH + ROTATE, second).ring();
    assert_eq!(ring.open(&text).unwrap(), b"old");
    assert_eq!(ring.open(&ring.seal(b"new").unwrap()).unwrap(), b"new");
}

#[test]
fn a_nonce_of_another_text_is_refused() {
    let key = Secret([1; 32]).key();
    let nonce = key.nonce(b"one text");
    let mut text = b"other text".to_vec();
    let sealing = Nonce::assume_unique_for_key(nonce);
    key.cipher.seal_in_place_append_tag(sealing, Aad::empty(), &mut text).unwrap();
    assert_eq!(key.open(nonce, &text), None);
}
