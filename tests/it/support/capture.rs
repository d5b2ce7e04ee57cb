//! Proof that a secret did not leave: [`Canary`] knows the shapes in which a string travels (raw,
//! percent-encoded, base64 at any alignment, hex) and searches for all of them.

use std::fmt::Write;

/// Longest excerpt that a failure shows around a hit, bytes either side.
const EXCERPT: usize = 40;
/// Shorter strings would be found by accident.
const SECRET_BYTES_MIN: usize = 5;

/// Strings that must not appear in anything which leaves the gateway.
///
/// ```ignore
/// let canary = Canary::new(["pr0vider-user", "pa:ss word"]);
/// canary.assert_absent("the access log", &log);
/// ```
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    shapes: Vec<Shape>,
}

/// One way to write one of the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shape {
    secret: String,
    form: &'static str,
    bytes: Vec<u8>,
}

impl Canary {
    /// A canary for each of `secrets`.
    ///
    /// # Panics
    /// If a secret is shorter than five bytes.
    pub(crate) fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut shapes = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref();
            let long = secret.len() >= SECRET_BYTES_MIN;
            assert!(long, "{secret:?} is too short to be searched for");
            for (form, bytes) in shapes_of(secret.as_bytes()) {
                let shape = Shape { secret: secret.to_owned(), form, bytes };
                if !shapes.iter().any(|known: &Shape| known.bytes == shape.bytes) {
                    shapes.push(shape);
                }
            }
        }
        Self { shapes }
    }

    /// Fails the test if any secret occurs in `haystack` in any shape. `what` names the haystack.
    ///
    /// # Panics
    /// On the first hit, with the shape and the bytes around it.
    pub(crate) fn assert_absent(&self, what: &str, haystack: &[u8]) {
        for shape in &self.shapes {
            let Some(at) = find(haystack, &shape.bytes) else { continue };
            let from = at.saturating_sub(EXCERPT);
            let to = haystack.len().min(at + shape.bytes.len() + EXCERPT);
            let around = String::from_utf8_lossy(&haystack[from..to]);
            let Shape { secret, form, .. } = shape;
            panic!("{what} contains the secret {secret:?} ({form}) at byte {at}: ...{around:?}...");
        }
    }

    /// Whether any secret occurs in `haystack` in any shape: to show that a capture works at all
    /// ("the origin did get the password").
    pub(crate) fn is_present(&self, haystack: &[u8]) -> bool {
        self.shapes.iter().any(|shape| find(haystack, &shape.bytes).is_some())
    }

    /// Every shape that is searched for.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &[u8]> {
        self.shapes.iter().map(|shape| shape.bytes.as_slice())
    }
}

/// Every way in which `secret` is searched for, with its name.
fn shapes_of(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    // What encodeURI and many servers leave alone within a path or user-info.
    let path = |byte: u8| unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte);
    let mut shapes = vec![
        ("raw", secret.to_vec()),
        ("percent-encoded", percent(secret, unreserved, Case::Upper)),
        ("percent-encoded, lower-case", percent(secret, unreserved, Case::Lower)),
        ("percent-encoded for a path", percent(secret, path, Case::Upper)),
        ("percent-encoded for a path, lower-case", percent(secret, path, Case::Lower)),
        ("percent-encoded throughout", percent(secret, |_| false, Case::Upper)),
        ("percent-encoded throughout, lower-case", percent(secret, |_| false, Case::Lower)),
        ("hex", hex(secret, Case::Lower)),
        ("hex, upper-case", hex(secret, Case::Upper)),
        ("escaped", secret.escape_ascii().to_string().into_bytes()),
    ];
    // A form encodes a space as a plus.
    let form: Vec<Vec<u8>> = shapes[1..3].iter().map(|(_, bytes)| plus_for_space(bytes)).collect();
    shapes.extend(form.into_iter().map(|bytes| ("form-encoded", bytes)));
    for (form, alphabet) in [("base64", STANDARD), ("base64url", URL_SAFE)] {
        shapes.push((form, base64(secret, alphabet)));
        // Inside a longer text, "user:secret" for one, the groups of three may begin elsewhere.
        for lead in 0..3 {
            shapes.push((form, base64_within(secret, lead, alphabet)));
        }
    }
    shapes
}

#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn percent(bytes: &[u8], stays: impl Fn(u8) -> bool, case: Case) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        if stays(*byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.extend(hex(&[*byte], case));
        }
    }
    out
}

fn plus_for_space(percent_encoded: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(percent_encoded).replace("%20", "+").into_bytes()
}

fn hex(bytes: &[u8], case: Case) -> Vec<u8> {
    let mut out = String::new();
    for byte in bytes {
        match case {
            Case::Upper => write!(out, "{byte:02X}"),
            Case::Lower => write!(out, "{byte:02x}"),
        }
        .expect("a String takes everything");
    }
    out.into_bytes()
}

/// RFC 4648 base64 with padding, as in Basic credentials.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    let mut text: String = base64(bytes, STANDARD).into_iter().map(char::from).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// RFC 4648 base64 without padding.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::new();
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(group.get(at).copied().unwrap_or(0));
        }
        let sextets = [bits >> 18, bits >> 12, bits >> 6, bits].map(|bits| (bits & 0x3f) as usize);
        out.extend(sextets.iter().take(group.len() + 1).map(|sextet| alphabet[*sextet]));
    }
    out
}

/// The characters of base64 that depend on `secret` alone when `lead` foreign bytes precede it in
/// its group and anything follows.
fn base64_within(secret: &[u8], lead: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let text = [&[0, 0, 0][..lead], secret].concat();
    let encoded = base64(&text, alphabet);
    // Character k carries the bits 6k..6k+6.
    let first = (lead * 8).div_ceil(6);
    let last = text.len() * 8 / 6;
    encoded[first..last].to_vec()
}

/// Offset of the first `needle` in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, rest) = needle.split_first()?;
    let mut from = 0;
    while let Some(found) = haystack[from..].iter().position(|byte| byte == first) {
        let at = from + found;
        if haystack[at + 1..].starts_with(rest) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_shape() {
        let canary = Canary::new(["pa:ss w0rd/ü"]);
        let shapes = [
            "x pa:ss w0rd/ü y",
            "?p=pa%3Ass%20w0rd%2F%C3%BC&",
            "?p=pa%3ass%20w0rd%2f%c3%bc&",
            "?p=pa%3Ass+w0rd%2F%C3%BC&",
            "/live/pa:ss%20w0rd/%C3%BC/1.ts",
            "%70%61%3A%73%73%20%77%30%72%64%2F%C3%BC",
            "70613a737320773072642fc3bc",
            "70613A737320773072642FC3BC",
            "cGE6c3MgdzByZC/DvA==",
            "cGE6c3MgdzByZC_DvA",
            // The secret after 1, 2 and 3 other bytes, and with more behind it.
            "dTpwYTpzcyB3MHJkL8O8",
            "dXM6cGE6c3MgdzByZC/DvA==",
            "dTE6cGE6c3MgdzByZC/DvDpAQA==",
            "dXNlOnBhOnNzIHcwcmQvw7w=",
            r"pa:ss w0rd/\xc3\xbc",
        ];
        for shape in shapes {
            assert!(canary.is_present(shape.as_bytes()), "{shape} was not found");
        }
        let clean = "/live/***/1.ts pa:ss-word cGFzcw== p:ss w0rd";
        canary.assert_absent("a clean log", clean.as_bytes());
    }

    #[test]
    #[should_panic(expected = "the error page contains the secret \"t0ken-A\" (raw) at byte 6")]
    fn a_leak_fails_the_test_with_its_place() {
        Canary::new(["t0ken-A"]).assert_absent("the error page", b"token=t0ken-A&x=1");
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let vectors = [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, encoded) in vectors {
            assert_eq!(base64(text.as_bytes(), STANDARD), encoded.as_bytes());
        }
    }
}
