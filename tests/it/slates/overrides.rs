//! Somebody says what a channel shows.

use super::*;
use crate::support::origin::Origin;
use crate::support::origin::Script;

/// A request about the override of a channel: the status and the document that came back.
async fn ask(gateway: &Gateway, method: &str, channel: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let request = format!(
        "{method} /api/v1/channels/{channel}/override HTTP/1.1\r\nHost: localhost\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let answer = Player::fetch(gateway.admin, &request).await;
    (answer.status(), serde_json::from_str(answer.text()).unwrap())
}

/// Waits until all sessions of a channel, so many, have come this way.
async fn all_show(gateway: &Gateway, channel: &str, count: usize, fits: impl Fn(&Value) -> bool) {
    eventually_async("all sessions show it", async || {
        let text = gateway.admin_get("/api/v1/sessions").await;
        let mut all: Vec<Value> = serde_json::from_str(&text).unwrap();
        all.retain(|session| session["channel"] == channel);
        (all.len() == count && all.iter().all(&fits)).then_some(())
    })
    .await;
}

const SECONDS: u64 = 60;

/// A source that plays for a minute, as long as it is on.
async fn source(title: &'static str, first: u64, on: &Switch) -> Origin {
    let (film, on) = (Film::of(title, first, SECONDS * RATE), on.clone());
    Origin::start(move |_| {
        if on.is_on() {
            Script::live(film.live(SECONDS * RATE)).stall()
        } else {
            Script::error("404 Not Found")
        }
    })
    .await
}

#[tokio::test]
async fn an_override_holds_for_who_watches_and_who_comes_and_all_return_to_the_source() {
    let on = Switch::default();
    on.set(true);
    let origin = source("The film", 500, &on).await;
    let channel = "overridden";
    let gateway = Gateway::start(&format!(
        "failover: {{}}\nproviders: {{acme: {{max_connections: 2}}}}\nchannels: {{{channel}: \
         {{kind: live, sources: [{{url: \"{}\", provider: acme}}]}}}}",
        origin.url("/")
    ))
    .await;
    assert_eq!(ask(&gateway, "GET", channel, "").await.1["override"], Value::Null);
    let viewers = [
        Recorder::tune_as(&gateway, channel, "one").await,
        Recorder::tune_as(&gateway, channel, "two").await,
    ];
    for viewer in &viewers {
        viewer.more(50_000).await;
    }
    let wish = r#"{"message": "Please stand by", "title": "Emergency"}"#;
    let (status, told) = ask(&gateway, "PUT", channel, wish).await;
    assert_eq!((status, &told["sessions"]), (200, &2.into()));
    assert_eq!(told["override"]["title"], "Emergency");
    let overridden = |session: &Value| session["way"] == "override" && session["source"].is_null();
    all_show(&gateway, channel, 2, overridden).await;
    origin.idle().await;
    assert_eq!(gateway.metric("weir_upstream_connections{provider=\"acme\"}").await, 0.0);
    let late = Recorder::tune_as(&gateway, channel, "three").await;
    late.more(30_000).await;
    all_show(&gateway, channel, 3, overridden).await;
    assert_eq!(origin.total(), 2, "nobody asked for the source");
    let late = late.leave();
    all_show(&gateway, channel, 2, overridden).await;
    let (status, told) = ask(&gateway, "DELETE", channel, "").await;
    assert_eq!((status, &told["override"]), (200, &Value::Null));
    all_show(&gateway, channel, 2, |session| session["source"] == 0).await;
    assert_eq!(origin.open_max(), 2);
    judge(&late, "who came meanwhile");
    for viewer in viewers {
        viewer.more(50_000).await;
        let bytes = viewer.leave();
        judge(&bytes, "source, override, source");
        let Some(decoded) = decode(&bytes).await else { return };
        assert_eq!(decoded.codecs, ["h264", "aac"]);
    }
}

#[tokio::test]
async fn a_source_that_died_during_an_override_leaves_a_slate_until_it_returns() {
    let on = Switch::default();
    on.set(true);
    let origin = source("The film", 900, &on).await;
    let channel = "died-meanwhile";
    let gateway = Gateway::start(&format!(
        "{SLATE}channels: {{{channel}: {{kind: live, sources: [\"{}\"]}}}}",
        origin.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    viewer.more(30_000).await;
    assert_eq!(ask(&gateway, "PUT", channel, r#"{"pattern": "bars"}"#).await.0, 200);
    all_show(&gateway, channel, 1, |session| session["way"] == "override").await;
    on.set(false);
    viewer.more(30_000).await;
    assert_eq!(ask(&gateway, "DELETE", channel, "").await.0, 200);
    shows_slate(&gateway, channel).await;
    assert_eq!(slates(&gateway, channel).await, "other 1");
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    viewer.more(50_000).await;
    let bytes = viewer.leave();
    judge(&bytes, "source, override, slate, source");
    let Some(decoded) = decode(&bytes).await else { return };
    assert_eq!(decoded.codecs, ["h264", "aac"]);
}

#[tokio::test]
async fn one_source_is_shown_to_all_and_taken_back() {
    let on = Switch::default();
    on.set(true);
    let (first, second) = (source("A", 900, &on).await, source("B", 1900, &on).await);
    let channel = "chosen";
    let gateway = Gateway::start(&format!(
        "failover: {{}}\nchannels: {{{channel}: {{kind: live, sources: [\"{}\", \"{}\"]}}}}",
        first.url("/"),
        second.url("/")
    ))
    .await;
    let viewer = Recorder::tune(&gateway, channel).await;
    viewer.more(30_000).await;
    assert_eq!(ask(&gateway, "PUT", channel, r#"{"source": 1}"#).await.0, 200);
    all_show(&gateway, channel, 1, |session| session["source"] == 1).await;
    let late = Recorder::tune_as(&gateway, channel, "another").await;
    late.more(10_000).await;
    all_show(&gateway, channel, 2, |session| session["source"] == 1).await;
    assert_eq!(first.total(), 1, "who comes is not given the first");
    assert_eq!(ask(&gateway, "DELETE", channel, "").await.0, 200);
    all_show(&gateway, channel, 2, |session| session["source"] == 0).await;
    judge(&viewer.leave(), "there and back");
}

#[tokio::test]
async fn a_wish_that_cannot_be_is_refused_with_what_is_wrong() {
    let gateway = Gateway::start("channels: {one: {sources: {pattern: bars}}}").await;
    let cases = [
        ("", 400, "the body is JSON"),
        ("{}", 400, "one of"),
        (r#"{"message": "a", "pattern": "bars"}"#, 400, "one of"),
        (r#"{"massage": "a"}"#, 400, "massage"),
        (r#"{"message": ""}"#, 422, "message is empty"),
        (r#"{"pattern": "stripes"}"#, 422, "there is `bars`"),
        (r#"{"source": 1}"#, 422, "no source 1"),
    ];
    for (body, status, words) in cases {
        let (answered, document) = ask(&gateway, "PUT", "one", body).await;
        let detail = document["detail"].as_str().unwrap();
        assert!(answered == status && detail.contains(words), "{body}: {answered} {detail}");
    }
    assert_eq!(ask(&gateway, "PUT", "none", "{}").await.0, 404);
    assert_eq!(ask(&gateway, "POST", "one", "{}").await.0, 405);
    let foreign = "DELETE /api/v1/channels/one/override HTTP/1.1\r\nHost: localhost\r\n\
                   Origin: http://evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(Player::fetch(gateway.admin, foreign).await.status(), 403);
    assert_eq!(ask(&gateway, "DELETE", "one", "").await.0, 200, "nothing to take back");
}
