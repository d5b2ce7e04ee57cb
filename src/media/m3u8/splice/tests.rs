use proptest::prelude::*;

use super::*;

const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n";

/// A live list of four-second segments `NAMEn.ts`.
fn live(name: &str, first: u64, count: u64) -> String {
    let segments = (first..first + count).map(|n| format!("#EXTINF:4,\n{name}{n}.ts\n"));
    format!("{HEAD}#EXT-X-MEDIA-SEQUENCE:{first}\n{}", segments.collect::<String>())
}

#[test]
fn lists_of_one_source_pass_unchanged() {
    let mut splice = Splice::new();
    for first in [7, 8, 8, 20] {
        let list = live("a", first, 5).replace('\n', "\r\n");
        assert_eq!(splice.follow(&list, 3), Ok(list));
    }
    assert!(splice.may_skip());
    assert_eq!(splice.shift(), 0);
}

#[test]
fn a_change_continues_the_numbers() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 7, 5), 0).unwrap();
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:12\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n\
         #EXTINF:4,\nb102.ts\n#EXTINF:4,\nb103.ts\n#EXTINF:4,\nb104.ts\n"
    );
    assert_eq!(splice.follow(&live("b", 100, 5), 1), Ok(expected));
    assert!(!splice.may_skip());
    assert_eq!(splice.shift(), 12 - 102);
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:12\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n\
         #EXTINF:4,\nb102.ts\n#EXTINF:4,\nb103.ts\n#EXTINF:4,\nb104.ts\n#EXTINF:4,\nb105.ts\n"
    );
    assert_eq!(splice.follow(&live("b", 101, 5), 1), Ok(expected));
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:13\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
         #EXTINF:4,\nb103.ts\n#EXTINF:4,\nb104.ts\n#EXTINF:4,\nb105.ts\n"
    );
    assert_eq!(splice.follow(&live("b", 103, 3), 1), Ok(expected));
}

#[test]
fn a_return_is_a_change_like_any_other() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 7, 3), 0).unwrap();
    splice.follow(&live("b", 100, 3), 1).unwrap();
    let text = splice.follow(&live("a", 8, 3), 0).unwrap();
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:13\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-DISCONTINUITY\n\
         #EXTINF:4,\na8.ts\n#EXTINF:4,\na9.ts\n#EXTINF:4,\na10.ts\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_discontinuity_of_the_source_is_enough() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 0, 3), 0).unwrap();
    let list = format!(
        "{HEAD}#EXT-X-DISCONTINUITY-SEQUENCE:9\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXTINF:4,\nx\n"
    );
    let expected = format!(
        "{HEAD}#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXTINF:4,\nx\n"
    );
    assert_eq!(splice.follow(&list, 1), Ok(expected));
}

#[test]
fn a_restart_is_a_change_and_an_old_list_is_not() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 100, 5), 0).unwrap();
    let old = splice.follow(&live("a", 98, 5).replace(".ts", ".ts?token=2"), 0).unwrap();
    assert!(old.contains("#EXT-X-MEDIA-SEQUENCE:100\n"), "{old}");
    assert!(!old.contains("a99.ts") && !old.contains("#EXT-X-DISCONTINUITY\n"), "{old}");
    let restarted = splice.follow(&live("a", 0, 2), 0).unwrap();
    assert!(restarted.contains("#EXT-X-MEDIA-SEQUENCE:105\n"), "{restarted}");
    assert!(restarted.contains("#EXT-X-DISCONTINUITY\n#EXTINF:4,\na0.ts"), "{restarted}");
    let again = splice.follow(&live("a", 1, 2), 0).unwrap();
    assert!(again.contains("#EXT-X-MEDIA-SEQUENCE:106\n"), "{again}");
}

#[test]
fn a_list_that_ends_before_what_is_known_is_older_and_the_newest_again_changes_nothing() {
    let mut splice = Splice::new();
    assert!(!splice.is_older(&live("a", 98, 5), 0), "nothing is known yet");
    splice.follow(&live("a", 100, 5), 0).unwrap();
    let older = |splice: &Splice, first, count| splice.is_older(&live("a", first, count), 0);
    for (first, count) in [(98, 5), (99, 5), (100, 4), (101, 3), (99, 2), (100, 0)] {
        assert!(older(&splice, first, count), "{first} and {count} more");
    }
    for (first, count) in [(98, 7), (100, 5), (101, 4), (101, 5), (105, 1), (200, 5)] {
        assert!(!older(&splice, first, count), "{first} and {count} more");
    }
    assert!(!older(&splice, 0, 5), "a restart");
    assert!(!splice.is_older(&live("b", 100, 3), 0), "others under the same numbers");
    assert!(!splice.is_older(&live("a", 98, 5), 1), "another source");
    assert!(!splice.is_older("#EXTM3U\n#EXT-X-STREAM-INF:\nx\n", 0) && !splice.is_older("", 0));
    // The first of another source begins anew, and of that too there are old lists.
    let newest = splice.follow(&live("b", 7, 5), 1).unwrap();
    assert!(splice.is_older(&live("b", 5, 5), 1) && splice.is_older(&live("b", 7, 4), 1));
    assert!(splice.is_older(&live("b", 7, 0), 1));
    for _ in 0..3 {
        assert_eq!(splice.follow(&live("b", 7, 5), 1), Ok(newest.clone()));
    }
    assert!(!splice.is_older(&live("b", 7, 5), 1));
}

#[test]
fn a_part_that_was_shown_is_known() {
    let mut splice = Splice::new();
    let part = "#EXT-X-PART:DURATION=1,URI=\"p\"\n";
    splice.follow(&(live("a", 100, 5) + part), 0).unwrap();
    assert!(splice.is_older(&live("a", 100, 5), 0));
    assert!(splice.is_older(&(live("a", 99, 5) + part), 0));
    assert!(!splice.is_older(&live("a", 101, 5), 0), "it is whole now");
}

#[test]
fn implicit_vectors_are_written_out() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 0, 3), 0).unwrap();
    let list = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:16\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\nb16\n#EXTINF:4,\nb17\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"l\",IV=0x01\n#EXTINF:4,\nb18\n#EXTINF:4,\nb19\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"m\"\n#EXTINF:4,\nb20\n#EXT-X-PART:DURATION=1,URI=\"p\"\n"
    );
    let iv = |number: u64| format!("IV=0x{number:032X}");
    let text = splice.follow(&list, 1).unwrap();
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"l\",IV=0x01\n#EXTINF:4,\nb18\n#EXTINF:4,\nb19\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"m\",{}\n#EXTINF:4,\nb20\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"m\",{}\n#EXT-X-PART:DURATION=1,URI=\"p\"\n",
        iv(20),
        iv(21)
    );
    assert_eq!(text, expected);
    let mut splice = Splice::new();
    splice.follow(&live("a", 0, 3), 0).unwrap();
    let list = list.replace("#EXT-X-KEY:METHOD=AES-128,URI=\"l\",IV=0x01\n", "");
    let text = splice.follow(&list, 1).unwrap();
    for number in 18..=19 {
        let lines = format!("URI=\"k\",{}\n#EXTINF:4,\nb{number}\n", iv(number));
        assert!(text.contains(&lines), "{text}");
    }
}

#[test]
fn what_holds_on_is_carried_over_the_cut() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 0, 3), 0).unwrap();
    let list = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-PLAYLIST-TYPE:EVENT\n# header\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x01\n#EXT-X-MAP:URI=\"m\"\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-BYTERANGE:10@5\n#EXTINF:4,\nb\n\
         # of both\n#EXT-X-DATERANGE:ID=\"d\"\n#EXT-X-BYTERANGE:10\n#EXTINF:12,\nb\n#EXT-X-RENDITION-REPORT:URI=\"r\",LAST-MSN=4\n"
    );
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:3\n# header\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n# of both\n#EXT-X-DATERANGE:ID=\"d\"\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x01\n#EXT-X-MAP:URI=\"m\"\n#EXT-X-KEY:METHOD=NONE\n\
         #EXT-X-BYTERANGE:10@15\n#EXTINF:12,\nb\n"
    );
    assert_eq!(splice.follow(&list, 1), Ok(expected));
}

#[test]
fn parts_count_as_seen() {
    let mut splice = Splice::new();
    let list = live("a", 0, 3) + "#EXT-X-PART:DURATION=1,URI=\"p\"\n";
    splice.follow(&list, 0).unwrap();
    let text = splice.follow(&live("b", 0, 3), 1).unwrap();
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:4\n"), "{text}");
    // Those of the first segment behind a cut may go on from where another one ended.
    let part = "#EXT-X-PART:DURATION=4,URI=\"p\",BYTERANGE=\"5\"\n#EXTINF";
    let text = splice.follow(&live("c", 0, 4).replace("#EXTINF", part), 2).unwrap();
    assert_eq!(text.matches("#EXT-X-PART:").count(), 2, "{text}");
}

#[test]
fn an_ended_list_goes_on_at_the_position_reached() {
    for (seen, next) in [(0, 0), (1, 1), (3, 3), (9, 5)] {
        let mut splice = Splice::new();
        splice.follow(&live("a", 50, seen), 0).unwrap();
        let ended = live("b", 0, 6).replace("#EXTINF:4,", "#EXTINF:4.004,") + "#EXT-X-ENDLIST\n";
        let text = splice.follow(&ended, 1).unwrap();
        let number = 50 + seen;
        let begins = format!(
            "#EXT-X-MEDIA-SEQUENCE:{number}\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n#EXTINF:4.004,\nb{next}.ts\n"
        );
        assert!(text.contains(&begins), "{seen}: {text}");
        assert!(text.ends_with("b5.ts\n#EXT-X-ENDLIST\n"));
        // Whoever asks again starts anew.
        assert_eq!(splice.follow(&live("c", 0, 6), 2), Ok(live("c", 0, 6)));
        assert!(splice.may_skip());
    }
}

#[test]
fn a_change_waits_for_segments() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 5, 3), 0).unwrap();
    let empty = format!(
        "{HEAD}#EXT-X-PART:DURATION=1,URI=\"p\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q\"\n"
    );
    let expected = format!("{HEAD}#EXT-X-MEDIA-SEQUENCE:8\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n");
    assert_eq!(splice.follow(&empty, 1), Ok(expected));
    let text = splice.follow(&live("b", 0, 1), 1).unwrap();
    let expected = format!(
        "{HEAD}#EXT-X-MEDIA-SEQUENCE:8\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-DISCONTINUITY\n#EXTINF:4,\nb0.ts\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn what_cannot_be_continued_changes_nothing() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 5, 3), 0).unwrap();
    let delta =
        format!("{HEAD}#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXT-X-MEDIA-SEQUENCE:5\n#EXTINF:4,\nx\n");
    assert_eq!(splice.follow(&delta, 0), Ok(delta.clone()));
    assert_eq!(splice.follow(&delta, 1), Err(Error::Delta));
    assert_eq!(splice.follow("#EXTM3U\n#EXT-X-STREAM-INF:\nx\n", 1), Err(Error::NotMedia));
    assert!(splice.may_skip());
    let text = splice.follow(&live("b", 1, 1), 1).unwrap();
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:9\n"), "{text}");
    assert_eq!(splice.follow(&delta, 1), Err(Error::Delta));
}

#[test]
fn hostile_numbers_do_not_overflow() {
    let mut splice = Splice::new();
    for (source, first) in [(0, u64::MAX - 1), (1, u64::MAX), (0, 3), (1, u64::MAX - 1)] {
        let list = format!(
            "{HEAD}#EXT-X-DISCONTINUITY-SEQUENCE:{first}\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-KEY:METHOD=AES-128\n\
             #EXTINF:99999999999,\nx\n#EXT-X-DISCONTINUITY\ny\nz\n#EXT-X-PART:\n"
        );
        assert!(splice.follow(&list, source).is_ok());
    }
}

#[test]
fn discontinuities_that_the_source_does_not_count_are_counted() {
    let mut splice = Splice::new();
    splice.follow(&live("a", 0, 3), 0).unwrap();
    let list = live("b", 5, 4).replace("#EXTINF:4,\nb7", "#EXT-X-DISCONTINUITY\n#EXTINF:4,\nb7");
    assert!(splice.follow(&list, 1).unwrap().contains("#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
    for (first, sequence) in [(7, 2), (8, 2), (9, 2)] {
        let text = splice.follow(&live("b", first, 4), 1).unwrap();
        let line = format!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n");
        assert!(text.contains(&line), "{text}");
    }
}

const PIECES: [&str; 19] = [
    "#EXTINF:4,\n",
    "#EXTINF:1,\n",
    "a\n",
    "b\n",
    "b?c\r\n",
    "#EXT-X-DISCONTINUITY\n",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n",
    "#EXT-X-KEY:METHOD=X,URI=\"l\",KEYFORMAT=\"y\",IV=0x1\n",
    "#EXT-X-KEY:METHOD=NONE\n",
    "#EXT-X-MAP:URI=\"m\"\n",
    "#EXT-X-BYTERANGE:5\n",
    "#EXT-X-PART:URI=\"p\"\n",
    "#EXT-X-MEDIA-SEQUENCE:3\n",
    "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n",
    "#EXT-X-DISCONTINUITY-SEQUENCE:2\n",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n",
    "#EXT-X-ENDLIST\n",
    "# comment\n",
    "\n",
];

proptest! {
    #[test]
    fn any_lists_give_lists_whose_numbers_do_not_go_back(
        lists in prop::collection::vec((0..3_u32, prop::collection::vec(0..PIECES.len(), 0..20)), 1..12)
    ) {
        let mut splice = Splice::new();
        let mut before: Option<(u64, u64)> = None;
        for (source, pieces) in lists {
            let pieces: Vec<_> = pieces.into_iter().map(|index| PIECES[index]).collect();
            let list = format!("{HEAD}{}", pieces.concat());
            let text = match splice.follow(&list, source) {
                Err(error) => {
                    prop_assert_eq!(error, Error::Delta);
                    continue;
                }
                Ok(text) => text,
            };
            let Ok(Playlist::Media(media)) = read(&text) else { panic!("{text}") };
            let numbers = (media.media_sequence, media.discontinuity_sequence);
            if let Some(before) = before {
                prop_assert!(numbers.0 >= before.0, "{}", text);
                prop_assert!(!splice.is_shifted || numbers.1 >= before.1, "{}", text);
            }
            before = (!media.is_ended).then_some(numbers);
        }
    }

    #[test]
    fn the_newest_list_in_place_of_an_older_one_gives_what_the_client_has(
        lists in prop::collection::vec((0..2_u32, prop::collection::vec(0..PIECES.len(), 0..20)), 1..12)
    ) {
        let mut splice = Splice::new();
        let mut newest: Option<(String, String)> = None;
        for (source, pieces) in lists {
            let pieces: Vec<_> = pieces.into_iter().map(|index| PIECES[index]).collect();
            let list = format!("{HEAD}{}", pieces.concat());
            if let Some((newest, given)) = &newest
                && splice.is_older(&list, source)
            {
                prop_assert_eq!(splice.follow(newest, source), Ok(given.clone()));
            } else if let Ok(given) = splice.follow(&list, source) {
                newest = Some((list, given));
            }
        }
    }
}
