//! The configuration as it took effect, every value with its origin: what `weir config` prints. Filled by the readers
//! as they read; values arrive here already masked.

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use super::mistake::KeyPath;
use super::mistake::Origin;
use super::mistake::Segment;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "***";

/// The effective configuration. Displays as YAML with the origin of each value behind it (`# default`,
/// `# config.yaml:12`, `# WEIR_LOG__LEVEL`); secrets and the paths of URLs are `***`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    file: Arc<str>,
    /// One text for each top-level key.
    sections: Vec<(String, String)>,
    last: KeyPath,
}

impl Effective {
    /// Nothing yet; `file` names the configuration file.
    pub(crate) fn new(file: Arc<str>) -> Self {
        Self { file, ..Self::default() }
    }

    /// Notes one value, quoted where YAML needs it. Values of one mapping must arrive together.
    pub(crate) fn scalar(&mut self, path: &KeyPath, value: &str, origin: &Origin) {
        self.line(path, &yaml(value), origin);
    }

    /// Notes a list of texts.
    pub(crate) fn list(&mut self, path: &KeyPath, values: &[String], origin: &Origin) {
        let values: Vec<_> = values.iter().map(|value| yaml(value)).collect();
        self.line(path, &format!("[{}]", values.join(", ")), origin);
    }

    /// Notes a mapping that has no keys.
    pub(crate) fn empty(&mut self, path: &KeyPath, origin: &Origin) {
        self.line(path, "{}", origin);
    }

    /// Notes that nothing is set.
    pub(crate) fn null(&mut self, path: &KeyPath, origin: &Origin) {
        self.line(path, "null", origin);
    }

    /// Puts the sections in the order of `keys`.
    pub(crate) fn arrange(&mut self, keys: &[&str]) {
        self.sections.sort_by_key(|(section, _)| keys.iter().position(|key| key == section));
    }

    fn line(&mut self, path: &KeyPath, value: &str, origin: &Origin) {
        let Some((Segment::Key(top), _)) = path.segments().split_first() else { return };
        if self.sections.last().is_none_or(|(section, _)| section != top) {
            self.sections.push((top.clone(), String::new()));
            self.last = KeyPath::default();
        }
        let Some((_, text)) = self.sections.last_mut() else { return };
        let last = self.last.segments();
        let shared = path.segments().iter().zip(last).take_while(|(a, b)| a == b).count();
        let leaf = path.segments().len() - 1;
        let mut bullet = false;
        for (depth, segment) in path.segments().iter().enumerate().skip(shared) {
            let Segment::Key(key) = segment else {
                bullet = true;
                continue;
            };
            let indent = if std::mem::take(&mut bullet) {
                format!("{:1$}- ", "", 2 * depth - 2)
            } else {
                " ".repeat(2 * depth)
            };
            // Writing to a String cannot fail.
            let _infallible = if depth == leaf {
                match origin {
                    Origin::Default => writeln!(text, "{indent}{key}: {value}  # default"),
                    Origin::File { line, .. } => {
                        writeln!(text, "{indent}{key}: {value}  # {}:{line}", self.file)
                    }
                    Origin::Variable(name) => writeln!(text, "{indent}{key}: {value}  # {name}"),
                }
            } else {
                writeln!(text, "{indent}{key}:")
            };
        }
        self.last = path.clone();
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sections.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}

/// `text` as a YAML scalar: as it is when nothing in it has a meaning, else in double quotes.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || " ._-/+:*%=;()".contains(c);
    let edges = text.starts_with(|c: char| c.is_alphanumeric() || c == '/' || c == '.')
        && !text.ends_with([':', ' ']);
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off"
    );
    if edges && !word && text.chars().all(plain) && !text.contains(": ") {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\U{:08X}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_yaml_with_origins() {
        let mut effective = Effective::new("config.yaml".into());
        let top = KeyPath::default().key("channels").key("orf1");
        let file = Origin::File { line: 3, column: 5 };
        effective.scalar(&top.key("name"), "ORF1: HD", &file);
        let source = top.key("sources").index(0);
        effective.scalar(&source.key("url"), "http://h/***", &file);
        effective.null(&source.key("provider"), &Origin::Default);
        effective.scalar(
            &top.key("sources").index(1).key("receiver"),
            "box",
            &Origin::variable("WEIR_X"),
        );
        effective.list(
            &KeyPath::default().key("access").key("allow"),
            &["private".to_owned()],
            &Origin::Default,
        );
        effective.arrange(&["access", "channels"]);
        let expected = "\
access:
  allow: [private]  # default
channels:
  orf1:
    name: \"ORF1: HD\"  # config.yaml:3
    sources:
      - url: http://h/***  # config.yaml:3
        provider: null  # default
      - receiver: box  # WEIR_X
";
        assert_eq!(effective.to_string(), expected);
    }

    #[test]
    fn quotes_where_yaml_needs_it() {
        for (text, shown) in [
            ("1:0:19:0:", "\"1:0:19:0:\""),
            ("0.0.0.0:18000", "0.0.0.0:18000"),
            ("null", "\"null\""),
            ("***", "\"***\""),
            ("a # b", "\"a # b\""),
            ("-x", "\"-x\""),
            ("a\"\\\u{7}", "\"a\\\"\\\\\\U00000007\""),
        ] {
            assert_eq!(yaml(text), shown);
        }
    }
}
