//! Clients that read slowly, fast, or not at all for a while: all of them get every byte.

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Case;
use super::Framing;
use super::Stand;
use super::ends::MUCH;
use super::in_each_way;
use super::stand::Doors;
use crate::support::content::Content;
use crate::support::content::Dice;
use crate::support::player::Ending;
use crate::support::player::Player;
use crate::support::player::presets;

in_each_way!(
    a_slow_reader_gets_every_byte,
    a_reader_that_stops_and_goes_on_gets_every_byte,
    a_reader_that_stops_at_another_door_gets_every_byte,
);

/// Reads a body of `size` bytes behind the lead to its end, and calls `pause` between reads.
async fn read(stand: &Stand, player: &mut Player, size: u64, mut pause: impl AsyncFnMut(u64)) {
    let (content, lead) = (stand.case.content(), stand.case.lead() as u64);
    let mut at = lead;
    let ending = loop {
        match player.chunk().await {
            Ok(bytes) => {
                content.assert_matches(at, &bytes);
                at += bytes.len() as u64;
            }
            Err(ending) => break ending,
        }
        pause(at).await;
    };
    assert_eq!(ending, Ending::Complete, "{:?}", stand.case);
    assert_eq!(at, lead + size, "{:?}", stand.case);
}

async fn a_slow_reader_gets_every_byte(case: Case) {
    const SIZE: u64 = (2 << 20) + 1;
    let stand = Stand::start(case).await;
    let mut seen = 0;
    for (framing, request) in case.framings().iter().zip([
        presets::get_keep_alive("x", &stand.target()),
        presets::get_1_0(&stand.target()),
        presets::get("x", &stand.target()),
    ]) {
        let gate = stand.plays_gated(*framing, SIZE);
        // As little as the kernel lets it have.
        let mut player = Player::connect_narrow(stand.gateway.stream, 4096).await;
        player.send(request).await;
        assert_eq!(player.head().await.status, 200);
        let mut player = stand.lead(player).await;
        stand.assert_way().await;
        gate.open();
        let mut reads = 0;
        read(&stand, &mut player, SIZE, async |_| {
            reads += 1;
            if reads % 8 == 0 {
                // As long as something else takes.
                stand.gateway.admin_get("/health").await;
            }
        })
        .await;
        assert!(reads > 100, "{reads} reads are no small pieces");
        player.close();
        stand.nothing_left().await;
        seen += 1;
    }
    assert_eq!(seen, case.framings().len());
}

/// Stops a few times, until every buffer on the way is full.
async fn stop_and_go(stand: &Stand, mut player: Player) {
    const STOPS: [u64; 3] = [0, 1, MUCH / 2];
    let mut stops = STOPS.into_iter().peekable();
    let written = stand.stalled().await;
    assert!(written < MUCH, "{:?}: the source never stands", stand.case);
    read(stand, &mut player, MUCH, async |at| {
        while stops.next_if(|stop| at >= stop + stand.case.lead() as u64).is_some() {
            stand.stalled().await;
            stand.assert_way().await;
        }
    })
    .await;
    assert_eq!(stops.next(), None, "{:?}", stand.case);
    player.close();
    stand.nothing_left().await;
}

async fn a_reader_that_stops_and_goes_on_gets_every_byte(case: Case) {
    let stand = Stand::start(case).await;
    for framing in case.framings() {
        let gate = stand.plays_gated(*framing, MUCH);
        let player = stand.tune().await;
        stand.assert_way().await;
        gate.open();
        stop_and_go(&stand, player).await;
    }
    let begun = stand.begun();
    assert_eq!(begun, vec![case.way(); case.framings().len()]);
}

async fn a_reader_that_stops_at_another_door_gets_every_byte(case: Case) {
    let doors = Doors::new();
    let stand = Stand::start_with(case, &doors.settings()).await;
    let bridge = doors.unix().await;
    for door in ["TLS", "unix"] {
        let gate = stand.plays_gated(Framing::Close, MUCH);
        let mut player = match door {
            "TLS" => doors.tls(&stand.gateway).await,
            _ => Player::connect(bridge.address).await,
        };
        player.send(presets::get_keep_alive("x", &stand.target())).await;
        assert_eq!(player.head().await.status, 200, "{door}");
        let player = stand.lead(player).await;
        stand.assert_way().await;
        gate.open();
        stop_and_go(&stand, player).await;
    }
    assert_eq!(stand.begun(), [case.way(), case.way()]);
}

/// Pipes and buffers pass from one client to the next: what one of them did not take is nobody's.
async fn viewers_who_zap_do_not_disturb_who_watches(case: Case) {
    const ZAPS: usize = 50;
    let stand = Stand::start(case).await;
    stand.plays_gated(Framing::Close, 1 << 40).open();
    let (address, target) = (stand.gateway.stream, stand.target());
    let request = presets::get_keep_alive("x", &target);
    let ended = CancellationToken::new();
    let mut watching = JoinSet::new();
    for _ in 0..2 {
        let (request, ended) = (request.clone(), ended.clone());
        watching.spawn(async move {
            let (mut player, _) = Player::ask(address, &request).await;
            let (content, mut at) = (case.content(), 0);
            while !ended.is_cancelled() {
                let bytes = player.chunk().await.unwrap();
                content.assert_matches(at, &bytes);
                at += bytes.len() as u64;
            }
            at
        });
    }
    let mut zapping = JoinSet::new();
    for viewer in 0..4 {
        let request = request.clone();
        zapping.spawn(async move {
            let mut dice = Dice::new(viewer);
            for _ in 0..ZAPS {
                let (mut player, head) = Player::ask(address, &request).await;
                assert_eq!(head.status, 200);
                let bytes = player.read_exact_body(dice.roll(400_000)).await;
                case.content().assert_matches(0, &bytes);
                if dice.roll(2) == 1 { player.reset() } else { player.close() }
            }
            ZAPS
        });
    }
    let zaps: usize = zapping.join_all().await.iter().sum();
    assert_eq!(zaps, 4 * ZAPS);
    ended.cancel();
    let watched = watching.join_all().await;
    assert!(watched.iter().all(|bytes| *bytes > 1 << 20), "{watched:?}");
    stand.nothing_left().await;
    let begun = stand.begun();
    assert_eq!(begun, vec![case.way(); zaps + 2]);
}

/// The runtime has threads of its own here, so that a client may leave at any moment.
macro_rules! on_threads {
    ($($name:ident: $case:expr),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
        async fn $name() {
            viewers_who_zap_do_not_disturb_who_watches($case).await;
        }
    )+};
}
on_threads!(
    viewers_who_zap_do_not_disturb_spliced_films: Case::Film,
    viewers_who_zap_do_not_disturb_spliced_television: Case::RawTelevision,
    viewers_who_zap_do_not_disturb_watched_television: Case::Television,
    viewers_who_zap_do_not_disturb_framed_television: Case::ChunkedTelevision,
);
