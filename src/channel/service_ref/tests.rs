#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const ORF: &str = "1:0:19:132F:3EF:1:C00000:0:0:0:";

fn parse(raw: &str) -> ServiceRef {
    ServiceRef::parse_path(raw).unwrap()
}

#[test]
fn all_spellings_of_a_service_are_one() {
    let spellings = [
        ORF,
        "1:0:19:132F:3EF:1:C00000:0:0:0",
        "1%3a0%3a19%3a132F%3a3EF%3a1%3aC00000%3a0%3a0%3a0%3a",
        "1%3A0:19%3A132f:3ef:1:c00000:0:0:0:",
        "1:0:19:132F:3EF:1:C00000:0:0:0::ORF1%20HD",
        "1:0:0019:132F:3EF:1:00C00000:0:0:0:",
        "1:64:19:132F:3EF:1:C00000:0:0:0:",
    ];
    for spelling in spellings {
        let service = parse(spelling);
        assert_eq!(service.raw(), spelling);
        assert!(service.same_service(&parse(ORF)), "{spelling}");
        assert_eq!((service.reference_type(), service.service_type()), (1, 0x19));
        assert_eq!((service.sid(), service.tsid(), service.onid()), (0x132f, 0x3ef, 1));
        assert_eq!(service.namespace(), 0x00c0_0000);
        assert!(!service.carries_url() && !service.is_group());
        assert_eq!(service.file_path(), None);
        assert_eq!(ServiceRef::parse_path(&format!("/{spelling}")), Ok(service));
    }
    assert_eq!(spellings.len(), 7);
    assert_eq!(parse("1:0:19:132F:3EF:1:C00000:0:0:0::ORF1%20HD").name(), "ORF1 HD");
    assert!(!parse(ORF).same_service(&parse("1:0:19:132E:3EF:1:C00000:0:0:0:")));
    assert!(!parse(ORF).same_service(&parse("2:0:19:132F:3EF:1:C00000:0:0:0:")));
    assert!(!parse(ORF).same_service(&parse("1:0:19:132F:3EF:1:C00000:0:0:0:/x")));
}

#[test]
fn groups_files_and_urls_are_told_apart() {
    let group = ServiceRef::parse_text(
        "1:134:1:0:0:0:0:0:0:0:FROM BOUQUET \"alternatives.orf.tv\" ORDER BY bouquet",
    );
    let group = group.unwrap();
    assert!(group.is_group() && !group.carries_url());
    assert_eq!((group.flags(), group.file_path()), (134, None));
    assert!(
        group.raw().ends_with("FROM%20BOUQUET%20%22alternatives.orf.tv%22%20ORDER%20BY%20bouquet")
    );

    let recording = parse("1:0:0:0:0:0:0:0:0:0:/media/hdd/movie/20240101%20-%20x.ts:Name");
    assert_eq!(recording.file_path(), Some("/media/hdd/movie/20240101 - x.ts"));
    assert_eq!(recording.name(), "Name");
    assert!(!recording.carries_url());
    let hidden = parse("1:0:0:0:0:0:0:0:0:0:%252fetc%252fpasswd");
    assert_eq!(hidden.file_path(), Some("/etc/passwd"));

    let urls = [
        "4097:0:1:1:2:3:4:0:0:0:http%253a//host%253a80/x:Name",
        "4097:0:1:0:0:0:0:0:0:0:/media/hdd/x.mp4",
        "5001:0:1:0:0:0:0:0:0:0:",
        "5002:0:1:0:0:0:0:0:0:0:x",
        "1:0:1:1:2:3:4:0:0:0:http%3a//host/x",
        "1:0:1:1:2:3:4:0:0:0:http%253a//host/x",
        "1:0:1:1:2:3:4:0:0:0:http%25253A%25252F%25252Fhost/x",
        "1:0:1:1:2:3:4:0:0:0:http://host/x",
        "1:0:1:1:2:3:4:0:0:0:rtsp%3a%2f%2fhost/x",
        "1:0:1:1:2:3:4:0:0:0:/x:http%3a//host/x",
        "1%3a0%3a1%3a1%3a2%3a3%3a4%3a0%3a0%3a0%3ahttp%253a%252f%252fhost",
    ];
    for raw in urls {
        assert!(parse(raw).carries_url(), "{raw}");
        assert_eq!(parse(raw).file_path(), None, "{raw}");
    }
    assert_eq!(urls.len(), 11);
}

#[test]
fn what_is_no_reference_is_refused() {
    let cases = [
        ("", ServiceRefError::Fields),
        ("1", ServiceRefError::Fields),
        ("1:134:", ServiceRefError::Fields),
        ("1:0:19:132F:3EF:1:C00000:0:0:", ServiceRefError::Fields),
        ("1:0:1:0:0:0:/etc/passwd", ServiceRefError::Fields),
        (":0:19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1::19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1:0:1G:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("A:0:19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("-1:0:19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("+1:0:19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1:0:+9:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1:0:0x19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1:0:%2019:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("4294967295:0:19:132F:3EF:1:C00000:0:0:0:", ServiceRefError::Fields),
        ("1:0:19:132F:3EF:1:100000000:0:0:0:", ServiceRefError::Fields),
        ("1:0:19:132F:3EF:1:C00000:0:0:0x", ServiceRefError::Fields),
        ("stream/orf1", ServiceRefError::Fields),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:?x=y", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:#x", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0: x", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:\r\n", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%0d%0a", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%250a", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0::%00", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%ff", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%zz", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%4", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:%+1", ServiceRefError::Encoding),
        ("1:0:19:132F:3EF:1:C00000:0:0:0:ä", ServiceRefError::Encoding),
    ];
    for (raw, expected) in cases {
        assert_eq!(ServiceRef::parse_path(raw), Err(expected), "{raw:?}");
    }
    assert_eq!(cases.len(), 30);
    let long = |length: usize| format!("{ORF}{}", "x".repeat(length - ORF.len()));
    assert!(ServiceRef::parse_path(&long(1024)).is_ok());
    assert_eq!(ServiceRef::parse_path(&long(1025)), Err(ServiceRefError::Length));
    assert_eq!(ServiceRef::parse_text(&long(1025)), Err(ServiceRefError::Length));
}

#[test]
fn the_router_knows_references_by_their_start() {
    for path in [ORF, "1%3a0", "/1%3A0", "4097:", "/1:0:19", "1:%zz"] {
        assert!(ServiceRef::looks_like(path), "{path}");
    }
    for path in ["", "/", ":", "/%3a", "1", "1/2:3", "stream/1:0", "1%3b", "1%3", "//1:0", "a1:0"] {
        assert!(!ServiceRef::looks_like(path), "{path}");
    }
}

#[test]
fn paths_and_names_are_not_shown() {
    let service = parse("4097:0:1:A:2:3:C00000:0:0:0:http%253a//USER%253aKEY@host/x:NAME");
    assert_eq!(service.to_string(), "4097:0:1:A:2:3:C00000:0:0:0:");
    assert_eq!(format!("{service:?}"), "ServiceRef(4097:0:1:A:2:3:C00000:0:0:0:)");
}

proptest! {
    #[test]
    fn numbers_come_back_from_any_spelling(
        reference_type in 0_u32..0x7fff_ffff,
        flags in 0_u32..1000,
        data: [u32; 8],
        encoded: [bool; 10],
        is_upper: bool,
        is_closed: bool,
    ) {
        let mut raw = format!("{reference_type}");
        let fields = std::iter::once(format!("{flags}")).chain(data.iter().map(|field| {
            if is_upper { format!("{field:X}") } else { format!("{field:x}") }
        }));
        for (field, is_encoded) in fields.zip(encoded) {
            raw.push_str(if is_encoded { "%3a" } else { ":" });
            raw.push_str(&field);
        }
        if is_closed {
            raw.push(':');
        }
        let service = parse(&raw);
        prop_assert!(ServiceRef::looks_like(&raw));
        prop_assert_eq!(service.raw(), &raw);
        prop_assert_eq!((service.reference_type, service.flags, service.data), (reference_type, flags, data));
        prop_assert!(service.same_service(&parse(&service.to_string())));
        prop_assert_eq!(service.carries_url(), reference_type >= 4096);
    }

    #[test]
    fn nothing_panics_and_what_passes_fits_a_request_line(
        raw in prop_oneof![
            ".{0,60}",
            "[0-9a-fA-F:%]{0,60}",
            "1:0:1:2:3:4:5:0:0:0:[a-z%0-9:/ .é]{0,30}",
        ],
    ) {
        for parsed in [ServiceRef::parse_path(&raw), ServiceRef::parse_text(&raw)].into_iter().flatten() {
            let line = format!("/{}", parsed.raw());
            let target: http::uri::PathAndQuery = line.parse().unwrap();
            prop_assert_eq!(target.as_str(), line.as_str());
            prop_assert_eq!(target.query(), None);
            prop_assert!(parsed.same_service(&parsed));
            prop_assert_eq!(&parse(parsed.raw()), &parsed);
        }
    }

    #[test]
    fn no_encoding_hides_a_url(rounds in 0_usize..4, scheme in "[a-z]{1,5}", is_type_1: bool) {
        let mut url = format!("{scheme}://host/x");
        for _ in 0..rounds {
            url = url.replace('%', "%25").replace(':', "%3a").replace('/', "%2F");
        }
        let kind = if is_type_1 { 1 } else { 2 };
        let raw = format!("{kind}:0:1:2:3:4:5:0:0:0:{url}");
        prop_assert!(parse(&raw).carries_url());
    }
}
