//! Where links still lead: after a restart, at another weir with the same key, and never with another.

use super::CHANNEL;
use super::LIMITS;
use super::links;
use super::playlist;
use super::served;
use crate::command_line::process::Folder;
use crate::support::gateway::Gateway;
use crate::support::gateway::logs;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;

async fn source() -> Origin {
    Origin::start(|request| match request.path() {
        "/live.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n"),
        _ => served(request),
    })
    .await
}

fn channel(origin: &Origin, more: &str) -> String {
    let url = origin.url("/live.m3u8");
    format!("{LIMITS}\n{more}\nchannels: {{one: {{sources: [{url:?}], kind: hls}}}}")
}

async fn link(gateway: &Gateway) -> String {
    links(CHANNEL, &playlist(gateway, CHANNEL).await).pop().unwrap()
}

async fn status(gateway: &Gateway, path: &str) -> u16 {
    Player::get(gateway.stream, path).await.status()
}

#[tokio::test]
async fn a_segment_has_the_same_link_at_every_reload() {
    let origin = source().await;
    let gateway = Gateway::start(&channel(&origin, "")).await;
    assert_eq!(link(&gateway).await, link(&gateway).await);
}

#[tokio::test]
async fn a_link_outlives_a_restart_and_its_key_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let origin = source().await;
    let folder = Folder::new();
    let state = folder.path().join("deep/state");
    let text = channel(&origin, &format!("state_dir: {state:?}"));
    let gateway = Gateway::start_keeping(&text).await;
    let made = link(&gateway).await;
    gateway.stop().await;
    let gateway = Gateway::start_keeping(&text).await;
    assert_eq!(status(&gateway, &made).await, 200);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join("seal.keys"))), (0o700, 0o600));
    gateway.stop().await;
    std::fs::remove_file(state.join("seal.keys")).unwrap();
    let gateway = Gateway::start_keeping(&text).await;
    assert_eq!(status(&gateway, &made).await, 403, "another key");
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_made_costs_the_keys_and_nothing_else() {
    let origin = source().await;
    let folder = Folder::new();
    folder.write("file", "");
    let state = folder.path().join("file/state");
    let gateway = Gateway::start_keeping(&channel(&origin, &format!("state_dir: {state:?}"))).await;
    assert_eq!(status(&gateway, &link(&gateway).await).await, 200);
    let place = state.display().to_string();
    let warned = |line: &&str| line.contains("will not outlive this run") && line.contains(&place);
    assert_eq!(logs().lines().filter(warned).count(), 1);
}

#[tokio::test]
async fn weirs_with_one_key_take_each_others_links_and_an_old_key_still_opens() {
    let origin = source().await;
    let (old, new) = ("an-old-key-of-thirty-two-characters", "a-new-key-of-thirty-two-characters!");
    let start =
        async |keys: &str| Gateway::start(&channel(&origin, &format!("hls: {{{keys}}}"))).await;
    let first = start(&format!("seal_key: {old}")).await;
    let second = start(&format!("seal_key: {old}")).await;
    let third = start(&format!("seal_key: {new:?}, old_seal_key: {old}")).await;
    let other = start(&format!("seal_key: {new:?}")).await;
    let made = link(&first).await;
    assert_eq!(status(&second, &made).await, 200);
    assert_eq!(status(&third, &made).await, 200);
    assert_eq!(status(&other, &made).await, 403);
    let renewed = link(&third).await;
    assert_ne!(renewed, made);
    assert_eq!(status(&other, &renewed).await, 200);
    assert_eq!(status(&first, &renewed).await, 403);
}
