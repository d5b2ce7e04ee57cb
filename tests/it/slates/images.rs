//! Images and texts that FFmpeg renders once, and what is seen where it cannot.

use super::*;
use crate::support::origin::Origin;
use crate::support::origin::Script;

/// Makes an image with FFmpeg.
async fn image(ffmpeg: &Path, file: &Path) {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=333x211"]);
    command.args(["-frames:v", "1"]).arg(file);
    run_clean(&mut command).await;
}

/// A gateway that keeps its clips in `folder`.
async fn gateway(folder: &Folder, channels: &str) -> Gateway {
    let state = folder.join("state");
    Gateway::start_keeping(&format!("state_dir: {}\n{SLATE}{channels}", state.display())).await
}

/// Clips in the folder of such a gateway.
fn clips(folder: &Folder) -> usize {
    let clips = std::fs::read_dir(folder.join("state/slates"));
    clips.map_or(0, |clips| {
        clips.filter(|clip| clip.as_ref().unwrap().path().extension().unwrap() == "ts").count()
    })
}

#[tokio::test]
async fn an_image_is_rendered_once_and_played_for_ever_over_the_end_of_its_clip() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    image(&ffmpeg, &folder.join("logo.png")).await;
    image(&ffmpeg, &folder.join("photo.jpg")).await;
    let gateway = gateway(
        &folder,
        &format!(
            "channels:\n  logo: {{sources: {{image: {0}/logo.png}}}}\n  \
             photo: {{sources: {{image: {0}/photo.jpg}}}}\n",
            folder.join("").display()
        ),
    )
    .await;
    for channel in ["logo", "photo"] {
        // Rendering may take longer than a player is kept waiting: then the built-in picture is shown.
        eventually_async("the clip is there", async || {
            let viewer = Recorder::tune(&gateway, channel).await;
            viewer.more(PACKET * 10).await;
            viewer.leave_at_once();
            (clips(&folder) >= if channel == "logo" { 1 } else { 2 }).then_some(())
        })
        .await;
        let viewer = Recorder::tune(&gateway, channel).await;
        let lasts = async || (viewer.seconds() > 9.0).then_some(());
        eventually_async("two turns and more", lasts).await;
        let bytes = viewer.leave();
        judge(&bytes, channel);
        let decoded = decode(&bytes).await.unwrap();
        assert_eq!(decoded.codecs, ["h264", "aac"], "{channel}");
        assert!(decoded.pictures > 200, "{decoded:?}");
        assert!(is_wide(&bytes).await, "not the built-in picture");
    }
    assert_eq!(clips(&folder), 2);
}

#[tokio::test]
async fn an_image_is_rendered_with_the_ffmpeg_that_is_configured() {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    image(&ffmpeg, &folder.join("logo.png")).await;
    let (own, asked) = (folder.join("own-ffmpeg"), folder.join("asked"));
    let script =
        format!("#!/bin/sh\n: > '{}'\nexec '{}' \"$@\"\n", asked.display(), ffmpeg.display());
    std::fs::write(&own, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&own, mode).unwrap();
    let channels = format!(
        "ffmpeg: {{program: {}}}\nchannels: {{logo: {{sources: {{image: {}}}}}}}\n",
        own.display(),
        folder.join("logo.png").display()
    );
    let gateway = gateway(&folder, &channels).await;
    let viewer = Recorder::tune(&gateway, "logo").await;
    eventually_async("the clip is there", async || (clips(&folder) == 1).then_some(())).await;
    viewer.leave_at_once();
    assert!(asked.exists(), "another FFmpeg was asked");
}

#[tokio::test]
async fn a_text_in_any_script_is_rendered_for_who_comes_next() {
    let Some([_ffmpeg]) = programs(["ffmpeg"]) else { return };
    let folder = Folder::new();
    let gateway = gateway(
        &folder,
        "channels: {text: {sources: {message: \"Störung: it's 5 o'clock %{pts} \\\\ [a];b,c\", \
         title: Grüße}}}\n",
    )
    .await;
    let viewer = Recorder::tune(&gateway, "text").await;
    viewer.more(20_000).await;
    judge(&viewer.leave(), "the built-in picture");
    eventually_async("the clip is there", async || (clips(&folder) == 1).then_some(())).await;
    eventually_async("it is played", async || {
        let viewer = Recorder::tune(&gateway, "text").await;
        viewer.more(30_000).await;
        let bytes = viewer.leave();
        judge(&bytes, "the clip");
        is_wide(&bytes).await.then_some(())
    })
    .await;
    let left = std::fs::read_dir(folder.join("state/slates")).unwrap().count();
    assert_eq!(left, 1, "nothing but the clip is left");
}

#[tokio::test]
async fn an_image_that_is_damaged_is_told_of_and_the_built_in_picture_is_shown() {
    let folder = Folder::new();
    std::fs::write(folder.join("bad.png"), b"\x89PNG\r\n\x1A\nno image").unwrap();
    let channels =
        format!("channels: {{bad: {{sources: {{image: {}/bad.png}}}}}}", folder.join("").display());
    let gateway = gateway(&folder, &channels).await;
    let viewer = Recorder::tune(&gateway, "bad").await;
    viewer.more(50_000).await;
    let bytes = viewer.leave();
    judge(&bytes, "in place of an image");
    if let Some(decoded) = decode(&bytes).await {
        assert_eq!(decoded.codecs, ["h264", "aac"]);
    }
    assert_eq!(clips(&folder), 0);
}

/// A stream whose slate has the same codecs, as decoders see it.
async fn keeps_its_codecs(channel: &str, encoders: (&str, &str), codecs: [&str; 2]) {
    let Some([ffmpeg]) = programs(["ffmpeg"]) else { return };
    let film = Film::encoded(&ffmpeg, encoders.0, encoders.1).await;
    let on = Switch::default();
    on.set(true);
    let switched = on.clone();
    let origin = Origin::start(move |_| {
        if switched.is_on() {
            Script::live(film.live(75)).stall()
        } else {
            Script::error("401 Unauthorized")
        }
    })
    .await;
    let folder = Folder::new();
    let sources = format!("sources: [\"{}\"]", origin.url("/"));
    let gateway =
        gateway(&folder, &format!("channels: {{{channel}: {{kind: live, {sources}}}}}")).await;
    // The first slate may come before its clip.
    let viewer = Recorder::tune(&gateway, channel).await;
    viewer.more(20_000).await;
    on.set(false);
    shows_slate(&gateway, channel).await;
    eventually_async("the clips are there", async || (clips(&folder) == 2).then_some(())).await;
    viewer.leave_at_once();
    let gone = async || session(&gateway, channel).await.is_none().then_some(());
    eventually_async("nobody watches", gone).await;
    on.set(true);
    let viewer = Recorder::tune(&gateway, channel).await;
    viewer.more(20_000).await;
    on.set(false);
    shows_slate(&gateway, channel).await;
    viewer.more(100_000).await;
    on.set(true);
    shows_source(&gateway, channel, 0).await;
    viewer.more(50_000).await;
    let bytes = viewer.leave();
    judge(&bytes, channel);
    assert_eq!(decode(&bytes).await.unwrap().codecs, codecs, "{channel}");
}

#[tokio::test]
async fn a_slate_has_the_sound_of_a_stream_in_dolby() {
    keeps_its_codecs("dolby-clip", ("libx264", "ac3"), ["h264", "ac3"]).await;
}

#[tokio::test]
async fn a_slate_has_the_picture_of_a_stream_in_mpeg_2() {
    keeps_its_codecs("mpeg2-clip", ("mpeg2video", "mp2"), ["mpeg2video", "mp2"]).await;
}

/// Whether the picture is as wide as that of a clip is.
async fn is_wide(bytes: &[u8]) -> bool {
    let [ffprobe] = programs(["ffprobe"]).expect("with FFmpeg");
    let folder = Folder::new();
    std::fs::write(folder.join("a.ts"), bytes).unwrap();
    let mut probe = Command::new(ffprobe);
    probe.args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width"]);
    probe.args(["-of", "csv=p=0"]).arg(folder.join("a.ts"));
    run_clean(&mut probe).await.contains("1280")
}
