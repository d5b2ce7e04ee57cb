use proptest::prelude::*;

use super::*;
use crate::media::m3u8::line::LINE_MAX;

/// Shows each URI with its role; inline data and DRM schemes stay.
pub(super) fn tagged(uri: &str, role: Role) -> Result<Option<String>, Error> {
    if uri.starts_with("data:") || uri.starts_with("skd:") || uri.starts_with("urn:") {
        return Ok(None);
    }
    Ok(Some(format!("<{role:?} {uri}>")))
}

fn rewritten_in(scope: &Scope<'_>, lines: &str) -> Result<String, Error> {
    let playlist = format!("#EXTM3U\n#EXT-X-VERSION:12\n{lines}");
    let text = rewrite(playlist.as_bytes(), scope, tagged)?.text;
    Ok(text.strip_prefix("#EXTM3U\n#EXT-X-VERSION:12\n").unwrap().to_owned())
}

fn rewritten(lines: &str) -> Result<String, Error> {
    rewritten_in(&Scope { secrets: &["host.example", "paSSword"], ..Scope::default() }, lines)
}

#[track_caller]
fn becomes(line: &str, expected: &str) {
    assert_eq!(rewritten(line).as_deref(), Ok(expected));
}

#[track_caller]
fn stays(line: &str) {
    becomes(line, line);
}

#[test]
fn only_uris_change() {
    let playlist = "\u{feff}#EXTM3U\r\n#EXT-X-VERSION:7\r\n# a comment\r\n\r\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"key?a=1,b\",IV=0x01\r\n\
        #EXT-X-KEY:METHOD=X,URI=\"data:text/plain;base64,AA==\"\r\n\
        #EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"10@0\"\r\n\
        #EXT-X-UNKNOWN:URI=\"u\",NAME=\"URI=\"\r\n\
        #EXTINF:4.0,Title, with \"quotes\"\r\nseg-1.ts?x=1 \r\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\"\r\n//host/v.m3u8";
    let expected = "#EXTM3U\r\n#EXT-X-VERSION:7\r\n# a comment\r\n\r\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"<Key key?a=1,b>\",IV=0x01\r\n\
        #EXT-X-KEY:METHOD=X,URI=\"data:text/plain;base64,AA==\"\r\n\
        #EXT-X-MAP:URI=\"<Map init.mp4>\",BYTERANGE=\"10@0\"\r\n\
        #EXT-X-UNKNOWN:URI=\"<Other u>\",NAME=\"URI=\"\r\n\
        #EXTINF:4.0,Title, with \"quotes\"\r\n<Segment seg-1.ts?x=1> \r\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1\"\r\n<Playlist //host/v.m3u8>";
    let rewritten = rewrite(playlist.as_bytes(), &Scope::default(), tagged).unwrap();
    assert_eq!(rewritten.text, expected);
    assert!(rewritten.variables.is_empty());
}

#[test]
fn every_carrier_of_a_uri_has_its_role() {
    for (attributes, role) in [
        ("EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\",URI", "Playlist"),
        ("EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI", "Playlist"),
        ("EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,CODECS=\"jpeg\",URI", "Playlist"),
        ("EXT-X-RENDITION-REPORT:URI", "Playlist"),
        ("EXT-X-DATERANGE:ID=\"i\",X-ASSET-URI", "Playlist"),
        ("EXT-X-DATERANGE:ID=\"i\",X-ASSET-LIST", "Data"),
        ("EXT-X-DATERANGE:ID=\"i\",X-COM-EXAMPLE-IMAGE-URL", "Other"),
        ("EXT-X-CONTENT-STEERING:SERVER-URI", "Data"),
        ("EXT-X-SESSION-DATA:DATA-ID=\"com.x\",URI", "Data"),
        ("EXT-X-SESSION-KEY:METHOD=AES-128,URI", "Key"),
        ("EXT-X-KEY:METHOD=AES-128,URI", "Key"),
        ("EXT-X-MAP:URI", "Map"),
        ("EXT-X-PART:DURATION=1,URI", "Part"),
        ("EXT-X-PRELOAD-HINT:TYPE=PART,URI", "Part"),
        ("EXT-X-PRELOAD-HINT:TYPE=MAP,URI", "Map"),
        ("EXT-X-OWN:A=1,uri", "Other"),
        ("EXT-X-OWN:A=1,POSTER-URI", "Other"),
        ("EXTM3U url-tvg", "Other"),
    ] {
        let uri = if attributes.contains("tvg") { "http://x/y" } else { "../x y?z=a,b" };
        becomes(
            &format!("#{attributes}=\"{uri}\",Z=1\n"),
            &format!("#{attributes}=\"<{role} {uri}>\",Z=1\n"),
        );
    }
}

#[test]
fn a_variant_is_the_next_uri_line() {
    becomes(
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n\n# x\n#EXT-X-OWN\nv\n",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n\n# x\n#EXT-X-OWN\n<Playlist v>\n",
    );
    becomes(
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\ns",
        "#EXT-X-STREAM-INF:BANDWIDTH=1\n<Playlist v>\n<Segment s>",
    );
    becomes("#EXT-X-STREAM-INF:\n#EXTINF:4,\ns", "#EXT-X-STREAM-INF:\n#EXTINF:4,\n<Segment s>");
}

#[test]
fn blanks_around_content_stay() {
    becomes(" \ts.ts\t \r\n", " \t<Segment s.ts>\t \r\n");
    becomes("  #EXT-X-MAP:URI=\" i \" \n", "  #EXT-X-MAP:URI=\" <Map i> \" \n");
    stays(" \t\r\n\n\r\n");
}

#[test]
fn uris_are_found_in_sloppy_lists() {
    becomes("#EXT-X-MAP: URI = \"i\" , X=1\n", "#EXT-X-MAP: URI = \"<Map i>\" , X=1\n");
    becomes("#EXT-X-MAP:URI=i,X=1\n", "#EXT-X-MAP:URI=\"<Map i>\",X=1\n");
    becomes(
        "#EXT-X-OWN:A=\"//h.example/x\" B=\"HTTPS://h/\"\n",
        "#EXT-X-OWN:A=\"<Other //h.example/x>\" B=\"<Other HTTPS://h/>\"\n",
    );
    becomes("#EXT-X-OWN:\"http://h/\"\n", "#EXT-X-OWN:\"<Other http://h/>\"\n");
    stays("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"com.apple\"\n");
    stays("#EXT-X-MEDIA:TYPE=AUDIO,URI=\"\"\n");
    stays("#EXT-X-OWN:URI\n#EXT-X-OWN:X-URI=\"\",=,==\n");
}

#[test]
fn what_is_no_playlist_is_refused() {
    let error = |text: &[u8]| rewrite(text, &Scope::default(), tagged).unwrap_err();
    for text in ["", "<html>", "#EXTM3U8\n#EXT-X-VERSION:3", "\n#EXTM3U\n#EXT-X-VERSION:3\n"] {
        assert_eq!(error(text.as_bytes()), Error::NoHeader, "{text:?}");
    }
    let channels =
        "#EXTM3U x-tvg-url=\"http://epg/\"\n#EXTINF:-1 tvg-id=\"a\",A\n#EXTVLCOPT:a=b\nhttp://h/";
    assert_eq!(error(channels.as_bytes()), Error::PlainList);
    assert_eq!(error(b"#EXTM3U\n"), Error::PlainList);
    assert_eq!(error(b"#EXTM3U\n#EXT-X-VERSION:3\n\xff\xfe\n"), Error::NotUtf8);
    let utf_16: Vec<u8> = "\u{feff}#EXTM3U\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(error(&utf_16), Error::NotUtf8);
    assert_eq!(rewritten("#EXT-X-KEY:URI=\"x\n"), Err(Error::Unfinished));
}

#[test]
fn control_characters_are_refused() {
    for lines in [
        "#EXTINF:4,\rx.ts\n",
        "x\ry.ts\n",
        "x.ts\r\r\n",
        "\0x.ts\n",
        "#EXTINF:4,\u{1b}[2J\n",
        "# \u{7f}\n",
        "x\u{85}#EXT-X-ENDLIST\n",
        "#EXT-X-OWN:\u{2028}x\n",
    ] {
        assert_eq!(rewritten(lines), Err(Error::Control), "{lines:?}");
    }
    let error = rewrite(b"#EXTM3U\r#EXT-X-VERSION:3\rx.ts\r", &Scope::default(), tagged);
    assert!(matches!(error, Err(Error::Control | Error::NoHeader)));
    becomes("#EXTINF:4,a\tb\nx.ts\r", "#EXTINF:4,a\tb\n<Segment x.ts>\r");
}

#[test]
fn lines_are_bounded() {
    let most = LINE_MAX - 2;
    assert!(rewritten(&format!("#{}\n", "x".repeat(most))).is_ok());
    assert_eq!(rewritten(&format!("#{}\n", "x".repeat(most + 1))), Err(Error::LineTooLong));
    assert!(rewritten(&"\n".repeat(99_998)).is_ok());
    assert_eq!(rewritten(&"\n".repeat(99_999)), Err(Error::TooLong));
    let uris = format!("#EXT-X-OWN:{}\n", "URI=\"a\",".repeat(5_000));
    assert!(rewritten(&uris.repeat(20)).is_ok());
    assert_eq!(rewritten(&(uris.repeat(20) + "b")), Err(Error::TooLong));
}

#[test]
fn what_tells_of_the_source_is_emptied() {
    becomes("# from http://h/x\r\n", "#\r\n");
    becomes("#ext-x-key:URI=\"http://h/x\"\n", "#\n");
    becomes("# at HOST.example \n", "# \n");
    becomes("#EXTINF:4.004,see http://h\n", "#EXTINF:4.004,\n");
    becomes("#EXTINF:-1 logo=\"http://h/a,b\",T\n", "#EXTINF:-1,\n");
    becomes("#EXT-X-OWN:http://h/?a=b,c=password\n", "#EXT-X-OWN:\n");
    becomes("#EXT-X-OWN:A=http://h/,B=2\n", "#EXT-X-OWN:A=\"\",B=2\n");
    becomes("#EXT-X-OWN:A=1,xpasswordx,B=2\n", "#EXT-X-OWN:A=1,B=2\n");
    becomes("#EXT-X-OWN:A=1,PASSWORD=3,B=2\n", "#EXT-X-OWN:A=1,B=2\n");
    becomes("#EXT-X-OWN:PASSWORD=3,B=2\n", "#EXT-X-OWN:B=2\n");
    becomes("#EXT-X-OWN:A=\"ftp://h\"\n", "#EXT-X-OWN:A=\"\"\n");
    becomes("#EXT-X-OWN host.example\n", "#EXT-X-OWN\n");
    becomes(
        "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"password\"\n",
        "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"\"\n",
    );
    becomes("#EXT-X-PROGRAM-DATE-TIME:http://h\n", "#EXT-X-PROGRAM-DATE-TIME:\n");
    becomes(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"Password 1\",NAME=\"host.example\"\n#EXT-X-STREAM-INF:AUDIO=\"Password 1\"\nv",
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hidden-0\",NAME=\"hidden-1\"\n#EXT-X-STREAM-INF:AUDIO=\"hidden-0\"\n<Playlist v>",
    );
}

#[test]
fn what_tells_nothing_stays() {
    stays("#EXT-OATCLS-SCTE35:/DAlAAAAAAAAAP/wFAUAAAAAf+//gAAAAAAAAAAAAAAA+dHF6A==\n");
    stays("#EXT-X-CUE-OUT:DURATION=30,ID=\"a b\"\n#EXT-X-CUE-OUT-CONT:1/30\n#EXT-X-CUE-IN\n");
    stays("#EXTINF:4,\n#EXTINF:4\n#EXTINF:4,AC//DC, 12:30\n#EXTGRP:x\n#ZEN-TOTAL-DURATION:57.9\n");
    stays(
        "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:00Z\",SCTE35-OUT=0xFC,X-A=1.5\n",
    );
    let scope = Scope { secrets: &["1280", "AES", "live", "2026"], ..Scope::default() };
    let lines = "#EXT-X-STREAM-INF:BANDWIDTH=1280000,RESOLUTION=1280x720,CODECS=\"live\"\n\
        #EXT-X-KEY:METHOD=AES-128\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n";
    assert_eq!(rewritten_in(&scope, lines).as_deref(), Ok(lines));
}

#[test]
fn variables_are_replaced_and_emptied() {
    let mut imported = Variables::default();
    imported.define("auth", "?t=1").unwrap();
    let scope =
        Scope { query: Some("x=1&tok%65n=a%2fb"), imported: Some(&imported), ..Scope::default() };
    let lines = "#EXT-X-DEFINE:NAME=\"h\",VALUE=\"http://h.example\"\r\n\
        #EXT-X-DEFINE:QUERYPARAM=\"token\" \r\n\
        #EXT-X-DEFINE:IMPORT=\"auth\"\n\
        #EXT-X-DEFINE:VALUE=\"{$h}/{$token}\",NAME=\"both\"\n\
        #EXT-X-DEFINE:NAME=\"hex\",VALUE=\"0A0B\"\n\
        #EXT-X-DEFINE:NAME=\"iv\",VALUE=\"0X0c\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"{$h}/k{$auth}\",IV=0x{$hex}00\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV={$iv}\n\
        #EXT-X-MEDIA:NAME=\"a{$hex}\",DEFAULT={$hex}\n\
        # {$undefined}\n\
        #EXTINF:4,{$undefined}\n\
        {$both}/s{$}.ts{$auth}\n";
    let expected = "#EXT-X-DEFINE:NAME=\"h\",VALUE=\"\"\r\n\
        #EXT-X-DEFINE:NAME=\"token\",VALUE=\"\" \r\n\
        #EXT-X-DEFINE:IMPORT=\"auth\"\n\
        #EXT-X-DEFINE:NAME=\"both\",VALUE=\"\"\n\
        #EXT-X-DEFINE:NAME=\"hex\",VALUE=\"\"\n\
        #EXT-X-DEFINE:NAME=\"iv\",VALUE=\"\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"<Key http://h.example/k?t=1>\",IV=0x0A0B00\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"<Key k>\",IV=0X0c\n\
        #EXT-X-MEDIA:NAME=\"a0A0B\",DEFAULT={$hex}\n\
        # {$undefined}\n\
        #EXTINF:4,{$undefined}\n\
        <Segment http://h.example/a/b/s{$}.ts?t=1>\n";
    assert_eq!(rewritten_in(&scope, lines).as_deref(), Ok(expected));
    let playlist = format!("#EXTM3U\n{lines}");
    let variables = rewrite(playlist.as_bytes(), &scope, tagged).unwrap().variables;
    assert_eq!(variables.get("both"), Some("http://h.example/a/b"));
    assert_eq!(variables.get("auth"), Some("?t=1"));
    assert_eq!(variables.iter().count(), 6);
}

#[test]
fn variables_without_definition_are_errors() {
    let scope = Scope { query: Some("empty=&none&bad=%22"), ..Scope::default() };
    for (lines, error) in [
        ("{$x}\n", Error::Undefined),
        ("{$x}\n#EXT-X-DEFINE:NAME=\"x\",VALUE=\"1\"\n", Error::Undefined),
        ("#EXT-X-MAP:URI=\"{$x}\"\n", Error::Undefined),
        ("#EXT-X-OWN:A=\"{$x}\"\n", Error::Undefined),
        ("#EXT-X-KEY:IV=0x{$x}\n", Error::Undefined),
        ("#EXT-X-DEFINE:NAME=\"x\",VALUE=\"{$x}\"\n", Error::Undefined),
        ("#EXT-X-DEFINE:NAME=\"x\",VALUE=\"g\"\n#EXT-X-KEY:IV=0x{$x}\n", Error::Definition),
        (
            "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"\"\n#EXT-X-DEFINE:NAME=\"x\",VALUE=\"\"\n",
            Error::Definition,
        ),
        ("#EXT-X-DEFINE:NAME=\"x\"\n", Error::Definition),
        ("#EXT-X-DEFINE:NAME=\"x\",VALUE=1\n", Error::Definition),
        ("#EXT-X-DEFINE:NAME=\"x y\",VALUE=\"1\"\n", Error::Definition),
        ("#EXT-X-DEFINE:NAME=\"x\",NAME=\"y\",VALUE=\"1\"\n", Error::Definition),
        ("#EXT-X-DEFINE:NAME=\"x\",VALUE=\"1\",IMPORT=\"x\"\n", Error::Definition),
        ("#EXT-X-DEFINE\n", Error::Definition),
        ("#EXT-X-DEFINE:IMPORT=\"x\"\n", Error::Definition),
        ("#EXT-X-DEFINE:QUERYPARAM=\"x\"\n", Error::Definition),
        ("#EXT-X-DEFINE:QUERYPARAM=\"empty\"\n", Error::Definition),
        ("#EXT-X-DEFINE:QUERYPARAM=\"none\"\n", Error::Definition),
        ("#EXT-X-DEFINE:QUERYPARAM=\"bad\"\n", Error::Definition),
    ] {
        assert_eq!(rewritten_in(&scope, lines), Err(error), "{lines}");
    }
}

#[test]
fn a_map_cannot_break_out() {
    for mapped in ["\"", "a\nb", "a\rb"] {
        let rewritten = rewrite(b"#EXTM3U\n#EXT-X-MAP:URI=\"i\"\n", &Scope::default(), |_, _| {
            Ok(Some(mapped.to_owned()))
        });
        assert_eq!(rewritten, Err(Error::BadUri));
    }
    let refused =
        rewrite(b"#EXTM3U\n#EXT-X-VERSION:3\ns\n", &Scope::default(), |_, _| Err(Error::BadUri));
    assert_eq!(refused, Err(Error::BadUri));
}

fn same(uri: &str, _: Role) -> Result<Option<String>, Error> {
    Ok(Some(uri.to_owned()))
}

const PIECES: [&str; 23] = [
    "METHOD=",
    "IV=0x",
    "#EXT-X-KEY:",
    "#EXT-X-OWN:",
    "#EXT-X-STREAM-INF:",
    "#EXTINF:",
    "#",
    "URI=",
    "NAME=",
    "X-A=",
    "\"",
    ",",
    "=",
    " ",
    "\t",
    "\r\n",
    "\n",
    "a",
    "http://h/",
    "//h",
    "{$a}",
    "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n",
    "passWord",
];

fn playlists(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..60)
        .prop_map(|pieces| format!("#EXTM3U\n#EXT-X-VERSION:8\n{}", pieces.concat()))
}

proptest! {
    #[test]
    fn a_map_that_changes_nothing_gives_the_same_bytes(body in "[#A-Z:=\",a-z.?\r\n \t0-9-]{0,300}") {
        let playlist = format!("#EXTM3U\n#EXT-X-VERSION:3\n{body}");
        prop_assume!(!body.contains("EXT-X-DEFINE"));
        if let Ok(same) = rewrite(playlist.as_bytes(), &Scope::default(), same) {
            prop_assert_eq!(same.text, playlist);
        }
    }

    #[test]
    fn a_second_rewrite_changes_nothing(playlist in playlists(&PIECES)) {
        let scope = Scope { secrets: &["password"], ..Scope::default() };
        if let Ok(once) = rewrite(playlist.as_bytes(), &scope, same) {
            let twice = rewrite(once.text.as_bytes(), &scope, same).map(|twice| twice.text);
            prop_assert_eq!(twice, Ok(once.text));
        }
    }

    #[test]
    fn nothing_of_the_source_is_left(playlist in playlists(&PIECES[2..])) {
        let scope = Scope { secrets: &["password"], ..Scope::default() };
        let map = |_: &str, _| Ok(Some("sealed".to_owned()));
        if let Ok(once) = rewrite(playlist.as_bytes(), &scope, map) {
            prop_assert!(!once.text.to_ascii_lowercase().contains("password"), "{}", once.text);
            prop_assert!(!once.text.contains("://"), "{}", once.text);
            prop_assert_eq!(once.text.matches('\n').count(), playlist.matches('\n').count());
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut playlist = b"#EXTM3U\n#EXT-X-VERSION:3\n".to_vec();
        playlist.extend(&bytes);
        drop(rewrite(&bytes, &Scope::default(), same));
        drop(rewrite(&playlist, &Scope::default(), same));
    }
}
