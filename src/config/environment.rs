//! The process environment as a value: read once by `main`, passed down, never read again. Values may be secret, so
//! Debug shows names only.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

/// Environment variables by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// One variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable<'e> {
    /// Set, and text.
    Text(&'e str),
    /// Set to bytes that are not UTF-8.
    NotText,
}

impl Environment {
    /// From pairs such as `std::env::vars_os()`. A name that is not UTF-8 is kept with replacement characters, so that
    /// a `WEIR_` variable with such a name is still refused as unknown.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let named =
            |(name, value): (N, V)| (name.into().to_string_lossy().into_owned(), value.into());
        Self { variables: pairs.into_iter().map(named).collect() }
    }

    /// The value of `name`; `None` when it is not set, is empty, or is not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// The value of `name`, telling bytes that are not UTF-8 from an unset variable.
    pub(crate) fn variable(&self, name: &str) -> Option<Variable<'_>> {
        self.variables.get(name).map(variable)
    }

    /// Every variable whose name starts with `prefix`, by name.
    pub(crate) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&str, Variable<'_>)> {
        let matching = self.variables.iter().filter(move |(name, _)| name.starts_with(prefix));
        matching.map(|(name, value)| (name.as_str(), variable(value)))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

fn variable(value: &OsString) -> Variable<'_> {
    value.to_str().map_or(Variable::NotText, Variable::Text)
}
