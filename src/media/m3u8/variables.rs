//! Variables of a playlist and their replacement (8216bis sections 4.3 and 4.4.2.3).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::media::m3u8::Error;
use crate::media::m3u8::line::LINE_MAX;

/// Variables in one playlist.
const VARIABLES_MAX: usize = 256;

/// Bytes of one name.
const NAME_MAX: usize = 256;

/// Bytes of one value.
const VALUE_MAX: usize = 8 * 1024;

/// Bytes that all replacements in one playlist may put in together.
const REPLACED_MAX: usize = 8 * 1024 * 1024;

/// Names and values, at most 256 of at most 8 KiB. Values are often credentials: `Debug` shows
/// names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Adds a variable.
    ///
    /// # Errors
    /// [`Error::Definition`] where the name is empty, malformed or there already, or the value
    /// cannot stand between quotes; [`Error::Expansion`] where it is too much.
    pub fn define(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let is_text = value.chars().all(|one| one != '"' && (one == '\t' || !one.is_control()));
        // What looks like a reference would be one for the reader of the output.
        if !is_name(name) || !is_text || value.contains("{$") || self.0.contains_key(name) {
            return Err(Error::Definition);
        }
        if self.0.len() >= VARIABLES_MAX || name.len() > NAME_MAX || value.len() > VALUE_MAX {
            return Err(Error::Expansion);
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// The value of a variable. Names are case-sensitive.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What is left of [`REPLACED_MAX`].
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) const fn new() -> Self {
        Self(REPLACED_MAX)
    }
}

/// `text` with the values of its variables. `{$` that begins no reference stays.
pub(super) fn substitute<'t>(
    text: &'t str,
    variables: &Variables,
    budget: &mut Budget,
) -> Result<Cow<'t, str>, Error> {
    let mut rest = text;
    let mut output = String::new();
    while let Some((before, after)) = rest.split_once("{$") {
        output.push_str(before);
        match split_name(after) {
            Some((name, behind)) => {
                let value = variables.get(name).ok_or(Error::Undefined)?;
                budget.0 = budget.0.checked_sub(value.len()).ok_or(Error::Expansion)?;
                output.push_str(value);
                rest = behind;
            }
            None => {
                output.push_str("{$");
                rest = after;
            }
        }
        if output.len() > LINE_MAX {
            return Err(Error::Expansion);
        }
    }
    if rest.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    output.push_str(rest);
    Ok(Cow::Owned(output))
}

/// The value of a query parameter, percent-decoded; `None` where there is none with a value.
pub(super) fn query_parameter(query: &str, name: &str) -> Option<String> {
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let mut values =
        parameters.filter(|(key, value)| !value.is_empty() && decode(key).as_deref() == Some(name));
    decode(values.next()?.1)
}

/// Percent-decoding and nothing else: a plus stays. `None` for what is not UTF-8 then.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escape = behind.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escape.and_then(|(digits, _)| {
            let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        });
        (rest, _) = match (escape, byte) {
            (Some((_, behind)), Some(byte)) => (behind, decoded.push(byte)),
            _ => (behind, decoded.push(*first)),
        };
    }
    String::from_utf8(decoded).ok()
}

/// The name at the beginning of `text` and what follows the brace behind it. Looks no further than
/// the name: a line of nothing but openings takes no longer than any other.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_name_byte(byte)).filter(|end| *end > 0)?;
    let (name, behind) = text.split_at_checked(end)?;
    Some((name, behind.strip_prefix('}')?))
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<String, Error> {
        let mut variables = Variables::default();
        variables.define("a-1_B", "x").unwrap();
        variables.define("long", &"y".repeat(VALUE_MAX)).unwrap();
        substitute(text, &variables, &mut Budget::new()).map(Cow::into_owned)
    }

    #[test]
    fn references_are_replaced_once() {
        assert_eq!(replaced("1{$a-1_B}2{$a-1_B}").as_deref(), Ok("1x2x"));
        assert_eq!(replaced("{$}{$ a}{$a{$a-1_B}").as_deref(), Ok("{$}{$ a}{$ax"));
        assert_eq!(replaced("{$A-1_B}"), Err(Error::Undefined));
        assert_eq!(replaced(&"{$long}".repeat(9)), Err(Error::Expansion));
    }

    #[test]
    fn the_whole_of_all_replacements_is_bounded() {
        let mut variables = Variables::default();
        variables.define("v", &"y".repeat(VALUE_MAX)).unwrap();
        let mut budget = Budget::new();
        let times = (0..).find(|_| substitute("{$v}", &variables, &mut budget).is_err());
        assert_eq!(times, Some(REPLACED_MAX / VALUE_MAX));
    }

    #[test]
    fn definitions_are_checked() {
        let mut variables = Variables::default();
        assert_eq!(variables.define("a", "x\ty ü"), Ok(()));
        assert_eq!(variables.define("a", "z"), Err(Error::Definition));
        assert_eq!(variables.define("A", ""), Ok(()));
        for (name, value) in
            [("", "x"), ("a b", "x"), ("ü", "x"), ("q", "\""), ("n", "\n"), ("r", "{$r}")]
        {
            assert_eq!(variables.define(name, value), Err(Error::Definition), "{name}");
        }
        assert_eq!(variables.define("v", &"x".repeat(VALUE_MAX + 1)), Err(Error::Expansion));
        for number in 2..VARIABLES_MAX {
            assert_eq!(variables.define(&format!("v{number}"), ""), Ok(()));
        }
        assert_eq!(variables.define("more", ""), Err(Error::Expansion));
        assert!(!format!("{variables:?}").contains('ü'));
    }

    #[test]
    fn query_parameters_are_decoded() {
        let value = |name| query_parameter("a=1%2F2+3&b&c=&d=%zz%&%65=ok&a=4&f=%ff&t=a=b", name);
        assert_eq!(value("a").as_deref(), Some("1/2+3"));
        assert_eq!(value("b"), None);
        assert_eq!(value("c"), None);
        assert_eq!(value("d").as_deref(), Some("%zz%"));
        assert_eq!(value("e").as_deref(), Some("ok"));
        assert_eq!(value("f"), None);
        assert_eq!(value("t").as_deref(), Some("a=b"));
    }
}
