//! Many answers on one connection: each whole, in its order, and no head before the last byte of the
//! body in front of it.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use super::Case;
use super::Framing;
use super::Stand;
use super::in_each_way;
use super::stand::Doors;
use super::stand::gated;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::eventually::Gate;
use crate::support::origin::Feed;
use crate::support::origin::Recorded;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;

in_each_way!(
    answers_follow_each_other_on_one_connection,
    pipelined_requests_are_answered_one_after_the_other,
    a_refused_request_behind_a_running_body_waits_its_turn,
);

/// An answer to a range, in the framing of the case.
fn ranged(case: Case, request: &Recorded) -> Script {
    const TOTAL: u64 = 8 << 20;
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
    let (first, last) = range.and_then(|range| range.split_once('-')).expect("a range");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let length = last - first + 1;
    let framing = if case.is_chunked() {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {length}")
    };
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\n{framing}\r\n\
         Content-Range: bytes {first}-{last}/{TOTAL}\r\n\r\n"
    );
    let content = case.content();
    case.end(case.answer(head).feed(Feed::of(content).from(first).bytes(length)))
}

/// A request for a stretch of a film, and where it lies. Most are longer than what is read ahead.
fn stretch(stand: &Stand, dice: &mut Dice) -> (String, u64, usize) {
    let first = dice.roll(4 << 20) as u64;
    let length = match dice.roll(6) {
        1 => dice.roll(3000),
        2 => 65_536,
        _ => 100_000 + dice.roll(900_000),
    };
    let range = format!("bytes={first}-{}", first + length as u64 - 1);
    (presets::ranged("x", &stand.target(), &range), first, length)
}

#[tokio::test]
async fn ranged_answers_follow_each_other_through_every_door() {
    let mut seen = 0;
    for case in [Case::Film, Case::ChunkedFilm] {
        let doors = Doors::new();
        let stand = Stand::start_with(case, &doors.settings()).await;
        let bridge = doors.unix().await;
        stand.answers(move |request| ranged(case, request));
        let mut dice = Dice::new(31);
        let players = [
            Player::connect(stand.gateway.stream).await,
            doors.tls(&stand.gateway).await,
            Player::connect(bridge.address).await,
        ];
        for mut player in players {
            // One after the other, then as many at once.
            for count in [1, 1, 1, 1, 2, 5].into_iter().cycle().take(18) {
                let stretches: Vec<_> = (0..count).map(|_| stretch(&stand, &mut dice)).collect();
                let requests = stretches.iter().map(|(request, ..)| request.as_str());
                player.send(requests.collect::<String>()).await;
                for (_, first, length) in stretches {
                    assert_eq!(player.head().await.status, 206);
                    let body = player.read_to_end().await;
                    assert!(body.is_complete(), "{:?}", body.ending);
                    assert_eq!(body.bytes.len(), length);
                    case.content().assert_matches(first, &body.bytes);
                    seen += 1;
                }
            }
        }
        let begun = stand.begun();
        assert_eq!(begun.len(), 99);
        let meant = begun.iter().filter(|way| *way == case.way()).count();
        assert!(meant >= 50, "{case:?}: {begun:?}");
    }
    assert_eq!(seen, 198);
}

async fn answers_follow_each_other_on_one_connection(case: Case) {
    let stand = Stand::start(case).await;
    let mut player = Player::connect(stand.gateway.stream).await;
    let mut seen = 0;
    for (number, size) in
        [0, 300_000, 1, 65_536, 1 << 20, 7].into_iter().cycle().take(24).enumerate()
    {
        let framing = case.framings()[number % case.framings().len()];
        let gate = stand.plays_gated(framing, size);
        player.send(presets::get_keep_alive("x", &stand.target())).await;
        let head = player.head().await;
        assert_eq!((head.status, head.version.as_str()), (200, "HTTP/1.1"));
        player = stand.lead(player).await;
        if size > 0 {
            stand.assert_way().await;
        }
        gate.open();
        assert_body(case, &mut player, size).await;
        seen += 1;
    }
    assert_eq!(seen, 24);
    assert_eq!(stand.gateway.metric("weir_accepted_total{listener=\"stream\"}").await, 1.0);
}

async fn pipelined_requests_are_answered_one_after_the_other(case: Case) {
    let stand = Stand::start(case).await;
    let mut seen = 0;
    for count in [2, 5] {
        for narrow in [false, true] {
            let gate = plays_pipelined(&stand);
            let mut player = connect(&stand, narrow).await;
            // A HEAD between them, which for a film is the source's to answer, too.
            let get = presets::get_keep_alive("x", &stand.target());
            let head = presets::head("x", &stand.target());
            let before = stand.origin.seen().len();
            player.send([get.as_str()].repeat(count).join(&head)).await;
            for number in 0..count {
                if number > 0 {
                    assert_eq!(player.head().await.status, 200, "the HEAD between");
                    assert!(player.read_to_end().await.bytes.is_empty());
                }
                let answer = player.head().await;
                assert_eq!(answer.status, 200, "{number}: {}", answer.raw.escape_ascii());
                player = stand.lead(player).await;
                if number == 0 {
                    stand.assert_way().await;
                    gate.open();
                    if narrow {
                        stand.stalled().await;
                    }
                    assert_eq!(stand.origin.seen().len(), before + 1, "one at a time");
                }
                assert_body(case, &mut player, size_of(number)).await;
                seen += 1;
            }
            player.close();
            stand.nothing_left().await;
        }
    }
    assert_eq!(seen, 14);
    assert!(stand.begun().iter().all(|way| way == case.way()), "{:?}", stand.begun());
}

/// Bytes behind the lead of the pipelined answer `number`, counted from 0.
fn size_of(number: usize) -> u64 {
    3_000_000 - 500_000 * number as u64
}

/// The source plays an answer of another size each time, and the first of them waits for the gate.
fn plays_pipelined(stand: &Stand) -> Gate {
    let (gate, opened, case) = (Gate::new(), Gate::new(), stand.case);
    opened.open();
    let (first, count) = (gate.clone(), AtomicUsize::new(0));
    stand.answers(move |request| {
        if request.method() == "HEAD" {
            return Script::new().raw(case.head(Framing::Close, 0)).close();
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        let gate = if number == 0 { &first } else { &opened };
        gated(case, Framing::Close, size_of(number), gate)
    });
    gate
}

async fn connect(stand: &Stand, narrow: bool) -> Player {
    if narrow {
        return Player::connect_narrow(stand.gateway.stream, 32 * 1024).await;
    }
    Player::connect(stand.gateway.stream).await
}

/// Reads the rest of a body whose lead was read, and judges it.
async fn assert_body(case: Case, player: &mut Player, size: u64) {
    let body = player.read_to_end().await;
    assert!(body.is_complete(), "{case:?}, {size}: {:?}", body.ending);
    assert_eq!(body.bytes.len() as u64, size, "{case:?}");
    case.content().assert_matches(case.lead() as u64, &body.bytes);
}

async fn a_refused_request_behind_a_running_body_waits_its_turn(case: Case) {
    const SIZE: u64 = 1 << 20;
    let stand = Stand::start(case).await;
    let target = stand.target();
    let refused = [
        (format!("GET {target} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400),
        (format!("GET {target} HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n"), 400),
        (format!("GET {target} HTTP/1.1\nHost: a\n\n"), 400),
    ];
    let mut seen = 0;
    for (behind, status) in refused {
        for narrow in [false, true] {
            let gate = stand.plays_gated(Framing::Close, SIZE);
            let mut player = connect(&stand, narrow).await;
            player.send(presets::get_keep_alive("x", &target)).await;
            player.send(&behind).await;
            assert_eq!(player.head().await.status, 200);
            player = stand.lead(player).await;
            stand.assert_way().await;
            gate.open();
            assert_body(case, &mut player, SIZE).await;
            assert_eq!(player.head().await.status, status, "{behind}");
            player.read_to_end().await;
            player.left().await;
            stand.nothing_left().await;
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}
