//! What must not be told to clients: hosts and credentials of sources, wherever a playlist has them.

/// Shorter ones stand in everything.
const LENGTH_MIN: usize = 4;

/// Texts that must not be in the output. Never printed.
#[derive(Clone)]
pub struct Secrets<'a>(Vec<&'a str>);

impl<'a> Secrets<'a> {
    /// Those of at least four bytes: shorter ones stand in everything.
    #[must_use]
    pub fn new(secrets: &[&'a str]) -> Self {
        Self(secrets.iter().copied().filter(|secret| secret.len() >= LENGTH_MIN).collect())
    }

    /// Whether one of them stands in `text`, in any case; of digits alone, as a number of its own.
    /// Linear in both.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|secret| has_secret(text, secret))
    }

    /// Whether `text` has a URL or a secret in it.
    pub(super) fn are_told_by(&self, text: &str) -> bool {
        has_url(text) || self.are_in(text)
    }
}

/// Case does not matter. A secret of digits alone is no part of a longer number.
fn has_secret(text: &str, secret: &str) -> bool {
    let is_number = secret.bytes().all(|byte| byte.is_ascii_digit());
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    text.windows(secret.len()).enumerate().any(|(at, window)| {
        window.eq_ignore_ascii_case(secret)
            && !(is_number && (digit(at.checked_sub(1)) || digit(Some(at + secret.len()))))
    })
}

/// Whether the whole of `value` is a URL that names a host.
pub(super) fn is_url(value: &str) -> bool {
    let has_scheme = |scheme: &str| {
        value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    has_scheme("http://") || has_scheme("https://") || is_host_after(value, 0)
}

/// Whether there is a URL with a host anywhere in `text`, plain, escaped as in JSON, or encoded.
pub(super) fn has_url(text: &str) -> bool {
    let encoded = b"%3a%2f%2f";
    let bytes = text.as_bytes();
    // `ab//cd` is no URL: base64 has it.
    let begins_word = |at: usize| {
        at.checked_sub(1)
            .and_then(|at| bytes.get(at))
            .is_none_or(|byte| b" \t\"'=,;(<|".contains(byte))
    };
    text.contains("://")
        || text.contains(":\\/\\/")
        || bytes.windows(encoded.len()).any(|window| window.eq_ignore_ascii_case(encoded))
        || text.match_indices("//").any(|(at, _)| begins_word(at) && is_host_after(text, at))
}

/// Whether `//` and the beginning of a host stand at `at`.
fn is_host_after(text: &str, at: usize) -> bool {
    let rest = text.get(at..).and_then(|rest| rest.strip_prefix("//"));
    rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_alphanumeric() || first == '['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_seen_in_any_dress() {
        for text in [
            "see http://a",
            "SKD://x",
            "//host/x",
            "a=//[::1]/",
            r#"{"a":"http:\/\/host"}"#,
            "?url=HTTP%3A%2F%2Fhost",
        ] {
            assert!(has_url(text), "{text}");
        }
        for text in ["", "/DA0//8AAA", "a/b", "// a comment", "12:30", "x//y"] {
            assert!(!has_url(text), "{text}");
        }
    }

    #[test]
    fn secrets_match_without_case_and_numbers_as_wholes() {
        let secrets = Secrets::new(&["User", "1234", "abc"]);
        for text in ["xUSERx", "user", "a1234b", "1234"] {
            assert!(secrets.are_told_by(text), "{text}");
        }
        for text in ["use", "12345", "01234", "abc"] {
            assert!(!secrets.are_told_by(text), "{text}");
        }
    }
}
