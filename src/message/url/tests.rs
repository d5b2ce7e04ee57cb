#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn urls_are_kept_byte_for_byte() {
    let cases = [
        ("http://a/", "http://a/"),
        ("HTTPS://Tv.Example", "https://Tv.Example/"),
        ("http://a:80/x", "http://a/x"),
        ("https://a:80/x", "https://a:80/x"),
        ("http://a:/x", "http://a/x"),
        ("http://a?q", "http://a/?q"),
        ("http://a/?", "http://a/?"),
        ("http://a/x#f?g", "http://a/x"),
        ("http://a#f", "http://a/"),
        ("http://[2001:DB8:0::1]:8001/x", "http://[2001:db8::1]:8001/x"),
        (
            "http://box:8001/1:0:19:132F:3EF:1:C00000:0:0:0:",
            "http://box:8001/1:0:19:132F:3EF:1:C00000:0:0:0:",
        ),
        ("http://a/1%3a0%3A19?bitrate=1?width=2", "http://a/1%3a0%3A19?bitrate=1?width=2"),
        ("http://a//x/../y/./z//?a=/../b", "http://a//x/../y/./z//?a=/../b"),
        ("http://a/%zz%?%", "http://a/%zz%?%"),
        ("http://a/[x]?a[]=1&b=@:!$'()*,;", "http://a/[x]?a[]=1&b=@:!$'()*,;"),
        ("http://a/a b?c d", "http://a/a%20b?c%20d"),
        ("http://a/ORF Ö|x={1}^\\\"<>`", "http://a/ORF%20%C3%96%7Cx=%7B1%7D%5E%5C%22%3C%3E%60"),
        ("http://-sid:12ab@box:8001/x", "http://-sid:12ab@box:8001/x"),
        ("http://u:p@ss@a/x@y", "http://u:p%40ss@a/x@y"),
        ("http://u%40b:p%3Aw@a/", "http://u%40b:p%3Aw@a/"),
        ("http://@a/", "http://a/"),
        ("http://ü:[]@a/", "http://%C3%BC:%5B%5D@a/"),
    ];
    for (text, expected) in cases {
        assert_eq!(url(text).to_secret_text(), expected);
        assert_eq!(url(expected), url(text));
    }
    assert_eq!(cases.len(), 22);
}

#[test]
fn what_is_no_url_of_a_source_is_refused() {
    let cases = [
        ("", UrlError::Scheme),
        ("/x", UrlError::Scheme),
        ("a/b", UrlError::Scheme),
        ("//a/b", UrlError::Scheme),
        (" http://a/", UrlError::Scheme),
        ("ftp://a/", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("http+unix://a/", UrlError::Scheme),
        ("concat:http://a/", UrlError::Scheme),
        ("http", UrlError::Scheme),
        ("http:a", UrlError::Authority),
        ("http:/a", UrlError::Authority),
        ("http://", UrlError::Host),
        ("http:///x", UrlError::Host),
        ("http://:80/", UrlError::Host),
        ("http://u:p@/", UrlError::Host),
        ("http://a b/", UrlError::Host),
        ("http://a\\b/", UrlError::Host),
        ("http://ä/", UrlError::Host),
        ("http://a%2eb/", UrlError::Host),
        ("http://[::1/", UrlError::Host),
        ("http://[fe80::1%25eth0]/", UrlError::Host),
        ("http://a:0/", UrlError::Port),
        ("http://a:65536/", UrlError::Port),
        ("http://a:8o/", UrlError::Port),
        ("http://good\\@evil/", UrlError::Userinfo),
        ("http://u%0d%0a:p@a/", UrlError::Userinfo),
        ("http://u:%ff@a/", UrlError::Userinfo),
        ("http://a/x\r\nHost: b", UrlError::Control),
        ("http://a/\0", UrlError::Control),
        ("http://a/\tx", UrlError::Control),
        ("\nhttp://a/", UrlError::Control),
        ("http://a/\u{7f}", UrlError::Control),
    ];
    for (text, expected) in cases {
        assert_eq!(Url::parse(text), Err(expected), "{text:?}");
    }
    assert_eq!(cases.len(), 33);
    let of_length = |length: usize| format!("http://a/{}", "x".repeat(length - 9));
    assert_eq!(url(&of_length(8192)).to_secret_text().len(), 8192);
    assert_eq!(Url::parse(&of_length(8193)), Err(UrlError::Length));
    assert_eq!(Url::parse(&format!("http://a/{}", " ".repeat(4000))), Err(UrlError::Length));
    assert_eq!(url(&of_length(8192)).resolve("yy"), Ok(url("http://a/yy")));
    assert_eq!(url(&of_length(8192)).resolve("?y"), Err(UrlError::Length));
}

/// Resolves `reference` against the base of RFC 3986 section 5.4; `!` and a word stand for an error.
#[track_caller]
fn check_reference(reference: &str, expected: &str) {
    let expected = match expected {
        "!scheme" => Err(UrlError::Scheme),
        "!authority" => Err(UrlError::Authority),
        "!port" => Err(UrlError::Port),
        "!control" => Err(UrlError::Control),
        text => Ok(text.to_owned()),
    };
    let found = url("http://a/b/c/d;p?q").resolve(reference).map(|url| url.to_secret_text());
    assert_eq!(found, expected, "{reference:?}");
}

#[test]
fn references_resolve_as_in_rfc_3986_section_5_4() {
    let cases = [
        // Normal examples.
        ("g:h", "!scheme"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x", "http://a/b/c/g;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../", "http://a/"),
        ("../../g", "http://a/g"),
        // Abnormal examples.
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/./x", "http://a/b/c/g"),
        ("g#s/../x", "http://a/b/c/g"),
        ("http:g", "!authority"),
    ];
    for (reference, expected) in cases {
        check_reference(reference, expected);
    }
    assert_eq!(cases.len(), 42);
}

#[test]
fn references_of_playlists_resolve() {
    let cases = [
        ("http://g:h", "!port"),
        ("//host:81/x?y", "http://host:81/x?y"),
        ("HTTPS://host/x/../y", "https://host/x/../y"),
        ("1:0:19:1:2:3:4:0:0:0:", "http://a/b/c/1:0:19:1:2:3:4:0:0:0:"),
        ("g?u=http://h/", "http://a/b/c/g?u=http://h/"),
        ("a/b:c", "http://a/b/c/a/b:c"),
        ("/x//../y", "http://a/x/y"),
        ("\\\\evil\\x", "http://a/b/c/%5C%5Cevil%5Cx"),
        ("/\\evil", "http://a/%5Cevil"),
        ("ö x", "http://a/b/c/%C3%B6%20x"),
        ("javascript:alert(1)", "!scheme"),
        ("file:///etc/passwd", "!scheme"),
        ("data:,x", "!scheme"),
        ("g\nh", "!control"),
    ];
    for (reference, expected) in cases {
        check_reference(reference, expected);
    }
    assert_eq!(cases.len(), 14);
    assert_eq!(url("https://a/x").resolve("//b/y"), Ok(url("https://b/y")));
}

#[test]
fn credentials_stay_with_their_host() {
    let base = url("http://u:p@a:81/b/c");
    for (reference, expected) in [
        ("d", "http://u:p@a:81/b/d"),
        ("/d?e", "http://u:p@a:81/d?e"),
        ("", "http://u:p@a:81/b/c"),
        ("//a:81/d", "http://a:81/d"),
        ("http://a:81/d", "http://a:81/d"),
        ("//v@b/d", "http://v@b/d"),
    ] {
        assert_eq!(base.resolve(reference).unwrap().to_secret_text(), expected);
    }
    assert_eq!(base.without_userinfo(), url("http://a:81/b/c"));
    let names = |text: &str| {
        let url = url(text);
        (url.username().map(Cow::into_owned), url.password().map(Cow::into_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(names("http://a/"), (None, None));
    assert_eq!(names("http://u@a/"), (some("u"), None));
    assert_eq!(names("http://:p@a/"), (some(""), some("p")));
    assert_eq!(names("http://-sid:x:y@a/"), (some("-sid"), some("x:y")));
    assert_eq!(names("http://u%40b:p%3a%2Fs@ss@a/"), (some("u@b"), some("p:/s@ss")));
}

#[test]
fn parts_and_comparisons() {
    let parts = |text: &str| {
        let url = url(text);
        (url.host().to_owned(), url.port(), url.authority(), url.is_https())
    };
    let expected = |host: &str, port, authority: &str, is_https| {
        (host.to_owned(), port, authority.to_owned(), is_https)
    };
    assert_eq!(parts("http://Box:8001/x"), expected("Box", 8001, "Box:8001", false));
    assert_eq!(parts("https://a:443/x"), expected("a", 443, "a", true));
    assert_eq!(parts("https://a:80/x"), expected("a", 80, "a:80", true));
    assert_eq!(parts("http://[::1]/"), expected("::1", 80, "[::1]", false));
    assert_eq!(url("http://a/x?y?z").path(), "/x");
    assert_eq!(url("http://a/x?y?z").query(), Some("y?z"));
    assert_eq!(url("http://a/x").query(), None);
    assert!(url("http://A/x").same_origin(&url("http://u@a:80/y")));
    assert!(!url("http://a/").same_origin(&url("https://a/")));
    assert!(!url("http://a/").same_origin(&url("http://a:81/")));
    assert!(url("http://a/").same_host(&url("https://A:81/")));
    assert!(!url("http://a/").same_host(&url("http://a./")));
    let extensions = [
        ("/a/b.TS", Some("TS")),
        ("/a.b/c", None),
        ("/a.tar.gz?x=.m3u8", Some("gz")),
        ("/a.", None),
        ("/.m3u8", None),
        ("/a.m3u8;x", None),
        ("/", None),
        ("/a.%74s", None),
    ];
    for (path, expected) in extensions {
        assert_eq!(url(&format!("http://h{path}")).path_extension(), expected, "{path}");
    }
    assert_eq!(extensions.len(), 8);
}

#[test]
fn secrets_are_not_shown() {
    let secret = url("http://USER:PASS@h:81/live/KEY/1.ts?token=KEY");
    for shown in [format!("{secret}"), format!("{secret:?}"), format!("{secret:#?}")] {
        assert!(shown.contains("http://h:81"));
        assert!(!shown.contains("USER") && !shown.contains("PASS") && !shown.contains("KEY"));
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_becomes_a_clean_url(
        text in prop_oneof![
            ".{0,60}",
            "https?://([a-z:@%\\\\]{0,6}@)?[a-z.]{1,5}(:[0-9]{0,5})?[/?# -~\\PC]{0,30}",
        ],
        reference in prop_oneof![".{0,30}", "[a-z:/.?#@\\\\ é%]{0,20}"],
    ) {
        let Ok(base) = Url::parse(&text) else { return Ok(()) };
        for url in [Ok(base.clone()), base.resolve(&reference)].into_iter().flatten() {
            let whole = url.to_secret_text();
            prop_assert_eq!(&Url::parse(&whole), &Ok(url.clone()));
            prop_assert!(whole.bytes().all(|byte| matches!(byte, b'!'..=b'~')));
            // hyper must read the very same target, and the same place.
            let target: http::uri::PathAndQuery = url.path_and_query().parse().unwrap();
            prop_assert_eq!(target.as_str(), url.path_and_query());
            let uri: http::Uri = url.without_userinfo().to_secret_text().parse().unwrap();
            prop_assert_eq!(uri.authority().unwrap().as_str(), url.authority());
            prop_assert_eq!(uri.path_and_query().unwrap().as_str(), url.path_and_query());
            prop_assert_eq!(url.userinfo.is_some(), url.username().is_some());
            // Resolving what is absolute changes nothing.
            prop_assert_eq!(base.resolve(&whole), Ok(url.clone()));
        }
    }

    #[test]
    fn no_reference_without_a_host_leaves_the_origin(reference in "[a-z/.?#@\\\\ é%;=-]{0,30}") {
        let base = url("http://u:p@h:81/a/b?c");
        if !reference.starts_with("//") {
            prop_assert!(base.resolve(&reference).unwrap().same_origin(&base));
        }
    }
}
