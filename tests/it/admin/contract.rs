//! The names that others build on: figures and documents of the admin listener.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use super::get;
use crate::remux::silent::Silent;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

/// One family as the contract names it.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    samples: usize,
}

/// Reads the text format strictly: HELP, TYPE, then samples of that family and no other.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            name.clone_into(&mut current);
            let last = families
                .insert(name.to_owned(), Family { help: help.to_owned(), ..Family::default() });
            assert!(last.is_none(), "{name} stands there twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, current);
            kind.clone_into(&mut families.get_mut(name).unwrap().kind);
        } else {
            let (series, figure) = line.rsplit_once(' ').unwrap();
            assert!(figure.parse::<f64>().unwrap().is_finite(), "{line}");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = families.get_mut(&current).unwrap();
            let suffix =
                name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} in {current}"));
            let suffixes: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            let labels =
                labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty());
            family.labels.extend(labels.map(|label| label.split('=').next().unwrap().to_owned()));
            family.samples += 1;
        }
    }
    families
}

#[tokio::test]
async fn the_names_of_the_metrics_are_those_of_the_contract() {
    let origin = Origin::start(|request| match request.path() {
        "/short.ts" => Script::live(Feed::of(TsPattern::new(1)).packets(500)),
        "/down.ts" => Script::error("503 Service Unavailable"),
        _ => Script::live(&TsPattern::new(2)),
    })
    .await;
    let source = |path| format!("{{provider: acme, url: \"{}\"}}", origin.url(path));
    let yaml = format!(
        "failover: {{rounds: 1, on_exhausted: slate}}\nproviders: {{acme: {{max_connections: 1}}}}\n\
         profiles: {{fan: {{delivery: shared}}, aac: {{delivery: shared, audio: {{codec: aac}}}}}}\n\
         channels:\n  sound: {{profile: aac, sources: [{{pattern: bars}}]}}\n  one: {{kind: live, sources: [{}, {}]}}\n  \
         down: {{kind: live, sources: [\"{}\"]}}\n  \
         fan: {{kind: live, profile: fan, sources: [\"{}\"]}}\n",
        source("/short.ts"),
        source("/long.ts"),
        origin.url("/down.ts"),
        origin.url("/fan.ts")
    );
    let gateway = Gateway::start(&yaml).await;
    let request = presets::get_keep_alive("x", "/stream/one");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    player.read_exact_body(PACKET * 1000).await;
    // Its viewer asks again, and its provider has one connection.
    let (again, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    again.close();
    let slate = presets::get_keep_alive("x", "/stream/down");
    let (mut slate, head) = Player::ask(gateway.stream, &slate).await;
    assert_eq!(head.status, 200);
    slate.read_exact_body(PACKET).await;
    slate.close();
    origin.idle().await;
    eventually_async("a session has ended", async || {
        gateway.metrics().await.contains("weir_sessions_total{").then_some(())
    })
    .await;
    for (channel, order) in
        [("fan", "start"), ("sound", "start"), ("fan", "stop"), ("sound", "stop")]
    {
        let path = format!("/api/v1/relay/{channel}/{order}");
        let (code, answer) = gateway.admin_post(&path, "").await;
        assert_eq!(code, 200, "{answer}");
    }
    eventually_async("a relay has ended", async || {
        gateway.metrics().await.contains("weir_relays_total{").then_some(())
    })
    .await;
    gateway.reload(&yaml).await;

    let mut text = String::new();
    for (name, family) in families(&gateway.metrics().await) {
        assert!(family.samples > 0, "{name} has no sample");
        let labels: Vec<&str> = family.labels.iter().map(String::as_str).collect();
        text += &format!("{name} {} {{{}}} {}\n", family.kind, labels.join(","), family.help);
    }
    assert_is_the_contract(
        "metrics.txt",
        &text,
        include_str!("../../fixtures/contracts/metrics.txt"),
    );
}

#[tokio::test]
async fn the_keys_of_the_documents_are_those_of_the_contract() {
    let vod = Vod::start(VodFile::of_length(256 << 20)).await;
    let origin = Origin::live(TsPattern::new(1)).await;
    let sound = Origin::start(|_| Script::live(Silent::new(1).live())).await;
    let yaml = format!(
        "profiles: {{fan: {{delivery: shared}}, own: {{audio: {{codec: aac}}}}, \
         aac: {{delivery: shared, audio: {{codec: aac}}}}}}\n\
         channels: {{film: {{sources: [\"{}\"], kind: vod}},\n\
         \x20 fan: {{sources: [\"{}\"], kind: live, profile: fan}},\n\
         \x20 own: {{sources: [\"{}\"], kind: live, profile: own}},\n\
         \x20 aac: {{sources: [\"{}\"], kind: live, profile: aac}}}}\n",
        vod.url("/film.mp4"),
        origin.url("/"),
        sound.url("/"),
        sound.url("/")
    );
    let gateway = Gateway::start(&yaml).await;
    let request = presets::get_keep_alive("x", "/stream/film");
    let (_paused, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!(head.status, 200);
    let request = "GET /stream/fan HTTP/1.1\r\nHost: x\r\nUser-Agent: VLC\r\n\r\n";
    let (_watching, head) = Player::ask(gateway.stream, request).await;
    assert_eq!(head.status, 200);
    let mut converted = Vec::new();
    for channel in ["own", "aac"] {
        let request = presets::get_keep_alive("x", &format!("/stream/{channel}"));
        let (mut player, head) = Player::ask(gateway.stream, &request).await;
        assert_eq!(head.status, 200);
        player.read_exact_body(PACKET * 500).await;
        converted.push(player);
    }
    let mut keys = BTreeSet::new();
    for target in [
        "/api/status",
        "/api/v1/sessions",
        "/api/v1/channels",
        "/api/v1/relay/health",
        "/api/v1/relay/metrics",
    ] {
        let document: Value = serde_json::from_str(&gateway.admin_get(target).await).unwrap();
        shape(target, &document, &mut keys);
    }
    for target in ["/nowhere"] {
        let document: Value =
            serde_json::from_str(get(gateway.admin, target).await.text()).unwrap();
        shape("problem", &document, &mut keys);
    }
    let text: String = keys.into_iter().map(|key| key + "\n").collect();
    assert_is_the_contract("admin.txt", &text, include_str!("../../fixtures/contracts/admin.txt"));
}

/// A line for each value in `document`: where it is, and its type.
fn shape(place: &str, document: &Value, into: &mut BTreeSet<String>) {
    let kind = match document {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(items) => {
            assert!(!items.is_empty(), "{place} is empty and shows nothing");
            return items.iter().for_each(|item| shape(&format!("{place}[]"), item, into));
        }
        Value::Object(fields) => {
            return fields
                .iter()
                .for_each(|(key, value)| shape(&format!("{place} {key}"), value, into));
        }
    };
    into.insert(format!("{place}: {kind}"));
}

/// Others build on these names: a change of them is a decision, made by changing the file.
fn assert_is_the_contract(file: &str, actual: &str, expected: &str) {
    let (now, then): (BTreeSet<&str>, BTreeSet<&str>) =
        (actual.lines().collect(), expected.lines().collect());
    let gone: Vec<&&str> = then.difference(&now).collect();
    let new: Vec<&&str> = now.difference(&then).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "not as in tests/fixtures/contracts/{file}\ngone: {gone:#?}\nnew: {new:#?}\nall:\n{actual}"
    );
    assert!(now.len() > 5, "{now:?}");
}
