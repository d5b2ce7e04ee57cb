//! Every way in which a backup can fail when it is needed: the one behind it plays, and the viewer
//! learns nothing of it.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::support::origin::BlackHole;
use crate::support::origin::Refused;
use crate::support::tls::Authority;

/// What is wrong with a backup, and the outcome that is counted.
type Bad = (&'static str, &'static str, Script);

fn bad_backups() -> Vec<Bad> {
    let status = |status: &str| Script::error(status);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n";
    let receiver = "HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let limited = [("Retry-After", "60"), ("Content-Length", "0")];
    vec![
        ("slow-head", "response_timeout", Script::new().drip(head, Duration::from_millis(100))),
        ("no-head", "response_timeout", Script::silent()),
        ("401", "credentials", status("401 Unauthorized")),
        ("403", "credentials", status("403 Forbidden")),
        ("404", "not_found", status("404 Not Found")),
        ("429", "limited", Script::head("429 Too Many Requests", &limited).next_request()),
        ("500", "server_error", status("500 Internal Server Error")),
        ("html", "not_media", Script::html("<html>0ffl1ne</html>")),
        ("json", "not_media", Script::json("{\"error\": \"0ffl1ne\"}")),
        ("m3u", "not_media", Script::m3u("#EXTM3U\n#EXTINF:-1,x\nhttp://x/0ffl1ne\n")),
        (
            "in-body",
            "not_media",
            Script::live(Feed::of(picture(B)).bytes(0)).body(receiver).stall(),
        ),
        ("closed", "closed", Script::new().close()),
        ("reset", "closed", Script::new().reset()),
        ("no-body", "not_media", Script::head_1_0("200 OK", &[])),
        ("no-bytes", "silent", Script::live(Feed::of(picture(B)).bytes(0)).stall()),
    ]
}

#[tokio::test]
async fn a_backup_that_fails_is_passed_over_for_the_one_behind_it() {
    let (refused, hole) = (Refused::new(), BlackHole::start().await);
    let names = ["localhost", "127.0.0.1"];
    let stranger = Origin::start_tls(Authority::self_signed_server(&names), |_| plays(B)).await;
    let all = Arc::new(bad_backups());
    let scripts = Arc::clone(&all);
    let bad = Origin::start(move |request| {
        let name = request.path().trim_start_matches('/');
        scripts.iter().find(|(known, ..)| *known == name).unwrap().2.clone()
    })
    .await;
    let dying = Origin::start(|_| plays_for(A, 60).reset()).await;
    let last = good(C).await;
    let mut cases: Vec<(&str, &str, String)> = all
        .iter()
        .map(|(name, outcome, _)| (*name, *outcome, bad.url(&format!("/{name}"))))
        .collect();
    cases.push(("refused", "refused", refused.url("/")));
    cases.push(("unreachable", "connect_timeout", hole.url("/")));
    cases.push(("stranger", "tls", stranger.url("/")));
    let channels = cases.iter().map(|(name, _, url)| {
        live(&format!("backup-{name}"), &[dying.url("/"), url.clone(), last.url("/")])
    });
    let head = "failover: {stall_timeout: 2s, hedge_after: 20s, response_timeout: 1s, \
                connect_timeout: 1s}";
    let gateway = gateway(head, &channels.collect::<Vec<_>>()).await;
    let stage = Stage::new(gateway, vec![dying, bad, stranger, last]);
    let (cases, count) = (Arc::new(cases), all.len() + 3);
    for_each(count, count, |number| {
        let (stage, (name, outcome, _)) = (Arc::clone(&stage), cases[number].clone());
        passed_over(stage, name, outcome)
    })
    .await;
    let [dying, bad, _, last] = &stage.origins[..] else { panic!("four origins") };
    assert_eq!((dying.total(), bad.total(), last.total()), (count, all.len(), count));
    assert!(all.iter().all(|(name, ..)| {
        bad.seen().iter().filter(|seen| seen.path().strip_prefix('/') == Some(name)).count() == 1
    }));
    bad.idle().await;
    let log = Log::now();
    for (name, ..) in cases.iter() {
        let channel = format!("backup-{name}");
        assert_eq!(
            log.lines(&channel, &[" WARN ", "not playable", "source=1 "]).len(),
            1,
            "{name}"
        );
        assert_eq!(log.lines(&channel, &[" WARN ", "session goes on"]).len(), 1, "{name}");
    }
    assert_eq!(count, 18);
}

async fn passed_over(stage: Arc<Stage>, name: &'static str, outcome: &'static str) {
    let (gateway, channel) = (&stage.gateway, format!("backup-{name}"));
    let mut viewer = tune(gateway, &channel).await;
    viewer.play_until_source(C).await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [A, C], "{name}");
    assert_joined(&viewer, name);
    assert_eq!(failovers(gateway, &channel).await, "broken 1", "{name}");
    let expected = format!("0 ok 1, 1 {outcome} 1, 2 ok 1");
    assert_eq!(attempts(gateway, &channel).await, expected, "{name}");
    let playing = &sessions(gateway, &channel).await[0];
    assert_eq!((&playing["source"], &playing["switches"]), (&2.into(), &1.into()), "{name}");
}

#[tokio::test]
async fn a_backup_that_dies_before_it_can_be_joined_is_passed_over() {
    // Half a second of sound and of pictures that need one before them, then the end.
    let from = picture(B).packets_per_second() / 2 * 188;
    let origin = Origin::start(move |request| match request.path() {
        "/a" => plays_for(A, 60).reset(),
        "/b" => Script::live(Feed::of(picture(B)).from(from).bytes(100 * 188)),
        "/c" => plays(C),
        path => panic!("{path}"),
    })
    .await;
    let sources = ["/a", "/b", "/c"].map(|path| origin.url(path));
    let gateway = gateway(QUICK, &[live("half-a-backup", &sources)]).await;
    let mut viewer = tune(&gateway, "half-a-backup").await;
    viewer.play_until_source(C).await;
    viewer.play(100).await;
    assert_eq!(viewer.sources(), [A, C]);
    assert_joined(&viewer, "a backup without a picture to begin with");
    assert_eq!(attempts(&gateway, "half-a-backup").await, "0 ok 1, 1 short 1, 2 ok 1");
    assert_eq!(failovers(&gateway, "half-a-backup").await, "broken 1");
}
