//! What is wrong with a configuration: where, at which key, and what to do. Mistakes are collected, so that one
//! run shows all of them. Nothing here ever repeats a secret: values pass through [`quoted`], keys through
//! [`shown_key`].

use std::fmt;
use std::sync::Arc;

/// Mistakes kept; further ones are only counted.
const MISTAKES_MAX: usize = 1000;
/// Characters of a refused value that a message repeats.
const QUOTED_CHARS_MAX: usize = 40;

/// Where a value comes from. Ordered as mistakes are listed: the file from top to bottom, then the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file; both count from 1, the column in characters.
    File {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// An environment variable.
    Variable(Arc<str>),
}

impl Origin {
    /// The environment variable `name`, made safe to print.
    pub(crate) fn variable(name: &str) -> Self {
        Self::Variable(
            name.chars().take(200).flat_map(char::escape_debug).collect::<String>().into(),
        )
    }
}

/// The way from the top of the configuration to one key: `channels.orf1.sources[1].url`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A key of a mapping, as it may be shown.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

impl KeyPath {
    /// The path of `key` below this one.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(shown_key(key)))
    }

    /// The path of the item `index` of this list.
    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The steps, outermost first.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if depth == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One mistake. Displays as `config.yaml:12:5: limits.clients: what is wrong; what to do`, or with the name of the
/// environment variable in place of file, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub(crate) file: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) path: String,
    pub(crate) text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str(&self.file)?,
            Origin::File { line, column } => write!(f, "{}:{line}:{column}", self.file)?,
            Origin::Variable(name) => f.write_str(name)?,
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Every mistake of one configuration, in the order of the file, then of the environment. Displays one per line and a
/// closing line with their number. Keeps 1000 at most and counts the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    list: Vec<Mistake>,
    more: usize,
}

impl Mistakes {
    /// The mistakes.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.list.iter()
    }

    /// How many there are, those not kept included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() + self.more
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether further ones are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() == MISTAKES_MAX
    }

    pub(crate) fn push(&mut self, mistake: Mistake) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.list.push(mistake);
        }
    }

    /// Changes the name of the file, for tests that do not want its folder.
    #[cfg(test)]
    pub(crate) fn rename(&mut self, file: &str) {
        self.list.iter_mut().for_each(|mistake| mistake.file = file.into());
    }

    /// Puts them in reading order; those at one place stay in the order they were found.
    pub(crate) fn sort(&mut self) {
        self.list.sort_by(|a, b| a.origin.cmp(&b.origin));
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.list {
            writeln!(f, "{mistake}")?;
        }
        match self.len() {
            1 => f.write_str("1 mistake in the configuration"),
            count if self.more > 0 => {
                write!(f, "{count} mistakes in the configuration, {} not shown", self.more)
            }
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}

/// `text` in backticks for a message: shortened, control characters escaped, and hidden when it looks like a URL or
/// like a user name with a password.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains("://") || text.contains('@') {
        return "`***`".to_owned();
    }
    let mut shown: String =
        text.chars().take(QUOTED_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A key as a path may show it: the text itself when it looks like a key, else `***`, because what stands in the place
/// of a key by mistake may be a URL or a password.
pub(crate) fn shown_key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-<".contains(c);
    if (1..=64).contains(&key.len()) && key.chars().all(plain) {
        key.to_owned()
    } else {
        "***".to_owned()
    }
}

/// `; did you mean …?` when one of `known` is close to `word`, else nothing.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}

/// The one of `known` that `word` most likely stands for: at most a third of its letters differ.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|key| (distance(&word, &key.to_ascii_lowercase().replace('-', "_")), key))
        .filter(|(distance, key)| *distance <= (key.len().max(3) / 3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Letters to insert, remove, replace or swap with their neighbour to get from `a` to `b`: the rows of the matrix of
/// optimal string alignment, one for each letter of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut above: Vec<usize> = Vec::new();
    let mut before = None;
    for (i, letter) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let at =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&row, j) + usize::from(letter != *other);
            let mut best = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            if j > 0 && before == Some(*other) && b.get(j - 1) == Some(&letter) {
                best = best.min(at(&above, j - 1) + 1);
            }
            next.push(best);
        }
        before = Some(letter);
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "abc"), distance("abc", "")), (3, 3));
        assert_eq!((distance("fiel", "file"), distance("ab", "ba")), (1, 1));
        let known = ["max_connections", "user_agent", "headers"];
        assert_eq!(nearest("max_conections", known), Some("max_connections"));
        assert_eq!(nearest("max-connections", known), Some("max_connections"));
        assert_eq!(nearest("header", known), Some("headers"));
        assert_eq!(nearest("password", known), None);
    }

    #[test]
    fn nothing_that_may_be_secret_is_repeated() {
        assert_eq!(quoted("http://user:canary@host/"), "`***`");
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(50)), format!("`{}…`", "x".repeat(40)));
        assert_eq!(
            KeyPath::default().key("sources").index(1).key("http://canary").to_string(),
            "sources[1].***"
        );
    }
}
