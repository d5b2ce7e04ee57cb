//! Requests that must be refused, and those that only look like it: what a source hears of each,
//! what the client gets, and whether the gateway is still there afterwards.

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::player::Head;
use crate::support::player::NoAnswer;
use crate::support::player::Player;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;
use crate::support::wire::Parting;

mod connection;
mod framing;
mod smuggling;

const LENGTH: u64 = 10_000;

/// What smuggling payloads try to get through: no answer to it may be seen, and no source asked.
const SMUGGLED: &str = "GET /stream/smuggled HTTP/1.1\r\nHost: weir\r\n\r\n";

/// A gateway with a film, a television channel and one that only smugglers ask for.
struct House {
    film: Vod,
    live: Origin,
    smuggled: Origin,
    gateway: Gateway,
}

impl House {
    async fn new() -> Self {
        let film = Vod::start(VodFile::of_length(LENGTH)).await;
        let live = Origin::live(TsPattern::new(1)).await;
        let smuggled = Origin::live(TsPattern::new(2)).await;
        let gateway = Gateway::start(&format!(
            "limits: {{requests_per_second: 100000, clients_per_ip: 1000}}\n\
             channels:\n  \
               film: {{sources: [\"{}\"], kind: vod}}\n  \
               tv: {{sources: [\"{}\"], kind: live}}\n  \
               smuggled: {{sources: [\"{}\"], kind: live}}\n",
            film.url("/film.mp4"),
            live.url("/tv.ts"),
            smuggled.url("/never.ts"),
        ))
        .await;
        Self { film, live, smuggled, gateway }
    }

    /// Connections to any source so far.
    fn asked(&self) -> usize {
        self.film.total() + self.live.total() + self.smuggled.total()
    }

    async fn is_healthy(&self, after: &str) {
        let answer = Player::get(self.gateway.stream, "/health").await;
        assert_eq!((answer.status(), answer.text()), (200, "OK\n"), "after {after}");
    }

    /// Sends `bytes` and expects one whole answer with one of `statuses`, the end of the connection
    /// by FIN, and nothing at any source.
    async fn refuses(&self, bytes: impl AsRef<[u8]>, statuses: &[u16]) -> Head {
        let bytes = bytes.as_ref();
        let what = shown(bytes);
        let before = self.asked();
        let mut player = Player::connect(self.gateway.stream).await;
        player.send(bytes).await;
        let head = match player.try_head().await {
            Ok(head) => head,
            Err(why) => panic!("{what}: {why:?}"),
        };
        assert!(statuses.contains(&head.status), "{what}: {}", head.status);
        assert_eq!(head.header("connection"), Some("close"), "{what}");
        assert_eq!(head.header("content-type"), Some("application/problem+json"), "{what}");
        assert_eq!(head.header("access-control-allow-origin"), Some("*"), "{what}");
        let body = player.read_to_end().await;
        assert!(body.is_complete(), "{what}: {:?}", body.ending);
        let end = player.try_head().await.err();
        assert_eq!(end, Some(NoAnswer::Left(Parting::Fin)), "{what}: more than one answer");
        assert_eq!(self.asked(), before, "{what}: a source was asked");
        self.is_healthy(&what).await;
        head
    }

    /// Sends `bytes` and expects the film, and one well-formed request for it at its source.
    async fn serves(&self, bytes: impl AsRef<[u8]>) -> Head {
        let bytes = bytes.as_ref();
        let what = shown(bytes);
        let before = self.asked();
        let mut player = Player::connect(self.gateway.stream).await;
        player.send(bytes).await;
        let head = match player.try_head().await {
            Ok(head) => head,
            Err(why) => panic!("{what}: {why:?}"),
        };
        assert_eq!(head.status, 200, "{what}");
        let body = player.read_to_end().await;
        assert!(body.is_complete(), "{what}: {:?}", body.ending);
        assert_eq!(Blob::new(1, LENGTH).mismatch(0, &body.bytes), None, "{what}");
        assert_eq!(self.asked(), before + 1, "{what}");
        self.film.assert_one_request_each();
        let request = self.film.seen().pop().unwrap();
        assert_eq!((request.method(), request.target()), ("GET", "/film.mp4"), "{what}");
        assert_eq!(request.headers("host"), [self.film.authority().as_str()], "{what}");
        head
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].escape_ascii().to_string()
}

/// A GET of the film with `fields`, each of them with its line end.
fn get(fields: &str) -> String {
    format!("GET /stream/film HTTP/1.1\r\nHost: weir\r\n{fields}\r\n")
}

/// A request of `method` with `fields`, and `body` behind its head.
fn with_body(method: &str, fields: &str, body: &str) -> String {
    format!("{method} /stream/film HTTP/1.1\r\nHost: weir\r\n{fields}\r\n{body}")
}

fn get_by_host(host_lines: &str) -> String {
    format!("GET /stream/film HTTP/1.1\r\n{host_lines}\r\n")
}

#[tokio::test]
async fn a_host_that_is_none_is_refused() {
    let house = House::new().await;
    let hosts = [
        "",
        "Host:\r\n",
        "Host: \t\r\n",
        "Host: weir\r\nHost: weir\r\n",
        "Host: weir\r\nhost: other\r\n",
        "Host: weir\r\nX: y\r\nHOST: weir\r\n",
        "Host: u:p@weir\r\n",
        "Host: u@weir\r\n",
        "Host: we ir\r\n",
        "Host: we\tir\r\n",
        "Host: we/ir\r\n",
        "Host: http://weir\r\n",
        "Host: weir:99999\r\n",
        "Host: weir:-1\r\n",
        "Host: weir:80x\r\n",
        "Host: weir:80:80\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [::1]x\r\n",
        "Host: weir, other\r\n",
        "Host: weir?x\r\n",
        "Host: weir#x\r\n",
        "Host: weir\\x\r\n",
        "Host: we%20ir\r\n",
        "Host: we\u{fc}r\r\n",
        "Host: <weir>\r\n",
        "Host : weir\r\n",
        " Host: weir\r\n",
    ];
    for host in hosts {
        house.refuses(get_by_host(host), &[400]).await;
    }
    assert_eq!(hosts.len(), 28);
    let long = format!("Host: {}\r\n", "a".repeat(300));
    house.refuses(get_by_host(&long), &[400]).await;
    let good = [
        "Host: weir\r\n",
        "hOsT:weir:18000\r\n",
        "Host: \t127.0.0.1 \t\r\n",
        "Host: [::1]:18000\r\n",
        "Host: we_ir.local.\r\n",
        "Host: weir:\r\n",
    ];
    for host in good {
        house.serves(get_by_host(&format!("{host}Connection: close\r\n"))).await;
    }
}

#[tokio::test]
async fn an_absolute_target_must_name_the_host_and_leads_nowhere_else() {
    let house = House::new().await;
    let request =
        |target: &str| format!("GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    let authority = house.smuggled.authority();
    let refused = [
        "http://other/stream/film".to_owned(),
        "http://weir:81/stream/film".to_owned(),
        "http://weir.example/stream/film".to_owned(),
        "http://user@weir/stream/film".to_owned(),
        "http://weir@other/stream/film".to_owned(),
        "http:///stream/film".to_owned(),
        "http:/stream/film".to_owned(),
        "ftp://weir/stream/film".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://{authority}/never.ts"),
        "*".to_owned(),
        "weir:80".to_owned(),
        "stream/film".to_owned(),
        "?stream/film".to_owned(),
    ];
    for target in &refused {
        house.refuses(request(target), &[400, 421]).await;
    }
    assert_eq!(refused.len(), 14);
    for target in ["http://weir/stream/film", "HTTP://WEIR:80/stream/film"] {
        house.serves(request(target)).await;
    }
    // The gateway is an origin server, whatever it is called: it is never asked on behalf of others.
    let foreign = format!(
        "GET http://{authority}/stream/film HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    );
    house.serves(foreign).await;
    assert_eq!(house.smuggled.total(), 0);
}

#[tokio::test]
async fn versions_other_than_1_0_and_1_1_are_refused() {
    let house = House::new().await;
    let versions = [
        ("HTTP/0.9", 505),
        ("HTTP/1.2", 505),
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("http/1.1", 400),
        ("HTTP/1.10", 400),
        ("HTTP/1.1.1", 400),
        ("HTTP/1", 400),
        ("HTTP/11", 400),
        ("HTTP/+1.1", 400),
        ("HTTP/1.+1", 400),
        ("HTTP/1,1", 400),
        ("HTTP /1.1", 400),
        ("HTTP/1.1 ", 400),
        ("HTTPS/1.1", 400),
        ("HTCPCP/1.0", 400),
        ("ICY/1.1", 400),
        ("", 400),
    ];
    for (version, status) in versions {
        let request = format!("GET /stream/film {version}\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[status]).await;
    }
    assert_eq!(versions.len(), 18);
    house.refuses("GET /stream/film\r\n", &[400]).await;
    house.refuses("GET /stream/film\r\n\r\n", &[400]).await;
    // The preface of HTTP/2, and the beginnings of what is no HTTP at all.
    house.refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]).await;
    house.refuses(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]).await;
    house.refuses(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00", &[400]).await;
    house.refuses(b"\x03\x00\x00\x13\x0e\xe0", &[400]).await;
    house.refuses(b"SSH-2.0-OpenSSH_9.2\r\n", &[400]).await;
    house.refuses(b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n", &[400]).await;
    house.refuses(b"\0\0\0\0", &[400]).await;
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    let house = House::new().await;
    let head = house.serves("GET /stream/film HTTP/1.0\r\n\r\n").await;
    assert_eq!(head.header("transfer-encoding"), None);
    let (mut player, head) =
        Player::ask(house.gateway.stream, "GET /stream/tv HTTP/1.0\r\n\r\n").await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(10 * PACKET).await);
    house.refuses("GET /stream/film HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", &[400]).await;
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused_with_those_that_are() {
    let house = House::new().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        for target in ["/stream/film", "/stream/tv", "/health", "/nothing"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: weir\r\n\r\n");
            let head = house.refuses(request, &[405]).await;
            assert_eq!(head.header("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
        }
    }
    for target in ["weir:443", "127.0.0.1:22", "/stream/film"] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: weir:443\r\n\r\n");
        let head = house.refuses(request, &[405]).await;
        assert_eq!(head.header("allow"), Some("GET, HEAD, OPTIONS"), "{target}");
    }
    let long = "A".repeat(33);
    let unknown =
        ["get", "Get", "HEaD", "GETX", "FOO!#", "PROPFIND", "SOURCE", "!", "X-Y_Z", &long];
    for method in unknown {
        let request = format!("{method} /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[501]).await;
    }
    assert_eq!(unknown.len(), 10);
    for method in ["", "G T", "G(T", "G\u{e9}T", "G\0T", "G\tET", "\"GET\"", "GET,", "GE:T"] {
        let request = format!("{method} /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[400]).await;
    }
    // A word of the gateway's own is no way in.
    for target in ["/host", "/nothing", "/"] {
        let request = format!("WEIR-REJECTED {target} HTTP/1.1\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[400]).await;
    }
    let options = Player::fetch(
        house.gateway.stream,
        "OPTIONS * HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!([200, 204].contains(&options.status()));
    assert_eq!(house.asked(), 0);
}
