use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRETS: [&str; 3] = ["prov1der.example", "pa55word", "/live/folder"];

/// A link says what it was made of.
fn shown(body: &str, media_type: Option<&str>) -> Result<Document, Refused> {
    let link = |uri: &str, role: Role| match uri {
        uri if uri.starts_with("data:") => Ok(None),
        uri if uri.starts_with("file:") => Err(m3u8::Error::BadUri),
        uri => Ok(Some(format!("../s/{role:?}-{}", uri.len()))),
    };
    rewrite(Bytes::from(body.to_owned()), media_type, &Secrets::new(&SECRETS), link)
}

fn changed(value: &Value) -> Value {
    let document = shown(&value.to_string(), Some("text/plain")).unwrap();
    assert_eq!(document.media_type, Some(JSON));
    serde_json::from_slice(&document.body).unwrap()
}

#[test]
fn a_steering_manifest_has_its_uri_sealed_and_no_clones() {
    let manifest = json!({
        "VERSION": 1,
        "TTL": 300,
        "RELOAD-URI": "https://prov1der.example/steering?pw=pa55word",
        "PATHWAY-PRIORITY": ["CDN-A", "CDN-B", "CDN-A-CLONE"],
        "PATHWAY-CLONES": [{
            "BASE-ID": "CDN-A",
            "ID": "CDN-A-CLONE",
            "URI-REPLACEMENT": {"HOST": "prov1der.example", "PARAMS": {"pw": "pa55word"}},
        }],
    });
    let expected = json!({
        "VERSION": 1,
        "TTL": 300,
        "RELOAD-URI": "../s/Data-45",
        "PATHWAY-PRIORITY": ["CDN-A", "CDN-B", "CDN-A-CLONE"],
    });
    assert_eq!(changed(&manifest), expected);
    let without = json!({"VERSION": 1, "PATHWAY-CLONES": [], "PATHWAY-PRIORITY": ["CDN-A"]});
    assert_eq!(changed(&without), json!({"VERSION": 1, "PATHWAY-PRIORITY": ["CDN-A"]}));
}

#[test]
fn a_list_of_assets_has_each_uri_sealed() {
    let list = json!({
        "ASSETS": [
            {"URI": "https://prov1der.example/ad1.m3u8", "DURATION": 15.033, "X-NAME": "one"},
            {"DURATION": 10},
            {"URI": "ad2.m3u8"},
            {"URI": "data:text/plain,x"},
        ],
        "SKIP-CONTROL": {"OFFSET": 5, "DURATION": 10},
    });
    let expected = json!({
        "ASSETS": [
            {"URI": "../s/Playlist-33", "DURATION": 15.033, "X-NAME": "one"},
            {"DURATION": 10},
            {"URI": "../s/Playlist-8"},
            {"URI": "data:text/plain,x"},
        ],
        "SKIP-CONTROL": {"OFFSET": 5, "DURATION": 10},
    });
    assert_eq!(changed(&list), expected);
}

#[test]
fn whatever_else_passes_byte_for_byte() {
    let cases = [
        ("{\"a\": 1.10, \"b\": [1e3, \"x\"], \"a\": 2}\r\n", Some("text/plain"), Some(JSON)),
        ("\u{feff} [\"https://another.example/\"]", None, Some(JSON)),
        ("{\"ASSETS\": []}", Some(JSON), Some(JSON)),
        ("{\"ASSETS\": {\"URI\": 1}}", None, Some(JSON)),
        ("A title\nand more", Some("text/plain"), None),
        ("", None, None),
    ];
    for (body, label, media_type) in cases {
        let expected = Document { body: Bytes::from(body), media_type };
        assert_eq!(shown(body, label), Ok(expected), "{body}");
    }
    let bytes = Bytes::from_static(b"\x89PNG\xff\x00\x01");
    let same = rewrite(bytes.clone(), Some("image/png"), &Secrets::new(&SECRETS), |_, _| Ok(None));
    assert_eq!(same, Ok(Document { body: bytes, media_type: None }));
}

#[test]
fn what_tells_of_the_source_is_refused_wherever_it_stands() {
    let cases = [
        "{\"logo\": \"http://PROV1DER.example/logo.png\"}",
        "{\"logo\": \"http:\\/\\/prov1der.example\\/logo.png\"}",
        "{\"a\": {\"b\": [[\"\\u0070a55word\"]]}}",
        "{\"pa55word\": 1}",
        "{\"p\\u0061\u{35}5word\": 1}",
        "{\"a\": \"pa55word\", \"a\": 1}",
        "{\"RELOAD-URI\": \"x\", \"PATHWAY-PRIORITY\": [\"prov1der.example\"]}",
        "{\"ASSETS\": [{\"URI\": \"a.m3u8\", \"X-BEACON\": \"/live/folder/x\"}]}",
        "{\"RELOAD-URI\": \"data:,pa55word\"}",
        "Logged in as pa55word",
        "user=1&password=PA55WORD",
        "P\0A\x005\x005\0W\0O\0R\0D\0",
    ];
    for body in cases {
        assert_eq!(shown(body, Some("text/plain")), Err(TELLS), "{body}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let many = |count: usize| {
        let assets = vec![json!({"URI": "a"}); count];
        json!({"ASSETS": assets}).to_string()
    };
    assert!(shown(&many(ASSETS_MAX), None).is_ok());
    let cases = [
        ("<!DOCTYPE html><p>Not found", None, PAGE),
        ("Not found", Some("text/html"), PAGE),
        ("#EXTM3U\n#EXT-X-STREAM-INF:\nx\n", None, PAGE),
        ("error", Some(JSON), PAGE),
        ("{\"a\": 1", None, MALFORMED),
        ("{a: 1}", None, MALFORMED),
        ("[1] [2]", None, MALFORMED),
        ("{\"RELOAD-URI\": 7}", None, BAD_URI),
        ("{\"RELOAD-URI\": \"file:///etc/passwd\"}", None, BAD_URI),
        ("{\"ASSETS\": [{\"URI\": null}]}", None, BAD_URI),
    ];
    for (body, label, expected) in cases {
        assert_eq!(shown(body, label), Err(expected), "{body}");
    }
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(shown(&deep, None), Err(MALFORMED));
    assert_eq!(shown(&format!("[1{}]", ",1".repeat(ELEMENTS_MAX)), None), Err(TOO_MUCH));
    assert_eq!(shown(&many(ASSETS_MAX + 2), None), Err(TOO_MUCH));
    let latin1 =
        rewrite(Bytes::from_static(b"{\"\xfc\": 1}"), None, &Secrets::new(&[]), |_, _| Ok(None));
    assert_eq!(latin1, Err(MALFORMED));
}

proptest! {
    #[test]
    fn nothing_that_is_shown_has_a_secret(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"RELOAD-URI\"", "\"ASSETS\"", "\"URI\"", "\"x\"", "1", " ",
            "\"http://prov1der.example/a\"", "pa55word", "\\u0070", "a55word", "\"PATHWAY-CLONES\"",
        ]), 0..24),
    ) {
        if let Ok(document) = shown(&pieces.concat(), None) {
            let text = String::from_utf8_lossy(&document.body).into_owned();
            prop_assert!(!Secrets::new(&SECRETS).are_in(&text), "{text}");
        }
    }
}
