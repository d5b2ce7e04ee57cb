//! What several clients are given of one fetch: never what another one would have been refused, and
//! nothing of what was asked for before a reload.

use super::CHANNEL;
use super::LIMITS;
use super::file;
use super::served;
use super::sessions::first_link;
use super::sessions::get_as;
use super::sessions::list_as;
use super::sessions::live;
use super::sessions::moving;
use super::sessions::two_watching;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;

#[tokio::test]
async fn a_segment_that_is_not_there_is_missing_for_those_who_share_it_too() {
    let (origin, gateway, links) = two_watching(|_| Script::error("404 Not Found")).await;
    for (name, link) in ["a", "b"].into_iter().zip(&links) {
        assert_eq!(get_as(&gateway, link, name).await.status(), 404, "{name}");
    }
    drop(origin);
}

#[tokio::test]
async fn a_shared_segment_that_is_missing_once_moves_nobody() {
    let gone = |request: &Recorded| match request.path() {
        path if path.ends_with(".m3u8") => moving(request),
        "/n-101.ts" => Script::error("404 Not Found"),
        _ => served(request),
    };
    let (first, second) = (Origin::start(gone).await, Origin::start(live).await);
    let sources = [first.url("/slow.m3u8"), second.url("/slow.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let links = ["a", "b"].map(|name| (name, list_as(&gateway, CHANNEL, name)));
    for (name, list) in links {
        let link = first_link(CHANNEL, &list.await);
        if name == "b" {
            assert_eq!(get_as(&gateway, &link, name).await.status(), 404);
        }
    }
    list_as(&gateway, CHANNEL, "b").await;
    assert_eq!(second.seen().len(), 0, "one segment is no fault of its source");
}

#[tokio::test]
async fn after_a_reload_nothing_is_shared_that_was_fetched_before() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let text = |key: &str| {
        format!(
            "{LIMITS}\nchannels: {{one: {{kind: hls, sources: [{{url: {url:?}, headers: {{X-Key: {key:?}}}}}]}}}}"
        )
    };
    let gateway = Gateway::start(&text("old")).await;
    for (key, names) in [("old", ["a", "b"]), ("new", ["c", "d"])] {
        gateway.reload(&text(key)).await;
        let mut lists = Vec::new();
        for name in names {
            lists.push(list_as(&gateway, CHANNEL, name).await);
        }
        // The same two segments stand in both lists.
        let newest = |list: &String| {
            let links = super::links(CHANNEL, list);
            links.get(if key == "old" { 1 } else { 0 }).unwrap().clone()
        };
        for (name, list) in names.into_iter().zip(&lists) {
            let answer = get_as(&gateway, &newest(list), name).await;
            assert!(answer.body.bytes == file("/n-102.ts"), "{name}");
        }
        let asked = origin.seen();
        let asked: Vec<_> = asked.iter().filter(|asked| asked.path() == "/n-102.ts").collect();
        let last = asked.last().unwrap();
        assert_eq!(last.header("X-Key"), Some(key), "{} fetches", asked.len());
    }
}

#[tokio::test]
async fn cookies_that_come_with_a_shared_answer_are_for_all_who_get_it() {
    let origin = Origin::start(|request| match (request.path(), request.header("Cookie")) {
        ("/slow.m3u8", None) => {
            let sid = format!("sid={}; Path=/", request.attempt);
            let fields =
                [("Location", "/slow-moved.m3u8"), ("Content-Length", "0"), ("Set-Cookie", &sid)];
            Script::head("302 Found", &fields).next_request()
        }
        (path, _) if path.ends_with(".m3u8") => moving(request),
        (path, _) => {
            let fields = [("Content-Length", "50000"), ("Set-Cookie", "part=1; Path=/")];
            Script::head("200 OK", &fields).body(file(path)).next_request()
        }
    })
    .await;
    let url = origin.url("/slow.m3u8");
    let gateway =
        Gateway::start(&format!("{LIMITS}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"))
            .await;
    for round in 1..=3 {
        let lists = ["a", "b"].map(|name| (name, list_as(&gateway, CHANNEL, name)));
        let mut links = Vec::new();
        for (name, list) in lists {
            links.push((name, super::links(CHANNEL, &list.await).pop().unwrap()));
        }
        for (name, link) in links {
            assert_eq!(get_as(&gateway, &link, name).await.status(), 200);
        }
        let asked = origin.seen();
        let lists = asked.iter().filter(|asked| asked.path() == "/slow.m3u8").count();
        let segments = asked.iter().filter(|asked| asked.path().ends_with(".ts")).count();
        assert_eq!((lists, segments), (round, round));
    }
    let cookies = origin.seen();
    let cookies: Vec<_> = cookies.iter().filter_map(|asked| asked.header("Cookie")).collect();
    assert!(cookies.iter().all(|cookies| cookies.starts_with("sid=1")), "{cookies:?}");
}
