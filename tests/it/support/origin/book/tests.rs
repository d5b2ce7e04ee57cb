use super::*;
use crate::support::origin::Feed;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::ts::PACKET;
use crate::support::ts::TsPattern;

fn pattern() -> TsPattern {
    TsPattern::new(0xbeef)
}

#[tokio::test]
async fn the_count_of_open_connections_is_exact() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).rate(1_000_000))).await;
    for _ in 0..300 {
        let (mut player, _) = Player::ask(origin.address(), &presets::get("x", "/")).await;
        player.read_exact_body(PACKET).await;
        player.close();
    }
    origin.closed(300).await;
    assert_eq!((origin.open_max(), origin.total()), (1, 300));
    let both = [Player::connect(origin.address()).await, Player::connect(origin.address()).await];
    origin.accepted(302).await;
    assert_eq!((origin.open(), origin.open_max()), (2, 2));
    drop(both);
    origin.idle().await;
}

/// The other side on a runtime and threads of its own, as a gateway in another process would be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_is_exact_whoever_runs_when() {
    let origin = Origin::start(|_| Script::live(Feed::of(pattern()).rate(1_000_000))).await;
    let address = origin.address();
    let zapping = std::thread::spawn(move || {
        let get = presets::get("x", "/");
        for round in 0..500_u64 {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, get.as_bytes()).unwrap();
            let mut bytes = [0; 300];
            if round % 3 > 0 {
                std::io::Read::read_exact(&mut stream, &mut bytes[..(round % 300) as usize])
                    .unwrap();
            }
        }
    });
    origin.closed(500).await;
    zapping.join().unwrap();
    assert_eq!((origin.open_max(), origin.total(), origin.open()), (1, 500, 0));
    origin.assert_one_request_each();
}

#[tokio::test]
async fn more_than_one_request_on_a_connection_is_found_out() {
    let origin = Origin::start(|_| Script::json("{}")).await;
    let mut player = Player::connect(origin.address()).await;
    player.send(presets::get_keep_alive("x", "/")).await;
    player.head().await;
    origin.assert_one_request_each();
    player.send("smuggled").await;
    let more = |origin: &Origin| origin.connections()[0].received.ends_with(b"led").then_some(());
    origin.wait_for("the smuggled bytes", more).await;
    let check = std::panic::AssertUnwindSafe(|| origin.assert_one_request_each());
    assert!(std::panic::catch_unwind(check).is_err());
}

#[tokio::test]
async fn a_request_knows_who_else_is_there() {
    let origin = Origin::start(|request| match request.open.len() {
        1 | 2 => Script::live(&pattern()),
        _ => Script::error("509 Bandwidth Limit Exceeded"),
    })
    .await;
    let ask = async || Player::ask(origin.address(), &presets::get("x", "/")).await;
    let (first, second) = (ask().await, ask().await);
    let (third, head) = ask().await;
    assert_eq!((first.1.status, second.1.status, head.status), (200, 200, 509));
    drop((first, third));
    assert_eq!(ask().await.1.status, 200);
}

#[tokio::test]
async fn a_fin_and_a_reset_are_told_apart() {
    let origin = Origin::start(|_| Script::silent()).await;
    let mut polite = Player::connect(origin.address()).await;
    polite.send(presets::get("x", "/")).await;
    origin.requests(1).await;
    polite.finish().await;
    let mut rude = Player::connect(origin.address()).await;
    rude.send(presets::get("x", "/")).await;
    origin.requests(2).await;
    rude.reset();
    let mut left = origin.closed(2).await;
    left.sort_by_key(|connection| connection.number);
    let how: Vec<_> = left.iter().filter_map(|connection| connection.left).collect();
    assert_eq!(how.iter().map(|(_, how)| *how).collect::<Vec<_>>(), [Parting::Fin, Parting::Rst]);
}
