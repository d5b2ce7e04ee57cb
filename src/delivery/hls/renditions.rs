//! The playlists that one session follows, and where each is fetched from now: where a source fails,
//! the same URL of the client's goes on with the playlist of another one.

use crate::media::m3u8;
use crate::media::m3u8::Splice;
use crate::message::Url;

/// Playlists that are remembered of one session: those of a large multivariant playlist. At the bound
/// the one that was begun first is forgotten, and goes on without a memory of what it gave.
const RENDITIONS_MAX: usize = 64;

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

/// The playlists of one session. At most 64, 2 KiB each.
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

    /// What the client gets of the media playlist `text` that was found at `now`, as a continuation of
    /// what it was given at `place`.
    ///
    /// # Errors
    /// As [`Splice::follow`].
    pub(crate) fn follow(
        &mut self,
        place: &Place,
        now: &Place,
        text: &str,
    ) -> Result<String, m3u8::Error> {
        let key = place.key();
        let known = self.followed.iter().position(|followed| followed.key == key);
        let index = known.unwrap_or_else(|| {
            if self.followed.len() == RENDITIONS_MAX {
                self.followed.remove(0);
            }
            let splice = Splice::new();
            self.followed.push(Rendition { key, now: now.clone(), generation: 0, splice });
            self.followed.len() - 1
        });
        let Some(followed) = self.followed.get_mut(index) else {
            return Ok(text.to_owned());
        };
        if followed.now != *now {
            (followed.now, followed.generation) =
                (now.clone(), followed.generation.wrapping_add(1));
        }
        followed.splice.follow(text, followed.generation)
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
