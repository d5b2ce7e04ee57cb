//! Live lists over hundreds of reloads: no number goes back, whatever the source's caches do.

use std::collections::HashMap;

use super::keyed;
use super::opened;
use crate::playlist::CHANNEL;
use crate::playlist::follow;
use crate::playlist::uris;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;

/// A live list that moves on by half a segment at each request, every seventh segment after a
/// discontinuity.
fn moving(request: &Recorded, late: bool) -> Script {
    let step = request.attempt / 2;
    let first = 100 + if late && request.attempt % 5 == 4 { step.saturating_sub(2) } else { step };
    let breaks = |below: usize| (0..below).filter(|n| n % 7 == 0).count();
    let mut text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        breaks(first)
    );
    for n in first..first + 5 {
        text += if n % 7 == 0 { "#EXT-X-DISCONTINUITY\n" } else { "" };
        text += &format!("#EXTINF:4,\nn-{n}.ts\n");
    }
    Script::m3u(&text)
}

fn number(text: &str, tag: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(tag)?.strip_prefix(':'));
    line.map_or(0, |value| value.parse().unwrap())
}

/// What a client saw of a live list.
#[derive(Default)]
struct Seen {
    sequence: u64,
    discontinuity: u64,
    /// The last segment's number, and where each segment led, by number.
    newest: u64,
    places: HashMap<u64, String>,
}

impl Seen {
    /// Checks the next list; the number of segments that the end of the list went back.
    fn next(&mut self, text: &str) -> u64 {
        let sequence = number(text, "#EXT-X-MEDIA-SEQUENCE");
        let discontinuity = number(text, "#EXT-X-DISCONTINUITY-SEQUENCE");
        assert!(sequence >= self.sequence, "{sequence} after {}", self.sequence);
        assert!(discontinuity >= self.discontinuity, "{text}");
        (self.sequence, self.discontinuity) = (sequence, discontinuity);
        let mut newest = sequence;
        for (number, uri) in (sequence..).zip(uris(text)) {
            let place = opened(&follow(CHANNEL, &uri)).url;
            assert!(place.ends_with(&format!("/n-{number}.ts")), "{number}: {place}");
            let known = self.places.entry(number).or_insert_with(|| uri.clone());
            assert_eq!(*known, uri, "the link of a segment stays");
            newest = number;
        }
        let back = self.newest.saturating_sub(newest);
        self.newest = self.newest.max(newest);
        back
    }
}

/// Two hundred reloads by each of two clients; how often the end of a list went back.
async fn reloads(late: bool) -> usize {
    let origin = Origin::start(move |request| moving(request, late)).await;
    let gateway = keyed(&origin.url("/live.m3u8")).await;
    let mut clients = [Seen::default(), Seen::default()];
    let mut back = 0;
    for round in 0..400 {
        let name = ["a", "b"][round % 2];
        let text = list_as(&gateway, name).await;
        back += usize::from(clients[round % 2].next(&text) > 0);
    }
    assert!(clients.iter().all(|seen| seen.newest > 180));
    back
}

async fn list_as(gateway: &Gateway, name: &str) -> String {
    let answer = Player::get_as(gateway.stream, CHANNEL, name).await;
    assert_eq!(answer.status(), 200);
    answer.text().to_owned()
}

#[tokio::test]
async fn two_hundred_reloads_never_go_back() {
    assert_eq!(reloads(false).await, 0);
}

#[tokio::test]
async fn two_hundred_reloads_from_caches_that_lag_never_number_back() {
    reloads(true).await;
}

#[tokio::test]
async fn two_hundred_reloads_from_caches_that_lag_are_never_older_than_before() {
    assert_eq!(reloads(true).await, 0, "older than what the client has seen");
}
