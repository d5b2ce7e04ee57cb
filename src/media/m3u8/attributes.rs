//! Attribute lists (8216 section 4.2) cut into their pieces, of which nothing is lost: sources put
//! spaces where none may be, leave quotes out, and write other things than lists.

use crate::media::m3u8::Error;
use crate::media::m3u8::line::BLANKS;

/// One attribute: `separator`, `name`, `equals` and `value`, this between quotes where it
/// `is_quoted`, are all of it. Text that is no attribute is a value without name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Commas and blanks that stand before it.
    pub(super) separator: &'a str,
    /// As written.
    pub(super) name: &'a str,
    /// `=` with blanks around, or nothing.
    pub(super) equals: &'a str,
    /// Without quotes.
    pub(super) value: &'a str,
    /// Whether the value stands between quotes.
    pub(super) is_quoted: bool,
}

/// The attributes of a list.
#[derive(Clone, Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(list: &'a str) -> Self {
        Self { rest: list }
    }

    /// Whether `value` begins as a list does: with a name.
    pub(super) fn is_list(value: &str) -> bool {
        let name = value.split(['=', ',', '"']).next().unwrap_or_default();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        name.len() < value.len()
            && value.get(name.len()..).is_some_and(|rest| rest.starts_with('='))
            && name.trim_matches(BLANKS).bytes().all(is_name)
    }

    fn cut(&mut self) -> Result<Attribute<'a>, Error> {
        let list = self.rest;
        let text = list.trim_start_matches([',', ' ', '\t']);
        let separator = list.strip_suffix(text).unwrap_or_default();
        let (name, equals, text) = match text.find(['=', ',', '"']) {
            Some(end) if text.get(end..).is_some_and(|rest| rest.starts_with('=')) => {
                let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
                let name = name.trim_end_matches(BLANKS);
                let value = rest.trim_start_matches('=').trim_start_matches(BLANKS);
                let between = text.strip_prefix(name).unwrap_or_default();
                (name, between.strip_suffix(value).unwrap_or_default(), value)
            }
            _ => ("", "", text),
        };
        let (value, is_quoted, rest) = match text.strip_prefix('"') {
            Some(text) => {
                let (value, rest) = text.split_once('"').ok_or(Error::Unfinished)?;
                (value, true, rest)
            }
            None => {
                let (value, rest) = split_unquoted(text)?;
                (value, false, rest)
            }
        };
        self.rest = rest;
        Ok(Attribute { separator, name, equals, value, is_quoted })
    }
}

/// Cuts at the first comma that is not between quotes.
fn split_unquoted(text: &str) -> Result<(&str, &str), Error> {
    let mut is_within = false;
    let end = text.bytes().position(|byte| {
        is_within ^= byte == b'"';
        byte == b',' && !is_within
    });
    match end {
        Some(end) => Ok(text.split_at_checked(end).unwrap_or((text, ""))),
        None if is_within => Err(Error::Unfinished),
        None => Ok((text, "")),
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let attribute = self.cut();
        if attribute.is_err() {
            self.rest = "";
        }
        Some(attribute)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names_and_values(list: &str) -> Vec<(&str, &str, bool)> {
        let attributes = Attributes::new(list).map(Result::unwrap);
        attributes.map(|one| (one.name, one.value, one.is_quoted)).collect()
    }

    #[test]
    fn quotes_protect_commas_and_equals() {
        let list = r#"A=1,URI="a,b=c",IV=0x0F, B = "d" ,C"#;
        let expected = [
            ("A", "1", false),
            ("URI", "a,b=c", true),
            ("IV", "0x0F", false),
            ("B", "d", true),
            ("", "C", false),
        ];
        assert_eq!(names_and_values(list), expected);
        assert_eq!(names_and_values(r#"A="x" B="y""#), [("A", "x", true), ("B", "y", true)]);
        assert_eq!(
            names_and_values(r#"A=x"y,z",B=1"#),
            [("A", "x\"y,z\"", false), ("B", "1", false)]
        );
    }

    #[test]
    fn an_open_quote_is_an_error() {
        for list in ["A=\"x", "A=1,B=\"", "A=x\"y", "\"", "A=\"x\"\""] {
            assert!(Attributes::new(list).any(|one| one.is_err()), "{list}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost(list in "[A-C=,\" \tx-z]{0,60}") {
            let attributes: Result<Vec<_>, _> = Attributes::new(&list).collect();
            if let Ok(attributes) = attributes {
                let mut whole = String::new();
                for one in attributes {
                    let quote = if one.is_quoted { "\"" } else { "" };
                    whole += one.separator;
                    whole += one.name;
                    whole += one.equals;
                    whole += quote;
                    whole += one.value;
                    whole += quote;
                }
                prop_assert_eq!(whole, list);
            }
        }
    }
}
