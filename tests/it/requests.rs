//! Requests that must be refused, and those that only look like it: what a source hears of each,
//! what the client gets, and whether the gateway is still there afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::eventually::eventually_async;
use crate::support::eventually::within;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::player::Head;
use crate::support::player::NoAnswer;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;
use crate::support::wire::Parting;

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

#[tokio::test]
async fn request_lines_that_parsers_read_differently_are_refused() {
    let house = House::new().await;
    let lines = [
        "GET  /stream/film HTTP/1.1",
        "GET /stream/film  HTTP/1.1",
        "GET\t/stream/film HTTP/1.1",
        "GET /stream/film\tHTTP/1.1",
        "GET /stream/film HTTP/1.1\t",
        " GET /stream/film HTTP/1.1",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GET/stream/film HTTP/1.1",
        "GET /stream/fi lm HTTP/1.1",
        "GET /stream/film?a b HTTP/1.1",
        "GET /stream/film#x HTTP/1.1",
        "GET /stream\\film HTTP/1.1",
        "GET /stream/<film> HTTP/1.1",
        "GET /stream/\"film\" HTTP/1.1",
        "GET /stream/film?`x` HTTP/1.1",
        "GET /stream/f\u{ef}lm HTTP/1.1",
        "GET /stream/film\0 HTTP/1.1",
        "GET /stream/film\u{7f} HTTP/1.1",
        "GET /stream/film\u{b} HTTP/1.1",
        "GET /stream/film HTTP/1.1 GET /stream/smuggled HTTP/1.1",
    ];
    for line in lines {
        house.refuses(format!("{line}\r\nHost: weir\r\n\r\n"), &[400]).await;
    }
    assert_eq!(lines.len(), 21);
    // What no parser takes for anything else, and players do send.
    for target in ["/stream/film?a=[1]|{2}^3", "/stream/film?a=%20%22%3c", "/stream/film?"] {
        house
            .serves(format!("GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n"))
            .await;
    }
}

#[tokio::test]
async fn lines_end_with_cr_lf_and_nothing_else() {
    let house = House::new().await;
    let heads: [&[u8]; 19] = [
        b"GET /stream/film HTTP/1.1\nHost: weir\n\n",
        b"GET /stream/film HTTP/1.1\nHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX:\n\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: y\nZ: z\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\nX: y\r\n\r\n",
        b"GET /stream/film HTTP/1.1\rHost: weir\r\r",
        b"GET /stream/film HTTP/1.1\r\rHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\r\nHost: weir\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: a\rb\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\rX: y\r\n\r\n",
        b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\r\n",
        b"GET /stream/film HTTP/1.1\n\rHost: weir\n\r\n\r",
        b"\nGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\r\n\r\nGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\r\rGET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\0GET /stream/film HTTP/1.1\r\nHost: weir\r\n\r\n",
    ];
    for head in heads {
        house.refuses(head, &[400]).await;
    }
    // One empty line before it, as some clients leave behind a body.
    house.serves("\r\nGET /stream/film HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n").await;
}

#[tokio::test]
async fn field_lines_that_parsers_read_differently_are_refused() {
    let house = House::new().await;
    let fields: [&[u8]; 26] = [
        b"X: y\r\n z\r\n",
        b"X: y\r\n\tz\r\n",
        b"X:\r\n y\r\n",
        b"X: y\r\n \r\n",
        b" X: y\r\n",
        b"\tX: y\r\n",
        b"X : y\r\n",
        b"X\t: y\r\n",
        b": y\r\n",
        b" : y\r\n",
        b"X\r\n",
        b"X y\r\n",
        b"X Y: z\r\n",
        b"X(Y): z\r\n",
        b"X;: y\r\n",
        b"\"X\": y\r\n",
        b"X@: y\r\n",
        b"X\xc3\xbc: y\r\n",
        b"X\0: y\r\n",
        b"\0: y\r\n",
        b"X: \0\r\n",
        b"X: a\0b\r\n",
        b"X: a\x01b\r\n",
        b"X: a\x0bb\r\n",
        b"X: a\x7fb\r\n",
        b"X: \x1b[2J\r\n",
    ];
    for field in fields {
        let head = [b"GET /stream/film HTTP/1.1\r\nHost: weir\r\n", field, b"\r\n"].concat();
        house.refuses(head, &[400]).await;
        // As the first field too.
        let head = [b"GET /stream/film HTTP/1.1\r\n", field, b"Host: weir\r\n\r\n"].concat();
        house.refuses(head, &[400]).await;
    }
    let good: [&[u8]; 4] = [b"X:\r\n", b"X: \t \r\n", b"X:y\r\n", b"X: \xfc\xff\r\n"];
    for field in good {
        let start = b"GET /stream/film HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n";
        house.serves([start, field, b"\r\n"].concat()).await;
    }
}

#[tokio::test]
async fn lengths_in_any_but_the_one_plain_form_are_refused() {
    let house = House::new().await;
    let lengths = [
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 5,6\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5;\r\n",
        "Content-Length: 5.0\r\n",
        "Content-Length: 5e0\r\n",
        "Content-Length: 5_0\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: five\r\n",
        "Content-Length:\r\n",
        "Content-Length: \t\r\n",
        "Content-Length: 010\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: 05\r\n",
        "Content-Length: \u{665}\r\n",
        "Content-Length: 9223372036854775808\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551621\r\n",
        "Content-Length: 99999999999999999999999999999999\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n",
    ];
    for length in lengths {
        for method in ["GET", "POST"] {
            house.refuses(with_body(method, length, "hello"), &[400]).await;
        }
    }
    assert_eq!(lengths.len(), 29);
    house.serves(get("Content-Length: 0\r\nConnection: close\r\n")).await;
    // A name that only careless servers take for the length.
    house.serves(get("Content_Length: 5\r\nConnection: close\r\n")).await;
}

#[tokio::test]
async fn transfer_codings_other_than_one_chunked_are_refused() {
    let house = House::new().await;
    let codings: [&[u8]; 34] = [
        b"Transfer-Encoding: ,chunked\r\n",
        b"Transfer-Encoding: chunked,\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n",
        b"Transfer-Encoding: x\r\nTransfer-encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunkedx\r\n",
        b"Transfer-Encoding: chunke\r\n",
        b"Transfer-Encoding: \"chunked\"\r\n",
        b"Transfer-Encoding: 'chunked'\r\n",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b"Transfer-Encoding: chunked; x\r\n",
        b"Transfer-Encoding: chun ked\r\n",
        b"Transfer-Encoding: cow, chunked\r\n",
        b"Transfer-Encoding:\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: \x0cchunked\r\n",
        b"Transfer-Encoding: chunked\x00\r\n",
        b"Transfer-Encoding: \x00chunked\r\n",
        b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding\x00: chunked\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n",
    ];
    for coding in codings {
        for method in ["GET", "POST"] {
            let head = format!("{method} /stream/film HTTP/1.1\r\nHost: weir\r\n");
            let payload = [head.as_bytes(), coding, b"\r\n0\r\n\r\n", SMUGGLED.as_bytes()].concat();
            house.refuses(payload, &[400, 501]).await;
        }
    }
    let old = "POST /stream/film HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    house.refuses(old, &[400, 501]).await;
    house.serves(get("Transfer_Encoding: chunked\r\nConnection: close\r\n")).await;
    house.serves(get("TE: trailers\r\nConnection: close, TE\r\n")).await;
}

#[tokio::test]
async fn two_framings_at_once_are_refused() {
    let house = House::new().await;
    let (length, coding) = ("Content-Length: 6\r\n", "Transfer-Encoding: chunked\r\n");
    for fields in [
        format!("{length}{coding}"),
        format!("{coding}{length}"),
        format!("{length}X: y\r\n{coding}"),
        format!("Content-Length: 0\r\n{coding}"),
        format!("{coding}Content-Length: 0\r\n"),
        format!("{length}transfer-encoding: CHUNKED\r\n"),
        format!("{length}{coding}{length}"),
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            let payload = with_body(method, &fields, &format!("0\r\n\r\nG{SMUGGLED}"));
            if method == "HEAD" {
                // Whatever the method was, the refused head is answered with a body.
                house.refuses(payload.replacen("HEAD", "LOCK", 1), &[400]).await;
            } else {
                house.refuses(payload, &[400]).await;
            }
        }
    }
}

#[tokio::test]
async fn expectations_other_than_100_continue_are_refused() {
    let house = House::new().await;
    for expect in ["x", "nonsense", "100-continue, x", "100-continued", "", "200-ok"] {
        house.refuses(get(&format!("Expect: {expect}\r\n")), &[417]).await;
        house
            .refuses(
                with_body("POST", &format!("Expect: {expect}\r\nContent-Length: 5\r\n"), ""),
                &[417],
            )
            .await;
    }
    // Nobody waits for a body that is not wanted.
    let request = with_body("POST", "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    let head = house.refuses(request, &[405]).await;
    assert!(head.interim.is_empty(), "invited to send a body that is refused");
    house.serves(get("Expect: 100-Continue\r\nConnection: close\r\n")).await;

    for (expect, status) in [("100-continue", 405), ("x", 417)] {
        let request = format!(
            "POST /api/v1/channels HTTP/1.1\r\nHost: localhost\r\nExpect: {expect}\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\n"
        );
        let (mut player, head) = Player::ask(house.gateway.admin, &request).await;
        assert_eq!(head.status, status, "{expect}");
        assert!(player.read_to_end().await.is_complete());
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_refused_and_the_body_goes_nowhere() {
    let house = House::new().await;
    let bodies = [
        ("Content-Length: 5\r\n", "hello".to_owned()),
        ("Content-Length: 5\r\n", format!("hello{SMUGGLED}")),
        ("Content-Length: 5\r\n", String::new()),
        ("Content-Length: 47\r\n", SMUGGLED.to_owned()),
        ("Content-Length: 9223372036854775807\r\n", SMUGGLED.to_owned()),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("Transfer-Encoding: chunked\r\n", format!("0\r\n\r\n{SMUGGLED}")),
        ("Transfer-Encoding: CHUNKED\r\n", format!("2f\r\n{SMUGGLED}\r\n0\r\n\r\n")),
    ];
    for (fields, body) in &bodies {
        for target in ["/stream/film", "/stream/tv"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: weir\r\n{fields}\r\n{body}");
            house.refuses(request, &[400, 413]).await;
        }
    }
    assert_eq!(bodies.len(), 8);
    house.serves(get("Connection: close\r\n")).await;
}

#[tokio::test]
async fn odd_chunks_end_the_connection_and_no_source_sees_them() {
    let house = House::new().await;
    let chunks = [
        "0x5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "+5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "-5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5_0\r\nhello\r\n0\r\n\r\n".to_owned(),
        " 5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5 \r\nhello\r\n0\r\n\r\n".to_owned(),
        "5\nhello\n0\n\n".to_owned(),
        "5\r\nhello\n0\r\n\r\n".to_owned(),
        "5\r\nhelloX0\r\n\r\n".to_owned(),
        "5;x=\"\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;x\nhello\r\n0\r\n\r\n".to_owned(),
        "\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "0_2e\r\n\r\n".to_owned(),
        "0\r\n\rX\r\n\r\n".to_owned(),
        "0\r\nHost: other\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "0\n\n".to_owned(),
        "zz\r\n".to_owned(),
        "00000000000000005\r\nhello\r\n0\r\n\r\n".to_owned(),
        "10000000000000005\r\nhello\r\n0\r\n\r\n".to_owned(),
        "ffffffffffffffff\r\nhello".to_owned(),
        format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(5000)),
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024)),
        format!("5;{}", "x".repeat(1 << 20)),
        "1\r\nx\r\n".repeat(100_000),
    ];
    for body in &chunks {
        for (method, status) in [("GET", 413), ("POST", 405)] {
            let payload =
                with_body(method, "Transfer-Encoding: chunked\r\n", &format!("{body}{SMUGGLED}"));
            house.refuses(payload, &[status]).await;
        }
    }
    assert_eq!(chunks.len(), 24);
}

/// The length says one thing, the chunks another, in every disguise of either.
const FRAMINGS: [&str; 36] = [
    "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding : chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: xchunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked, identity\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\u{b}chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\u{c}chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding:\r\n chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding\r\n: chunked\r\n",
    "Content-Length: {n}\r\n Transfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nX: y\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nX: y\rTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: \"chunked\"\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding: chunked;x\r\n",
    "Content-Length: {n}\r\nTransfer-Encoding\0: chunked\r\n",
    "Content-Length: {n}\r\nFoo: bar\r\n\tTransfer-Encoding: chunked\r\n",
    "Content-Length : {n}\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: {n}\r\nContent-Length: 0\r\n",
    "Content-Length: 0\r\nContent-Length: {n}\r\n",
    "Content-Length: 0, {n}\r\n",
    "Content-Length: {n}, 0\r\n",
    "Content-Length: +{n}\r\n",
    "Content-Length: 0{n}\r\n",
    "Content-Length: {n} 0\r\n",
    "Content-Length:\r\n {n}\r\n",
    "Content-Length : {n}\r\n",
    " Content-Length: {n}\r\n",
    "Content-Length\t: {n}\r\n",
    "Content-Length: {n}\rX: y\r\n",
    "Content-Length: {n}\0\r\n",
    "Content-Length\0: {n}\r\n",
    "Content-Length: {n}\r\nExpect: x\r\n",
    "Host: other\r\nContent-Length: {n}\r\n",
];

/// Classic smuggling: each of these made some pair of servers disagree about where a request ends.
fn smuggling() -> Vec<String> {
    let mut payloads = Vec::new();
    for framing in FRAMINGS {
        let framing = framing.replace("{n}", &SMUGGLED.len().to_string());
        for (method, body) in
            [("POST", format!("0\r\n\r\n{SMUGGLED}")), ("GET", SMUGGLED.to_owned())]
        {
            payloads.push(with_body(method, &framing, &body));
        }
    }
    // Heads that end too early for some, or too late.
    for inside in [
        format!("X: y\n\n{SMUGGLED}"),
        format!("X: y\r\r{SMUGGLED}"),
        format!("X: y\r\n\n{SMUGGLED}"),
        format!("X: y\n\r\n{SMUGGLED}"),
        format!("X: y\r\n \r\n{SMUGGLED}"),
        format!("X\r\n\r\n{SMUGGLED}"),
        format!("\0\r\n\r\n{SMUGGLED}"),
        format!("X: y\0\r\n\r\n{SMUGGLED}"),
        format!("GET /stream/smuggled HTTP/1.1\r\n\r\n{SMUGGLED}"),
    ] {
        payloads.push(get(&inside));
    }
    for line in [
        "GET /stream/film HTTP/1.1 HTTP/1.1",
        "GET /stream/film HTTP/1.1\r",
        "GET /stream/film HTTP/1.1 X: y",
        "GET http://other/stream/smuggled HTTP/1.1",
        "GET http://weir@other/stream/smuggled HTTP/1.1",
        "GET other:80/stream/smuggled HTTP/1.1",
        "CONNECT other:80 HTTP/1.1",
        "GET /stream/film HTTP/1.1\nHost: other\nX: y",
        "GET /stream/film\r\nGET /stream/smuggled HTTP/1.1",
        "GET /stream/film HTTP/2.0",
    ] {
        payloads.push(format!("{line}\r\nHost: weir\r\n\r\n{SMUGGLED}"));
    }
    payloads
}

#[tokio::test]
async fn nothing_is_smuggled_past_the_head_of_a_request() {
    let house = House::new().await;
    let payloads = smuggling();
    for payload in &payloads {
        house.refuses(payload, &[400, 405, 413, 417, 501, 505]).await;
    }
    assert_eq!(payloads.len(), 91);
    assert_eq!(house.asked(), 0);
    // In small pieces it is the same.
    for payload in payloads.iter().step_by(9) {
        let mut player = Player::connect(house.gateway.stream).await;
        player.send_slowly(payload, Duration::from_micros(100)).await;
        let head = player.head().await;
        assert!((400..=599).contains(&head.status), "{}", shown(payload.as_bytes()));
    }
    assert_eq!(house.asked(), 0);
}

#[tokio::test]
async fn the_admin_listener_refuses_the_same() {
    let house = House::new().await;
    let payloads = smuggling();
    let mut seen = 0;
    for payload in payloads.iter().step_by(3) {
        let payload = payload.replace("Host: weir", "Host: localhost");
        let what = shown(payload.as_bytes());
        let mut player = Player::connect(house.gateway.admin).await;
        player.send(&payload).await;
        let head = player.try_head().await.unwrap_or_else(|why| panic!("{what}: {why:?}"));
        assert!((400..=599).contains(&head.status), "{what}: {}", head.status);
        assert!(player.read_to_end().await.is_complete(), "{what}");
        assert_eq!(player.left().await, Parting::Fin, "{what}");
        assert!(house.gateway.admin_get("/health").await.starts_with("OK"));
        seen += 1;
    }
    assert_eq!(seen, 31);
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused_and_those_within_are_not() {
    let house = House::new().await;
    let fields = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    house.refuses(get(&fields(100)), &[431]).await;
    house.refuses(get(&fields(1000)), &[431]).await;
    house.serves(get(&(fields(98) + "Connection: close\r\n"))).await;
    house.refuses(get(&format!("X: {}\r\n", "y".repeat(17 << 10))), &[431]).await;
    house.refuses(get(&format!("X: {}\r\n", "y".repeat(400 << 10))), &[431]).await;
    house.refuses(get(&format!("{}: y\r\n", "X".repeat(17 << 10))), &[431]).await;
    house.refuses(get(&"X: y\r\n".repeat(100_000)), &[431]).await;
    house.serves(get(&format!("X: {}\r\nConnection: close\r\n", "y".repeat(15 << 10)))).await;
    for length in [17 << 10, 64 << 10, 1 << 20] {
        let target = format!("/stream/film?{}", "x".repeat(length));
        let request = format!("GET {target} HTTP/1.1\r\nHost: weir\r\n\r\n");
        house.refuses(request, &[414]).await;
    }
    let target = format!("/stream/film?{}", "x".repeat(15 << 10));
    house.serves(format!("GET {target} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")).await;
}

#[tokio::test]
async fn a_refused_client_gets_the_whole_answer_although_it_sent_megabytes() {
    let house = House::new().await;
    let megabytes = "x".repeat(8 << 20);
    let length = format!("Content-Length: {}\r\n", megabytes.len());
    let chunked = format!("{:x}\r\n{megabytes}\r\n0\r\n\r\n", megabytes.len());
    let requests = [
        (format!("GET / HTTP/1.1\nHost: weir\n\n{megabytes}"), 400),
        (get(&format!("X: {megabytes}\r\n")), 431),
        (format!("GET /{megabytes} HTTP/1.1\r\n"), 414),
        (with_body("POST", &length, &megabytes), 405),
        (with_body("PUT", "Transfer-Encoding: chunked\r\n", &chunked), 405),
        (with_body("GET", &length, &megabytes), 413),
        (with_body("GET", "Transfer-Encoding: chunked\r\n", &chunked), 413),
        (with_body("BREW", &length, &megabytes), 501),
    ];
    for (request, status) in &requests {
        let what = shown(request.as_bytes());
        let answer = exchange(house.gateway.stream, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        assert!(answer.ends_with("}\n"), "{what}: {answer}");
    }
    assert_eq!(requests.len(), 8);
    assert_eq!(house.asked(), 0);
    // The admin listener too.
    let request = format!("POST /api/v1/x HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{megabytes}");
    let answer = exchange(house.gateway.admin, &request).await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.ends_with("}\n"), "{answer}");
}

/// Sends all of `request` and only then reads: a reset shows in either.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let what = shown(request.as_bytes());
    within(&what, talk).await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[tokio::test]
async fn a_hundred_heads_on_one_connection_get_a_hundred_answers() {
    let house = House::new().await;
    let mut player = Player::connect(house.gateway.stream).await;
    for number in 0..100 {
        player.send(presets::head("weir", "/stream/tv")).await;
        let head = player.head().await;
        assert_eq!((head.status, head.header("connection")), (200, None), "{number}");
        assert_eq!(player.read_to_end().await.bytes, b"");
    }
    assert_eq!(house.asked(), 0, "what is live is known without its source");
    for number in 0..100 {
        player.send(presets::head("weir", "/stream/film")).await;
        let head = player.head().await;
        assert_eq!((head.status, head.content_length()), (200, Some(LENGTH)), "{number}");
    }
    assert_eq!(house.film.seen().len(), 100);
    house.film.assert_one_request_each();
    // Errors do not end the connection either.
    for target in ["/stream/none", "/none", "/s/none", "/stream/tv?format=none"] {
        player.send(presets::get_keep_alive("weir", target)).await;
        let head = player.head().await;
        assert!((400..500).contains(&head.status), "{target}: {}", head.status);
        assert_eq!(head.header("connection"), None, "{target}");
        assert!(player.read_to_end().await.is_complete());
    }
    player.send(presets::get("weir", "/stream/film")).await;
    assert_eq!(player.head().await.status, 200);
    assert_eq!(player.read_to_end().await.bytes.len() as u64, LENGTH);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let house = House::new().await;
    let requests = [
        (presets::get_keep_alive("weir", "/health"), 200, 3),
        (presets::head("weir", "/stream/film"), 200, 0),
        (presets::get_keep_alive("weir", "/stream/film"), 200, LENGTH as usize),
        (presets::ranged("weir", "/stream/film", "bytes=5-9"), 206, 5),
        (presets::get_keep_alive("weir", "/stream/none"), 404, 0),
        (get("Content-Length: 0\r\n"), 200, LENGTH as usize),
        ("OPTIONS /stream/tv HTTP/1.1\r\nHost: weir\r\n\r\n".to_owned(), 204, 0),
        (presets::head("weir", "/stream/tv"), 200, 0),
        (presets::ranged("weir", "/stream/film", "bytes=99999-"), 416, 0),
        (presets::get_keep_alive("weir", "/playlist.m3u"), 200, 0),
    ];
    for times in [1, 5] {
        let mut player = Player::connect(house.gateway.stream).await;
        let all: String = requests.iter().map(|(request, ..)| request.as_str()).collect();
        player.send(all.repeat(times)).await;
        for (request, status, length) in requests.iter().cycle().take(10 * times) {
            assert_eq!(player.head().await.status, *status, "{request}");
            let body = player.read_to_end().await;
            assert!(body.is_complete(), "{request}");
            assert!(*length == 0 || body.bytes.len() == *length, "{request}: {}", body.bytes.len());
        }
        // And in pieces that end anywhere; a player does not recognise a HEAD so cut.
        let whole = || requests.iter().filter(|(request, ..)| !request.starts_with("HEAD"));
        let all: String = whole().map(|(request, ..)| request.as_str()).collect();
        for piece in all.as_bytes().chunks(7) {
            player.send(piece).await;
        }
        for (request, status, _) in whole() {
            assert_eq!(player.head().await.status, *status, "{request}");
            assert!(player.read_to_end().await.is_complete(), "{request}");
        }
    }
    house.film.assert_one_request_each();
    assert_eq!(house.film.open_max(), 1);
}

#[tokio::test]
async fn a_bad_request_behind_good_ones_is_answered_after_them() {
    let house = House::new().await;
    for bad in [
        "GET /stream/film HTTP/1.1\r\n\r\n",
        "GET /stream/film HTTP/1.1\nHost: weir\n\n",
        "POST /stream/film HTTP/1.1\r\nHost: weir\r\nContent-Length: 5\r\n\r\nhello",
        "GET /stream/film HTTP/1.1\r\nHost: weir\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let good = presets::get_keep_alive("weir", "/stream/film");
        let mut player = Player::connect(house.gateway.stream).await;
        player.send(format!("{good}{good}{bad}{SMUGGLED}")).await;
        for _ in 0..2 {
            assert_eq!(player.head().await.status, 200, "{bad}");
            let body = player.read_to_end().await;
            assert_eq!(Blob::new(1, LENGTH).mismatch(0, &body.bytes), None);
            assert_eq!(body.bytes.len() as u64, LENGTH);
        }
        let head = player.head().await;
        assert!([400, 405].contains(&head.status), "{bad}: {}", head.status);
        assert!(player.read_to_end().await.is_complete());
        assert_eq!(player.try_head().await.err(), Some(NoAnswer::Left(Parting::Fin)), "{bad}");
    }
    assert_eq!(house.film.seen().len(), 8);
    assert_eq!(house.smuggled.total(), 0);
}

#[tokio::test]
async fn a_request_sent_ahead_behind_an_endless_stream_is_not_begun() {
    let house = House::new().await;
    let mut player = Player::connect(house.gateway.stream).await;
    let tv = presets::get_keep_alive("weir", "/stream/tv");
    player.send(format!("{tv}{SMUGGLED}")).await;
    assert_eq!(player.head().await.status, 200);
    TsPattern::new(1).assert_matches(0, &player.read_exact_body(100 * PACKET).await);
    assert_eq!(house.smuggled.total(), 0);
    // Its FIN is seen behind what it sent ahead.
    player.finish().await;
    house.live.idle().await;
    assert_eq!(house.smuggled.total(), 0);
}

#[tokio::test]
async fn a_client_that_closes_its_side_has_gone() {
    let house = House::new().await;
    for seen in 1..=3 {
        let tv = presets::get_keep_alive("weir", "/stream/tv");
        let (mut player, _) = Player::ask(house.gateway.stream, &tv).await;
        player.read_exact_body(PACKET).await;
        player.finish().await;
        house.live.closed(seen).await;
    }
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_and_others_do_not_notice() {
    let house = House::new().await;
    let head = format!("GET /stream/film HTTP/1.1\r\nHost: weir\r\nX: {}", "y".repeat(200));
    let mut drips = Vec::new();
    for _ in 0..50 {
        let mut player = Player::connect(house.gateway.stream).await;
        player.send("GET /stream/film HTTP/1.1\r\n").await;
        drips.push(player);
    }
    let mut slow = Player::connect(house.gateway.stream).await;
    // A byte now and then does not buy more time.
    let dripping = async {
        slow.send_slowly(&head, Duration::from_millis(100)).await;
        slow.left().await
    };
    let others = async {
        for _ in 0..20 {
            house.is_healthy("while heads drip").await;
        }
    };
    tokio::join!(dripping, others);
    for mut player in drips {
        player.left().await;
    }
    assert_eq!(house.asked(), 0);
    let gauge = "weir_connections{listener=\"stream\"}";
    let gone = async || (house.gateway.metric(gauge).await < 0.5).then_some(());
    eventually_async("the slow connections are gone", gone).await;
}
