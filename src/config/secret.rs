//! Secrets: a type that cannot be printed, and the four ways to write one: a literal, `{file: path}`, `{env: NAME}`,
//! `{credential: name}` (systemd's `LoadCredential=`, read from `$CREDENTIALS_DIRECTORY`).

use std::fmt;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

use ring::digest::SHA256;
use ring::digest::digest;
use subtle::ConstantTimeEq;

use super::environment::Variable;
use super::mistake::KeyPath;
use super::mistake::Origin;
use super::mistake::did_you_mean;
use super::mistake::shown_key;
use super::tree::Node;
use super::tree::Value;
use super::walk::Walk;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: usize = 4096;
/// The bit that lets everyone read a file.
const OTHERS_READ: u32 = 0o004;

/// A text that Debug and Display show as `***`. Never empty, at most 4096 bytes, without control characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a text cannot be a [`Secret`]. Says nothing about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    /// Nothing in it.
    #[error("the secret is empty; set it, or remove the key")]
    Empty,
    /// More than 4096 bytes.
    #[error("the secret is longer than {SECRET_BYTES_MAX} bytes")]
    TooLong,
    /// A line break or another control character inside.
    #[error("the secret contains a line break or another control character")]
    Control,
}

impl Secret {
    /// A secret from `text`; one trailing line break is dropped, as editors and `echo` add it.
    ///
    /// # Errors
    /// The text is empty, too long, or contains control characters.
    pub fn new(text: &str) -> Result<Self, NotASecret> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text {
            "" => Err(NotASecret::Empty),
            _ if text.len() > SECRET_BYTES_MAX => Err(NotASecret::TooLong),
            _ if text.chars().any(char::is_control) => Err(NotASecret::Control),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The secret itself: for the wire and for a constant-time comparison, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// Whether `given` is this secret. The time it takes tells nothing about either: what is compared
    /// are digests, which are of one length, and all of their bytes.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        let known = digest(&SHA256, self.0.as_bytes());
        let given = digest(&SHA256, given.as_bytes());
        known.as_ref().ct_eq(given.as_ref()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads the secret that `node` holds or points to; a mistake is noted and gives `None`.
pub(crate) fn read(walk: &mut Walk<'_>, node: &Node, path: &KeyPath) -> Option<Secret> {
    let text = match &node.value {
        Value::Refused => return None,
        Value::Scalar { .. } if node.is_null() => Ok(String::new()),
        Value::Scalar { text, .. } => {
            walk.literal_secret |= matches!(node.origin, Origin::File { .. });
            Ok(text.clone())
        }
        Value::Map(entries) => match entries.as_slice() {
            [entry] => fetch(walk, &entry.key, &entry.node, path)?,
            _ => Err(FORMS.to_owned()),
        },
        Value::List(_) => Err(FORMS.to_owned()),
    };
    match text.and_then(|text| Secret::new(&text).map_err(|error| error.to_string())) {
        Ok(secret) => Some(secret),
        Err(text) => {
            walk.mistake(&node.origin, path, text);
            None
        }
    }
}

const FORMS: &str = "a secret is a text, {file: path}, {env: NAME} or {credential: name}";

/// The text that `{key: node}` points to. `None` when the mistake is already noted.
fn fetch(
    walk: &mut Walk<'_>,
    key: &str,
    node: &Node,
    path: &KeyPath,
) -> Option<Result<String, String>> {
    let name = match &node.value {
        Value::Refused => return None,
        Value::Scalar { text, .. } if !node.is_null() => text.as_str(),
        _ => return Some(Err(FORMS.to_owned())),
    };
    Some(match key {
        "env" => match walk.env.variable(name) {
            Some(Variable::Text(text)) => Ok(text.to_owned()),
            Some(Variable::NotText) => {
                Err(format!("the environment variable {} is not UTF-8", shown_key(name)))
            }
            None => Err(format!("the environment variable {} is not set", shown_key(name))),
        },
        "file" => {
            let file = walk.base.join(name);
            match read_file(&file) {
                Ok((text, mode)) => {
                    if mode & OTHERS_READ != 0 {
                        let file = file.display();
                        walk.warn(
                            &node.origin,
                            path,
                            format!("everyone can read {file}; chmod 600 it"),
                        );
                    }
                    Ok(text)
                }
                Err(error) => {
                    Err(format!("cannot read the secret file {}: {error}", file.display()))
                }
            }
        }
        "credential" => credential(walk, name),
        _ => {
            let hint = did_you_mean(key, ["file", "env", "credential"]);
            // A secret that begins with a brace and was not quoted looks like this too.
            let key = if hint.is_empty() { "***".to_owned() } else { shown_key(key) };
            Err(format!("unknown key `{key}`{hint}; {FORMS}"))
        }
    })
}

fn credential(walk: &Walk<'_>, name: &str) -> Result<String, String> {
    if name.contains('/') || name.starts_with('.') {
        return Err(
            "a credential is named without a folder, as in LoadCredential=NAME:/path".to_owned()
        );
    }
    let Some(folder) = walk.env.get("CREDENTIALS_DIRECTORY") else {
        return Err(
            "there are no credentials: $CREDENTIALS_DIRECTORY is not set; give the systemd unit a \
                    LoadCredential=, or use {file: path}"
                .to_owned(),
        );
    };
    // systemd guards these files itself, so their mode is not looked at.
    let file = PathBuf::from(folder).join(name);
    read_file(&file)
        .map(|(text, _)| text)
        .map_err(|error| format!("cannot read the credential {}: {error}", shown_key(name)))
}

/// The content and mode of a small file. Reads a little more than the longest secret, so that [`Secret::new`] refuses
/// a file that is too long.
fn read_file(path: &Path) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX as u64 + 3).read_to_string(&mut text)?;
    Ok((text, mode))
}
