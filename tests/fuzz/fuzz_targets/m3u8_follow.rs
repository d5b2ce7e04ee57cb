//! Playlists one after the other, cut from the input at NUL: a segment follows the one before or is a
//! break, and nothing is given twice without one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::m3u8::Follow;
use weir::media::m3u8::Playlist;
use weir::media::m3u8::read;

fuzz_target!(|bytes: &[u8]| {
    let mut follow = Follow::new();
    let mut last: Option<u64> = None;
    for list in bytes.split(|byte| *byte == 0) {
        let Some((count, body)) = list.split_first() else { continue };
        let Ok(body) = std::str::from_utf8(body) else { continue };
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}");
        match read(&text) {
            Ok(Playlist::Media(media)) => _ = follow.take(&media),
            Ok(Playlist::Multivariant(list)) => _ = list.by_preference(u64::from(*count)),
            Err(_) => {}
        }
        for _ in 0..*count {
            let Some(piece) = follow.next_piece() else { break };
            let follows = last.is_none_or(|last| piece.number == last.saturating_add(1));
            assert!(piece.is_break || follows, "{last:?}, then {piece:?}");
            last = Some(piece.number);
        }
    }
});
