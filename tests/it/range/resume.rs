//! Files whose source breaks in the middle: the rest of the same file is fetched, from the same
//! source or from the next, and the client has the whole without noticing. A different file is never
//! spliced on: then the client's body ends short, and the client can tell.

use super::film_with;
use crate::support::content::Blob;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::content::Digest;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Answer;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::vod::Cut;
use crate::support::vod::Ranges;
use crate::support::vod::Vod;
use crate::support::vod::VodFile;

const LENGTH: u64 = 1_000_000;

/// Short timeouts, and no memory of what failed.
const FAST: &str = "failover: {rounds: 1, stall_timeout: 300ms, response_timeout: 300ms, \
                    slot_wait: 300ms, cooldown: 0s}";

fn file() -> VodFile {
    VodFile::new(Blob::new(7, LENGTH)).etag("\"seven\"")
}

async fn gateway(sources: &[String]) -> Gateway {
    film_with(sources, FAST).await
}

async fn fetch(gateway: &Gateway, range: &str) -> Answer {
    Player::fetch(gateway.stream, &presets::ranged("x", "/stream/film", range)).await
}

#[track_caller]
fn assert_whole(answer: &Answer, first: u64, last: u64) {
    assert!(answer.body.is_complete(), "{:?}", answer.body.ending);
    assert_eq!(answer.body.bytes.len() as u64, last - first + 1);
    Blob::new(7, LENGTH).assert_matches(first, &answer.body.bytes);
}

/// The client got the file's own bytes, and fewer than it was promised, and can tell.
#[track_caller]
fn assert_short(answer: &Answer, bytes: usize) {
    assert!(matches!(answer.body.ending, Ending::Cut(_)), "{:?}", answer.body.ending);
    assert_eq!(answer.body.bytes.len(), bytes);
    Blob::new(7, LENGTH).assert_matches(0, &answer.body.bytes);
}

fn asked(request: &Recorded) -> (Option<&str>, Option<&str>) {
    (request.header("range"), request.header("if-range"))
}

#[tokio::test]
async fn a_file_goes_on_from_the_same_source_however_it_broke() {
    let mut seen = 0;
    for cut in [Cut::Close, Cut::Reset, Cut::Stall] {
        let vod = Vod::start(file().cut_after(300_000, cut, 1)).await;
        let gateway = gateway(&[vod.url("/film.mp4")]).await;
        let answer = fetch(&gateway, "bytes=0-").await;
        assert_whole(&answer, 0, LENGTH - 1);
        let requests = vod.seen();
        assert_eq!(requests.len(), 2, "{cut:?}");
        assert_eq!(asked(&requests[0]), (Some("bytes=0-"), None));
        let (range, validator) = asked(&requests[1]);
        let from = range.unwrap().strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
        // What a reset destroys in the kernel is fetched again.
        assert!(from.parse::<u64>().unwrap() <= 300_000, "{cut:?}: {from}");
        assert_eq!(validator, Some("\"seven\""));
        assert_eq!(vod.open_max(), 1, "{cut:?}: the broken connection was closed first");
        let counted = gateway.metrics().await;
        let reason = if cut == Cut::Stall { "stalled" } else { "" };
        assert!(counted.contains("weir_failovers_total{channel=\"film\",reason=\""), "{counted}");
        assert!(counted.contains(reason), "{counted}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_file_that_was_asked_for_without_a_range_goes_on_too() {
    let vod = Vod::start(file().cut_after(123_457, Cut::Close, 1)).await;
    let gateway = gateway(&[vod.url("/film.mp4")]).await;
    let answer = Player::get(gateway.stream, "/stream/film").await;
    assert_eq!(answer.status(), 200);
    assert_whole(&answer, 0, LENGTH - 1);
    assert_eq!(asked(&vod.seen()[1]), (Some("bytes=123457-"), Some("\"seven\"")));
}

#[tokio::test]
async fn a_part_goes_on_within_its_own_bounds() {
    let vod = Vod::start(file().cut_after(1000, Cut::Close, 3)).await;
    let gateway = gateway(&[vod.url("/film.mp4")]).await;
    let answer = fetch(&gateway, "bytes=5000-9999").await;
    assert_whole(&answer, 5000, 9999);
    let ranges: Vec<_> =
        vod.seen().iter().map(|request| asked(request).0.unwrap().to_owned()).collect();
    assert_eq!(
        ranges,
        ["bytes=5000-9999", "bytes=6000-9999", "bytes=7000-9999", "bytes=8000-9999"]
    );
    let answer = fetch(&gateway, "bytes=-100").await;
    assert_whole(&answer, LENGTH - 100, LENGTH - 1);
}

#[tokio::test]
async fn a_source_that_cuts_again_and_again_still_gives_the_whole() {
    let vod = Vod::start(file().cut_after(20_000, Cut::Close, usize::MAX)).await;
    let gateway = gateway(&[vod.url("/film.mp4")]).await;
    assert_whole(&fetch(&gateway, "bytes=0-").await, 0, LENGTH - 1);
    assert_eq!(vod.total(), 50);
}

#[tokio::test]
async fn the_next_source_has_the_rest_where_the_first_has_gone() {
    let first = Origin::start(|request| match request.attempt {
        1 => file().cut_after(400_000, Cut::Stall, 1).answer(request),
        _ => Script::error("404 Not Found"),
    })
    .await;
    let second = Vod::start(file()).await;
    let gateway = gateway(&[first.url("/film.mp4"), second.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get("x", "/stream/film")).await;
    assert_eq!(player.head().await.status, 200);
    let start = player.read_exact_body(400_000).await;
    Blob::new(7, LENGTH).assert_matches(0, &start);
    let rest = player.read_to_end().await;
    assert!(rest.is_complete(), "{:?}", rest.ending);
    Blob::new(7, LENGTH).assert_matches(400_000, &rest.bytes);
    assert_eq!(asked(&second.seen()[0]), (Some("bytes=400000-"), Some("\"seven\"")));
    assert_eq!(second.total(), 1);
}

#[tokio::test]
async fn a_different_file_is_never_spliced_on() {
    let other = || VodFile::new(Blob::new(8, LENGTH));
    let cases = [
        ("another length", VodFile::new(Blob::new(7, LENGTH + 1)).etag("\"seven\"")),
        ("another version", other().etag("\"eight\"")),
        ("another date", other().no_etag().last_modified("Mon, 02 Jun 2025 00:00:00 GMT")),
        ("no ranges", other().etag("\"seven\"").ranges(Ranges::Ignored)),
    ];
    let mut seen = 0;
    for (what, backup) in cases {
        // The first source has the file once.
        let first = Origin::start(move |request| match request.attempt {
            1 => file().cut_after(250_000, Cut::Close, 1).answer(request),
            _ => Script::error("404 Not Found"),
        })
        .await;
        let second = Vod::start(backup).await;
        let gateway = gateway(&[first.url("/film.mp4"), second.url("/film.mp4")]).await;
        let answer = Player::get(gateway.stream, "/stream/film").await;
        assert_short(&answer, 250_000);
        assert_eq!((first.total(), second.total()), (2, 1), "{what}");
        let refused =
            "weir_upstream_attempts_total{channel=\"film\",source=\"1\",outcome=\"other_file\"}";
        assert_eq!(gateway.metric(refused).await, 1.0, "{what}");
        assert!(gateway.metrics().await.contains("end=\"source_failed\"} 1"), "{what}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn a_file_that_changes_under_way_is_not_gone_on_with() {
    let vod = Vod::start(file().cut_after(250_000, Cut::Stall, 1)).await;
    let gateway = gateway(&[vod.url("/film.mp4")]).await;
    let mut player = Player::connect(gateway.stream).await;
    player.send(presets::get("x", "/stream/film")).await;
    assert_eq!(player.head().await.status, 200);
    player.read_exact_body(250_000).await;
    vod.replace(VodFile::new(Blob::new(8, LENGTH)).etag("\"eight\""));
    let rest = player.read_to_end().await;
    assert!(matches!(rest.ending, Ending::Cut(_)), "{:?}", rest.ending);
    assert_eq!(rest.bytes.len(), 0);
}

#[tokio::test]
async fn several_parts_in_one_answer_and_a_length_that_is_not_known_end_short() {
    let vod = Vod::start(file().cut_after(5000, Cut::Close, usize::MAX)).await;
    let gateway = gateway(&[vod.url("/film.mp4")]).await;
    let answer = fetch(&gateway, "bytes=0-9999,20000-29999").await;
    assert_eq!(answer.status(), 206);
    assert!(matches!(answer.body.ending, Ending::Cut(_)), "{:?}", answer.body.ending);
    assert_eq!(vod.total(), 1);
}

#[tokio::test]
async fn the_budget_holds_while_files_break() {
    let vod = Vod::start(file().cut_after(100_000, Cut::Reset, usize::MAX)).await;
    let yaml = format!(
        "{}\n{FAST}\nproviders: {{acme: {{max_connections: 1}}}}\n\
         channels: {{film: {{kind: vod, sources: [{{provider: acme, url: \"{}\"}}]}}}}",
        super::LIMITS,
        vod.url("/film.mp4")
    );
    let gateway = Gateway::start(&yaml).await;
    for first in [0, 123_456, 900_001] {
        let answer = fetch(&gateway, &format!("bytes={first}-")).await;
        assert_whole(&answer, first, LENGTH - 1);
    }
    assert_eq!(vod.open_max(), 1);
}

#[tokio::test]
async fn random_parts_of_a_source_that_breaks_at_random_are_the_files_bytes() {
    const SEED: u64 = 11;
    let origin = Origin::start(|request| {
        let mut dice = Dice::new(SEED ^ request.attempt as u64);
        let cut = if dice.roll(2) == 0 { Cut::Close } else { Cut::Reset };
        file().cut_after(1 + dice.roll(60_000) as u64, cut, usize::MAX).answer(request)
    })
    .await;
    let gateway = gateway(&[origin.url("/film.mp4")]).await;
    let mut dice = Dice::new(SEED);
    for round in 0..60 {
        let first = dice.roll(LENGTH as usize - 1) as u64;
        let last = (first + dice.roll(200_000) as u64).min(LENGTH - 1);
        let answer = fetch(&gateway, &format!("bytes={first}-{last}")).await;
        assert_eq!(answer.status(), 206, "seed {SEED}, round {round}");
        let digest = Digest::of_content(&Blob::new(7, LENGTH), first, last - first + 1);
        assert_eq!(
            Digest::of(&answer.body.bytes),
            digest,
            "seed {SEED}, round {round}: {first}-{last}"
        );
        assert!(answer.body.is_complete(), "seed {SEED}, round {round}");
    }
    assert!(origin.total() > 120);
}
