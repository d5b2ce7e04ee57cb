//! A playlist of a source, and what is decided by it.

use std::time::Duration;

use bytes::Bytes;

use crate::delivery::hls::renditions::Kin;
use crate::delivery::hls::renditions::NAMED_MAX;
use crate::delivery::hls::renditions::Named;
use crate::delivery::hls::renditions::Place;
use crate::media::m3u8;
use crate::media::m3u8::Playlist;
use crate::message::Url;
use crate::upstream::Answer;
use crate::upstream::SetCookies;

/// How long others may be given a multivariant playlist that somebody has just fetched.
const MULTIVARIANT_LIFETIME: Duration = Duration::from_secs(5);

/// How long others may be given a media playlist at most, whatever its source says of target durations:
/// who comes then begins with what is in it.
const MEDIA_LIFETIME_MAX: Duration = Duration::from_mins(1);

/// A playlist as its source sent it.
pub(super) struct List {
    pub(super) text: Bytes,
    pub(super) place: Place,
    /// Redirects followed.
    pub(super) url: Url,
    /// The cookies that came with it, for everybody who is given it.
    pub(super) set_cookies: SetCookies,
    /// For how long others may be given it; `None`: each fetches its own.
    pub(super) lifetime: Option<Duration>,
    /// Of a media playlist.
    pub(super) target: Option<Duration>,
    /// A media playlist that only says what is new (8216bis section 6.2.5.1).
    pub(super) is_delta: bool,
    /// What a multivariant playlist names.
    pub(super) named: Vec<Named>,
}

impl List {
    /// Whether it is a media playlist that goes on.
    pub(super) fn is_live(&self) -> bool {
        self.target.is_some() && self.lifetime.is_some()
    }

    /// The text, without a byte order mark.
    ///
    /// # Errors
    /// [`m3u8::Error::NotUtf8`].
    pub(super) fn text(&self) -> Result<&str, m3u8::Error> {
        let text = std::str::from_utf8(&self.text).map_err(|_| m3u8::Error::NotUtf8)?;
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    pub(super) fn new(text: Bytes, place: Place, answer: Answer) -> Self {
        let Answer { url, set_cookies, .. } = answer;
        Self::of(text, place, url, set_cookies)
    }

    /// What came from `url` with these cookies.
    pub(super) fn of(text: Bytes, place: Place, url: Url, set_cookies: SetCookies) -> Self {
        let (mut lifetime, mut target, mut named) = (None, None, Vec::new());
        let mut is_delta = false;
        match std::str::from_utf8(&text).map(m3u8::read) {
            Ok(Ok(Playlist::Multivariant(list))) => {
                lifetime = Some(MULTIVARIANT_LIFETIME);
                let at =
                    |uri: &str| Some(Place { url: Some(url.resolve(uri).ok()?), ..place.clone() });
                let variants = list.variants.iter().filter_map(|variant| {
                    let kin = Kin::Variant(variant.bandwidth.unwrap_or_default());
                    Some(Named { place: at(variant.uri)?, kin })
                });
                let renditions = list.renditions.iter().filter_map(|rendition| {
                    let kin = Kin::Rendition {
                        kind: rendition.kind.to_owned(),
                        language: rendition.language.map(str::to_owned),
                        name: rendition.name.to_owned(),
                    };
                    Some(Named { place: at(rendition.uri?)?, kin })
                });
                named = variants.chain(renditions).take(NAMED_MAX).collect();
            }
            Ok(Ok(Playlist::Media(media))) => {
                target = Some(media.target_duration);
                let lasts = media.target_duration.min(MEDIA_LIFETIME_MAX);
                lifetime = Some(lasts).filter(|_| !media.is_ended);
                is_delta = media.skipped > 0;
            }
            // Says why when it is rewritten.
            _ => {}
        }
        Self { text, place, url, set_cookies, lifetime, target, is_delta, named }
    }
}
