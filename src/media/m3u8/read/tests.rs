use proptest::prelude::*;

use super::*;

fn media(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}")
}

fn with_media<T>(lines: &str, look: impl FnOnce(&str, Media<'_>) -> T) -> T {
    let text = media(lines);
    match read(&text).unwrap() {
        Playlist::Media(media) => look(&text, media),
        Playlist::Multivariant(_) => panic!("multivariant"),
    }
}

#[test]
fn a_multivariant_playlist_is_read() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"de.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"in the stream\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1280000, AVERAGE-BANDWIDTH=1000000,RESOLUTION=640x360,CODECS=\"avc1,mp4a\",AUDIO=\"a\",SUBTITLES=\"s\"\n\
        # comment\n\
        low.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=x,VIDEO=\"v\"\nhigh.m3u8\nstray.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\n";
    let Playlist::Multivariant(playlist) = read(text).unwrap() else { panic!("media") };
    let low = Variant {
        uri: "low.m3u8",
        bandwidth: Some(1_280_000),
        average_bandwidth: Some(1_000_000),
        resolution: Some((640, 360)),
        codecs: Some("avc1,mp4a"),
        audio: Some("a"),
        video: None,
        subtitles: Some("s"),
    };
    let high = Variant { uri: "high.m3u8", video: Some("v"), ..Variant::default() };
    assert_eq!(playlist.variants, [low, high]);
    let german = Rendition {
        kind: "AUDIO",
        group: "a",
        name: "Deutsch",
        language: Some("de"),
        uri: Some("de.m3u8"),
        is_default: true,
    };
    let muxed =
        Rendition { kind: "AUDIO", group: "a", name: "in the stream", ..Rendition::default() };
    assert_eq!(playlist.renditions, [german, muxed]);
}

#[test]
fn the_kind_of_playlist_is_told_by_its_tags() {
    let is_multivariant = |lines: &str| {
        matches!(read(&format!("#EXTM3U\n{lines}")).unwrap(), Playlist::Multivariant(_))
    };
    assert!(is_multivariant("#EXT-X-MEDIA:TYPE=AUDIO\n"));
    assert!(is_multivariant("#EXT-X-TARGETDURATIONS\n#EXT-X-STREAM-INF:\nx\n"));
    assert!(!is_multivariant("#EXT-X-VERSION:3\n"));
    assert!(!is_multivariant("#EXT-X-SESSION-DATA:\n#EXT-X-TARGETDURATION:3\n"));
    assert_eq!(read("#EXTM3U\n#EXTINF:1,\nx\n"), Err(Error::PlainList));
}

#[test]
fn the_whole_of_a_media_playlist_is_read() {
    let lines = "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQUENCE:100\n#EXT-X-DISCONTINUITY-SEQUENCE:5\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24,HOLD-BACK=12.5,PART-HOLD-BACK=1\n\
        #EXT-X-PART-INF:PART-TARGET=0.33334\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n\
        #EXTINF:4,\na.ts\n#EXT-X-PART:DURATION=1,URI=\"p\"\n#EXT-X-ENDLIST\n";
    with_media(lines, |_, media| {
        assert_eq!(media.target_duration, Duration::from_secs(4));
        assert_eq!(media.part_target, Some(Duration::from_nanos(333_340_000)));
        assert_eq!((media.media_sequence, media.discontinuity_sequence), (100, 5));
        assert_eq!((media.kind, media.is_ended, media.skipped), (Some(Kind::Event), true, 3));
        assert!(media.can_block_reload && media.has_partial_segment);
        assert_eq!(media.can_skip_until, Some(Duration::from_secs(24)));
        assert_eq!(media.hold_back, Some(Duration::from_millis(12_500)));
        assert_eq!(media.part_hold_back, Some(Duration::from_secs(1)));
        assert_eq!(media.segments[0].number, 103);
    });
    with_media("#EXT-X-PART:URI=\"p\"\n#EXTINF:9.5,\na.ts\n", |_, media| {
        assert_eq!((media.media_sequence, media.is_ended, media.kind), (0, false, None));
        assert!(!media.has_partial_segment && !media.can_block_reload);
    });
    let Playlist::Media(media) = read("#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9.5,\na.ts\n").unwrap()
    else {
        panic!("multivariant")
    };
    assert_eq!(media.target_duration, Duration::from_millis(9500));
}

#[test]
fn segments_have_numbers_durations_and_dates() {
    let lines = "#EXTINF:4.5,a\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\na\n\
        #EXT-X-DISCONTINUITY\n#EXTINF:-1,\nb\nc\n#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY\n#EXTINF:99999999,\nd\n\
        #EXT-X-MEDIA-SEQUENCE:18446744073709551614\n#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n";
    with_media(lines, |_, media| {
        let numbers: Vec<_> = media.segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX]);
        let seconds: Vec<_> = media.segments.iter().map(|one| one.duration.as_millis()).collect();
        assert_eq!(seconds, [4500, 0, 0, 86_400_000]);
        let discontinuities: Vec<_> =
            media.segments.iter().map(|one| (one.is_discontinuous, one.discontinuity)).collect();
        assert_eq!(discontinuities, [(false, 2), (true, 3), (false, 3), (true, 5)]);
        let dates: Vec<_> = media.segments.iter().map(|one| one.program_date_time).collect();
        assert_eq!(dates, [Some("2026-01-01T00:00:00Z"), None, None, None]);
    });
}

#[test]
fn byte_ranges_without_offset_follow_the_segment_before() {
    let lines = "#EXT-X-BYTERANGE:10@5\na\n#EXT-X-BYTERANGE:20\na\n#EXT-X-BYTERANGE:1\nb\n\
        #EXT-X-BYTERANGE:18446744073709551615@1\nb\n#EXT-X-BYTERANGE:2\nb\nb\n#EXT-X-BYTERANGE:2\nb\n";
    with_media(lines, |_, media| {
        let ranges: Vec<_> = media
            .segments
            .iter()
            .map(|segment| segment.byte_range.map(|range| (range.offset, range.length)))
            .collect();
        let most = u64::MAX;
        let expected = [
            Some((5, 10)),
            Some((15, 20)),
            Some((0, 1)),
            Some((1, most)),
            Some((most, 2)),
            None,
            Some((0, 2)),
        ];
        assert_eq!(ranges, expected);
    });
}

#[test]
fn keys_and_maps_stay_in_force() {
    let lines = "a\n#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n#EXT-X-MAP:URI=\"m1\",BYTERANGE=\"7\"\nb\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple\",IV=0x01\nc\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k2\",KEYFORMAT=\"identity\"\n#EXT-X-MAP:URI=\"m2\"\nd\n\
        #EXT-X-KEY:METHOD=NONE\ne\n";
    with_media(lines, |text, media| {
        let keys = |index: usize| -> Vec<_> {
            media.keys(&media.segments[index]).map(|key| key.uri.unwrap()).collect()
        };
        let expected: [&[&str]; 5] = [&[], &["k1"], &["k1", "skd://x"], &["k2", "skd://x"], &[]];
        for (index, expected) in expected.into_iter().enumerate() {
            assert_eq!(keys(index), expected);
        }
        let maps: Vec<_> =
            media.segments.iter().map(|segment| media.map(segment).map(|map| map.uri)).collect();
        assert_eq!(maps, [None, Some("m1"), Some("m1"), Some("m2"), Some("m2")]);
        let key = media.keys(&media.segments[2]).nth(1).unwrap();
        assert_eq!((key.method, key.iv, key.format), ("SAMPLE-AES", Some("0x01"), "com.apple"));
        assert!(!key.has_implicit_iv());
        let key = media.keys(&media.segments[1]).next().unwrap();
        assert!(key.has_implicit_iv());
        assert_eq!(text.get(key.lines.clone()).unwrap(), "#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n");
        let map = media.map(&media.segments[3]).unwrap();
        assert_eq!(text.get(map.lines.clone()).unwrap(), "#EXT-X-MAP:URI=\"m2\"\n");
        assert_eq!(media.keys_of_map(map).count(), 2);
        let map = media.map(&media.segments[1]).unwrap();
        assert_eq!(map.byte_range, Some(ByteRange { offset: 0, length: 7 }));
    });
    let formats: String =
        (0..9).map(|n| format!("#EXT-X-KEY:METHOD=X,KEYFORMAT=\"{n}\"\n")).collect();
    assert_eq!(read(&media(&formats)), Err(Error::TooLong));
}

#[test]
fn segments_own_their_lines() {
    let lines = "# of all\n#EXT-X-VERSION:3\n\n#EXT-X-KEY:METHOD=NONE\n# of a\n#EXTINF:4,\r\na\r\n\n#EXT-X-CUE-OUT\n#EXTINF:4,\nb\nc";
    with_media(lines, |text, media| {
        let own: Vec<_> =
            media.segments.iter().map(|segment| text.get(segment.lines.clone()).unwrap()).collect();
        let expected = [
            "#EXT-X-KEY:METHOD=NONE\n# of a\n#EXTINF:4,\r\na\r\n",
            "#EXT-X-CUE-OUT\n#EXTINF:4,\nb\n",
            "c",
        ];
        assert_eq!(own, expected);
    });
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "[#EXT:=\",a-z0-9@.\r\n-]{0,200}", bytes in any::<String>()) {
        drop(read(&text));
        drop(read(&bytes));
        drop(read(&format!("#EXTM3U\n#EXT-X-VERSION:3\n{text}")));
    }

    #[test]
    fn hostile_numbers_are_answered(numbers in prop::collection::vec("[-+.@x0-9]{0,30}", 8)) {
        let mut text = "#EXTM3U\n".to_owned();
        let tags = ["TARGETDURATION:", "MEDIA-SEQUENCE:", "DISCONTINUITY-SEQUENCE:", "SKIP:SKIPPED-SEGMENTS=",
            "BYTERANGE:", "PART-INF:PART-TARGET=", "SERVER-CONTROL:HOLD-BACK=", "MAP:BYTERANGE="];
        for (tag, number) in tags.iter().zip(&numbers) {
            text += &format!("#EXT-X-{tag}{number}\n#EXTINF:{number},\nx\n");
        }
        prop_assert!(read(&text).is_ok());
    }
}
