//! The query of a client's request: pairs found by name, and taken out without touching the rest.
//!
//! Pairs are separated by `&` and also by `?`: receivers' transcoders take
//! `?bitrate=1?width=2`, and apps append such a tail to whatever URL they were given. Names are
//! compared decoded, so that no spelling of `token` slips through to a source.

use std::borrow::Cow;

use crate::message::percent;

/// The longest value handed out, before decoding; longer ones count as absent.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// The separators of a query.
const SEPARATORS: [char; 2] = ['&', '?'];

/// The decoded value of the first pair of `query` called `name`; empty where the pair has no `=`.
/// `None` if there is none, or it is no UTF-8 or longer than 8 KiB. `query` begins after the `?`.
#[must_use]
pub fn get<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let pair = pairs(query).find(|pair| pair.is(name))?;
    if pair.value.len() > VALUE_BYTES_MAX { None } else { percent::decode_text(pair.value) }
}

/// What [`get`] says, and `query` without any pair called `name`: the rest byte for byte, with its
/// own separators, borrowed where nothing was taken out.
#[must_use]
pub fn take<'a>(query: &'a str, name: &str) -> (Option<Cow<'a, str>>, Cow<'a, str>) {
    if !pairs(query).any(|pair| pair.is(name)) {
        return (None, Cow::Borrowed(query));
    }
    let mut rest = String::with_capacity(query.len());
    for (index, pair) in pairs(query).filter(|pair| !pair.is(name)).enumerate() {
        // Each pair that stays brings its separator along, but nothing is before the first.
        if index > 0 {
            rest.extend(pair.separator);
        }
        rest.push_str(pair.text);
    }
    (get(query, name), Cow::Owned(rest))
}

/// One pair as it stands.
struct Pair<'a> {
    /// What separates it from the pair before it; `None` for the first.
    separator: Option<char>,
    text: &'a str,
    name: &'a str,
    value: &'a str,
}

impl Pair<'_> {
    fn is(&self, name: &str) -> bool {
        *percent::decode(self.name) == *name.as_bytes()
    }
}

fn pairs(query: &str) -> impl Iterator<Item = Pair<'_>> {
    let mut separator = None;
    query.split_inclusive(SEPARATORS).map(move |part| {
        let text = part.strip_suffix(SEPARATORS).unwrap_or(part);
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let pair = Pair { separator, text, name, value };
        separator = part.chars().next_back();
        pair
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_taken_out_and_the_rest_stays() {
        let cases = [
            ("", None, ""),
            ("a=1&b=%20+", None, "a=1&b=%20+"),
            ("token=x", Some("x"), ""),
            ("token=x&a=1", Some("x"), "a=1"),
            ("a=1&token=x", Some("x"), "a=1"),
            ("a=1&token=x&b=%2F", Some("x"), "a=1&b=%2F"),
            ("a&&token=x&&b", Some("x"), "a&&&b"),
            ("token=%41%2b+&token=y&a", Some("A++"), "a"),
            ("tok%65n=x&Token=y", Some("x"), "Token=y"),
            ("token&a", Some(""), "a"),
            ("token=a=b", Some("a=b"), ""),
            ("token=%ff&a", None, "a"),
            ("xtoken=1&tokenx=2", None, "xtoken=1&tokenx=2"),
            ("token=x?bitrate=1?width=2", Some("x"), "bitrate=1?width=2"),
            ("bitrate=1?token=x?width=2&a", Some("x"), "bitrate=1?width=2&a"),
            ("bitrate=1?width=2&token=x", Some("x"), "bitrate=1?width=2"),
            ("=token", None, "=token"),
        ];
        for (query, value, rest) in cases {
            assert_eq!(take(query, "token"), (value.map(Cow::from), rest.into()), "{query}");
            assert_eq!(get(query, "token").as_deref(), value);
        }
        assert_eq!(cases.len(), 17);
        assert!(matches!(take("a=1", "token"), (None, Cow::Borrowed("a=1"))));
        let long = format!("a=1&token={}", "x".repeat(8193));
        assert_eq!(take(&long, "token"), (None, "a=1".into()));
    }

    proptest! {
        #[test]
        fn what_is_taken_is_gone_and_what_is_not_stays(query in "((token|a|b|%74oken)?[=&?x%]{0,2}){0,8}") {
            let (value, rest) = take(&query, "token");
            prop_assert_eq!(&value, &get(&query, "token"));
            prop_assert_eq!(take(&rest, "token"), (None, Cow::Borrowed(&*rest)));
            prop_assert!(!pairs(&rest).any(|pair| pair.is("token")));
            let left: Vec<_> = pairs(&query).filter(|pair| !pair.is("token")).map(|p| p.text).collect();
            let mut found: Vec<_> = pairs(&rest).map(|pair| pair.text).collect();
            // An empty pair at the end of a query cannot be told from none.
            found.resize(left.len().max(found.len()), "");
            prop_assert_eq!(found, left);
        }

        #[test]
        fn nothing_panics(query in ".{0,60}", name in ".{0,3}") {
            let (_, rest) = take(&query, &name);
            prop_assert!(rest.len() <= query.len());
        }
    }
}
