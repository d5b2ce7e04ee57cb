//! Who may watch: the address list, and tokens compared in constant time.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::config::Access;

/// What a request's credentials amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// May watch. The name of the token; `None` where none is asked for.
    Allowed(Option<Arc<str>>),
    /// Tokens are asked for and none came.
    Missing,
    /// A token came that is none of ours.
    Wrong,
}

/// Judges a token from the path, the query or an `Authorization: Bearer` field, in this order.
pub(super) fn judge(
    access: &Access,
    path: Option<&str>,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Verdict {
    if access.tokens.is_empty() {
        return Verdict::Allowed(None);
    }
    let Some(given) = path.or(query).or_else(|| bearer(headers)) else {
        return Verdict::Missing;
    };
    // Every token is compared, so the time does not tell which one it was.
    let found = access.tokens.iter().fold(None, |found, token| {
        let matches = token.secret.matches(given);
        if matches { Some(&token.name) } else { found }
    });
    found.map_or(Verdict::Wrong, |name| Verdict::Allowed(Some(name.as_str().into())))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::config::Token;

    #[test]
    fn a_token_counts_wherever_it_may_stand() {
        let mut access = Access::default();
        let none = HeaderMap::new();
        let allowed = |name: &str| Verdict::Allowed(Some(name.into()));
        assert_eq!(judge(&access, None, None, &none), Verdict::Allowed(None));
        let token = |name: &str, secret: &str| Token {
            name: name.into(),
            secret: Secret::new(secret).unwrap(),
        };
        access.tokens = vec![token("a", "alpha"), token("b", "beta")];
        let bearer = HeaderMap::from_iter([(AUTHORIZATION, "bearer beta".parse().unwrap())]);
        let cases = [
            (Some("alpha"), None, &none, allowed("a")),
            (None, Some("beta"), &none, allowed("b")),
            (None, None, &bearer, allowed("b")),
            (None, None, &none, Verdict::Missing),
            (Some("alphA"), None, &none, Verdict::Wrong),
            (None, Some(""), &none, Verdict::Wrong),
            (None, Some("alphabeta"), &bearer, Verdict::Wrong),
        ];
        for (path, query, headers, expected) in cases {
            assert_eq!(judge(&access, path, query, headers), expected, "{path:?} {query:?}");
        }
    }
}
