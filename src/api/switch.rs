//! Manual failover: `POST /api/v1/channels/{id}/failover` and `POST /streams/{id}/failover` tell the
//! running sessions of a channel to go over to another source, wait for what comes of it, and answer
//! with the truth for each of them.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::api::types::Switched;
use crate::api::types::Switches;
use crate::delivery::Outcome;
use crate::delivery::Sessions;
use crate::delivery::sessions::Info;

/// How long sessions have to answer, all together: a session whose client takes nothing does not.
const PATIENCE: Duration = Duration::from_secs(15);

/// What may be asked for. Both are optional: without them every session goes over to its next
/// source.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The id of one session, a number as in `/api/v1/sessions`, or the same as a text.
    client_id: Option<Value>,
    /// The index of the source to go over to.
    source: Option<usize>,
}

/// Why nothing was switched.
pub(super) type Refusal = (StatusCode, String);

/// The channel id in the path of such a request.
pub(super) fn channel_in(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/v1/channels/").or_else(|| path.strip_prefix("/streams/"))?;
    rest.strip_suffix("/failover").filter(|id| !id.is_empty() && !id.contains('/'))
}

/// Whether a browser sends this on behalf of a page of somebody else's: such a page could otherwise
/// switch the channels of whoever opens it.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.zip(host).is_some_and(|((_, own), host)| own.as_bytes().eq_ignore_ascii_case(host))
    };
    !headers.get_all(ORIGIN).iter().all(is_own)
}

/// Switches the sessions of `channel` that `body` asks for and says what came of it. Cancel safe: a
/// switch that was ordered happens all the same.
pub(super) async fn switch(
    sessions: &Sessions,
    channel: &str,
    sources: usize,
    body: &[u8],
) -> Result<(StatusCode, Switches), Refusal> {
    let wish = parse(body)?;
    let client = wish.client_id.as_ref().map(client_id).transpose()?;
    if let Some(source) = wish.source.filter(|source| *source >= sources) {
        let detail = format!(
            "the channel has no source {source}: they count from 0 to {}",
            sources.saturating_sub(1)
        );
        return Err((StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut running = sessions.steered(channel);
    if let Some(client) = client {
        running.retain(|info| info.id == client);
        if running.is_empty() {
            let detail = format!("no client with the id {client} watches this channel");
            return Err((StatusCode::NOT_FOUND, detail));
        }
    }
    if running.is_empty() {
        return Err((StatusCode::CONFLICT, "nobody watches this channel".to_owned()));
    }
    // Clients of a relay have one desk in common, and what comes of an order is the same for all of them.
    let mut groups: Vec<(Ordered, Vec<Arc<Info>>)> = Vec::new();
    for info in running {
        let shares = |(_, known): &&mut (Ordered, Vec<Arc<Info>>)| shares_desk(&info, known);
        match groups.iter_mut().find(shares) {
            Some((_, known)) => known.push(info),
            None => groups.push((order(&info, wish.source), vec![info])),
        }
    }
    let deadline = Instant::now() + PATIENCE;
    let (mut clients, mut statuses) = (Vec::new(), Vec::new());
    for (ordered, infos) in groups {
        let reply = reply(ordered, deadline).await;
        for info in infos {
            let (client, status) = switched(&info, reply);
            clients.push(client);
            statuses.push(status);
        }
    }
    clients.sort_by_key(|client| client.client_id);
    Ok((common(&statuses), Switches { channel: channel.to_owned(), clients }))
}

/// What a session was told: an answer will come, or has.
type Ordered = Result<oneshot::Receiver<Outcome>, Outcome>;

fn order(info: &Arc<Info>, source: Option<usize>) -> Ordered {
    let desk = info.desk().ok_or(Outcome::NothingElse)?;
    desk.order(source).ok_or(Outcome::Busy)
}

/// What came of an order.
#[derive(Clone, Copy, Debug)]
enum Reply {
    Told(Outcome),
    /// The session ended first.
    Gone,
    /// The deadline came first.
    Unanswered,
}

impl Reply {
    /// The word for it, the sentence for people, and the status if it is all there is.
    fn says(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Told(Outcome::Switched { .. }) => {
                ("switched", "plays from the other source now", StatusCode::OK)
            }
            Self::Told(Outcome::AlreadyThere) => {
                ("already_there", "that source is the one it plays from", StatusCode::OK)
            }
            Self::Told(Outcome::NothingElse) => {
                ("nothing_else", "there is no other source to play it from", StatusCode::CONFLICT)
            }
            Self::Told(Outcome::Busy) => {
                ("busy", "it is going over to another source already", StatusCode::CONFLICT)
            }
            Self::Told(Outcome::Failed) => {
                let detail = "no other source would play; it stays where it is";
                ("failed", detail, StatusCode::BAD_GATEWAY)
            }
            Self::Told(Outcome::Lost) => {
                let detail = "its source died meanwhile and no other would play";
                ("lost", detail, StatusCode::BAD_GATEWAY)
            }
            Self::Gone => ("gone", "its client left meanwhile", StatusCode::GONE),
            Self::Unanswered => {
                let detail = "its client takes no bytes; it goes over when it does";
                ("unanswered", detail, StatusCode::GATEWAY_TIMEOUT)
            }
        }
    }
}

/// Whether it is switched with these.
fn shares_desk(info: &Info, others: &[Arc<Info>]) -> bool {
    let desk = others.first().and_then(|other| other.desk());
    info.desk().zip(desk).is_some_and(|(own, other)| Arc::ptr_eq(own, other))
}

async fn reply(ordered: Ordered, deadline: Instant) -> Reply {
    match ordered {
        Ok(answer) => match timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => Reply::Told(outcome),
            Ok(Err(_)) => Reply::Gone,
            Err(_) => Reply::Unanswered,
        },
        Err(known) => Reply::Told(known),
    }
}

fn switched(info: &Info, reply: Reply) -> (Switched, StatusCode) {
    let source = info.source();
    let (from, to) = match reply {
        Reply::Told(Outcome::Switched { from, to }) => (from, Some(to)),
        Reply::Told(Outcome::AlreadyThere) => (source, Some(source)),
        _ => (source, None),
    };
    let (outcome, detail, status) = reply.says();
    (Switched { client_id: info.id, outcome, detail, from, to }, status)
}

/// One status for all: what they have in common, or 207 where it is not the same for all of them.
fn common(statuses: &[StatusCode]) -> StatusCode {
    let Some((&first, others)) = statuses.split_first() else {
        return StatusCode::OK;
    };
    if others.iter().all(|other| *other == first) { first } else { StatusCode::MULTI_STATUS }
}

fn parse(body: &[u8]) -> Result<Wish, Refusal> {
    if body.trim_ascii().is_empty() {
        return Ok(Wish::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!(
            "the body is JSON such as {{\"client_id\": 7, \"source\": 1}}, or empty: {error}"
        );
        (StatusCode::BAD_REQUEST, detail)
    })
}

fn client_id(value: &Value) -> Result<u64, Refusal> {
    let id = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let detail = "client_id is a session's id, a number as in /api/v1/sessions";
    id.ok_or_else(|| (StatusCode::BAD_REQUEST, detail.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_stands_in_the_path() {
        let cases = [
            ("/api/v1/channels/orf1/failover", Some("orf1")),
            ("/streams/orf1/failover", Some("orf1")),
            ("/streams//failover", None),
            ("/streams/a/b/failover", None),
            ("/streams/orf1", None),
            ("/api/v1/channels/failover", None),
        ];
        for (path, channel) in cases {
            assert_eq!(channel_in(path), channel, "{path}");
        }
    }

    #[test]
    fn a_page_of_somebody_else_is_told_by_its_origin() {
        let headers = |origin: &str| {
            let origin = (ORIGIN, origin.parse().unwrap());
            HeaderMap::from_iter([(HOST, "127.0.0.1:18080".parse().unwrap()), origin])
        };
        assert!(!is_foreign(&HeaderMap::new()));
        assert!(!is_foreign(&headers("http://127.0.0.1:18080")));
        assert!(is_foreign(&headers("http://evil.example")));
        assert!(is_foreign(&headers("http://127.0.0.1:8000")));
        assert!(is_foreign(&headers("null")));
    }

    #[test]
    fn a_status_says_what_all_outcomes_have_in_common() {
        let told = [
            Outcome::Switched { from: 0, to: 1 },
            Outcome::AlreadyThere,
            Outcome::NothingElse,
            Outcome::Busy,
            Outcome::Failed,
            Outcome::Lost,
        ];
        let replies = told.map(Reply::Told).into_iter().chain([Reply::Gone, Reply::Unanswered]);
        let said: Vec<_> = replies.map(Reply::says).collect();
        let status_of = |word: &&str| said.iter().find(|said| said.0 == *word).unwrap().2;
        let of = |outcomes: &[&'static str]| {
            common(&outcomes.iter().map(status_of).collect::<Vec<_>>()).as_u16()
        };
        assert_eq!(of(&["switched", "already_there"]), 200);
        assert_eq!(of(&["failed", "lost"]), 502);
        assert_eq!(of(&["nothing_else"]), 409);
        assert_eq!(of(&["switched", "failed"]), 207);
        assert_eq!(of(&["unanswered"]), 504);
    }

    #[test]
    fn a_body_may_be_empty_and_says_what_is_wrong_with_it_otherwise() {
        assert!(parse(b" \n").is_ok_and(|wish| wish.source.is_none()));
        assert_eq!(parse(b"{\"source\": 1}").unwrap().source, Some(1));
        assert!(parse(b"{\"sauce\": 1}").unwrap_err().1.contains("sauce"));
        assert_eq!(client_id(&Value::from("12")), Ok(12));
        assert_eq!(client_id(&Value::from(12)), Ok(12));
        assert!(client_id(&Value::from(-1)).is_err());
    }
}
