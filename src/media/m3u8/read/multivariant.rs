//! Reading a multivariant playlist.

use crate::media::m3u8::Error;
use crate::media::m3u8::Multivariant;
use crate::media::m3u8::Rendition;
use crate::media::m3u8::Variant;
use crate::media::m3u8::line::Lines;
use crate::media::m3u8::read::attribute;
use crate::media::m3u8::read::number;
use crate::media::m3u8::tag::Tag;

pub(super) fn read(lines: Lines<'_>) -> Result<Multivariant<'_>, Error> {
    let mut playlist = Multivariant::default();
    let mut next: Option<Variant<'_>> = None;
    for line in lines {
        let line = line?;
        if line.is_uri() {
            playlist.variants.extend(next.take().map(|next| Variant { uri: line.content, ..next }));
        }
        let Some(tag) = Tag::parse(line.content) else { continue };
        match tag.name {
            "EXT-X-STREAM-INF" => next = Some(variant(&tag)),
            "EXT-X-MEDIA" => playlist.renditions.push(rendition(&tag)),
            _ => {}
        }
    }
    Ok(playlist)
}

/// All but the URI.
fn variant<'a>(tag: &Tag<'a>) -> Variant<'a> {
    Variant {
        uri: "",
        bandwidth: attribute(tag, "BANDWIDTH").and_then(number::integer),
        average_bandwidth: attribute(tag, "AVERAGE-BANDWIDTH").and_then(number::integer),
        resolution: attribute(tag, "RESOLUTION").and_then(number::resolution),
        codecs: attribute(tag, "CODECS"),
        audio: attribute(tag, "AUDIO"),
        video: attribute(tag, "VIDEO"),
        subtitles: attribute(tag, "SUBTITLES"),
    }
}

fn rendition<'a>(tag: &Tag<'a>) -> Rendition<'a> {
    Rendition {
        kind: attribute(tag, "TYPE").unwrap_or_default(),
        group: attribute(tag, "GROUP-ID").unwrap_or_default(),
        name: attribute(tag, "NAME").unwrap_or_default(),
        language: attribute(tag, "LANGUAGE"),
        uri: attribute(tag, "URI").filter(|uri| !uri.is_empty()),
        is_default: attribute(tag, "DEFAULT") == Some("YES"),
    }
}
