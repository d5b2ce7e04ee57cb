//! The playlists that one session follows, and where each is fetched from now: where a source fails,
//! the same URL of the client's goes on with the playlist of another one.

use std::sync::Arc;

use crate::delivery::hls::list::List;
use crate::media::m3u8;
use crate::media::m3u8::Splice;
use crate::message::Url;

/// Playlists that are remembered of one session: those of a large multivariant playlist. At the bound
/// the one that was begun first is forgotten, and goes on without a memory of what it gave.
const RENDITIONS_MAX: usize = 64;

/// Bytes of a list that is kept to be given again. Those of more hours than players go back are longer,
/// and what is left of an older one is given instead.
const NEWEST_MAX: usize = 256 * 1024;

/// Older lists in a row for which the newest is given again. A cache that lags catches up with that; a
/// source that began anew with the names and numbers of before would keep its clients waiting for as
/// long as it had run.
const OLDER_MAX: u32 = 12;

/// Media playlists that are remembered of a multivariant one.
pub(super) const NAMED_MAX: usize = 64;

/// Where a playlist is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Which source.
    pub(crate) source: usize,
    /// A URL of it; `None`: its own.
    pub(crate) url: Option<Url>,
}

/// A media playlist that a multivariant playlist names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) place: Place,
    pub(crate) kin: Kin,
}

/// What a media playlist is among those of its multivariant playlist, so that its like can be found
/// in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    /// A variant of so many bits a second.
    Variant(u64),
    /// A rendition.
    Rendition {
        /// AUDIO, SUBTITLES, VIDEO.
        kind: String,
        language: Option<String>,
        name: String,
    },
}

impl Kin {
    /// How unlike another one is; `None`: one cannot stand for the other.
    pub(crate) fn distance(&self, other: &Self) -> Option<u64> {
        match (self, other) {
            (Self::Variant(own), Self::Variant(other)) => Some(own.abs_diff(*other)),
            (
                Self::Rendition { kind, language, name },
                Self::Rendition { kind: other_kind, language: other_language, name: other_name },
            ) if kind == other_kind => {
                Some(u64::from(language != other_language) * 2 + u64::from(name != other_name))
            }
            _ => None,
        }
    }
}

/// The playlists of one session. At most 64, 2 KiB each, and the newest list of each, which it shares
/// with others who were given it: at most 256 KiB.
#[derive(Default)]
pub(crate) struct Renditions {
    followed: Vec<Rendition>,
    named: Vec<Named>,
}

struct Rendition {
    /// What the client knows it by.
    key: Place,
    /// Where it is fetched from now.
    now: Place,
    /// Counts the places.
    generation: u32,
    splice: Splice,
    /// The newest list that it was given.
    newest: Option<Arc<List>>,
    /// Lists in a row that were older.
    older: u32,
}

impl Place {
    /// A channel's own playlist of this source.
    pub(crate) const fn own(source: usize) -> Self {
        Self { source, url: None }
    }

    /// What the client knows it by. The channel's own playlist is the same from every source.
    fn key(&self) -> Self {
        if self.url.is_some() { self.clone() } else { Self::own(0) }
    }
}

impl Renditions {
    /// Where the playlist that was first at `place` is now.
    pub(crate) fn now(&self, place: &Place) -> Place {
        let key = place.key();
        let followed = self.followed.iter().find(|followed| followed.key == key);
        followed.map_or_else(|| place.clone(), |followed| followed.now.clone())
    }

    /// Whether the delivery directives of a client mean the same to the place where its playlist is
    /// now.
    pub(crate) fn takes_directives(&self, place: &Place) -> bool {
        let key = place.key();
        let followed = self.followed.iter().find(|followed| followed.key == key);
        followed.is_none_or(|followed| followed.splice.may_skip())
    }

    /// What the client gets of the media playlist `list` as a continuation of what it was given at
    /// `place`, and the list that this comes of: where a cache of the source lags, the newest one that
    /// it was given already. Where older ones are all that comes, they are those of another source.
    ///
    /// # Errors
    /// As [`Splice::follow`]; [`m3u8::Error::NotUtf8`].
    pub(super) fn follow(
        &mut self,
        place: &Place,
        list: &Arc<List>,
    ) -> Result<(String, Arc<List>), m3u8::Error> {
        let text = list.text()?;
        let now = &list.place;
        let key = place.key();
        let known = self.followed.iter().position(|followed| followed.key == key);
        let index = known.unwrap_or_else(|| {
            if self.followed.len() == RENDITIONS_MAX {
                self.followed.remove(0);
            }
            self.followed.push(Rendition {
                key,
                now: now.clone(),
                generation: 0,
                splice: Splice::new(),
                newest: None,
                older: 0,
            });
            self.followed.len() - 1
        });
        let Some(followed) = self.followed.get_mut(index) else {
            return Ok((text.to_owned(), Arc::clone(list)));
        };
        if followed.now != *now {
            (followed.now, followed.generation) =
                (now.clone(), followed.generation.wrapping_add(1));
        }
        if let Some(newest) = followed.newest.clone()
            && followed.splice.is_older(text, followed.generation)
        {
            followed.older += 1;
            if followed.older <= OLDER_MAX {
                let text = followed.splice.follow(newest.text()?, followed.generation)?;
                return Ok((text, newest));
            }
            followed.generation = followed.generation.wrapping_add(1);
        }
        followed.older = 0;
        let given = followed.splice.follow(text, followed.generation)?;
        // A delta update is only for who has asked for one.
        let stays = text.len() <= NEWEST_MAX && !list.is_delta;
        followed.newest = stays.then(|| Arc::clone(list));
        Ok((given, Arc::clone(list)))
    }

    /// The session was given a multivariant playlist that names these.
    pub(crate) fn offer(&mut self, named: &[Named]) {
        self.named = named.to_vec();
    }

    /// The other variants of the same playlist, the most alike first, and what this one is among them.
    /// Of renditions there are no others: a viewer chose the language.
    pub(crate) fn like(&self, place: &Place) -> (Vec<Place>, Option<Kin>) {
        let own = self.named.iter().find(|named| named.place == *place);
        let Some(Named { kin: own, .. }) = own else { return (Vec::new(), None) };
        let others = self.named.iter().filter(|named| named.place != *place);
        let mut others: Vec<_> = others
            .filter(|named| matches!(named.kin, Kin::Variant(_)))
            .filter_map(|named| Some((own.distance(&named.kin)?, named.place.clone())))
            .collect();
        others.sort_by_key(|(distance, _)| *distance);
        (others.into_iter().map(|(_, place)| place).collect(), Some(own.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: usize, path: &str) -> Place {
        Place { source, url: Some(Url::parse(&format!("http://h/{path}")).unwrap()) }
    }

    fn sound(language: &str, name: &str) -> Kin {
        let (kind, name) = ("AUDIO".to_owned(), name.to_owned());
        Kin::Rendition { kind, language: Some(language.to_owned()), name }
    }

    /// A live list of three segments that came from this URL.
    fn live(from: &str, first: u64, place: &Place) -> Arc<List> {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        (first..first + 3).for_each(|n| text += &format!("#EXTINF:4,\n{n}.ts\n"));
        let url = Url::parse(from).unwrap();
        Arc::new(List::of(text.into(), place.clone(), url, Vec::new()))
    }

    #[test]
    fn the_newest_list_is_given_again_where_an_older_one_comes() {
        let (mut renditions, place) = (Renditions::default(), at(0, "live"));
        let mut follow = |list: &Arc<List>| renditions.follow(&place, list).unwrap();
        let newest = live("http://one/x", 100, &place);
        let (text, of) = follow(&newest);
        assert!(Arc::ptr_eq(&of, &newest));
        for first in [99, 98, 99] {
            let (again, of) = follow(&live("http://two/x", first, &place));
            assert_eq!(again, text);
            assert!(Arc::ptr_eq(&of, &newest), "its URIs are relative to where it came from");
        }
        let next = live("http://two/x", 101, &place);
        let (text, of) = follow(&next);
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:101\n") && Arc::ptr_eq(&of, &next));
        // Of another place nothing is older.
        let other = live("http://three/x", 7, &at(1, "live"));
        let (text, of) = follow(&other);
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:104\n") && Arc::ptr_eq(&of, &other));
        let (again, of) = follow(&live("http://three/x", 6, &at(1, "live")));
        assert!(again == text && Arc::ptr_eq(&of, &other));
    }

    #[test]
    fn older_lists_and_no_others_are_those_of_a_source_that_began_anew() {
        let (mut renditions, place) = (Renditions::default(), at(0, "live"));
        let mut follow = |first| renditions.follow(&place, &live("http://one/x", first, &place));
        let (newest, _) = follow(100).unwrap();
        for _ in 0..3 {
            for _ in 0..OLDER_MAX {
                assert_eq!(follow(99).unwrap().0, newest);
            }
            assert_eq!(follow(100).unwrap().0, newest);
        }
        for _ in 0..OLDER_MAX {
            assert_eq!(follow(98).unwrap().0, newest);
        }
        let (anew, _) = follow(98).unwrap();
        assert!(anew.contains("#EXT-X-MEDIA-SEQUENCE:103\n"), "{anew}");
        assert!(anew.contains("#EXT-X-DISCONTINUITY\n#EXTINF:4,\n98.ts\n"), "{anew}");
        let (next, _) = follow(99).unwrap();
        assert!(next.contains("#EXT-X-MEDIA-SEQUENCE:104\n"), "{next}");
    }

    #[test]
    fn a_list_that_is_long_or_a_delta_update_is_not_kept() {
        let place = at(0, "live");
        let long = live("http://one/x", 100, &place);
        let text = String::from_utf8(long.text.to_vec()).unwrap();
        let long = text.clone() + &format!("#{}\n", "x".repeat(1000)).repeat(NEWEST_MAX / 1000);
        let delta = text.replace("#EXTINF:4,\n100.ts\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n");
        for newest in [long, delta] {
            let mut renditions = Renditions::default();
            let url = Url::parse("http://one/x").unwrap();
            let newest = Arc::new(List::of(newest.into(), place.clone(), url, Vec::new()));
            renditions.follow(&place, &newest).unwrap();
            let old = live("http://one/x", 99, &place);
            let (text, of) = renditions.follow(&place, &old).unwrap();
            assert!(Arc::ptr_eq(&of, &old), "{text}");
        }
    }

    #[test]
    fn a_variant_has_others_like_it_and_a_rendition_has_none() {
        let mut renditions = Renditions::default();
        let named = [
            (at(0, "low"), Kin::Variant(1_000_000)),
            (at(0, "middle"), Kin::Variant(3_000_000)),
            (at(0, "high"), Kin::Variant(9_000_000)),
            (at(0, "de"), sound("de", "Deutsch")),
            (at(0, "fr"), sound("fr", "French")),
        ];
        renditions.offer(&named.map(|(place, kin)| Named { place, kin }));
        let (others, own) = renditions.like(&at(0, "middle"));
        assert_eq!(others, [at(0, "low"), at(0, "high")]);
        assert_eq!(own, Some(Kin::Variant(3_000_000)));
        assert_eq!(renditions.like(&at(0, "de")), (vec![], Some(sound("de", "Deutsch"))));
        assert_eq!(renditions.like(&at(1, "low")), (vec![], None));
    }

    #[test]
    fn the_like_of_a_rendition_has_its_language_and_then_its_name() {
        let own = sound("de", "Deutsch");
        assert_eq!(own.distance(&own), Some(0));
        assert_eq!(own.distance(&sound("de", "German")), Some(1));
        assert_eq!(own.distance(&sound("fr", "Deutsch")), Some(2));
        assert_eq!(own.distance(&Kin::Variant(1)), None);
    }
}
