//! Overrides: `PUT /api/v1/channels/{id}/override` shows a message, a pattern or one source on a
//! channel, to who watches and to who comes; `DELETE` shows its sources again; `GET` says what is shown.

use std::time::UNIX_EPOCH;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::channel::Catalog;
use crate::channel::Channel;
use crate::config::MESSAGE_MAX;
use crate::config::Made;
use crate::config::Pattern;
use crate::config::TITLE_MAX;
use crate::delivery::Delivery;
use crate::delivery::overrides::Choice;
use crate::delivery::overrides::Override;

/// What it does not reach, and how long it lasts.
const HOLDS: &str = "live transport streams of this channel, those that run and those that begin; \
                     not HLS playlists that are passed on, and files; until it is deleted or weir restarts";

/// What may be wanted: one of `message` (with a `title` or without), `pattern` and `source`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    message: Option<String>,
    title: Option<String>,
    pattern: Option<String>,
    source: Option<usize>,
}

/// What a channel shows.
#[derive(Debug, Serialize)]
pub(super) struct View {
    channel: String,
    /// `null`: its sources.
    #[serde(rename = "override")]
    shown: Option<Shown>,
    /// Running sessions that are told of it.
    sessions: usize,
    /// Where and for how long it holds.
    holds: &'static str,
}

/// What is shown instead of the sources: the keys of the wish that are not `null`.
#[derive(Debug, Serialize)]
struct Shown {
    message: Option<String>,
    title: Option<String>,
    pattern: Option<&'static str>,
    source: Option<usize>,
    /// In seconds since 1970.
    since: u64,
}

/// Why nothing was changed.
pub(super) type Refusal = (StatusCode, String);

/// What is asked of an override may be.
pub(super) const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE];

/// The channel id in the path of such a request.
pub(super) fn channel_in(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/api/v1/channels/")?.strip_suffix("/override")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// Does what `method` asks for, and says what `channel` shows then.
pub(super) fn answer(
    method: &Method,
    channel: &Channel,
    body: &[u8],
    delivery: &Delivery,
    catalog: &Catalog,
) -> Result<View, Refusal> {
    let (id, overrides) = (&channel.id, delivery.overrides());
    let is_new = match *method {
        Method::PUT => {
            let choice = wanted(body, channel)?;
            tracing::warn!(channel = %id, shows = word(&choice), "override is set");
            overrides.put(id, choice, |known| catalog.find(known).is_some());
            true
        }
        Method::DELETE => {
            let was_set = overrides.remove(id);
            if was_set {
                tracing::warn!(channel = %id, "override is taken back");
            }
            was_set
        }
        _ => false,
    };
    let mut running = delivery.sessions().steered(id);
    running.retain(|info| info.desk().is_some());
    if is_new {
        running.iter().filter_map(|info| info.desk()).for_each(|desk| desk.look());
    }
    Ok(View {
        channel: id.to_string(),
        shown: overrides.of(id).map(|shown| Shown::of(&shown)),
        sessions: running.len(),
        holds: HOLDS,
    })
}

impl Shown {
    fn of(shown: &Override) -> Self {
        let since = shown.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let nothing = Self { message: None, title: None, pattern: None, source: None, since };
        match &shown.choice {
            Choice::Source(source) => Self { source: Some(*source), ..nothing },
            Choice::Made(Made::Message { text, title }) => {
                Self { message: Some(text.clone()), title: title.clone(), ..nothing }
            }
            Choice::Made(Made::Pattern(pattern)) => {
                let named = Pattern::ALL.iter().find(|(_, known)| known == pattern);
                Self { pattern: named.map(|(name, _)| *name), ..nothing }
            }
            // Nothing that can be wanted here.
            Choice::Made(Made::Image { .. }) => nothing,
        }
    }
}

/// For logs.
fn word(choice: &Choice) -> &'static str {
    match choice {
        Choice::Source(_) => "source",
        Choice::Made(made) => made.word(),
    }
}

/// What the body asks for.
fn wanted(body: &[u8], channel: &Channel) -> Result<Choice, Refusal> {
    let example = "the body is JSON, one of {\"message\": \"Back soon\", \"title\": \"Works\"}, \
                   {\"pattern\": \"bars\"} and {\"source\": 1}";
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("{example}: {error}")))?;
    let refuse = |detail: String| Err((StatusCode::UNPROCESSABLE_ENTITY, detail));
    match wish {
        Wish { message: Some(text), title, pattern: None, source: None } => {
            check("message", &text, MESSAGE_MAX)?;
            title.as_ref().map_or(Ok(()), |title| check("title", title, TITLE_MAX))?;
            Ok(Choice::Made(Made::Message { text, title }))
        }
        Wish { message: None, title: None, pattern: Some(name), source: None } => {
            match Pattern::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, pattern)) => Ok(Choice::Made(Made::Pattern(*pattern))),
                None => refuse("there is no such pattern; there is `bars`".to_owned()),
            }
        }
        Wish { message: None, title: None, pattern: None, source: Some(source) } => {
            let last = channel.sources.len().saturating_sub(1);
            if source > last {
                let detail =
                    format!("the channel has no source {source}: they count from 0 to {last}");
                return refuse(detail);
            }
            Ok(Choice::Source(source))
        }
        _ => Err((StatusCode::BAD_REQUEST, example.to_owned())),
    }
}

/// The rules of the configuration for texts that are shown.
fn check(key: &str, text: &str, max: usize) -> Result<(), Refusal> {
    let wrong = match text {
        _ if text.trim().is_empty() => "is empty".to_owned(),
        _ if text.chars().any(char::is_control) => "contains a control character".to_owned(),
        _ if text.chars().count() > max => format!("is longer than {max} characters"),
        _ => return Ok(()),
    };
    Err((StatusCode::UNPROCESSABLE_ENTITY, format!("{key} {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_stands_in_the_path() {
        let cases = [
            ("/api/v1/channels/orf1/override", Some("orf1")),
            ("/api/v1/channels//override", None),
            ("/api/v1/channels/a/b/override", None),
            ("/api/v1/channels/override", None),
            ("/streams/orf1/override", None),
        ];
        for (path, channel) in cases {
            assert_eq!(channel_in(path), channel, "{path}");
        }
    }

    #[test]
    fn texts_follow_the_rules_of_the_configuration() {
        assert_eq!(check("message", "Back soon", 300), Ok(()));
        assert_eq!(check("message", &"ä".repeat(300), 300), Ok(()));
        for text in ["", "  ", "a\nb", &"a".repeat(301)] {
            let (status, detail) = check("message", text, 300).unwrap_err();
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(detail.starts_with("message "), "{detail}");
        }
    }
}
