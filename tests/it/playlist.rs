//! HLS through the gateway: the player follows a playlist from link to link, all of them sealed and
//! relative, to the very bytes of the source.

use crate::support::gateway::Gateway;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Player;
use crate::support::vod::LAST_MODIFIED;

mod budgets;
mod continuous;
mod keys;
mod links;
mod low_latency;
mod real;
mod refusals;
mod sessions;
mod sharing;
mod steering;
mod switches;
mod threats;

const LIMITS: &str = "limits: {requests_per_second: 10000, clients_per_ip: 1000}";
const CHANNEL: &str = "/hls/one/playlist.m3u8";

/// A gateway with one HLS channel.
async fn hls(url: &str) -> Gateway {
    hls_with(url, LIMITS).await
}

/// As [`hls`], with other configuration instead of the usual limits.
async fn hls_with(url: &str, more: &str) -> Gateway {
    Gateway::start(&format!("{more}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}")).await
}

/// GETs a playlist and checks what every playlist must have.
async fn playlist(gateway: &Gateway, path: &str) -> String {
    let answer = Player::get(gateway.stream, path).await;
    assert_eq!(answer.status(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body.bytes));
    let head = &answer.head;
    assert_eq!(head.header("Content-Type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!(head.header("Cache-Control"), Some("no-store"));
    assert_eq!(head.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(head.content_length(), Some(answer.body.bytes.len() as u64));
    answer.text().to_owned()
}

/// The URIs of a playlist in their order: lines that are no tags, and URI attributes.
fn uris(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        if !line.starts_with('#') && !line.is_empty() {
            found.push(line.to_owned());
        }
        for (at, _) in line.match_indices("URI=\"") {
            let value = &line[at + 5..];
            found.push(value[..value.find('"').unwrap()].to_owned());
        }
    }
    found
}

/// Where a link in the playlist at `base` leads, for a player. Fails unless it is sealed and
/// relative.
fn follow(base: &str, uri: &str) -> String {
    assert!(uri.starts_with("../"), "relative to its playlist: {uri}");
    let mut folders: Vec<&str> = base.split('/').skip(1).collect();
    folders.pop();
    let mut rest = uri;
    while let Some(up) = rest.strip_prefix("../") {
        assert!(folders.pop().is_some(), "{uri} leads above {base}");
        rest = up;
    }
    let sealed = rest.strip_prefix("s/").unwrap_or_else(|| panic!("not sealed: {uri}"));
    let (seal, extension) = sealed.split_once('.').expect("an extension for players");
    assert!(seal.len() > 40, "{uri}");
    assert!(seal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert!(extension.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{uri}");
    folders.push(rest);
    format!("/{}", folders.join("/"))
}

/// The links of a playlist, followed.
fn links(base: &str, text: &str) -> Vec<String> {
    uris(text).iter().map(|uri| follow(base, uri)).collect()
}

/// GETs a path that must be there.
async fn get(gateway: &Gateway, path: &str) -> Answer {
    let answer = Player::get(gateway.stream, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert!(answer.body.is_complete());
    answer
}

/// Every byte value in every position, a function of `name`, so that no two files are alike.
fn file(name: &str) -> Vec<u8> {
    let seed: u64 = name.bytes().map(u64::from).sum();
    crate::support::content::Content::slice(
        &crate::support::content::Blob::new(seed, 50_000),
        0,
        50_000,
    )
}

/// A file with validators, or a range of it.
fn served(request: &Recorded) -> Script {
    let bytes = file(request.path());
    let total = bytes.len();
    let range = request.header("Range").and_then(|range| range.strip_prefix("bytes="));
    let own = [("Content-Type", "video/mp2t"), ("Last-Modified", LAST_MODIFIED), ("ETag", "\"s\"")];
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        let length = total.to_string();
        let fields =
            [&own[..], &[("Content-Length", &length), ("Accept-Ranges", "bytes")]].concat();
        return Script::head("200 OK", &fields).body(bytes).next_request();
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let content_range = format!("bytes {first}-{last}/{total}");
    let length = (last - first + 1).to_string();
    let fields =
        [&own[..], &[("Content-Length", &length), ("Content-Range", &content_range)]].concat();
    Script::head("206 Partial Content", &fields).body(&bytes[first..=last]).next_request()
}
