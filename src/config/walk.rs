//! Walking the tree with typed readers. [`Walk`] collects what comes up on the way (mistakes, warnings, the effective
//! values); [`Section`] is one mapping, knows which of its keys were asked for, and refuses the rest.

use std::path::PathBuf;
use std::sync::Arc;

use super::TOP_KEYS;
use super::effective::Effective;
use super::effective::MASK;
use super::environment::Environment;
use super::forms::Form;
use super::mistake::KeyPath;
use super::mistake::Mistake;
use super::mistake::Mistakes;
use super::mistake::Origin;
use super::mistake::nearest;
use super::mistake::shown_key;
use super::secret;
use super::secret::Secret;
use super::syntax;
use super::tree::Entry;
use super::tree::Node;
use super::tree::Value;

/// Items of one list of plain values.
const LIST_MAX: usize = 1024;
/// Warnings kept.
const WARNINGS_MAX: usize = 100;

/// What one reading of a configuration needs and collects.
pub(crate) struct Walk<'e> {
    /// The environment, for secrets and folders.
    pub(crate) env: &'e Environment,
    /// The folder that relative paths start from.
    pub(crate) base: PathBuf,
    /// Set when a secret stands in the file itself.
    pub(crate) literal_secret: bool,
    /// Everything wrong.
    pub(crate) mistakes: Mistakes,
    /// Everything odd.
    pub(crate) warnings: Vec<String>,
    /// Every value and its origin.
    pub(crate) effective: Effective,
    file: Arc<str>,
}

impl<'e> Walk<'e> {
    /// For the file called `file`, whose folder relative paths start from.
    pub(crate) fn new(file: &str, env: &'e Environment) -> Self {
        let file: Arc<str> = file.into();
        let base =
            std::path::Path::new(&*file).parent().unwrap_or(std::path::Path::new("")).to_owned();
        let effective = Effective::new(Arc::clone(&file));
        let (mistakes, warnings) = (Mistakes::default(), Vec::new());
        Self { env, base, literal_secret: false, mistakes, warnings, effective, file }
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&mut self, origin: &Origin, path: &KeyPath, text: impl Into<String>) {
        let mistake = self.note(origin, path, text.into());
        self.mistakes.push(mistake);
    }

    /// Notes a warning.
    pub(crate) fn warn(&mut self, origin: &Origin, path: &KeyPath, text: impl Into<String>) {
        if self.warnings.len() < WARNINGS_MAX {
            let warning = self.note(origin, path, text.into()).to_string();
            self.warnings.push(warning);
        }
    }

    fn note(&self, origin: &Origin, path: &KeyPath, text: String) -> Mistake {
        Mistake {
            file: Arc::clone(&self.file),
            origin: origin.clone(),
            path: path.to_string(),
            text,
        }
    }
}

/// A value and where it was written.
pub(crate) type Placed<T> = (T, Origin);

/// One mapping of the configuration while it is read.
pub(crate) struct Section<'n> {
    /// Its path.
    pub(crate) path: KeyPath,
    /// Where it was written, for what is missing in it.
    pub(crate) origin: Origin,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    /// Could not be read; nothing is missing in it.
    refused: bool,
}

/// One entry of a mapping whose keys are names that the user chose.
pub(crate) struct Named<'n> {
    /// The name.
    pub(crate) name: &'n str,
    /// Where the name was written.
    pub(crate) origin: &'n Origin,
    /// Path of the entry.
    pub(crate) path: KeyPath,
    /// Its value.
    pub(crate) node: &'n Node,
}

impl<'n> Section<'n> {
    /// Opens `node` as a mapping. Absent and null are an empty one at `origin`.
    pub(crate) fn open(
        walk: &mut Walk<'_>,
        node: Option<&'n Node>,
        path: KeyPath,
        origin: &Origin,
    ) -> Self {
        let origin = node.map_or(origin, |node| &node.origin).clone();
        let (entries, refused): (&[Entry], bool) = match node {
            None => (&[], false),
            Some(node) if node.is_null() => (&[], false),
            Some(Node { value: Value::Map(entries), .. }) => (entries, false),
            Some(Node { value: Value::Refused, .. }) => (&[], true),
            Some(_) => {
                let hint = match &origin {
                    Origin::Variable(name) => format!("; set a key of it, as {name}__KEY=value"),
                    _ => "; write `key: value` lines, indented below it".to_owned(),
                };
                walk.mistake(&origin, &path, format!("this needs keys of its own{hint}"));
                (&[], true)
            }
        };
        Self { path, origin, entries, known: Vec::new(), refused }
    }

    /// The mapping at `key`.
    pub(crate) fn section(&mut self, walk: &mut Walk<'_>, key: &'static str) -> Self {
        let node = self.take(key);
        Self::open(walk, node, self.path.key(key), &Origin::Default)
    }

    /// The entries of the mapping at `key`, whose keys are names chosen by the user: at most `max`, each checked by
    /// `check`. An entry with a bad name is noted and left out.
    pub(crate) fn names(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        max: usize,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Vec<Named<'n>> {
        let section = self.section(walk, key);
        if section.entries.is_empty() && !section.refused {
            walk.effective.empty(&section.path, &section.origin);
        }
        if section.entries.len() > max {
            walk.mistake(&section.origin, &section.path, format!("more than {max} entries"));
        }
        let mut named = Vec::new();
        for entry in section.entries.iter().take(max) {
            let path = section.path.key(&entry.key);
            match check(&entry.key) {
                Ok(()) => named.push(Named {
                    name: &entry.key,
                    origin: &entry.origin,
                    path,
                    node: &entry.node,
                }),
                Err(text) => walk.mistake(&entry.origin, &path, text),
            }
        }
        named
    }

    /// Whether `key` is written here, null included.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Whether something is written at `key`, so that a missing value means a mistake already noted.
    pub(crate) fn written_badly(&self, key: &str) -> bool {
        let written = |node: &Node| {
            !node.is_null() && !matches!(&node.value, Value::List(items) if items.is_empty())
        };
        self.entries.iter().any(|entry| entry.key == key && written(&entry.node))
    }

    /// Where a value is written at `key`, null excluded.
    pub(crate) fn written_at(&self, key: &str) -> Option<&'n Origin> {
        let written = |entry: &&Entry| entry.key == key && !entry.node.is_null();
        self.entries.iter().find(written).map(|entry| &entry.node.origin)
    }

    /// Whether nothing is written here, or keys without values only.
    pub(crate) fn is_absent(&self) -> bool {
        self.entries.iter().all(|entry| entry.node.is_null()) && !self.refused
    }

    /// Whether one of the keys here satisfies `is`.
    pub(crate) fn has_key_that(&self, is: impl Fn(&str) -> bool) -> bool {
        self.entries.iter().any(|entry| is(&entry.key))
    }

    /// Adds known keys that are not read.
    pub(crate) fn know(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// The node at `key`, which is a known key from now on.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// One value that has a default.
    pub(crate) fn value<F: Form>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        form: &F,
        default: F::Value,
    ) -> F::Value {
        self.placed(walk, key, form, default).0
    }

    /// One value that has a default, with its origin.
    pub(crate) fn placed<F: Form>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        form: &F,
        default: F::Value,
    ) -> Placed<F::Value> {
        let path = self.path.key(key);
        let (value, origin) = match self.take(key) {
            None => (default, Origin::Default),
            Some(node) if node.is_null() => (default, node.origin.clone()),
            Some(node) => match scalar(walk, node, &path, form) {
                Some(value) => (value, node.origin.clone()),
                None => return (default, node.origin.clone()),
            },
        };
        walk.effective.scalar(&path, &form.show(&value), &origin);
        (value, origin)
    }

    /// One value that may be absent.
    pub(crate) fn optional<F: Form>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        form: &F,
    ) -> Option<Placed<F::Value>> {
        let path = self.path.key(key);
        let node = self.take(key);
        let Some(node) = node.filter(|node| !node.is_null()) else {
            walk.effective.null(&path, node.map_or(&Origin::Default, |node| &node.origin));
            return None;
        };
        let value = scalar(walk, node, &path, form)?;
        walk.effective.scalar(&path, &form.show(&value), &node.origin);
        Some((value, node.origin.clone()))
    }

    /// A list of values, or one value in place of a list; in the environment, values between commas.
    pub(crate) fn list<F: Form>(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
        form: &F,
        default: Vec<F::Value>,
    ) -> Vec<Placed<F::Value>> {
        let path = self.path.key(key);
        let node = self.take(key);
        let Some(node) = node.filter(|node| !node.is_null()) else {
            let origin = node.map_or(&Origin::Default, |node| &node.origin);
            walk.effective.list(&path, &form.show_all(&default), origin);
            return default.into_iter().map(|value| (value, origin.clone())).collect();
        };
        let mistakes = walk.mistakes.len();
        let (mut values, mut origins) = (Vec::new(), Vec::new());
        let items = items::<F>(node);
        if items.len() > LIST_MAX {
            walk.mistake(&node.origin, &path, format!("more than {LIST_MAX} items"));
        }
        let single = !matches!(node.value, Value::List(_)) && items.len() == 1;
        for (index, item) in items.iter().take(LIST_MAX).enumerate() {
            let at = if single { path.clone() } else { path.index(index) };
            if let Some(value) = scalar(walk, item, &at, form) {
                values.push(value);
                origins.push(item.origin.clone());
            }
        }
        if walk.mistakes.len() == mistakes {
            walk.effective.list(&path, &form.show_all(&values), &node.origin);
        }
        values.into_iter().zip(origins).collect()
    }

    /// A secret that may be absent, with its origin.
    pub(crate) fn secret(
        &mut self,
        walk: &mut Walk<'_>,
        key: &'static str,
    ) -> Option<Placed<Secret>> {
        let path = self.path.key(key);
        let node = self.take(key);
        let Some(node) = node.filter(|node| !node.is_null()) else {
            walk.effective.null(&path, node.map_or(&Origin::Default, |node| &node.origin));
            return None;
        };
        let secret = secret::read(walk, node, &path)?;
        walk.effective.scalar(&path, MASK, &node.origin);
        Some((secret, node.origin.clone()))
    }

    /// Notes that `key` must be written here.
    pub(crate) fn missing(&self, walk: &mut Walk<'_>, key: &str, text: &str) {
        if !self.refused {
            walk.mistake(&self.origin, &self.path.key(key), text);
        }
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(self, walk: &mut Walk<'_>) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            // Finding what was meant takes a while, which a file of nothing but unknown keys must not multiply.
            let text =
                if walk.mistakes.is_full() { String::new() } else { self.unknown(&entry.key) };
            walk.mistake(&entry.origin, &self.path.key(&entry.key), text);
        }
    }

    fn unknown(&self, key: &str) -> String {
        let shown = shown_key(key);
        if syntax::looks_like_service(key) {
            syntax::QUOTE_SERVICE.to_owned()
        } else if TOP_KEYS.contains(&key) {
            format!("unknown key `{shown}`; it belongs at the top level, not below `{}`", self.path)
        } else if let Some(near) = nearest(key, self.known.iter().copied()) {
            format!("unknown key `{shown}`; did you mean `{near}`?")
        } else {
            format!("unknown key `{shown}`; known here: {}", self.known.join(", "))
        }
    }
}

/// The items of a list; one value is a list of one, and in the environment commas separate.
pub(crate) fn items<F: Form>(node: &Node) -> Vec<Node> {
    match (&node.value, &node.origin) {
        (Value::List(items), _) => items.clone(),
        (Value::Scalar { text, plain: true }, Origin::Variable(_)) => F::split(text)
            .into_iter()
            .map(|item| Node::plain(node.origin.clone(), item.trim()))
            .collect(),
        _ => vec![node.clone()],
    }
}

/// Reads one value; a mistake is noted and gives `None`.
pub(crate) fn scalar<F: Form>(
    walk: &mut Walk<'_>,
    node: &Node,
    path: &KeyPath,
    form: &F,
) -> Option<F::Value> {
    let text = match &node.value {
        Value::Refused => return None,
        Value::Scalar { text, .. } if !node.is_null() => text,
        Value::Map(entries)
            if entries.iter().any(|entry| syntax::looks_like_service(&entry.key)) =>
        {
            walk.mistake(&node.origin, path, syntax::QUOTE_SERVICE);
            return None;
        }
        Value::Scalar { .. } | Value::Map(_) | Value::List(_) => {
            walk.mistake(&node.origin, path, format!("expected {}", form.noun()));
            return None;
        }
    };
    match form.read(text) {
        Ok(value) => Some(value),
        Err(text) => {
            walk.mistake(&node.origin, path, text);
            None
        }
    }
}
