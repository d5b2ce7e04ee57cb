//! `WEIR_…` variables laid over the tree of the file: `WEIR_RECEIVERS__LIVING_ROOM__PASSWORD` sets
//! `receivers.living-room.password`.

use super::environment::Variable;
use super::mistake::KeyPath;
use super::mistake::Origin;
use super::mistake::Segment;
use super::mistake::shown_key;
use super::tree;
use super::tree::Entry;
use super::tree::Node;
use super::tree::Value;
use super::walk::Walk;

/// What the names of the variables begin with.
const PREFIX: &str = "WEIR_";
/// Variables that are no keys: they choose the file and the spelling of aliases.
const NOT_KEYS: [&str; 2] = ["WEIR_CONFIG", "WEIR_COMPAT"];

/// Lays every `WEIR_` variable over `root`. Outer keys first, so that `WEIR_LOG={level: debug}` replaces the section
/// and `WEIR_LOG__FORMAT=json` then changes one key of it.
pub(crate) fn apply(root: &mut Node, walk: &mut Walk<'_>) {
    let variables = walk.env.with_prefix(PREFIX);
    let variables = variables
        .filter(|(name, value)| !NOT_KEYS.contains(name) && !is_service_link(name, *value));
    let mut variables: Vec<_> = variables.map(|(name, value)| (keys(name), name, value)).collect();
    variables.sort_by_key(|(keys, name, _)| (keys.len(), *name));
    for (keys, name, value) in variables {
        let origin = Origin::variable(name);
        let (path, result) = match value {
            Variable::NotText => (KeyPath::default(), Err("the value is not UTF-8".to_owned())),
            Variable::Text("") => (
                KeyPath::default(),
                Err("set but empty; give it a value, `null` for nothing, or unset it".to_owned()),
            ),
            Variable::Text(text) => match value_of(text, &origin) {
                Ok(node) => place(root, &keys, node),
                Err(text) => (KeyPath::default(), Err(text)),
            },
        };
        if let Err(text) = result {
            walk.mistake(&origin, &path, text);
        }
    }
}

/// Whether Kubernetes set this variable, as it does in every pod beside a service called `weir`.
fn is_service_link(name: &str, value: Variable<'_>) -> bool {
    match name {
        "WEIR_SERVICE_HOST" => true,
        "WEIR_PORT" => matches!(value, Variable::Text(text) if text.contains("://")),
        _ => name.starts_with("WEIR_SERVICE_PORT") || name.starts_with("WEIR_PORT_"),
    }
}

/// The steps that a variable's name spells.
fn keys(name: &str) -> Vec<&str> {
    name.get(PREFIX.len()..).unwrap_or_default().split("__").collect()
}

/// Puts `node` at `path`, making the mappings on the way. The error says why there is no such place.
pub(crate) fn put(root: &mut Node, path: &[&str], node: Node) -> Result<(), String> {
    let (_, result) = descend(root, path, &node.origin.clone(), |slot| *slot = node, exact);
    result
}

/// The node that a variable's text stands for: YAML when it begins like a list, a mapping or a quoted text, else the
/// text itself.
fn value_of(text: &str, origin: &Origin) -> Result<Node, String> {
    if !text.trim_start().starts_with(['[', '{', '"', '\'']) {
        return Ok(Node::plain(origin.clone(), text));
    }
    let mut faults = Vec::new();
    let node = tree::parse(text, &|_| origin.clone(), &mut faults);
    match faults.into_iter().next() {
        None => Ok(node),
        Some(fault) => {
            Err(format!("begins like YAML, but {}; a text that begins so needs quotes", fault.text))
        }
    }
}

fn place(root: &mut Node, keys: &[&str], node: Node) -> (KeyPath, Result<(), String>) {
    descend(root, keys, &node.origin.clone(), |slot| *slot = node, similar)
}

/// Where a step goes in a mapping.
enum Slot {
    /// To the entry at this place.
    At(usize),
    /// To a new entry with this key.
    New(String),
}

/// How a step finds its key among those of a mapping. An error says why it cannot.
type Find = fn(&[Entry], &str) -> Result<Slot, String>;

/// Walks down `keys` and calls `set` on the node there. Gives the path as far as it came.
fn descend(
    root: &mut Node,
    keys: &[&str],
    origin: &Origin,
    set: impl FnOnce(&mut Node),
    find: Find,
) -> (KeyPath, Result<(), String>) {
    let mut at = root;
    let mut path = KeyPath::default();
    for key in keys {
        if at.is_null() {
            *at = Node { origin: origin.clone(), value: Value::Map(Vec::new()) };
        }
        let next = match &mut at.value {
            // Reported where it was read.
            Value::Refused => return (path, Ok(())),
            Value::Scalar { .. } => {
                let text =
                    "a plain value is set here, so it has no keys; set the whole value instead";
                return (path, Err(text.to_owned()));
            }
            Value::List(items) => {
                let length = items.len();
                let index = key.parse::<usize>().ok().filter(|index| *index <= length);
                let Some(index) = index else {
                    return (
                        path,
                        Err(format!(
                            "this is a list of {length}; write an index from 0 to {length}"
                        )),
                    );
                };
                if index == length {
                    items.push(Node::null(origin.clone()));
                }
                path = path.index(index);
                items.get_mut(index)
            }
            Value::Map(entries) => {
                let index = match find(entries, key) {
                    Err(text) => return (path, Err(text)),
                    Ok(Slot::At(index)) => index,
                    Ok(Slot::New(key)) => {
                        // A variable cannot have the `-` of a header in its name.
                        let header =
                            path.segments().last() == Some(&Segment::Key("headers".to_owned()));
                        let key = if header { key.replace('_', "-") } else { key };
                        entries.push(Entry {
                            key,
                            origin: origin.clone(),
                            node: Node::null(origin.clone()),
                        });
                        entries.len() - 1
                    }
                };
                let entry = entries.get_mut(index);
                if let Some(entry) = &entry {
                    path = path.key(&entry.key);
                }
                entry.map(|entry| &mut entry.node)
            }
        };
        // Every index above was just checked or made.
        let Some(next) = next else { return (path, Ok(())) };
        at = next;
    }
    set(at);
    (path, Ok(()))
}

/// The key that reads `key`, else `key` itself to add.
fn exact(entries: &[Entry], key: &str) -> Result<Slot, String> {
    let found = entries.iter().position(|entry| entry.key == key);
    Ok(found.map_or_else(|| Slot::New(key.to_owned()), Slot::At))
}

/// The key that `key`, a part of a variable's name, means: letters in any case, `_` for `-` and `.`, which a variable
/// cannot have in its name. To add: `key` in small letters.
fn similar(entries: &[Entry], key: &str) -> Result<Slot, String> {
    let folded = |text: &str| text.to_ascii_lowercase().replace(['-', '.'], "_");
    let wanted = folded(key);
    let mut matching = entries.iter().enumerate().filter(|(_, entry)| folded(&entry.key) == wanted);
    match (matching.next(), matching.next()) {
        (Some((index, _)), None) => Ok(Slot::At(index)),
        (Some((_, a)), Some((_, b))) => {
            let (a, b) = (shown_key(&a.key), shown_key(&b.key));
            Err(format!(
                "this means both `{a}` and `{b}`; rename one, or write the value in the file"
            ))
        }
        (None, _) => Ok(Slot::New(key.to_ascii_lowercase())),
    }
}
