//! Redirects of a source: followed as the standards have it, each hop on a connection of its own, to
//! places that may be reached only, and without what belongs to the source's own host.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::support::capture::Canary;
use crate::support::content::Content;
use crate::support::eventually::within;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

fn pattern() -> TsPattern {
    TsPattern::new(0x302)
}

fn good() -> Script {
    Script::live(Feed::of(pattern()).packets(60))
}

fn assert_good(answer: &Answer, what: &str) {
    assert_eq!(answer.status(), 200, "{what}: {}", String::from_utf8_lossy(&answer.body.bytes));
    assert_eq!(answer.body.bytes.len(), 60 * PACKET, "{what}");
    pattern().assert_matches(0, &answer.body.bytes);
    assert_eq!(answer.head.header("location"), None, "{what}: the client is not redirected");
}

/// A gateway with live channels of one source each.
async fn gateway(head: &str, channels: &[(&str, String)]) -> Gateway {
    let channels: String = channels
        .iter()
        .map(|(name, source)| format!("  {name}: {{kind: live, sources: [{source}]}}\n"))
        .collect();
    let limits = "limits: {requests_per_second: 100000}";
    Gateway::start(&format!("{limits}\n{head}\nchannels:\n{channels}")).await
}

async fn outcome(gateway: &Gateway, channel: &str, outcome: &str) -> f64 {
    let labels = format!("channel=\"{channel}\",source=\"0\",outcome=\"{outcome}\"");
    gateway.metric(&format!("weir_upstream_attempts_total{{{labels}}}")).await
}

/// The origin's URL of `path` under the name that is another host than its address.
fn by_name(origin: &Origin, path: &str) -> String {
    format!("http://localhost:{}{path}", origin.address().port())
}

#[tokio::test]
async fn every_kind_of_redirect_is_followed() {
    let statuses = [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ];
    let other = Origin::start(|_| good()).await;
    let (port, base) = (other.address().port(), other.url(""));
    // What stands in Location, where that leads from /a/b/c.ts?q, and whether to the other origin.
    let targets = [
        ("/x.ts".to_owned(), "/x.ts", false),
        ("x.ts".to_owned(), "/a/b/x.ts", false),
        ("./x.ts".to_owned(), "/a/b/x.ts", false),
        ("../x.ts".to_owned(), "/a/x.ts", false),
        ("../../../../x.ts".to_owned(), "/x.ts", false),
        ("?token=1".to_owned(), "/a/b/c.ts?token=1", false),
        ("x.ts?a=b&c=d#fragment".to_owned(), "/a/b/x.ts?a=b&c=d", false),
        (format!("{base}/x.ts"), "/x.ts", true),
        (base.clone(), "/", true),
        (format!("//127.0.0.1:{port}/x.ts"), "/x.ts", true),
        (format!("HTTP://127.0.0.1:{port}/x.ts"), "/x.ts", true),
        (format!("{base}/a b/\u{fc}.ts"), "/a%20b/%C3%BC.ts", true),
        (format!("{base}/a%20b/%2f.ts"), "/a%20b/%2f.ts", true),
    ];
    let locations = targets.clone().map(|(location, _, _)| location);
    let origin = Origin::start(move |request| {
        let Some(query) = request.query().filter(|_| request.path() == "/a/b/c.ts") else {
            return good();
        };
        let Some((status, location)) = query.split_once('-') else { return good() };
        let (status, location): (usize, usize) =
            (status.parse().unwrap(), location.parse().unwrap());
        Script::redirect(statuses[status], &locations[location])
    })
    .await;
    let mut channels = Vec::new();
    for status in 0..statuses.len() {
        for target in 0..targets.len() {
            channels.push((status, target, format!("c-{status}-{target}")));
        }
    }
    let sources: Vec<_> = channels
        .iter()
        .map(|(status, target, name)| {
            (&**name, format!("\"{}\"", origin.url(&format!("/a/b/c.ts?{status}-{target}"))))
        })
        .collect();
    let gateway = gateway("", &sources).await;
    for (status, target, channel) in &channels {
        let (location, expected, to_other) = &targets[*target];
        let what = format!("{} to {location}", statuses[*status]);
        let before = (origin.seen().len(), other.seen().len());
        assert_good(&Player::get(gateway.stream, &format!("/stream/{channel}")).await, &what);
        let seen = if *to_other { other.seen() } else { origin.seen() };
        let last = seen.last().unwrap();
        last.assert_well_formed();
        assert_eq!((last.method(), last.target()), ("GET", *expected), "{what}");
        assert_eq!(last.header("referer"), None, "{what}");
        let authority = if *to_other { other.authority() } else { origin.authority() };
        assert_eq!(last.header("host"), Some(&*authority), "{what}");
        let hops = origin.seen().len() + other.seen().len() - before.0 - before.1;
        assert_eq!(hops, 2, "{what}");
    }
    assert_eq!(channels.len(), 65);
    assert_eq!(origin.total(), origin.seen().len(), "each request has its own connection");
    assert_eq!((origin.open_max(), other.open_max()), (1, 1));
}

#[tokio::test]
async fn ten_hops_are_followed_and_eleven_are_not() {
    let origin = Origin::start(|request| {
        let left: usize = request.path().trim_start_matches('/').parse().unwrap();
        match left.checked_sub(1) {
            Some(next) => Script::redirect("302 Found", &format!("/{next}")),
            None => good(),
        }
    })
    .await;
    let channels = [
        ("ten", format!("\"{}\"", origin.url("/10"))),
        ("eleven", format!("\"{}\"", origin.url("/11"))),
    ];
    let gateway = gateway("", &channels).await;
    assert_good(&Player::get(gateway.stream, "/stream/ten").await, "ten hops");
    assert_eq!((origin.total(), origin.open_max()), (11, 1), "one connection after the other");
    let answer = Player::get(gateway.stream, "/stream/eleven").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(outcome(&gateway, "eleven", "redirect").await, 1.0);
    assert_eq!(origin.total(), 22, "the eleventh target is not asked for");
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_a_failure_of_the_source() {
    let long = format!("/{}", "x".repeat(20_000));
    let cases = [
        ("itself", Script::redirect("302 Found", "/bad/0")),
        ("a circle", Script::redirect("302 Found", "/round")),
        ("no Location", Script::head("302 Found", &[("Content-Length", "0")])),
        ("an empty Location, which is itself", Script::redirect("301 Moved Permanently", "")),
        ("a file", Script::redirect("302 Found", "file:///etc/passwd")),
        ("FTP", Script::redirect("302 Found", "ftp://127.0.0.1/x")),
        ("RTSP", Script::redirect("302 Found", "rtsp://127.0.0.1/x")),
        ("data", Script::redirect("302 Found", "data:video/mp2t;base64,RxAA")),
        ("a script", Script::redirect("302 Found", "javascript:alert(1)")),
        ("no host", Script::redirect("302 Found", "http:///x")),
        ("a port beyond", Script::redirect("302 Found", "http://127.0.0.1:99999/x")),
        ("port 0", Script::redirect("302 Found", "http://127.0.0.1:0/x")),
        ("an endless URL", Script::redirect("302 Found", &long)),
        ("bytes that are no text", {
            Script::new().raw(b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe\r\n\r\n")
        }),
        ("a media body", Script::head("302 Found", &[]).feed(Feed::of(pattern()).packets(60))),
    ];
    let names = cases.clone().map(|(name, _)| name);
    let origin = Origin::start(move |request| {
        if request.path() == "/round" {
            return Script::redirect("302 Found", "/bad/1");
        }
        let number = request.path().strip_prefix("/bad/").map(|number| number.parse().unwrap());
        number.map_or_else(good, |number: usize| cases[number].1.clone())
    })
    .await;
    let channels: Vec<_> = (0..names.len()).map(|number| format!("bad-{number}")).collect();
    let sources: Vec<_> = channels
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let (bad, good) = (origin.url(&format!("/bad/{number}")), origin.url("/good"));
            (&**name, format!("\"{bad}\", \"{good}\""))
        })
        .collect();
    let gateway = gateway("failover: {rounds: 0, connect_timeout: 2s}", &sources).await;
    for (channel, name) in channels.iter().zip(names) {
        assert_good(&Player::get(gateway.stream, &format!("/stream/{channel}")).await, name);
        let log = logs();
        let warned =
            |line: &&str| line.contains(&format!("channel={channel} ")) && line.contains("WARN");
        assert!(log.lines().any(|line| warned(&line)), "{name}");
    }
    let good = origin.seen().iter().filter(|request| request.path() == "/good").count();
    assert_eq!((good, names.len()), (15, 15));
}

#[tokio::test]
async fn what_belongs_to_the_source_stays_with_its_host() {
    let stranger = Origin::start(|_| good()).await;
    let elsewhere = stranger.url("/elsewhere");
    let origin = Origin::start(move |request| match request.path() {
        "/here" => Script::redirect("302 Found", "/there"),
        "/away" => Script::redirect("302 Found", &elsewhere),
        "/around" => Script::redirect("302 Found", "/away"),
        _ => good(),
    })
    .await;
    let source = |path: &str| {
        let port = origin.address().port();
        format!(
            "{{url: \"http://us3rname:pa55word@localhost:{port}{path}\", provider: acme, \
             headers: {{X-Api-Key: k3y-of-source}}}}"
        )
    };
    let channels =
        [("here", source("/here")), ("away", source("/away")), ("around", source("/around"))];
    let head = "egress: {private: [127.0.0.0/8]}\n\
                providers: {acme: {max_connections: 4, headers: {Referer: \"http://r3ferer.example/\", \
                Cookie: \"c00kie=1\"}}}";
    let gateway = gateway(head, &channels).await;
    for (channel, _) in &channels {
        assert_good(&Player::get(gateway.stream, &format!("/stream/{channel}")).await, channel);
    }
    let basic = "Basic dXMzcm5hbWU6cGE1NXdvcmQ=";
    let seen = origin.requests(5).await;
    for request in &seen {
        assert_eq!(request.header("authorization"), Some(basic), "{request:?}");
        assert_eq!(request.header("x-api-key"), Some("k3y-of-source"), "{request:?}");
        assert_eq!(request.header("cookie"), Some("c00kie=1"), "{request:?}");
        assert_eq!(request.header("referer"), Some("http://r3ferer.example/"), "{request:?}");
        assert!(!request.target().contains('@'), "{request:?}");
    }
    assert_eq!(seen.iter().filter(|request| request.path() == "/there").count(), 1);
    let canary = Canary::new(["us3rname", "pa55word", "k3y-of-source", "r3ferer", "c00kie"]);
    let away = stranger.requests(2).await;
    assert_eq!((seen.len(), away.len()), (5, 2));
    for request in &away {
        canary.assert_absent("a request to another host", &request.head);
        let mut names: Vec<String> =
            request.lines().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        assert_eq!(names, ["accept", "accept-encoding", "connection", "host", "user-agent"]);
    }
    canary.assert_absent("the log", logs().as_bytes());
    canary.assert_absent("the metrics", gateway.metrics().await.as_bytes());
}

#[tokio::test]
async fn a_cookie_that_a_redirect_sets_is_not_kept() {
    let origin = Origin::start(|request| match request.path() {
        "/login" => {
            let fields = [("Location", "/play"), ("Set-Cookie", "id=1; Path=/")];
            Script::head("302 Found", &fields)
        }
        _ => good(),
    })
    .await;
    let gateway = gateway("", &[("one", format!("\"{}\"", origin.url("/login")))]).await;
    for _ in 0..2 {
        let answer = Player::get(gateway.stream, "/stream/one").await;
        assert_good(&answer, "a cookie on the way");
        assert_eq!(answer.head.header("set-cookie"), None);
    }
    let seen = origin.requests(4).await;
    assert!(seen.iter().all(|request| request.header("cookie").is_none()), "{seen:?}");
}

#[tokio::test]
async fn a_range_goes_where_the_redirect_leads() {
    let origin = Origin::start(|request| match request.path() {
        "/film" => Script::redirect("307 Temporary Redirect", "/cdn/film.mp4"),
        _ => Script::whole("206 Partial Content", "video/mp4", "0123456789"),
    })
    .await;
    let gateway = Gateway::start(&format!(
        "channels: {{film: {{kind: vod, sources: [\"{}\"]}}}}",
        origin.url("/film")
    ))
    .await;
    let request = presets::ranged("x", "/stream/film", "bytes=10-19");
    let (mut player, head) = Player::ask(gateway.stream, &request).await;
    assert_eq!((head.status, head.content_length()), (206, Some(10)));
    assert_eq!(player.read_to_end().await.bytes, b"0123456789");
    let seen = origin.requests(2).await;
    assert_eq!(seen[1].path(), "/cdn/film.mp4");
    assert!(seen.iter().all(|request| request.header("range") == Some("bytes=10-19")));
}

#[tokio::test]
async fn a_redirect_reaches_no_private_address_unless_it_is_listed() {
    let victim = Origin::start(|_| good()).await;
    // An address that no source has, and where nothing but a redirect could lead.
    let neighbour = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = victim.address().port();
    let next_port = neighbour.local_addr().unwrap().port();
    let places = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.2:{next_port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::]:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://[2002:7f00:1::]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://10.0.0.1/".to_owned(),
        "http://172.16.0.1/".to_owned(),
        "http://192.168.0.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "http://224.0.0.1/".to_owned(),
        "http://255.255.255.255/".to_owned(),
        "http://[fc00::1]/".to_owned(),
        "http://[fe80::1]/".to_owned(),
        "http://[ff02::1]/".to_owned(),
    ];
    let targets = places.clone();
    let origin = Origin::start(move |request| {
        let number: usize = request.path().trim_start_matches('/').parse().unwrap();
        Script::redirect("302 Found", &targets[number])
    })
    .await;
    let names: Vec<String> = (0..places.len()).map(|number| format!("to-{number}")).collect();
    let channels: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (&**name, format!("\"{}\"", by_name(&origin, &format!("/{number}")))))
        .collect();
    let gateway = gateway("failover: {rounds: 0, connect_timeout: 15s}", &channels).await;
    for (name, place) in names.iter().zip(&places) {
        let answer = Player::get(gateway.stream, &format!("/stream/{name}")).await;
        assert_eq!(answer.status(), 502, "{place}: {}", answer.text());
        // A form that is no address for this system does not resolve, which is as good.
        let denied = outcome(&gateway, name, "denied").await;
        let unknown = outcome(&gateway, name, "dns").await;
        let malformed = outcome(&gateway, name, "redirect").await;
        let odd = place.contains("0x7f") || place.contains("2130") || place.contains("127.1:");
        assert_eq!(denied + if odd { unknown + malformed } else { 0.0 }, 1.0, "{place}");
    }
    assert_eq!((origin.total(), names.len()), (21, 21));
    assert_eq!(victim.total(), 0);
    let nobody =
        std::future::poll_fn(|cx| std::task::Poll::Ready(neighbour.poll_accept(cx).is_pending()));
    assert!(nobody.await, "somebody connected to 127.0.0.2");
}

#[tokio::test]
async fn a_redirect_reaches_a_private_address_that_is_listed() {
    let listed = Origin::start(|_| good()).await;
    let neighbour = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let to_listed = listed.url("/x");
    let to_neighbour = format!("http://{}/x", neighbour.local_addr().unwrap());
    let origin = Origin::start(move |request| match request.path() {
        "/listed" => Script::redirect("302 Found", &to_listed),
        _ => Script::redirect("302 Found", &to_neighbour),
    })
    .await;
    let channels = [("listed", "/listed"), ("neighbour", "/neighbour")]
        .map(|(name, path)| (name, format!("\"{}\"", by_name(&origin, path))));
    let gateway = gateway("egress: {private: [127.0.0.1/32]}", &channels).await;
    assert_good(&Player::get(gateway.stream, "/stream/listed").await, "listed");
    assert_eq!(listed.total(), 1);
    assert_eq!(Player::get(gateway.stream, "/stream/neighbour").await.status(), 502);
    assert_eq!(outcome(&gateway, "neighbour", "denied").await, 1.0);
    // Listed after a reload, it is reached.
    let yaml = format!(
        "egress: {{private: [127.0.0.0/8]}}\nchannels: {{neighbour: {{kind: live, sources: [{}]}}}}",
        channels[1].1
    );
    gateway.reload(&yaml).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get("x", "/stream/neighbour")).await;
    let (_stream, from): (_, SocketAddr) =
        within("a connection to 127.0.0.2", neighbour.accept()).await.unwrap();
    assert!(from.ip().is_loopback());
}

#[tokio::test]
async fn metadata_services_are_never_contacted() {
    let places = [
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254:80/",
        "https://169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://169.254.1.1/",
        "http://[fe80::1]/",
    ];
    let origin = Origin::start(move |request| {
        let number: usize = request.path().trim_start_matches('/').parse().unwrap();
        Script::redirect("302 Found", places[number])
    })
    .await;
    let mut channels = Vec::new();
    for (number, place) in places.iter().enumerate() {
        channels.push((format!("direct-{number}"), format!("\"{place}\"")));
        let redirecting = format!("\"{}\"", origin.url(&format!("/{number}")));
        channels.push((format!("redirected-{number}"), redirecting));
    }
    let channels: Vec<_> =
        channels.iter().map(|(name, source)| (&**name, source.clone())).collect();
    // Not even when somebody lists all there is.
    let head = "egress: {private: [any]}\nfailover: {rounds: 0, connect_timeout: 15s}";
    let gateway = gateway(head, &channels).await;
    for (channel, source) in &channels {
        let answer = Player::get(gateway.stream, &format!("/stream/{channel}")).await;
        assert_eq!(answer.status(), 502, "{channel} {source}");
        assert_eq!(outcome(&gateway, channel, "denied").await, 1.0, "{channel} {source}");
    }
    assert_eq!((channels.len(), origin.total()), (18, 9));
}
