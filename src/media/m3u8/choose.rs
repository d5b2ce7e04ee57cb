//! Which variant of a multivariant playlist is played where no player chooses.

use std::cmp::Reverse;

use crate::media::m3u8::Multivariant;
use crate::media::m3u8::Unfit;
use crate::media::m3u8::Variant;

impl<'a> Multivariant<'a> {
    /// The variants that are streams of their own, the one to be played first: the best of at most
    /// `max_bandwidth` bits per second, then those below it, then those above it, the next one first.
    /// BANDWIDTH counts, and of equal ones the larger picture, then the order of the list.
    ///
    /// # Errors
    /// [`Unfit::Apart`] where all of them have their sound or picture in a playlist of its own.
    pub fn by_preference(&self, max_bandwidth: u64) -> Result<Vec<&Variant<'a>>, Unfit> {
        let mut whole: Vec<_> =
            self.variants.iter().filter(|variant| self.is_whole(variant)).collect();
        if whole.is_empty() && !self.variants.is_empty() {
            return Err(Unfit::Apart);
        }
        whole.sort_by_key(|variant| {
            let bandwidth = variant.bandwidth.unwrap_or_default();
            let picture =
                variant.resolution.map_or(0, |(width, height)| width.saturating_mul(height));
            let is_beyond = bandwidth > max_bandwidth;
            let distance = if is_beyond { bandwidth } else { u64::MAX - bandwidth };
            (is_beyond, distance, Reverse(picture))
        });
        Ok(whole)
    }

    /// Whether its groups have a rendition that is in its own stream (8216bis section 4.4.6.2.1: one
    /// without URI).
    fn is_whole(&self, variant: &Variant<'_>) -> bool {
        let within = |kind: &str, group: Option<&str>| {
            let Some(group) = group else { return true };
            let of_group = |kind: &str| {
                let renditions = self.renditions.iter();
                renditions
                    .filter(move |one| one.group == group)
                    .filter(move |one| one.kind == kind)
                    .collect::<Vec<_>>()
            };
            let group = of_group(kind);
            group.is_empty() || group.iter().any(|rendition| rendition.uri.is_none())
        };
        within("AUDIO", variant.audio) && within("VIDEO", variant.video)
    }
}

#[cfg(test)]
mod tests {
    use crate::media::m3u8::Playlist;
    use crate::media::m3u8::read;

    use super::*;

    fn order(text: &str, max_bandwidth: u64) -> Result<Vec<String>, Unfit> {
        let text = format!("#EXTM3U\n{text}");
        let Ok(Playlist::Multivariant(list)) = read(&text) else { panic!("{text}") };
        let order = list.by_preference(max_bandwidth)?;
        Ok(order.into_iter().map(|variant| variant.uri.to_owned()).collect())
    }

    fn variant(bandwidth: u64, more: &str, uri: &str) -> String {
        format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth}{more}\n{uri}\n")
    }

    #[test]
    fn the_best_that_is_allowed_comes_first_and_what_is_next_to_it_then() {
        let text = [
            variant(1_000, "", "low"),
            variant(5_000, ",RESOLUTION=640x360", "small"),
            variant(5_000, ",RESOLUTION=1920x1080", "large"),
            variant(9_000, "", "high"),
            variant(7_000, "", "higher"),
        ]
        .concat();
        let order = |max| order(&text, max).unwrap().join(" ");
        assert_eq!(order(u64::MAX), "high higher large small low");
        assert_eq!(order(5_000), "large small low higher high");
        assert_eq!(order(100), "low large small higher high");
    }

    #[test]
    fn a_variant_whose_sound_is_apart_is_no_stream() {
        let apart = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"de.m3u8\"\n";
        let within = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\"\n";
        let high = variant(9_000, ",AUDIO=\"a\"", "high");
        let low = variant(1_000, "", "low");
        assert_eq!(order(&format!("{apart}{high}{low}"), u64::MAX).unwrap(), ["low"]);
        assert_eq!(
            order(&format!("{apart}{within}{high}{low}"), u64::MAX).unwrap(),
            ["high", "low"]
        );
        assert_eq!(order(&format!("{apart}{high}"), u64::MAX), Err(Unfit::Apart));
        let unknown = variant(9_000, ",AUDIO=\"nowhere\"", "high");
        assert_eq!(order(&unknown, u64::MAX).unwrap(), ["high"]);
        assert_eq!(order("#EXT-X-SESSION-DATA:DATA-ID=\"x\",VALUE=\"y\"\n", 1).unwrap().len(), 0);
    }
}
