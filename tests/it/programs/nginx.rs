//! nginx as the source of a film: its answers, through the gateway, are still its answers.

use std::path::Path;
use std::process::Command;

use super::Folder;
use super::Server;
use super::free_port;
use super::programs;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::eventually::eventually_async;
use crate::support::gateway::Gateway;
use crate::support::player::Answer;
use crate::support::player::Ending;
use crate::support::player::Head;
use crate::support::player::Player;
use crate::support::player::presets;

const LENGTH: usize = 24 << 20;
const BLOB: Blob = Blob { seed: 77, length: LENGTH as u64 };

/// nginx with one film, and a gateway before it.
struct Stage {
    gateway: Gateway,
    port: u16,
    _nginx: Server,
    _folder: Folder,
}

impl Stage {
    async fn set(nginx: &Path) -> Self {
        let folder = Folder::new();
        std::fs::create_dir(folder.join("www")).unwrap();
        std::fs::write(folder.join("www/film.mp4"), BLOB.slice(0, LENGTH)).unwrap();
        let (server, port) = start(nginx, &folder).await;
        let gateway = Gateway::start(&format!(
            "limits: {{requests_per_second: 10000, clients_per_ip: 1000}}\n\
             channels: {{film: {{sources: [\"http://127.0.0.1:{port}/film.mp4\"]}}}}"
        ))
        .await;
        Self { gateway, port, _nginx: server, _folder: folder }
    }

    /// The same request to nginx itself and through the gateway, in this order.
    async fn both_ways(&self, method: &str, fields: &str) -> (Answer, Answer) {
        let request = |target: &str| {
            format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
        };
        let nginx = ([127, 0, 0, 1], self.port).into();
        let direct = Player::fetch(nginx, &request("/film.mp4")).await;
        let through = Player::fetch(self.gateway.stream, &request("/stream/film")).await;
        (direct, through)
    }
}

/// nginx with the files of `www`.
async fn start(nginx: &Path, folder: &Folder) -> (Server, u16) {
    let types = "types { video/mp4 mp4; }";
    let place = folder.join("www");
    let place = place.display();
    let (server, [port, _]) = serve(nginx, folder, |[port, _]| {
        format!(
            "{types}\nserver {{ listen 127.0.0.1:{port}; root {place}; add_header X-Port {port} always; }}"
        )
    })
    .await;
    (server, port)
}

/// Starts nginx on ports that are free, and tries others where they were not any more. `http` is
/// what stands in its `http` block for two ports; who listens on the first says so in `X-Port`.
pub(crate) async fn serve(
    nginx: &Path,
    folder: &Folder,
    http: impl Fn([u16; 2]) -> String,
) -> (Server, [u16; 2]) {
    for _ in 0..10 {
        let ports = [free_port(), free_port()];
        let place = folder.join("");
        let place = place.display();
        let http = http(ports);
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log {place}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n access_log off;\n keepalive_timeout 60;\n \
             client_body_temp_path {place}/t1;\n proxy_temp_path {place}/t2;\n \
             fastcgi_temp_path {place}/t3;\n uwsgi_temp_path {place}/t4;\n \
             scgi_temp_path {place}/t5;\n {http}\n}}\n"
        );
        std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(nginx);
        command.arg("-e").arg(folder.join("error.log")).arg("-p").arg(folder.join(""));
        command.arg("-c").arg(folder.join("nginx.conf")).stderr(folder.file("stderr"));
        let mut server = Server::start(&mut command);
        let ready = eventually_async("nginx serves, or has ended", async || {
            if server.ended().is_some() {
                return Some(false);
            }
            let port = ports[0];
            let mut player = Player::try_connect(([127, 0, 0, 1], port).into()).await.ok()?;
            player.send(presets::head("x", "/")).await;
            let head = player.try_head().await.ok()?;
            // Whoever else got the port does not say this.
            (head.header("X-Port") == Some(port.to_string().as_str())).then_some(true)
        })
        .await;
        if ready {
            return (server, ports);
        }
    }
    panic!("nginx does not start: {}{}", folder.read("stderr"), folder.read("error.log"));
}

fn assert_same_head(what: &str, direct: &Head, through: &Head) {
    assert_eq!(through.status, direct.status, "{what}");
    for name in [
        "Content-Type",
        "Content-Length",
        "Content-Range",
        "Accept-Ranges",
        "ETag",
        "Last-Modified",
    ] {
        assert_eq!(through.headers(name), direct.headers(name), "{what}: {name}");
    }
}

#[tokio::test]
async fn five_hundred_random_ranges_of_nginx_are_the_files_bytes() {
    let Some([nginx]) = programs(["nginx"]) else { return };
    let stage = Stage::set(&nginx).await;
    let mut player = Player::connect(stage.gateway.stream).await;
    let mut dice = Dice::new(9);
    let mut seen = 0;
    while seen < 500 {
        let first = dice.roll(LENGTH) - 1;
        let last = (first + dice.roll(100_000)).min(LENGTH - 1);
        let (range, first, last) = match dice.roll(5) {
            1 => (format!("bytes=-{}", LENGTH - first), first, LENGTH - 1),
            2 => (format!("bytes={first}-"), first, LENGTH - 1),
            3 => (format!("bytes={first}-{}", last + LENGTH), first, LENGTH - 1),
            _ => (format!("bytes={first}-{last}"), first, last),
        };
        // Long ones are compared as they come and left in the middle, as seeks are.
        let length = last - first + 1;
        player.send(presets::ranged("x", "/stream/film", &range)).await;
        let head = player.head().await;
        assert_eq!((head.status, head.content_length()), (206, Some(length as u64)), "{range}");
        let content_range = format!("bytes {first}-{last}/{LENGTH}");
        assert_eq!(head.header("Content-Range"), Some(content_range.as_str()));
        let wanted = length.min(200_000);
        BLOB.assert_matches(first as u64, &player.read_exact_body(wanted).await);
        if wanted < length {
            player.reset();
            player = Player::connect(stage.gateway.stream).await;
        }
        seen += 1;
    }
    let (_, whole) = stage.both_ways("GET", "").await;
    assert_eq!(whole.body.ending, Ending::Complete);
    assert!(whole.body.bytes == BLOB.slice(0, LENGTH), "the whole film");
}

#[tokio::test]
async fn nginxs_answers_pass_as_they_are() {
    let Some([nginx]) = programs(["nginx"]) else { return };
    let stage = Stage::set(&nginx).await;
    let (direct, _) = stage.both_ways("HEAD", "").await;
    let etag = direct.head.header("ETag").unwrap().to_owned();
    let date = direct.head.header("Last-Modified").unwrap().to_owned();
    let range = "Range: bytes=1000-1999\r\n";
    let beyond = format!("Range: bytes={LENGTH}-\r\n");
    let cases = [
        ("GET", range.to_owned(), 206),
        ("GET", "Range: bytes=abc\r\n".to_owned(), 416),
        ("GET", beyond, 416),
        ("GET", "Range: bytes=5-2\r\n".to_owned(), 416),
        ("GET", "Range: lines=1-2\r\n".to_owned(), 416),
        ("GET", format!("{range}If-Range: {etag}\r\n"), 206),
        ("GET", format!("{range}If-Range: {date}\r\n"), 206),
        ("GET", format!("{range}If-Range: \"other\"\r\n"), 200),
        ("GET", format!("{range}If-Range: W/{etag}\r\n"), 200),
        ("GET", format!("{range}If-Range: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), 200),
        ("GET", format!("If-None-Match: {etag}\r\n"), 304),
        ("GET", "If-None-Match: \"other\"\r\n".to_owned(), 200),
        ("GET", format!("If-Modified-Since: {date}\r\n"), 304),
        ("GET", "If-Match: \"other\"\r\n".to_owned(), 412),
        ("GET", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 412),
        ("HEAD", String::new(), 200),
        ("HEAD", format!("If-None-Match: {etag}\r\n"), 304),
        ("GET", "Accept-Encoding: gzip, br\r\n".to_owned(), 200),
    ];
    let mut seen = 0;
    for (method, fields, status) in cases {
        let what = format!("{method} {fields:?}");
        let (direct, through) = stage.both_ways(method, &fields).await;
        // nginx takes a broken or foreign Range for one beyond the end in some versions and for
        // none in others: what it says is what counts.
        if !what.contains("abc") && !what.contains("5-2") && !what.contains("lines") {
            assert_eq!(direct.status(), status, "{what}");
        }
        if direct.status() < 400 {
            assert_same_head(&what, &direct.head, &through.head);
            assert!(through.body.bytes == direct.body.bytes, "{what}: other bytes");
        } else {
            assert_eq!(through.status(), direct.status(), "{what}");
            let range = direct.head.header("Content-Range");
            assert_eq!(through.head.header("Content-Range"), range, "{what}");
            assert!(!text_of(&through).contains("nginx"), "{what}: its page stays there");
        }
        assert!(through.body.is_complete(), "{what}");
        seen += 1;
    }
    assert_eq!(seen, 18);
}

fn text_of(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.everything()).into_owned()
}

#[tokio::test]
async fn nginxs_parts_come_whole_in_their_own_boundary() {
    let Some([nginx]) = programs(["nginx"]) else { return };
    let stage = Stage::set(&nginx).await;
    let ranges = [(0, 9), (LENGTH - 10, LENGTH - 1), (1 << 20, (1 << 20) + 99_999), (10, 19)];
    let asked: Vec<String> = ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
    let fields = format!("Range: bytes={}\r\n", asked.join(", "));
    let (direct, through) = stage.both_ways("GET", &fields).await;
    assert_eq!((direct.status(), through.status()), (206, 206));
    let boundary = through.head.header("Content-Type").unwrap();
    let boundary = boundary.strip_prefix("multipart/byteranges; boundary=").unwrap();
    // Each answer of nginx has a boundary of its own, of one length.
    assert_eq!(through.head.content_length(), direct.head.content_length());
    assert!(through.body.is_complete());
    let mut rest = through.body.bytes.as_slice();
    for (first, last) in ranges {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: video/mp4\r\n\
             Content-Range: bytes {first}-{last}/{LENGTH}\r\n\r\n"
        );
        rest = rest.strip_prefix(head.as_bytes()).expect("the head of the part");
        let (part, after) = rest.split_at(last - first + 1);
        BLOB.assert_matches(first as u64, part);
        rest = after;
    }
    assert_eq!(rest, format!("\r\n--{boundary}--\r\n").as_bytes());
}

#[tokio::test]
async fn nginx_sees_no_connection_of_a_viewer_who_has_left() {
    let Some([nginx]) = programs(["nginx"]) else { return };
    let stage = Stage::set(&nginx).await;
    let open = "weir_upstream_connections{provider=\"none\"}";
    let stays = presets::vlc_from("x", "/stream/film", 0);
    let (stays, _) = Player::ask(stage.gateway.stream, &stays).await;
    for place in 0..50 {
        let request = presets::vlc_from("x", "/stream/film", place * 1000);
        let (mut player, head) = Player::ask(stage.gateway.stream, &request).await;
        assert_eq!(head.status, 206);
        BLOB.assert_matches(place * 1000, &player.read_exact_body(64 * 1024).await);
        player.reset();
    }
    let gone = async || {
        let name = "weir_sessions_total{channel=\"film\",end=\"client_closed\"}";
        let ended = stage.gateway.metric(name).await;
        (ended == 50.0 && stage.gateway.metric(open).await == 1.0).then_some(())
    };
    eventually_async("every session but one has ended", gone).await;
    stays.close();
    let none = async || (stage.gateway.metric(open).await == 0.0).then_some(());
    eventually_async("no connection is left", none).await;
}
