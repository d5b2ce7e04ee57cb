//! The playlists that one session follows, and where each is fetched from now: where a source fails,
//! the same URL of the client's goes on with the playlist of another one.

use crate::media::m3u8;
use crate::media::m3u8::Splice;
use crate::message::Url;

/// Playlists that are remembered of one session: those of a large multivariant playlist. At the bound
/// the one that was begun first is forgotten, and goes on without a memory of what it gave.
const RENDITIONS_MAX: usize = 64;

/// Variants that are remembered of a multivariant playlist.
pub(super) const VARIANTS_MAX: usize = 64;

/// Where a playlist is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Which source.
    pub(crate) source: usize,
    /// A URL of it; `None`: its own.
    pub(crate) url: Option<Url>,
}

/// A variant of a multivariant playlist that the session was given.
#[derive(Clone)]
pub(crate) struct Variant {
    pub(crate) place: Place,
    /// Bits a second.
    pub(crate) bandwidth: u64,
}

/// The playlists of one session. At most 64, 2 KiB each.
#[derive(Default)]
pub(crate) struct Renditions {
    followed: Vec<Rendition>,
    variants: Vec<Variant>,
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

    /// The session was given a multivariant playlist with these variants.
    pub(crate) fn offer(&mut self, variants: &[Variant]) {
        self.variants = variants.to_vec();
    }

    /// The other variants of the same playlist, the most alike first, and the bandwidth of this one.
    pub(crate) fn like(&self, place: &Place) -> (Vec<Place>, Option<u64>) {
        let own = self.variants.iter().find(|variant| variant.place == *place);
        let Some(bandwidth) = own.map(|variant| variant.bandwidth) else {
            return (Vec::new(), None);
        };
        let mut others: Vec<_> =
            self.variants.iter().filter(|variant| variant.place != *place).collect();
        others.sort_by_key(|variant| variant.bandwidth.abs_diff(bandwidth));
        (others.into_iter().map(|variant| variant.place.clone()).collect(), Some(bandwidth))
    }
}
