//! Whole playlists: those kept with their expected outputs, and any directory of others.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::*;
use crate::media::m3u8::Playlist;
use crate::media::m3u8::rewrite::tests::tagged;

/// Playlists of public test suites that are refused on purpose.
const REFUSED: [(&str, Error, &str); 7] = [
    ("main", Error::NoHeader, "a comment before #EXTM3U, which must be the first line"),
    ("main-captions", Error::NoHeader, "the same"),
    ("main-subtitles", Error::NoHeader, "the same"),
    ("one-rendition", Error::NoHeader, "the same"),
    ("two-renditions", Error::NoHeader, "the same"),
    ("streamInfInvalid", Error::NoHeader, "the same"),
    ("manifestNoExtM3u", Error::NoHeader, "no #EXTM3U at all"),
];

fn playlists(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(playlists(&path));
        } else if path.extension().is_some_and(|extension| extension == "m3u8") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text as it was before [`tagged`].
fn untagged(text: &str) -> String {
    let mut untagged = String::new();
    let mut rest = text;
    let roles = ["Playlist", "Segment", "Map", "Part", "Key", "Data", "Other"];
    while let Some((before, after)) = rest.split_once('<') {
        untagged += before;
        let uri = roles.iter().find_map(|role| after.strip_prefix(&format!("{role} ")));
        let (uri, behind) = uri.unwrap().split_once('>').unwrap();
        untagged += uri;
        rest = behind;
    }
    untagged + rest
}

/// What is read of a playlist, without the places in its text.
fn shown(text: &str) -> String {
    match crate::media::m3u8::read(text).unwrap() {
        Playlist::Multivariant(playlist) => format!("{playlist:?}"),
        Playlist::Media(mut media) => {
            for segment in &mut media.segments {
                segment.lines = 0..0;
            }
            let keys =
                media.segments.iter().map(|one| media.keys(one).map(|key| (key.uri, key.iv)));
            let keys: Vec<Vec<_>> = keys.map(Iterator::collect).collect();
            let maps = media.segments.iter().map(|one| media.map(one).map(|map| map.uri));
            let maps: Vec<_> = maps.collect();
            let (kind, first) = (media.kind, media.media_sequence);
            format!(
                "{kind:?} {first} {:?} {:?} {keys:?} {maps:?}",
                media.target_duration, media.segments
            )
        }
    }
}

#[test]
fn kept_playlists_become_what_is_expected() {
    let secrets = ["upstream.example", "upstreamuser", "SECRETTOKEN"];
    let scope = Scope { secrets: &secrets, ..Scope::default() };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hls");
    let playlists = playlists(&directory);
    assert!(playlists.len() > 30);
    for path in playlists {
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
        let rewritten = rewrite(&fs::read(&path).unwrap(), &scope, tagged);
        assert_eq!(rewritten.map(|rewritten| rewritten.text), Ok(expected), "{}", path.display());
        let sealed = |_: &str, _| Ok(Some("sealed".to_owned()));
        let text = rewrite(&fs::read(&path).unwrap(), &scope, sealed).unwrap().text;
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
    }
}

#[test]
fn playlists_of_others_keep_everything_but_uris() {
    let Some(directory) = std::env::var_os("WEIR_TEST_PLAYLISTS") else {
        eprintln!("SKIPPED: WEIR_TEST_PLAYLISTS names no directory of playlists");
        return;
    };
    let playlists = playlists(Path::new(&directory));
    assert!(!playlists.is_empty());
    for path in playlists {
        let bytes = fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let refused = REFUSED.iter().find(|(refused, ..)| *refused == name);
        let rewritten = rewrite(&bytes, &Scope::default(), tagged);
        assert_eq!(rewritten.as_ref().err(), refused.map(|(_, error, _)| error), "{name}");
        let Ok(rewritten) = rewritten else { continue };
        let original = String::from_utf8(bytes).unwrap();
        // One has a comment with a URL, which goes.
        let comment = "# Borrowed from https://github.com/grafov/m3u8/pull/83";
        let original = original.replace(comment, "#");
        assert_eq!(untagged(&rewritten.text), original, "{name}");
        assert_eq!(untagged(&shown(&rewritten.text)), shown(&original), "{name}");
    }
}
