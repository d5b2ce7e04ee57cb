//! HLS sessions and the limits of their providers and of the gateway: who has a slot and for how long,
//! and how many sessions there may be.

use super::CHANNEL;
use super::LIMITS;
use super::links;
use super::served;
use super::sessions::first_link;
use super::sessions::get_as;
use super::sessions::list_as;
use super::sessions::live;
use super::sessions::moving;
use super::sessions::sessions;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;

const SEAL: &str = "hls: {seal_key: 0123456789-0123456789-0123456789}\n";

#[tokio::test]
async fn a_segment_that_is_kept_for_others_keeps_no_slot() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let text = |name: &str| {
        format!(
            "{LIMITS}\nfailover: {{rounds: 0, slot_wait: 100ms}}\nproviders: {{p: {{max_connections: 1}}}}\nchannels: {{one: {{name: {name}, kind: hls, sources: [{{url: {url:?}, provider: p}}]}}}}"
        )
    };
    let gateway = Gateway::start(&text("first")).await;
    let lists = [list_as(&gateway, CHANNEL, "a").await, list_as(&gateway, CHANNEL, "b").await];
    let segment = get_as(&gateway, &first_link(CHANNEL, &lists[0]), "a").await;
    assert_eq!(segment.status(), 200);
    gateway.reload(&text("second")).await;
    let gone = async || sessions(&gateway).await.is_empty().then_some(());
    eventually_async("the sessions of the old channel have ended", gone).await;
    list_as(&gateway, CHANNEL, "c").await;
}

#[tokio::test]
async fn sessions_that_come_back_are_bounded_as_new_ones_are() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let channels = format!("{SEAL}channels: {{one: {{sources: [{url:?}], kind: hls}}}}");
    let gateway = Gateway::start(&format!("{LIMITS}\n{channels}")).await;
    let mut links = Vec::new();
    for name in ["a", "b", "c"] {
        links.push(first_link(CHANNEL, &list_as(&gateway, CHANNEL, name).await));
    }
    let few = "limits: {requests_per_second: 10000, clients: 2}\n";
    let other = Gateway::start(&format!("{few}{channels}")).await;
    let mut statuses = Vec::new();
    for link in links.iter().chain(&links) {
        statuses.push(get_as(&other, link, "x").await.status());
    }
    assert_eq!(statuses, [200, 200, 503, 200, 200, 503]);
    assert_eq!(sessions(&other).await.len(), 2);
}

#[tokio::test]
async fn one_address_has_as_many_sessions_as_clients() {
    let origin = Origin::start(live).await;
    let url = origin.url("/slow.m3u8");
    let gateway = Gateway::start(&format!(
        "limits: {{requests_per_second: 10000, clients_per_ip: 2}}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}"
    ))
    .await;
    let mut statuses = Vec::new();
    for name in ["a", "b", "c", "a"] {
        statuses.push(get_as(&gateway, CHANNEL, name).await.status());
    }
    assert_eq!(statuses, [200, 200, 503, 200]);
}

#[tokio::test]
async fn two_requests_of_one_player_come_back_together() {
    let origin = Origin::start(live).await;
    let channel = |id: &str| {
        let url = origin.url(&format!("/slow-{id}.m3u8"));
        format!("  {id}: {{kind: hls, sources: [{{url: {url:?}, provider: p}}]}}\n")
    };
    let before = format!(
        "{LIMITS}\n{SEAL}failover: {{rounds: 0, slot_wait: 3s}}\nproviders: {{p: {{max_connections: 1}}}}\nchannels:\n"
    );
    let first = Gateway::start(&format!("{before}{}", channel("one"))).await;
    let asked = links(CHANNEL, &list_as(&first, CHANNEL, "player").await);
    let gateway = Gateway::start(&format!("{before}{}{}", channel("one"), channel("two"))).await;
    list_as(&gateway, "/hls/two/playlist.m3u8", "other").await;
    let text = format!("{before}{}", channel("one"));
    let (one, two, ()) = tokio::join!(
        get_as(&gateway, &asked[0], "player"),
        get_as(&gateway, &asked[1], "player"),
        async {
            let both = async || {
                let open = gateway.metric("weir_connections{listener=\"stream\"}").await;
                (open >= 2.0).then_some(())
            };
            eventually_async("both ask", both).await;
            // The other one's channel goes, and with it the session that has the slot.
            gateway.reload(&text).await;
        }
    );
    assert_eq!((one.status(), two.status()), (200, 200));
    assert_eq!(sessions(&gateway).await.len(), 1);
}

#[tokio::test]
async fn what_is_left_of_a_source_is_not_fetched_with_the_slot_of_another() {
    let dies = |request: &Recorded| match (request.path(), request.attempt) {
        ("/slow-a.m3u8", 2..) => Script::error("500 Internal Server Error"),
        (path, _) if path.ends_with(".m3u8") => moving(request),
        _ => served(request),
    };
    let (first, second) = (Origin::start(dies).await, Origin::start(live).await);
    let sources = format!(
        "[{{url: {:?}, provider: p}}, {{url: {:?}, provider: q}}]",
        first.url("/slow-a.m3u8"),
        second.url("/slow-b.m3u8")
    );
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nfailover: {{rounds: 0, slot_wait: 100ms}}\nproviders: {{p: {{}}, q: {{}}}}\nchannels:\n  one: {{kind: hls, sources: {sources}}}\n  two: {{kind: hls, sources: [{{url: {:?}, provider: p}}]}}\n",
        first.url("/slow-c.m3u8")
    ))
    .await;
    let old = links(CHANNEL, &list_as(&gateway, CHANNEL, "a").await);
    let new = links(CHANNEL, &list_as(&gateway, CHANNEL, "a").await);
    assert_eq!(get_as(&gateway, new.last().unwrap(), "a").await.status(), 200);
    assert!(second.seen().last().unwrap().path().starts_with("/n-"), "it went over");
    // With the slot free, what was buffered of the old one is still there.
    assert_eq!(get_as(&gateway, &old[0], "a").await.status(), 200);
    list_as(&gateway, "/hls/two/playlist.m3u8", "b").await;
    let asked = first.seen().len();
    assert_eq!(get_as(&gateway, &old[1], "a").await.status(), 503, "it is b's now");
    assert_eq!(first.seen().len(), asked);
}
