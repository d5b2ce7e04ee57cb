//! Segments encrypted with AES-128, parts of files, and playlists with variables.

use super::*;

const KEY: [u8; 16] = *b"0123456789abcdef";
const OTHER_KEY: [u8; 16] = [7; 16];

/// AES-128-CBC with PKCS #7 padding.
fn encrypted(bytes: &[u8], key: [u8; 16], iv: u128) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let padding = 16 - out.len() % 16;
    out.resize(out.len() + padding, u8::try_from(padding).unwrap());
    let mut mode = Encryptor::<Aes128>::new(&Array(key), &Array(iv.to_be_bytes()));
    mode.encrypt_blocks(Array::slice_as_chunks_mut(&mut out).0);
    out
}

#[tokio::test]
async fn encrypted_segments_are_the_same_stream_with_any_vector_and_as_keys_change() {
    let lines = &[
        "#EXT-X-MEDIA-SEQUENCE:500",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"one.key\"",
        "a-5.ts",
        "a-6.ts",
        "#EXT-X-KEY:METHOD=AES-128,URI=\"two.key\",IV=0x42",
        "a-7.ts",
        "#EXT-X-KEY:METHOD=NONE",
        "a-8.ts",
    ];
    let origin = Origin::start(move |request| match request.path() {
        "/list.m3u8" => Script::m3u(&ended(lines)),
        "/one.key" => media(&KEY),
        "/two.key" => media(&OTHER_KEY),
        "/a-5.ts" => media(&encrypted(&segment(A, 5), KEY, 500)),
        "/a-6.ts" => media(&encrypted(&segment(A, 6), KEY, 501)),
        "/a-7.ts" => media(&encrypted(&segment(A, 7), OTHER_KEY, 0x42)),
        path => media(&named(path)),
    })
    .await;
    let gateway = gateway(&[origin.url("/list.m3u8")]).await;
    let viewer = whole(&gateway, STREAM).await;
    assert_eq!(stretches(&viewer), [(A, 5, 8)]);
    let keys = origin.seen().iter().filter(|asked| asked.path().ends_with(".key")).count();
    assert_eq!(keys, 2, "each key once");
}

#[tokio::test]
async fn a_wrong_key_or_one_of_another_length_is_no_stream() {
    for wrong in [&OTHER_KEY[..], b"too short", b"much too long for a key of AES-128"] {
        let wrong = wrong.to_vec();
        let origin = Origin::start(move |request| match request.path() {
            "/list.m3u8" => {
                Script::m3u(&ended(&["#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1", "a-5.ts"]))
            }
            "/k" => media(&wrong),
            _ => media(&encrypted(&segment(A, 5), KEY, 1)),
        })
        .await;
        let gateway = gateway(&[origin.url("/list.m3u8")]).await;
        assert_eq!(Player::get(gateway.stream, STREAM).await.status(), 502);
    }
}

#[tokio::test]
async fn parts_of_one_file_are_asked_for_and_cut_out_where_the_source_knows_no_ranges() {
    for knows_ranges in [true, false] {
        let file = [segment(A, 5), segment(A, 6), segment(A, 7)].concat();
        let length = file.len() / 3;
        let lines = [
            format!("#EXT-X-BYTERANGE:{length}@0"),
            "all.ts".to_owned(),
            format!("#EXT-X-BYTERANGE:{length}"),
            "all.ts".to_owned(),
            format!("#EXT-X-BYTERANGE:{length}@{}", 2 * length),
            "all.ts".to_owned(),
        ];
        let origin = Origin::start(move |request| {
            if request.path() == "/list.m3u8" {
                return Script::m3u(&ended(&lines.each_ref().map(String::as_str)));
            }
            let range = request.header("Range").expect("a range");
            if !knows_ranges {
                return media(&file);
            }
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            let part = &file[first..=last];
            let content_range = format!("bytes {first}-{last}/{}", file.len());
            let length = part.len().to_string();
            let fields = [("Content-Length", length.as_str()), ("Content-Range", &content_range)];
            Script::head("206 Partial Content", &fields).body(part).next_request()
        })
        .await;
        let gateway = gateway(&[origin.url("/list.m3u8")]).await;
        let viewer = whole(&gateway, STREAM).await;
        assert_eq!(stretches(&viewer), [(A, 5, 7)], "{knows_ranges}");
    }
}

#[tokio::test]
async fn variables_are_resolved_and_redirects_are_the_base() {
    let origin = Origin::start(move |request| match request.path() {
        "/master.m3u8" => Script::redirect("302 Found", "/deep/er/master.m3u8"),
        "/deep/er/master.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-DEFINE:NAME=\"n\",VALUE=\"5\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlist.m3u8\n",
        ),
        "/deep/er/list.m3u8" => {
            Script::m3u(&ended(&["#EXT-X-DEFINE:IMPORT=\"n\"", "../a-{$n}.ts"]))
        }
        "/deep/a-5.ts" => media(&segment(A, 5)),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let gateway = gateway(&[origin.url("/master.m3u8")]).await;
    assert_eq!(stretches(&whole(&gateway, STREAM).await), [(A, 5, 5)]);
}
