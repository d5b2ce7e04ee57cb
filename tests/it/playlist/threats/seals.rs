//! Sealed URLs in the wrong hands, at the wrong time, with the wrong things in them.

use std::net::Ipv4Addr;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use weir::delivery::seal::Behind;
use weir::delivery::seal::Sealed;

use super::KEY;
use super::crafted;
use super::keyed;
use super::opened;
use crate::playlist::CHANNEL;
use crate::playlist::LIMITS;
use crate::playlist::get;
use crate::playlist::links;
use crate::playlist::playlist;
use crate::playlist::served;
use crate::support::capture::Canary;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

fn source(request: &Recorded) -> Script {
    match request.path() {
        "/list.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.key\"\n\
             #EXTINF:4,\ns3cret-segment.ts\n#EXT-X-ENDLIST\n",
        ),
        "/master.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n"),
        _ => served(request),
    }
}

fn now() -> u32 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32
}

/// A seal of the channel `one` that is good.
fn good(origin: &Origin) -> Sealed {
    Sealed {
        channel: "one".to_owned(),
        source: 0,
        behind: Behind::Media,
        session: 77,
        expires: now() + 3600,
        url: origin.url("/s3cret-segment.ts"),
        variables: Vec::new(),
    }
}

async fn status(gateway: &Gateway, path: &str) -> u16 {
    let answer = Player::get(gateway.stream, path).await;
    if answer.status() >= 400 {
        Canary::new(["s3cret-segment", "127.0.0."]).assert_absent(path, &answer.everything());
        assert_eq!(answer.head.header("Content-Type"), Some("application/problem+json"), "{path}");
    }
    answer.status()
}

#[tokio::test]
async fn a_link_is_good_for_a_day_or_two_and_gone_then() {
    let origin = Origin::start(source).await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let parts = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    for part in &parts {
        let sealed = opened(part);
        assert!((now() + 23 * 3600..now() + 49 * 3600).contains(&sealed.expires), "{sealed:?}");
    }
    let before = origin.total();
    let requests = origin.seen().len();
    let mut seen = 0;
    for behind in [Behind::Playlist, Behind::Media] {
        for expires in [0, 1, now() / 2, now() - 86_400, now() - 1] {
            let sealed = Sealed { behind, expires, ..good(&origin) };
            assert_eq!(status(&gateway, &crafted(&sealed)).await, 410, "{sealed:?}");
            seen += 1;
        }
    }
    // A real one with nothing but its time changed.
    for part in &parts {
        let sealed = Sealed { expires: now() - 1, ..opened(part) };
        assert_eq!(status(&gateway, &crafted(&sealed)).await, 410);
        seen += 1;
    }
    assert_eq!(seen, 12);
    assert_eq!((origin.total(), origin.seen().len()), (before, requests), "nobody was asked");
    for expires in [now() + 60, u32::MAX] {
        get(&gateway, &crafted(&Sealed { expires, ..good(&origin) })).await;
    }
}

#[tokio::test]
async fn what_is_sealed_with_our_key_and_makes_no_sense_is_refused() {
    let origin = Origin::start(source).await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let good = good(&origin);
    let url = |url: &str| Sealed { url: url.to_owned(), ..good.clone() };
    let variables = |name: &str, value: &str| Sealed {
        behind: Behind::Playlist,
        url: origin.url("/list.m3u8"),
        variables: vec![(name.to_owned(), value.to_owned())],
        ..good.clone()
    };
    let cases = [
        (Sealed { channel: "two".to_owned(), ..good.clone() }, 410),
        (Sealed { channel: String::new(), ..good.clone() }, 410),
        (Sealed { channel: "../one".to_owned(), ..good.clone() }, 410),
        (Sealed { source: 1, ..good.clone() }, 403),
        (Sealed { source: 255, ..good.clone() }, 403),
        (url(""), 403),
        (url("/s3cret-segment.ts"), 403),
        (url("file:///etc/passwd"), 403),
        (url("FILE:///etc/passwd"), 403),
        (url("data:text/plain,x"), 403),
        (url("gopher://127.0.0.1:70/x"), 403),
        (url("http+unix://%2Frun%2Fx.sock/"), 403),
        (url("http://169.254.169.254/latest/meta-data/"), 502),
        (url("http://[::1]:1/"), 502),
        (url("http://127.0.0.9:1/"), 502),
        (variables("a b", "x"), 403),
        (variables("a", "\""), 403),
        (variables("a", "{$b}"), 403),
    ];
    let mut seen = 0;
    for (sealed, expected) in cases {
        assert_eq!(
            status(&gateway, &crafted(&sealed)).await,
            expected,
            "{sealed:?} {:?}",
            sealed.url
        );
        seen += 1;
    }
    assert_eq!((seen, origin.total()), (18, 0));
    get(&gateway, &crafted(&good)).await;
}

#[tokio::test]
async fn parts_of_two_seals_make_no_third() {
    let origin = Origin::start(source).await;
    let url = origin.url("/list.m3u8");
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels:\n  one: {{sources: [{url:?}], kind: hls}}\n  \
         two: {{sources: [{url:?}], kind: hls}}"
    ))
    .await;
    let one = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(1);
    let other = "/hls/two/playlist.m3u8";
    let two = links(other, &playlist(&gateway, other).await).remove(1);
    assert_ne!(one, two, "each says whose it is");
    let (before, requests) = (origin.total(), origin.seen().len());
    let mut seen = 0;
    for at in (4..one.len().min(two.len()) - 4).step_by(3) {
        for (head, tail) in [(&one, &two), (&two, &one)] {
            let swapped = format!("{}{}", &head[..at], &tail[at..]);
            if swapped != one && swapped != two {
                assert_eq!(status(&gateway, &swapped).await, 403, "{swapped}");
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen}");
    for (old, new) in
        [("/s/", "/s/one/"), ("/s/", "/hls/one/s/"), ("/s/", "/stream/"), ("/s/", "/t/x/")]
    {
        assert_eq!(status(&gateway, &one.replacen(old, new, 1)).await, 404, "{new}");
    }
    assert_eq!((origin.total(), origin.seen().len()), (before, requests), "nobody was asked");
    // Where the session is another's, or nobody's any more, the link leads where it led.
    get(&gateway, &one).await;
    get(&gateway, &two).await;
}

#[tokio::test]
async fn a_link_does_not_lead_back_to_a_source_that_its_channel_no_longer_has() {
    let old = Origin::start(source).await;
    let new = Origin::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start(source).await;
    let text = |origin: &Origin, id: &str| {
        let source = origin.url_as("us3r:pa55word", "/list.m3u8");
        format!(
            "{LIMITS}\nhls: {{seal_key: {KEY:?}}}\nchannels: {{{id}: {{sources: \
             [{{url: {source:?}, headers: {{X-Key: k3y}}}}], kind: hls}}}}"
        )
    };
    let gateway = Gateway::start(&text(&old, "one")).await;
    let parts = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    gateway.reload(&text(&new, "two")).await;
    for part in &parts {
        assert_eq!(status(&gateway, part).await, 410, "the channel is gone");
    }
    gateway.reload(&text(&new, "one")).await;
    let requests = old.seen().len();
    for part in &parts {
        assert_eq!(status(&gateway, part).await, 502, "127.0.0.1 is nobody's source now");
    }
    assert_eq!((old.seen().len(), new.total()), (requests, 0));
    // The other way round it is a source again.
    gateway.reload(&text(&old, "one")).await;
    get(&gateway, &parts[0]).await;
}

#[tokio::test]
async fn odd_paths_lead_nowhere() {
    let origin = Origin::start(source).await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let long = "x".repeat(300);
    let (longer, longest) =
        (format!("/hls/{long}/playlist.m3u8"), format!("/s/{}.ts", "A".repeat(60_000)));
    let seal = crafted(&good(&origin));
    let inside = format!("/s/..%2f{}", seal.trim_start_matches("/s/"));
    let paths = [
        "/s/../../etc/passwd",
        "/s/..%2f..%2fetc%2fpasswd",
        "/s/%2e%2e/%2e%2e/etc/passwd",
        "/s/%252e%252e%252fetc%252fpasswd",
        "/s/..\\..\\etc\\passwd",
        "/s/%5c..%5cetc",
        "/s/%00.ts",
        "/s/.ts",
        "/s//etc/passwd",
        "/hls/one/%2e%2e/%2e%2e/etc/passwd",
        "/hls/one%2fplaylist.m3u8",
        "/hls/one/playlist.m3u8%00",
        "/hls/one/playlist.m3u8/",
        "/hls/one\\playlist.m3u8",
        longer.as_str(),
        longest.as_str(),
        inside.as_str(),
    ];
    let mut seen = 0;
    for path in paths {
        let got = status(&gateway, path).await;
        assert!([400, 403, 404, 414, 431].contains(&got), "{path}: {got}");
        seen += 1;
    }
    assert_eq!((seen, origin.total()), (17, 0));
}
