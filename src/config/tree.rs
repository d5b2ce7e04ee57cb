//! YAML as a small tree in which every node knows where it was written. Bounded in depth and nodes; aliases and tags
//! are refused; a mistake that leaves the structure readable does not end the reading.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::Event;
use serde_saphyr::granit_parser::Marker;
use serde_saphyr::granit_parser::Options;
use serde_saphyr::granit_parser::Parser;
use serde_saphyr::granit_parser::ScalarStyle;
use serde_saphyr::granit_parser::ScanError;
use serde_saphyr::granit_parser::StructureStyle;

use super::mistake::KeyPath;
use super::mistake::Origin;
use super::syntax;

/// Levels of nesting accepted.
pub(crate) const DEPTH_MAX: usize = 64;
/// Nodes accepted, keys not counted. A node takes about 100 bytes, so a tree at the limit takes 40 MB.
pub(crate) const NODES_MAX: usize = 400_000;

/// One value and where it was written. No `Debug`: it may hold secrets.
#[derive(Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it was written.
    pub(crate) origin: Origin,
    /// What was written.
    pub(crate) value: Value,
}

/// What stands at one place.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    /// Text, unresolved; `plain` when it was not quoted.
    Scalar {
        /// The text after YAML's unescaping.
        text: String,
        /// Not quoted, so `null` is nothing and a comma in the environment separates.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order written, each key once.
    Map(Vec<Entry>),
    /// Something already reported; readers pass over it in silence.
    Refused,
}

/// One key of a mapping and its value.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key as written.
    pub(crate) key: String,
    /// Where the key was written.
    pub(crate) origin: Origin,
    /// Its value.
    pub(crate) node: Node,
}

/// What the reading of a text found wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where.
    pub(crate) origin: Origin,
    /// At which key, as far as known.
    pub(crate) path: KeyPath,
    /// What and what to do.
    pub(crate) text: String,
}

impl Node {
    /// Plain text from `origin`.
    pub(crate) fn plain(origin: Origin, text: impl Into<String>) -> Self {
        Self { origin, value: Value::Scalar { text: text.into(), plain: true } }
    }

    /// Nothing, as an absent value reads.
    pub(crate) fn null(origin: Origin) -> Self {
        Self::plain(origin, "")
    }

    /// Whether nothing is written here: empty, `~` or `null` without quotes.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of `key` when this is a mapping that has it.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
            }
            _ => None,
        }
    }
}

/// Reads one YAML document. `place` turns the parser's position into an [`Origin`]. A text that is no YAML gives a
/// [`Value::Refused`] and one fault.
pub(crate) fn parse(
    text: &str,
    place: &dyn Fn(&Marker) -> Origin,
    faults: &mut Vec<Fault>,
) -> Node {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut builder = Builder { place, faults, frames: Vec::new(), root: None, nodes: 0 };
    for item in Parser::new_from_str_with_options(text, options) {
        let end = match item {
            Ok((event, span)) => builder.take(event, &span.start).err(),
            Err(error) => Some(builder.explain(&error, text)),
        };
        if let Some((origin, text)) = end {
            let path = builder.path();
            builder.faults.push(Fault { origin: origin.clone(), path, text });
            return Node { origin, value: Value::Refused };
        }
    }
    let start = place(&Marker::new(0, 1, 0));
    builder.root.unwrap_or_else(|| Node::null(start))
}

/// A mapping or list that is still open.
struct Frame {
    origin: Origin,
    /// In brackets, so that it goes on until they are closed.
    flow: bool,
    kind: FrameKind,
}

enum FrameKind {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<String, Origin>, next: Next },
}

/// What the next node of an open mapping is.
enum Next {
    Key,
    Value(String, Origin),
    /// The value of a key that was refused: read and dropped.
    Dropped,
}

/// Builds the tree from the parser's events without recursion.
struct Builder<'p> {
    place: &'p dyn Fn(&Marker) -> Origin,
    faults: &'p mut Vec<Fault>,
    frames: Vec<Frame>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder<'_> {
    /// Takes one event. An error ends the reading.
    fn take(&mut self, event: Event<'_>, at: &Marker) -> Result<(), (Origin, String)> {
        let origin = (self.place)(at);
        if event.tag().is_some() {
            self.fault(
                origin.clone(),
                "YAML tags (`!…`) are not used here; remove it, or quote the value".to_owned(),
            );
        }
        match event {
            Event::Scalar(text, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.add(Node { origin, value })
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.fault(
                    origin.clone(),
                    "YAML aliases (`*name`) are not used here; write the value again".to_owned(),
                );
                self.add(Node { origin, value: Value::Refused })
            }
            Event::SequenceStart(style, ..) => {
                self.open(origin, style, FrameKind::List(Vec::new()))
            }
            Event::MappingStart(style, ..) => {
                let kind =
                    FrameKind::Map { entries: Vec::new(), seen: BTreeMap::new(), next: Next::Key };
                self.open(origin, style, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.frames.pop() {
                Some(Frame { origin, kind: FrameKind::List(items), .. }) => {
                    self.add(Node { origin, value: Value::List(items) })
                }
                Some(Frame { origin, kind: FrameKind::Map { entries, .. }, .. }) => {
                    self.add(Node { origin, value: Value::Map(entries) })
                }
                None => Ok(()),
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                Err((origin, "a second YAML document begins here; keep one".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        origin: Origin,
        style: StructureStyle,
        kind: FrameKind,
    ) -> Result<(), (Origin, String)> {
        if self.frames.len() >= DEPTH_MAX {
            return Err((origin, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.frames.push(Frame { origin, flow: style == StructureStyle::Flow, kind });
        Ok(())
    }

    /// What a syntax error means. In brackets that began in an earlier line, those are the likely culprit: YAML notices
    /// that one is missing only where the next key stands.
    fn explain(&self, error: &ScanError, text: &str) -> (Origin, String) {
        let (at, meaning) = syntax::explain(error, text, self.place);
        let opened = match self
            .frames
            .iter()
            .rev()
            .find(|frame| frame.flow)
            .map(|frame| (&frame.origin, &at))
        {
            Some((Origin::File { line, .. }, Origin::File { line: failed, .. }))
                if line < failed =>
            {
                *line
            }
            _ => return (at, meaning),
        };
        (at, format!("{meaning}; or is the bracket opened in line {opened} not closed?"))
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), (Origin, String)> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err((node.origin, format!("more than {NODES_MAX} values")));
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let (entries, seen, next) = match &mut frame.kind {
            FrameKind::List(items) => {
                items.push(node);
                return Ok(());
            }
            FrameKind::Map { entries, seen, next } => (entries, seen, next),
        };
        match std::mem::replace(next, Next::Key) {
            Next::Value(key, origin) => entries.push(Entry { key, origin, node }),
            Next::Dropped => {}
            Next::Key => {
                let origin = node.origin;
                let Value::Scalar { text: key, .. } = node.value else {
                    *next = Next::Dropped;
                    self.fault(origin, "a key must be plain text".to_owned());
                    return Ok(());
                };
                if let Some(first) = seen.get(&key) {
                    let first = match first {
                        Origin::File { line, .. } => format!("; the first is in line {line}"),
                        _ => String::new(),
                    };
                    *next = Next::Dropped;
                    let path = self.path().key(&key);
                    self.faults.push(Fault {
                        origin,
                        path,
                        text: format!("duplicate key{first}; keep one"),
                    });
                } else {
                    seen.insert(key.clone(), origin.clone());
                    *next = Next::Value(key, origin);
                }
            }
        }
        Ok(())
    }

    fn fault(&mut self, origin: Origin, text: String) {
        let path = self.path();
        self.faults.push(Fault { origin, path, text });
    }

    /// The path of the node being read.
    fn path(&self) -> KeyPath {
        self.frames.iter().fold(KeyPath::default(), |path, frame| match &frame.kind {
            FrameKind::List(items) => path.index(items.len()),
            FrameKind::Map { next: Next::Value(key, _), .. } => path.key(key),
            FrameKind::Map { .. } => path,
        })
    }
}

#[cfg(test)]
mod tests;
