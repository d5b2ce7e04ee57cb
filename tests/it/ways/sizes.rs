//! Bodies of every size around a boundary: of packets, of buffers, of pipes.

use super::Case;
use super::Framing;
use super::Stand;
use super::in_each_way;
use super::stand::Doors;
use super::stand::gated;
use super::stand::sessions;
use crate::command_line::process::Addresses;
use crate::command_line::process::Program;
use crate::command_line::process::get;
use crate::support::content::Content;
use crate::support::eventually::Gate;
use crate::support::origin::Origin;
use crate::support::player::Player;
use crate::support::player::presets;
use crate::support::tls::Authority;

/// What comes after the lead.
const SIZES: [u64; 22] = [
    0,
    1,
    187,
    188,
    189,
    1315,
    1316,
    1317,
    (16 << 10) - 1,
    16 << 10,
    (16 << 10) + 1,
    (32 << 10) - 1,
    32 << 10,
    (32 << 10) + 1,
    (64 << 10) - 1,
    64 << 10,
    (64 << 10) + 1,
    (256 << 10) - 1,
    256 << 10,
    (256 << 10) + 1,
    1 << 20,
    (1 << 20) + 1,
];

in_each_way!(every_size_arrives_byte_for_byte, every_size_arrives_through_every_door,);

/// Reads the rest of a body whose lead was read, and judges it.
async fn assert_rest(case: Case, player: &mut Player, size: u64, what: &str) {
    let body = player.read_to_end().await;
    assert!(body.is_complete(), "{what}: {:?}", body.ending);
    case.content().assert_matches(case.lead() as u64, &body.bytes);
    assert_eq!(body.bytes.len() as u64, size, "{what}");
    assert!(body.trailers.is_empty(), "{what}");
}

/// Whether the lead was all that there is, and known to be: then there is nothing to move.
fn is_over(case: Case, framing: Framing, size: u64) -> bool {
    !case.is_chunked() && framing == Framing::Length && size == 0
}

async fn every_size_arrives_byte_for_byte(case: Case) {
    let stand = Stand::start(case).await;
    let target = stand.target();
    let requests = [
        presets::get_keep_alive("x", &target),
        presets::get_1_0(&target),
        presets::get("x", &target),
    ];
    let mut seen = 0;
    for framing in case.framings() {
        for (size, request) in SIZES.into_iter().zip(requests.iter().cycle()) {
            let what = format!("{case:?}, {framing:?}, {size}");
            let gate = stand.plays_gated(*framing, size);
            let mut player = stand.begin(request).await;
            if !is_over(case, *framing, size) {
                stand.assert_way().await;
            }
            gate.open();
            assert_rest(case, &mut player, size, &what).await;
            player.close();
            stand.nothing_left().await;
            seen += 1;
        }
    }
    assert_eq!(seen, SIZES.len() * case.framings().len());
    let ends = if case.is_film() { "complete" } else { "source_ended" };
    assert_eq!(stand.ended(ends).await, seen as f64);
}

async fn every_size_arrives_through_every_door(case: Case) {
    let doors = Doors::new();
    let stand = Stand::start_with(case, &doors.settings()).await;
    let bridge = doors.unix().await;
    let request = presets::get_keep_alive("x", &stand.target());
    let mut seen = 0;
    for (door, name) in ["plain TCP", "TLS", "a Unix socket"].into_iter().enumerate() {
        for size in SIZES {
            let what = format!("{case:?}, {name}, {size}");
            let gate = stand.plays_gated(Framing::Close, size);
            let mut player = match door {
                0 => Player::connect(stand.gateway.stream).await,
                1 => doors.tls(&stand.gateway).await,
                _ => Player::connect(bridge.address).await,
            };
            player.send(&request).await;
            assert_eq!(player.head().await.status, 200, "{what}");
            let mut player = stand.lead(player).await;
            stand.assert_way().await;
            gate.open();
            assert_rest(case, &mut player, size, &what).await;
            player.close();
            stand.nothing_left().await;
            seen += 1;
        }
    }
    assert_eq!(seen, 66);
}

#[tokio::test]
async fn a_body_over_tls_is_framed_and_every_size_of_it_arrives() {
    let authority = Authority::new();
    let mut seen = 0;
    for case in [Case::Film, Case::Television, Case::ChunkedTelevision] {
        let (next, gates) = tokio::sync::watch::channel((Framing::Close, 0, Gate::new()));
        let origin = Origin::start_tls(authority.server(&["127.0.0.1"]), move |_| {
            let (framing, size, gate) = gates.borrow().clone();
            gated(case, framing, size, &gate)
        })
        .await;
        let entry = case.entry(&origin.url("/source"));
        let yaml = format!(
            "{}egress: {{private: [127.0.0.0/8]}}\nchannels: {{one: {entry}}}\n",
            super::stand::ROOM
        );
        let program = Program::serving(&yaml).file("authority.pem", authority.pem());
        let file = program.folder().join("authority.pem");
        let running = program.variable("SSL_CERT_FILE", file.to_str().unwrap()).start();
        let Addresses { stream, admin } = running.ready().await;
        for (size, framing) in
            SIZES.into_iter().zip([Framing::Length, Framing::Close].into_iter().cycle())
        {
            let what = format!("{case:?}, {framing:?}, {size}");
            let gate = Gate::new();
            next.send_replace((framing, size, gate.clone()));
            let (mut player, head) =
                Player::ask(stream, &presets::get_keep_alive("x", "/stream/one")).await;
            assert_eq!(head.status, 200, "{what}");
            let lead = player.read_exact_body(case.lead()).await;
            case.content().assert_matches(0, &lead);
            if !is_over(case, framing, size) {
                let running = sessions(get(admin, "/api/v1/sessions").await.text());
                assert_eq!(running.len(), 1, "{what}");
                assert_eq!(running[0]["way"], "framed", "{what}");
            }
            gate.open();
            assert_rest(case, &mut player, size, &what).await;
            player.close();
            origin.idle().await;
            seen += 1;
        }
        assert_eq!(running.stopped().await.code, Some(0));
    }
    assert_eq!(seen, 3 * SIZES.len());
}
