//! `access`: who may use weir.

use super::cidr::Cidr;
use super::cidr::cidrs;
use super::effective::MASK;
use super::forms::Cidrs;
use super::forms::check_name;
use super::secret;
use super::secret::Secret;
use super::walk::Section;
use super::walk::Walk;

/// Tokens accepted in one configuration.
const TOKENS_MAX: usize = 10_000;

/// Who may use weir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Addresses that clients may come from. Default `private`.
    pub allow: Vec<Cidr>,
    /// Tokens of viewers, in the order written. When there is one, every request for media needs one. At most 10000,
    /// no two the same.
    pub tokens: Vec<Token>,
    /// Token of the admin listener. `None`: none is asked for, which only a loopback address may do.
    pub admin_token: Option<Secret>,
}

/// A viewer's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The viewer's name, for logs and the dashboard.
    pub name: String,
    /// What the viewer sends.
    pub secret: Secret,
}

impl Default for Access {
    fn default() -> Self {
        let allow = cidrs("private").unwrap_or_default();
        Self { allow, tokens: Vec::new(), admin_token: None }
    }
}

impl Access {
    /// Reads `access`.
    pub(crate) fn read(root: &mut Section<'_>, walk: &mut Walk<'_>) -> Self {
        let default = Self::default();
        let mut section = root.section(walk, "access");
        let allow = section.list(walk, "allow", &Cidrs, vec![default.allow]);
        let allow = allow.into_iter().flat_map(|(cidrs, _)| cidrs).collect();
        let mut tokens: Vec<Token> = Vec::new();
        let mut seen = std::collections::BTreeMap::new();
        for named in section.names(walk, "tokens", TOKENS_MAX, check_name) {
            let Some(secret) = secret::read(walk, named.node, &named.path) else { continue };
            if let Some(other) = seen.insert(secret.expose().to_owned(), named.name) {
                walk.mistake(
                    &named.node.origin,
                    &named.path,
                    format!("the same token as `{other}`; give each its own"),
                );
            }
            walk.effective.scalar(&named.path, MASK, &named.node.origin);
            tokens.push(Token { name: named.name.to_owned(), secret });
        }
        let admin_token = section.secret(walk, "admin_token").map(|(secret, _)| secret);
        section.finish(walk);
        Self { allow, tokens, admin_token }
    }
}
