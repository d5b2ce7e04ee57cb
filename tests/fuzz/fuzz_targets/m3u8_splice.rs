//! Lists of several sources, cut from the input at NUL and told apart by the byte behind it: the
//! client's numbers never go back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::media::m3u8::Playlist;
use weir::media::m3u8::Splice;
use weir::media::m3u8::read;

fuzz_target!(|bytes: &[u8]| {
    let mut splice = Splice::new();
    let mut before = None;
    for list in bytes.split(|byte| *byte == 0) {
        let Some((source, body)) = list.split_first() else { continue };
        let Ok(body) = std::str::from_utf8(body) else { continue };
        let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}");
        let was_ended = before.is_some_and(|(_, is_ended)| is_ended);
        let Ok(text) = splice.follow(&list, u32::from(*source)) else { continue };
        let Ok(Playlist::Media(media)) = read(&text) else { panic!("not a media playlist: {text}") };
        if let Some((first, _)) = before.filter(|_| !was_ended) {
            assert!(media.media_sequence >= first, "{text}");
        }
        before = Some((media.media_sequence, media.is_ended));
    }
});
