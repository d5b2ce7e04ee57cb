use proptest::collection::vec;
use proptest::prelude::*;

use crate::media::m3u8::Playlist;
use crate::media::m3u8::read;

use super::*;

/// A list of segments of 2 s with these numbers; each name ends in `mark`.
fn list(numbers: std::ops::Range<u64>, mark: &str, end: &str) -> String {
    let mut text =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", numbers.start);
    numbers.for_each(|number| text += &format!("#EXTINF:2,\nn{number}{mark}.ts?t={number}\n"));
    text + end
}

fn take(follow: &mut Follow, text: &str) -> Result<bool, Unfit> {
    let Ok(Playlist::Media(media)) = read(text) else { panic!("{text}") };
    follow.take(&media)
}

/// The numbers of all that can be fetched; those behind a break are negative.
fn numbers(follow: &mut Follow) -> Vec<i64> {
    let pieces = std::iter::from_fn(|| follow.next_piece());
    pieces.map(|piece| piece.number.cast_signed() * if piece.is_break { -1 } else { 1 }).collect()
}

#[test]
fn a_live_list_begins_three_target_durations_before_its_end_and_goes_on() {
    let mut follow = Follow::new();
    assert_eq!(take(&mut follow, &list(10..16, "", "")), Ok(true));
    assert_eq!(follow.left(), Duration::from_secs(6));
    assert_eq!(numbers(&mut follow), [13, 14, 15]);
    assert_eq!(take(&mut follow, &list(10..16, "", "")), Ok(false), "nothing new");
    assert!(numbers(&mut follow).is_empty());
    assert_eq!(take(&mut follow, &list(12..18, "", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [16, 17]);
    assert!(!follow.is_ended());
    assert_eq!(take(&mut follow, &list(14..19, "", "#EXT-X-ENDLIST\n")), Ok(true));
    assert_eq!(numbers(&mut follow), [18]);
    assert!(follow.is_ended());
}

#[test]
fn one_that_was_played_before_is_gone_on_with() {
    for (number, numbers_then) in [
        (11, vec![-11, 12, 13, 14, 15]),
        (16, vec![]),
        (17, vec![-13, 14, 15]),
        (9, vec![-13, 14, 15]),
    ] {
        let mut follow = Follow::after(Some(number), Duration::ZERO);
        assert_eq!(take(&mut follow, &list(10..16, "", "")), Ok(true), "{number}");
        assert_eq!(numbers(&mut follow), numbers_then, "{number}");
        take(&mut follow, &list(10..17, "", "")).unwrap();
        assert_eq!(numbers(&mut follow), [if number == 16 { -16 } else { 16 }]);
    }
}

#[test]
fn a_list_that_has_ended_is_played_from_its_beginning() {
    let mut follow = Follow::new();
    assert_eq!(take(&mut follow, &list(0..5, "", "#EXT-X-ENDLIST\n")), Ok(true));
    assert_eq!(numbers(&mut follow), [0, 1, 2, 3, 4]);
}

#[test]
fn another_list_that_has_ended_is_begun_where_the_last_one_was_left() {
    let text = list(0..5, "", "#EXT-X-ENDLIST\n");
    for (seconds, first) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (9, 4), (10, 4), (99, 4)] {
        let mut follow = Follow::after(None, Duration::from_secs(seconds));
        take(&mut follow, &text).unwrap();
        let piece = follow.next_piece().unwrap();
        let start = Duration::from_secs(2 * first);
        assert_eq!((piece.number, piece.start), (first, start), "{seconds}");
    }
}

#[test]
fn who_is_late_goes_on_before_the_end_with_a_break() {
    let mut follow = Follow::new();
    take(&mut follow, &list(10..16, "", "")).unwrap();
    assert_eq!(follow.next_piece().map(|piece| piece.number), Some(13));
    assert_eq!(take(&mut follow, &list(14..20, "", "")), Ok(true));
    assert_eq!(follow.next_piece().map(|piece| (piece.number, piece.is_break)), Some((14, false)));
    assert_eq!(take(&mut follow, &list(30..36, "", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [-33, 34, 35]);
}

#[test]
fn an_old_list_is_a_cache_that_lags_and_two_of_them_a_restart() {
    let mut follow = Follow::new();
    take(&mut follow, &list(10..16, "", "")).unwrap();
    numbers(&mut follow);
    for _ in 0..5 {
        assert_eq!(take(&mut follow, &list(9..15, "", "")), Ok(false), "the same segments");
    }
    assert_eq!(take(&mut follow, &list(0..3, "", "")), Ok(false), "long gone");
    assert_eq!(take(&mut follow, &list(10..17, "", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [16]);
    assert_eq!(take(&mut follow, &list(0..4, "", "")), Ok(false));
    assert_eq!(take(&mut follow, &list(1..5, "", "")), Ok(true), "it stays behind");
    assert_eq!(numbers(&mut follow), [-2, 3, 4]);
}

#[test]
fn other_segments_under_the_same_numbers_are_a_restart() {
    let mut follow = Follow::new();
    take(&mut follow, &list(10..16, "", "")).unwrap();
    numbers(&mut follow);
    assert_eq!(take(&mut follow, &list(8..12, "b", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [-9, 10, 11]);
    follow.changes(None);
    assert_eq!(take(&mut follow, &list(9..14, "c", "")), Ok(true), "another variant's names");
    assert_eq!(numbers(&mut follow), [-12, 13]);
    follow.changes(Some(13));
    assert_eq!(take(&mut follow, &list(9..14, "d", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [-13]);
}

#[test]
fn a_variant_that_lags_is_waited_for_and_one_that_is_elsewhere_is_begun() {
    let changed = || {
        let mut follow = Follow::new();
        take(&mut follow, &list(10..16, "", "")).unwrap();
        numbers(&mut follow);
        follow.changes(None);
        follow
    };
    let mut follow = changed();
    assert_eq!(take(&mut follow, &list(7..13, "low", "")), Ok(true), "three behind");
    assert!(numbers(&mut follow).is_empty());
    assert_eq!(take(&mut follow, &list(11..17, "low", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [-16]);
    let mut follow = changed();
    take(&mut follow, &list(6..12, "low", "")).unwrap();
    assert_eq!(numbers(&mut follow), [-9, 10, 11], "four behind");
}

#[test]
fn a_token_that_is_another_one_each_time_is_no_restart() {
    let with_token = |numbers: std::ops::Range<u64>, token: &str| {
        list(numbers, "", "").replace("\nn", &format!("\nhttp://{token}.example/{token}/n"))
    };
    let mut follow = Follow::new();
    take(&mut follow, &with_token(10..16, "a")).unwrap();
    numbers(&mut follow);
    assert_eq!(take(&mut follow, &with_token(11..17, "b")), Ok(true));
    assert_eq!(numbers(&mut follow), [16]);
    assert_eq!(take(&mut follow, &with_token(10..16, "c")), Ok(false), "a cache that lags");
    assert!(numbers(&mut follow).is_empty());
    // Names that are others each time say nothing while the numbers go on.
    assert_eq!(take(&mut follow, &list(11..17, "x", "")), Ok(false));
    assert_eq!(take(&mut follow, &list(12..18, "y", "")), Ok(true));
    assert_eq!(numbers(&mut follow), [17]);
}

#[test]
fn what_breaks_is_said() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nb\n\
                #EXTINF:2,\n#EXT-X-GAP\nc\n#EXTINF:2,\nd\n#EXTINF:2,\ne\n#EXT-X-ENDLIST\n";
    let mut follow = Follow::new();
    take(&mut follow, text).unwrap();
    assert_eq!(follow.next_piece().map(|piece| piece.is_break), Some(false));
    assert_eq!(numbers(&mut follow), [-1, -3, 4]);
    let mut follow = Follow::new();
    take(&mut follow, text).unwrap();
    follow.next_piece();
    follow.next_piece();
    follow.next_piece();
    follow.breaks();
    assert_eq!(numbers(&mut follow), [-4]);
}

fn first(more: &str) -> Result<Piece, Unfit> {
    let text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:258\n{more}\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"
    );
    let mut follow = Follow::new();
    take(&mut follow, &text)?;
    Ok(follow.next_piece().unwrap())
}

#[test]
fn keys_are_found_with_their_vectors() {
    assert_eq!(first("").unwrap().cipher, None);
    assert_eq!(first("#EXT-X-KEY:METHOD=NONE").unwrap().cipher, None);
    let mut iv = [0; 16];
    (iv[14], iv[15]) = (1, 2);
    let cipher = Cipher { key: "k".to_owned(), iv };
    let own = first("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"").unwrap();
    assert_eq!(own.cipher, Some(cipher.clone()), "the number is the vector");
    let given = first("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0X102").unwrap();
    assert_eq!(given.cipher, Some(cipher));
}

#[test]
fn what_is_no_transport_stream_is_refused() {
    let refused = [
        ("#EXT-X-MAP:URI=\"init.mp4\"", Unfit::FragmentedMp4),
        ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", Unfit::Encrypted),
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"skd://k\",KEYFORMAT=\"com.apple\"", Unfit::Encrypted),
        ("#EXT-X-KEY:METHOD=AES-128", Unfit::Encrypted),
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=12", Unfit::Encrypted),
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x+1", Unfit::Encrypted),
        (
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x100000000000000000000000000000000",
            Unfit::Encrypted,
        ),
    ];
    for (more, unfit) in refused {
        assert_eq!(first(more), Err(unfit), "{more}");
    }
}

proptest! {
    /// Whatever the lists are, each piece has a higher number than the one before, or is a break; and
    /// what is not a break has the number that is next.
    #[test]
    fn a_piece_follows_the_one_before_or_is_a_break(
        lists in vec((0_u64..60, 0_u64..9, 0_u8..3, any::<bool>(), 0_usize..9), 1..30),
    ) {
        let mut follow = Follow::new();
        let mut last: Option<u64> = None;
        for (first, count, mark, is_ended, taken) in lists {
            let end = if is_ended { "#EXT-X-ENDLIST\n" } else { "" };
            let mark = ["", "", "b"][usize::from(mark)];
            take(&mut follow, &list(first..first + count, mark, end)).unwrap();
            for _ in 0..taken {
                let Some(piece) = follow.next_piece() else { break };
                if !piece.is_break {
                    prop_assert!(last.is_none_or(|last| piece.number == last + 1));
                }
                last = Some(piece.number);
            }
        }
    }
}
