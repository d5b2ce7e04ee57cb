//! Playlists of every make: whole ones of others, every reference, keys and ranges, false labels,
//! sizes.

use std::fs;
use std::path::Path;

use weir::delivery::seal::Behind;
use weir::delivery::seal::Sealed;
use weir::message::Url;

use super::crafted;
use super::keyed;
use super::keyed_with;
use super::opened;
use crate::playlist::CHANNEL;
use crate::playlist::LIMITS;
use crate::playlist::file;
use crate::playlist::get;
use crate::playlist::links;
use crate::playlist::playlist;
use crate::playlist::served;
use crate::support::origin::Chunks;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

/// The text with `<>` in place of what `begins` says, and what stood there, up to one of `ends`.
fn cut_out(text: &str, begins: &str, ends: &[char]) -> (String, Vec<String>) {
    let (mut kept, mut cut) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(begins) {
        let end = after.find(ends).unwrap_or(after.len());
        kept += before;
        kept += "<>";
        cut.push(after[..end].to_owned());
        rest = &after[end..];
    }
    (kept + rest, cut)
}

/// As [`cut_out`] for the `<Role uri>` of the expected outputs.
fn expected(text: &str) -> (String, Vec<String>) {
    let roles = ["Playlist", "Segment", "Map", "Part", "Key", "Data", "Other"];
    let mut text = text.to_owned();
    roles.iter().for_each(|role| text = text.replace(&format!("<{role} "), "\u{1}"));
    let (kept, cut) = cut_out(&text, "\u{1}", &['>']);
    (kept.replace("<>>", "<>"), cut)
}

#[tokio::test]
async fn kept_playlists_come_through_with_every_link_where_it_led() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hls");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "m3u8"));
    let mut seen = 0;
    for path in files {
        let body = fs::read_to_string(&path).unwrap();
        let origin = Origin::start(move |_| Script::m3u(&body)).await;
        // What these playlists must not tell.
        let place = "/a/b/list.m3u8?h=upstream.example&u=upstreamuser&t=SECRETTOKEN";
        let gateway = keyed(&origin.url(place)).await;
        let base = Url::parse(&origin.url(place)).unwrap();
        let got = playlist(&gateway, CHANNEL).await;
        let (kept, cut) = cut_out(&got, "../../s/", &['\n', '\r', '"', ' ', ',']);
        let (wanted, uris) =
            expected(&fs::read_to_string(path.with_extension("expected")).unwrap());
        // The blank in an expected output needs quotes, a link does not.
        let plain = |text: &str| text.replace("\"<>\"", "<>");
        assert_eq!(plain(&kept), plain(&wanted), "{}", path.display());
        let led: Vec<_> = cut.iter().map(|link| opened(link).url).collect();
        let wanted: Vec<_> =
            uris.iter().map(|uri| base.resolve(uri).unwrap().to_secret_text()).collect();
        assert_eq!(led, wanted, "{}", path.display());
        seen += led.len();
    }
    assert!(seen > 100, "{seen}");
}

#[tokio::test]
async fn every_carrier_takes_every_form_of_reference_after_a_redirect() {
    let forms = [
        ("x", "/real/deep/x"),
        ("./x", "/real/deep/x"),
        ("../x", "/real/x"),
        ("../../../x", "/x"),
        ("/x", "/x"),
        ("?x", "/real/deep/list?x"),
        ("x?a=/../b", "/real/deep/x?a=/../b"),
        ("a/./b/../c;p=1", "/real/deep/a/c;p=1"),
        ("x#f", "/real/deep/x"),
    ];
    let carriers = [
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"%\"",
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"%\"",
        "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"%\"",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"%\"",
        "#EXT-X-MAP:URI=\"%\",BYTERANGE=\"10@0\"",
        "#EXT-X-PART:DURATION=1,URI=\"%\"",
        "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"%\"",
        "#EXT-X-RENDITION-REPORT:URI=\"%\"",
        "#EXTINF:4,\n%",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n%",
    ];
    let mut text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n".to_owned();
    for carrier in carriers {
        forms.iter().for_each(|(form, _)| text += &(carrier.replace('%', form) + "\n"));
        text += &(carrier.replace('%', "//PLACE/x") + "\n");
        text += &(carrier.replace('%', "http://us3r:pa55@PLACE/x") + "\n");
    }
    let origin = Origin::start(move |request| match request.target() {
        "/list.m3u8" => Script::redirect("302 Found", "/real/deep/list?v=1"),
        _ => Script::m3u(&text.replace("PLACE", request.header("Host").unwrap())),
    })
    .await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let found = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    assert_eq!(found.len(), carriers.len() * (forms.len() + 2));
    for (index, carrier) in carriers.iter().enumerate() {
        let mut found = found[index * (forms.len() + 2)..].iter().map(|link| opened(link));
        for (form, place) in forms {
            assert_eq!(found.next().unwrap().url, origin.url(place), "{carrier} {form}");
        }
        assert_eq!(found.next().unwrap().url, origin.url("/x"), "{carrier}");
        let last = found.next().unwrap();
        assert_eq!(last.url, origin.url_as("us3r:pa55", "/x"), "{carrier}");
        let is_list = ["STREAM-INF", "MEDIA:", "RENDITION"].iter().any(|it| carrier.contains(it));
        assert_eq!(last.behind == Behind::Playlist, is_list, "{carrier}");
    }
}

#[tokio::test]
async fn what_a_variant_names_is_relative_to_where_its_redirects_end() {
    let origin = Origin::start(|request| match request.target() {
        "/master.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/list.m3u8\n"),
        "/v/list.m3u8" => Script::redirect("302 Found", "/cdn/7/list.m3u8?s=1"),
        "/cdn/7/list.m3u8?s=1" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"../k\"\n#EXTINF:4,\na.ts\n",
        ),
        _ => served(request),
    })
    .await;
    let gateway = keyed(&origin.url("/master.m3u8")).await;
    let variant = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
    for _reload in 0..2 {
        let parts = links(&variant, &playlist(&gateway, &variant).await);
        for (part, path) in parts.iter().zip(["/cdn/k", "/cdn/7/a.ts"]) {
            assert!(get(&gateway, part).await.body.bytes == file(path), "{path}");
        }
    }
    let asked = origin.seen().iter().filter(|it| it.path() == "/v/list.m3u8").count();
    assert_eq!(asked, 2, "the redirect is asked for each time");
}

#[tokio::test]
async fn keys_are_the_same_bytes_and_what_counts_segments_stands() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7794\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:12\n#EXT-X-KEY:METHOD=AES-128,URI=\"none\"\n#EXTINF:4,\na.ts\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"iv.php?id=1\",IV=0X0123456789ABCDEF0123456789abcdef\n\
        #EXTINF:4,\nb.ts\n#EXT-X-DISCONTINUITY\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"printable\",KEYFORMAT=\"identity\",KEYFORMATVERSIONS=\"1/2\"\n\
        #EXTINF:4,\nc.ts\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\nd.ts\n";
    // As PHP sends everything.
    let keys = [
        ("/none", "application/octet-stream", b"\x00\x01\x02\x03\n\r\t\x80\xff<>{}[]\"".to_vec()),
        ("/iv.php", "text/html; charset=UTF-8", b"\xfe<html>\x00#EXTM3U\n".to_vec()),
        ("/printable", "text/plain", b"0123456789abcdef".to_vec()),
    ];
    let served_keys = keys.clone();
    let origin = Origin::start(move |request| {
        let key = served_keys.iter().find(|(path, ..)| *path == request.path());
        match key {
            Some((_, kind, bytes)) => Script::whole("200 OK", kind, bytes),
            None if request.path() == "/list.m3u8" => Script::m3u(text),
            None => served(request),
        }
    })
    .await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let got = playlist(&gateway, CHANNEL).await;
    let (kept, _) = cut_out(&got, "../../s/", &['\n', '"']);
    let mut wanted = text.to_owned();
    for uri in ["none", "iv.php?id=1", "printable", "a.ts", "b.ts", "c.ts", "d.ts"] {
        wanted = wanted.replace(&format!("\"{uri}\""), "\"<>\"");
        wanted = wanted.replace(&format!("\n{uri}\n"), "\n<>\n");
    }
    assert_eq!(kept, wanted);
    let found = links(CHANNEL, &got);
    let links = found.iter().filter(|link| link.ends_with(".key"));
    let mut seen = 0;
    for (link, (path, _, bytes)) in links.zip(&keys) {
        assert_eq!(get(&gateway, link).await.body.bytes, *bytes, "{path}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_printable_key_labelled_as_a_page_is_a_key() {
    let key = |request: &Recorded| {
        let fields = [("Content-Type", "text/html; charset=UTF-8")];
        let chunked = [fields[0], ("Transfer-Encoding", "chunked")];
        let chunks = Script::head("200 OK", &chunked).chunked(Chunks::Of(3));
        let page = |body: &str| Script::whole("200 OK", fields[0].1, body);
        match request.path() {
            "/list.m3u8" => Script::m3u(
                "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"key.php\"\n\
                 #EXTINF:4,\na.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"chunks\"\n#EXTINF:4,\nb.ts\n\
                 #EXT-X-KEY:METHOD=AES-128,URI=\"short\"\n#EXTINF:4,\nc.ts\n\
                 #EXT-X-KEY:METHOD=AES-128,URI=\"long\"\n#EXTINF:4,\nd.ts\n",
            ),
            "/chunks" => chunks.body("0123456789abcdef").last_chunk().next_request(),
            "/short" => page("No such account"),
            "/long" => page("No such account!!"),
            _ => page("0123456789abcdef"),
        }
    };
    let origin = Origin::start(key).await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let found = links(CHANNEL, &playlist(&gateway, CHANNEL).await);
    let keys: Vec<_> = found.iter().filter(|link| link.ends_with(".key")).collect();
    for key in &keys[..2] {
        assert_eq!(get(&gateway, key).await.text(), "0123456789abcdef");
    }
    for key in &keys[2..] {
        assert_eq!(Player::get(gateway.stream, key).await.status(), 502, "fifteen or seventeen");
    }
    assert_eq!(keys.len(), 4);
    // A segment of that length and label is none.
    let segment = Sealed { behind: Behind::Media, ..opened(keys[0]) };
    assert_eq!(Player::get(gateway.stream, &crafted(&segment)).await.status(), 502);
}

#[tokio::test]
async fn ranges_of_every_form_reach_the_source_of_segments_and_maps() {
    let origin = Origin::start(|request| match request.path() {
        "/list.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"800@0\"\n\
             #EXTINF:4,\n#EXT-X-BYTERANGE:1000@800\nall.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:2000\nall.mp4\n",
        ),
        _ => served(request),
    })
    .await;
    let gateway = keyed(&origin.url("/list.m3u8")).await;
    let text = playlist(&gateway, CHANNEL).await;
    for tag in ["BYTERANGE=\"800@0\"\n", "#EXT-X-BYTERANGE:1000@800\n", "#EXT-X-BYTERANGE:2000\n"] {
        assert!(text.contains(tag), "{text}");
    }
    let found = links(CHANNEL, &text);
    assert!(found[0] == found[1] && found[1] == found[2], "one file: one link for all its parts");
    let whole = file("/all.mp4");
    for (first, last) in [(0, 799), (800, 1799), (1800, 3799), (49_999, 49_999)] {
        let range = format!("bytes={first}-{last}");
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: {range}\r\n\r\n",
            found[0]
        );
        let answer = Player::fetch(gateway.stream, &request).await;
        assert_eq!(answer.status(), 206, "{range}");
        assert!(answer.body.bytes == whole[first..=last], "{range}");
        assert_eq!(origin.seen().last().unwrap().header("Range"), Some(range.as_str()));
    }
}

#[tokio::test]
async fn a_playlist_is_one_by_its_bytes_whatever_it_is_called() {
    let labels =
        ["text/html", "application/octet-stream", "text/plain", "video/mp2t", "nonsense", ""];
    let mut seen = 0;
    for label in labels {
        let origin = Origin::start(move |request| {
            let list = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n";
            if request.path() != "/list.php" {
                return served(request);
            }
            let length = list.len().to_string();
            let fields = [("Content-Length", length.as_str()), ("Content-Type", label)];
            let fields = if label.is_empty() { &fields[..1] } else { &fields[..] };
            Script::head("200 OK", fields).body(list).next_request()
        })
        .await;
        let gateway = keyed(&origin.url("/list.php")).await;
        let text = playlist(&gateway, CHANNEL).await;
        get(&gateway, &links(CHANNEL, &text)[0]).await;
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[tokio::test]
async fn a_segment_is_one_by_its_bytes_whatever_it_is_called() {
    let labels = [
        "text/html",
        "text/plain",
        "application/octet-stream",
        "image/png",
        "application/json",
        "application/vnd.apple.mpegurl",
        "audio/x-mpegurl",
    ];
    let packets: Vec<u8> = [&[0x47, 0x40, 0, 0x10][..], &[0x80; 184]].concat().repeat(20);
    let mut wrong = Vec::new();
    for label in labels {
        let body = packets.clone();
        let origin = Origin::start(move |request| match request.path() {
            "/list.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg\n"),
            _ => Script::whole("200 OK", label, &body),
        })
        .await;
        let gateway = keyed(&origin.url("/list.m3u8")).await;
        let link = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
        let answer = Player::get(gateway.stream, &link).await;
        if answer.status() != 200 || answer.body.bytes != packets {
            wrong.push(format!("{label}: {}", answer.status()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn too_much_of_anything_is_502_and_harms_nobody() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n";
    let bodies = [
        ("a long line", format!("{head}#EXTINF:4,{}\na.ts\n", "x".repeat(3 << 20))),
        ("a long URI", format!("{head}#EXTINF:4,\n{}.ts\n", "x".repeat(3 << 20))),
        (
            "a URI beyond what can be sealed",
            format!("{head}#EXTINF:4,\n{}.ts\n", "x".repeat(20_000)),
        ),
        ("a million tags", format!("{head}{}", "#\n".repeat(1_000_000))),
        ("a million URIs", format!("{head}{}", "a\n".repeat(1_000_000))),
        ("a long file", format!("{head}{}", "#EXTINF:4,\nsegment.ts\n".repeat(1 << 19))),
        (
            "variables of variables",
            (0..300).fold(head.to_owned(), |text, n| {
                text + &format!("#EXT-X-DEFINE:NAME=\"v{n}\",VALUE=\"{}\"\n", "x".repeat(8000))
            }),
        ),
    ];
    let mut seen = 0;
    for (what, body) in bodies {
        let origin = Origin::start(move |_| Script::m3u(&body)).await;
        let gateway = keyed(&origin.url("/list.m3u8")).await;
        let answer = Player::get(gateway.stream, CHANNEL).await;
        assert_eq!(answer.status(), 502, "{what}");
        assert!(answer.body.bytes.len() < 2000, "{what}");
        assert_eq!(Player::get(gateway.stream, "/health").await.status(), 200);
        seen += 1;
    }
    assert_eq!(seen, 7);
    // One that never ends, a line now and then.
    let drip = Script::head("200 OK", &[]).body(head).stall();
    let origin = Origin::start(move |_| drip.clone()).await;
    let more = format!("{LIMITS}\nfailover: {{rounds: 0, response_timeout: 300ms}}");
    let gateway = keyed_with(&origin.url("/list.m3u8"), &more).await;
    let answer = Player::get(gateway.stream, CHANNEL).await;
    assert!([502, 504].contains(&answer.status()), "{}", answer.status());
}

#[tokio::test]
async fn a_multivariant_playlist_that_names_itself_is_the_same_at_every_turn() {
    let origin =
        Origin::start(|_| Script::m3u("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmaster.m3u8\n"))
            .await;
    let gateway = keyed(&origin.url("/master.m3u8")).await;
    let first = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
    let mut link = first.clone();
    for _ in 0..20 {
        link = links(&link, &playlist(&gateway, &link).await).remove(0);
        assert_eq!(link, first);
    }
}
