//! Basic credentials (RFC 7617) as a field value that no log prints.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

/// The `Authorization` value for a user name and a password. `None` where they cannot be sent.
#[must_use]
pub fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let text = format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_of_the_rfc_is_encoded_and_hidden() {
        let value = basic("Aladdin", "open sesame").unwrap();
        assert_eq!(value.as_bytes(), b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
