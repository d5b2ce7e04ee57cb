//! Failover of HLS: the playlist that a player reloads goes on with another variant or another source,
//! numbered on, with a discontinuity where the other one begins.

use super::CHANNEL;
use super::LIMITS;
use super::follow;
use super::get;
use super::playlist;
use super::served;
use super::uris;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

/// A live playlist from `first` on that moves by one segment at each request, up to so many requests.
fn lives(request: &Recorded, first: usize, requests: usize) -> Script {
    if !request.path().ends_with(".m3u8") {
        return served(request);
    }
    if request.attempt > requests {
        return Script::error("500 Internal Server Error");
    }
    let first = first + request.attempt;
    let name = request.path().trim_start_matches('/').trim_end_matches(".m3u8").to_owned();
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    (first..first + 4).for_each(|n| text += &format!("#EXTINF:2,\n{name}-{n}.ts\n"));
    Script::m3u(&text)
}

fn number(text: &str, tag: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(tag)?.strip_prefix(':'));
    line.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn a_source_that_dies_is_followed_by_the_next_with_a_discontinuity() {
    let first = Origin::start(|request| lives(request, 100, 3)).await;
    let second = Origin::start(|request| lives(request, 7000, 1000)).await;
    let sources = [first.url("/a.m3u8"), second.url("/b.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{moves: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let channel = "/hls/moves/playlist.m3u8";
    let mut last = 0;
    for _ in 0..3 {
        let text = playlist(&gateway, channel).await;
        last = number(&text, "#EXT-X-MEDIA-SEQUENCE").unwrap() + 3;
        assert!(!text.contains("DISCONTINUITY"), "{text}");
    }
    assert_eq!(last, 106);
    // Three target durations' worth of the next source's four segments.
    let text = playlist(&gateway, channel).await;
    assert_eq!(number(&text, "#EXT-X-MEDIA-SEQUENCE"), Some(107), "{text}");
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    let links: Vec<_> = uris(&text).iter().map(|uri| follow(channel, uri)).collect();
    assert_eq!(links.len(), 3);
    get(&gateway, &links[0]).await;
    assert_eq!(second.seen().last().unwrap().path(), "/b-7002.ts");
    // It moves out of the window, and is counted.
    let text = playlist(&gateway, channel).await;
    assert_eq!(number(&text, "#EXT-X-MEDIA-SEQUENCE"), Some(107), "{text}");
    let text = playlist(&gateway, channel).await;
    assert_eq!(number(&text, "#EXT-X-MEDIA-SEQUENCE"), Some(108), "{text}");
    assert_eq!(number(&text, "#EXT-X-DISCONTINUITY-SEQUENCE"), Some(1), "{text}");
    assert!(!text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
    let log = logs();
    let switched = |line: &&str| {
        line.contains("channel=moves") && line.contains("session goes on from another source")
    };
    assert_eq!(log.lines().filter(switched).count(), 1);
    assert_eq!(
        gateway.metric("weir_failovers_total{channel=\"moves\",reason=\"playlist\"}").await,
        1.0
    );
}

#[tokio::test]
async fn a_variant_that_dies_moves_within_its_master_and_then_to_the_next_source() {
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=900000\nlow.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2000000\nmiddle.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=9000000\nhigh.m3u8\n";
    let source = |requests: [usize; 3], first: usize| {
        Origin::start(move |request| match request.path() {
            "/master.m3u8" => Script::m3u(master),
            "/low.m3u8" => lives(request, first, requests[0]),
            "/middle.m3u8" => lives(request, first, requests[1]),
            "/high.m3u8" => lives(request, first, requests[2]),
            _ => served(request),
        })
    };
    let (one, two) = (source([2, 1, 0], 100).await, source([1000; 3], 500).await);
    let sources = [one.url("/master.m3u8"), two.url("/master.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let text = playlist(&gateway, CHANNEL).await;
    let middle = follow(CHANNEL, &uris(&text)[1]);
    let mut sequences = Vec::new();
    let mut paths = Vec::new();
    for _ in 0..5 {
        let text = playlist(&gateway, &middle).await;
        sequences.push(number(&text, "#EXT-X-MEDIA-SEQUENCE").unwrap());
        let links: Vec<_> = uris(&text).iter().map(|uri| follow(&middle, uri)).collect();
        get(&gateway, links.last().unwrap()).await;
        let asked = [&one, &two].map(|origin| origin.seen().last().map(|it| it.path().to_owned()));
        paths.push(asked.into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    assert!(paths[0].starts_with("/middle-"), "{paths:?}");
    assert!(paths[1].starts_with("/low-"), "the most like it: {paths:?}");
    assert!(paths[2].starts_with("/low-"), "{paths:?}");
    assert!(paths[3].contains(" /middle-"), "the other source's own: {paths:?}");
    assert!(sequences.is_sorted(), "{sequences:?}");
}

#[tokio::test]
async fn sound_goes_over_with_the_picture_and_stays_where_there_is_none_of_it() {
    let master = |sound: &str| {
        format!(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",LANGUAGE=\"de\",NAME=\"de\"{sound}\n\
             #EXT-X-STREAM-INF:BANDWIDTH=900000,AUDIO=\"a\"\npicture.m3u8\n"
        )
    };
    let apart = master(",URI=\"sound.m3u8\"");
    for (other, expected) in [(apart.clone(), "two"), (master(""), "one")] {
        let source = |text: String, first: usize, requests: usize| {
            Origin::start(move |request| match request.path() {
                "/master.m3u8" => Script::m3u(&text),
                "/picture.m3u8" => lives(request, first, requests),
                "/sound.m3u8" => lives(request, first, 1000),
                _ => served(request),
            })
        };
        let (one, two) = (source(apart.clone(), 100, 1).await, source(other, 500, 1000).await);
        let sources = [one.url("/master.m3u8"), two.url("/master.m3u8")];
        let gateway = Gateway::start(&format!(
            "{LIMITS}\nchannels: {{sounds-{expected}: {{sources: {sources:?}, kind: hls}}}}"
        ))
        .await;
        let channel = format!("/hls/sounds-{expected}/playlist.m3u8");
        let links = uris(&playlist(&gateway, &channel).await);
        let [sound, picture] = [0, 1].map(|index: usize| follow(&channel, &links[index]));
        for path in [&picture, &sound, &picture, &sound, &picture, &sound] {
            let text = playlist(&gateway, path).await;
            get(&gateway, &follow(path, uris(&text).last().unwrap())).await;
        }
        let last = |origin: &Origin, name: &str| {
            let seen = origin.seen();
            let of = seen.iter().filter(|asked| asked.path().starts_with(name));
            of.filter(|asked| asked.path().ends_with(".ts")).count()
        };
        assert_eq!((last(&one, "/picture"), last(&two, "/picture")), (1, 2));
        let sounds = if expected == "two" { (1, 2) } else { (3, 0) };
        assert_eq!((last(&one, "/sound"), last(&two, "/sound")), sounds, "{expected}");
        let log = logs();
        let switched = |line: &&str| {
            line.contains(&format!("channel=sounds-{expected} "))
                && line.contains("from another source")
        };
        assert_eq!(log.lines().filter(switched).count(), 1, "one failover");
    }
}

#[tokio::test]
async fn a_segment_that_fails_sends_the_next_playlist_elsewhere() {
    let first = Origin::start(|request| match request.path() {
        "/a.m3u8" => lives(request, 100, 1000),
        _ => Script::error("503 Service Unavailable"),
    })
    .await;
    let second = Origin::start(|request| lives(request, 7000, 1000)).await;
    let sources = [first.url("/a.m3u8"), second.url("/b.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    let text = playlist(&gateway, CHANNEL).await;
    let segment = follow(CHANNEL, &uris(&text)[0]);
    assert_eq!(Player::get(gateway.stream, &segment).await.status(), 502);
    for reload in 0..3 {
        let text = playlist(&gateway, CHANNEL).await;
        assert_eq!(text.contains("#EXT-X-DISCONTINUITY\n"), reload < 2, "{text}");
        get(&gateway, &follow(CHANNEL, uris(&text).last().unwrap())).await;
        assert!(second.seen().last().unwrap().path().starts_with("/b-"));
    }
}

#[tokio::test]
async fn a_session_is_moved_by_hand_at_its_next_reload() {
    let first = Origin::start(|request| lives(request, 100, 1000)).await;
    let second = Origin::start(|request| lives(request, 7000, 1000)).await;
    let sources = [first.url("/a.m3u8"), second.url("/b.m3u8")];
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: {sources:?}, kind: hls}}}}"
    ))
    .await;
    playlist(&gateway, CHANNEL).await;
    let orders =
        [("{}", 0, 1, "/b-"), ("{\"source\": 0}", 1, 0, "/a-"), ("{\"source\": 1}", 0, 1, "/b-")];
    for (order, from, to, prefix) in orders {
        let switch = gateway.admin_post("/api/v1/channels/one/failover", order);
        // A player that goes on reloading.
        let reloading = async {
            loop {
                playlist(&gateway, CHANNEL).await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let (status, answer) = tokio::select! {
            answered = switch => answered,
            () = reloading => unreachable!("it reloads for ever"),
        };
        assert_eq!(status, 200, "{answer}");
        let told = &answer["clients"][0];
        assert_eq!(told["outcome"], "switched");
        assert_eq!((&told["from"], &told["to"]), (&from.into(), &to.into()));
        let text = playlist(&gateway, CHANNEL).await;
        get(&gateway, &follow(CHANNEL, uris(&text).last().unwrap())).await;
        let asked = [&first, &second][to].seen().last().unwrap().path().to_owned();
        assert!(asked.starts_with(prefix), "{asked}");
    }
    let metric = "weir_failovers_total{channel=\"one\",reason=\"manual\"}";
    assert_eq!(gateway.metric(metric).await, 3.0);
}
