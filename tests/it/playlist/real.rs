//! HLS as FFmpeg makes it and nginx serves it, played by FFmpeg through the gateway: what it decodes
//! is what it decodes from nginx itself, picture by picture, without a word of complaint.

use std::path::Path;

use tokio::process::Command;

use super::LIMITS;
use super::get;
use super::links;
use super::playlist;
use crate::programs::Folder;
use crate::programs::Server;
use crate::programs::nginx;
use crate::programs::run;
use crate::programs::run_clean;
use crate::programs::text;
use crate::support::eventually::eventually;
use crate::support::gateway::Gateway;
use crate::support::player::Player;
use crate::support::programs::programs;
use crate::support::programs::skipped;
use crate::support::tls::Authority;

/// Recordings, each in a folder of its own.
const KINDS: [&str; 8] =
    ["ts", "fmp4", "aes", "aes-implicit", "aes-iv", "single", "single-fmp4", "master"];

const KEY: &str = "0123456789abcdef";

/// A picture and a tone of eight seconds, a key picture each second.
const RECORDING: &str = "-f lavfi -i testsrc2=size=192x108:rate=25 \
    -f lavfi -i sine=frequency=440:sample_rate=48000 -t 8 -c:v libx264 -preset ultrafast -bf 0 \
    -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -c:a aac -b:a 64k -f mpegts";

const HLS: &str = "-f hls -hls_time 2 -hls_playlist_type vod";

/// nginx with recordings, and a gateway before it with a channel for each.
struct Stage {
    gateway: Gateway,
    port: u16,
    _nginx: Server,
    folder: Folder,
}

impl Stage {
    /// `None` where a program is missing.
    async fn set(ffmpeg: &Path, nginx: &Path) -> Option<Self> {
        let folder = Folder::new();
        if !record(ffmpeg, &folder).await {
            return None;
        }
        let place = folder.join("");
        let (server, [port, _]) =
            nginx::serve(nginx, &folder, |[port, _]| files(&place, port)).await;
        let channels: String = KINDS
            .iter()
            .map(|kind| {
                let list = list_of(kind);
                format!("  {kind}: {{kind: hls, sources: [\"http://127.0.0.1:{port}/{list}\"]}}\n")
            })
            .collect();
        let gateway = Gateway::start(&format!("{LIMITS}\nchannels:\n{channels}")).await;
        Some(Self { gateway, port, _nginx: server, folder })
    }

    fn direct(&self, kind: &str) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, list_of(kind))
    }

    fn through(&self, kind: &str) -> String {
        format!("http://{}/hls/{kind}/playlist.m3u8", self.gateway.stream)
    }
}

fn list_of(kind: &str) -> String {
    let name = if kind == "master" { "master" } else { "list" };
    format!("{kind}/{name}.m3u8")
}

/// A server of the files in `place`.
fn files(place: &Path, port: u16) -> String {
    let place = place.display();
    format!(
        "types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; }}\n\
         server {{ listen 127.0.0.1:{port}; root {place}; add_header X-Port {port} always; \
         location /gzip/ {{ add_header Content-Encoding gzip always; }} }}"
    )
}

/// Runs FFmpeg in the folder with arguments that have no blanks in them.
async fn make(ffmpeg: &Path, folder: &Folder, arguments: &str) {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.split_whitespace());
    run_clean(command.current_dir(folder.join(""))).await;
}

/// Makes the recordings; `false` where this FFmpeg cannot.
async fn record(ffmpeg: &Path, folder: &Folder) -> bool {
    let encoders = run_clean(Command::new(ffmpeg).args(["-v", "error", "-encoders"])).await;
    if !encoders.contains(" libx264 ") {
        skipped("FFmpeg has no libx264");
        return false;
    }
    KINDS.iter().for_each(|kind| std::fs::create_dir(folder.join(kind)).unwrap());
    for (kind, iv) in
        [("aes", ""), ("aes-implicit", ""), ("aes-iv", "00112233445566778899aabbccddeeff")]
    {
        std::fs::write(folder.join(format!("{kind}/k.key")), KEY).unwrap();
        let place = folder.join(format!("{kind}/k.key"));
        let info = format!("k.key\n{}\n{iv}\n", place.display());
        std::fs::write(folder.join(format!("{kind}/info")), info).unwrap();
    }
    make(ffmpeg, folder, &format!("{RECORDING} all.ts")).await;
    let fmp4 = "-bsf:a aac_adtstoasc -hls_segment_type fmp4";
    let runs = [
        format!("-i all.ts -c copy {HLS} ts/list.m3u8"),
        format!("-i all.ts -c copy {HLS} {fmp4} -hls_fmp4_init_filename init.mp4 fmp4/list.m3u8"),
        format!(
            "-i all.ts -c copy {HLS} -hls_key_info_file aes/info -start_number 41 aes/list.m3u8"
        ),
        format!(
            "-i all.ts -c copy {HLS} -hls_key_info_file aes-implicit/info -start_number 41 \
             -hls_flags periodic_rekey aes-implicit/list.m3u8"
        ),
        format!("-i all.ts -c copy {HLS} -hls_key_info_file aes-iv/info aes-iv/list.m3u8"),
        format!("-i all.ts -c copy {HLS} -hls_flags single_file single/list.m3u8"),
        format!("-i all.ts -c copy {HLS} {fmp4} -hls_flags single_file single-fmp4/list.m3u8"),
        format!(
            "-i all.ts -i all.ts -map 0:v -map 1:v -map 0:a -c:v libx264 -preset ultrafast \
             -b:v:0 400k -b:v:1 100k -s:v:1 96x54 -g 50 -c:a copy {HLS} \
             -var_stream_map v:0,agroup:a,name:high|v:1,agroup:a,name:low|a:0,agroup:a,default:yes,name:sound \
             -master_pl_name master.m3u8 master/%v.m3u8"
        ),
    ];
    for run in runs {
        let mut command = Command::new(ffmpeg);
        let arguments = run.split_whitespace().map(|argument| argument.replace('|', " "));
        command.args(["-v", "error", "-nostdin", "-y"]).args(arguments);
        run_clean(command.current_dir(folder.join(""))).await;
    }
    // FFmpeg writes the IV that each segment has without one: its media sequence number.
    let list = folder.read("aes-implicit/list.m3u8");
    let mut lines: Vec<&str> = list.lines().collect();
    lines.iter_mut().for_each(|line| *line = line.split_once(",IV=").map_or(*line, |(key, _)| key));
    assert!(list.matches(",IV=0x").count() > 2, "{list}");
    std::fs::write(folder.join("aes-implicit/list.m3u8"), lines.join("\n") + "\n").unwrap();
    true
}

/// Hashes of every picture and every sound that FFmpeg decodes of all streams.
async fn frames(ffmpeg: &Path, url: &str) -> String {
    let mut command = Command::new(ffmpeg);
    command.args(["-v", "error", "-nostdin", "-xerror", "-i", url, "-map", "0"]);
    run_clean(command.args(["-f", "framemd5", "-"])).await
}

/// The streams, and how many packets each has.
async fn packets(ffprobe: &Path, url: &str) -> String {
    let mut command = Command::new(ffprobe);
    command.args(["-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries"]);
    run_clean(command.args(["stream=codec_type,codec_name,nb_read_packets", url])).await
}

#[tokio::test]
async fn ffmpeg_decodes_of_every_kind_what_it_decodes_of_nginx_itself() {
    let Some([ffmpeg, ffprobe, nginx]) = programs(["ffmpeg", "ffprobe", "nginx"]) else { return };
    let Some(stage) = Stage::set(&ffmpeg, &nginx).await else { return };
    let mut seen = 0;
    for kind in KINDS {
        let direct = frames(&ffmpeg, &stage.direct(kind)).await;
        assert!(direct.lines().count() > 500, "{kind}: {direct}");
        assert_eq!(frames(&ffmpeg, &stage.through(kind)).await, direct, "{kind}");
        let direct = packets(&ffprobe, &stage.direct(kind)).await;
        assert!(
            direct.contains("h264,video,200") && direct.contains("aac,audio"),
            "{kind}: {direct}"
        );
        assert_eq!(packets(&ffprobe, &stage.through(kind)).await, direct, "{kind}");
        seen += 1;
    }
    assert_eq!(seen, KINDS.len());
}

#[tokio::test]
async fn ffmpeg_decodes_of_one_stream_what_it_decodes_of_the_segments() {
    let Some([ffmpeg, nginx]) = programs(["ffmpeg", "nginx"]) else { return };
    let Some(stage) = Stage::set(&ffmpeg, &nginx).await else { return };
    let mut seen = 0;
    for kind in KINDS.into_iter().filter(|kind| !kind.contains("mp4") && *kind != "master") {
        let whole = stage.folder.join("all.ts");
        let whole = frames(&ffmpeg, whole.to_str().unwrap()).await;
        assert!(whole.lines().count() > 500, "{kind}: {whole}");
        let url = format!("http://{}/stream/{kind}?format=ts", stage.gateway.stream);
        assert_eq!(frames(&ffmpeg, &url).await, whole, "{kind}");
        seen += 1;
    }
    assert_eq!(seen, 5);
    for (kind, words) in [("fmp4", "fragmented MP4"), ("master", "sound")] {
        let path = format!("/stream/{kind}?format=ts");
        let answer = Player::get(stage.gateway.stream, &path).await;
        assert_eq!(answer.status(), 406, "{kind}");
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_matters_to_decryption_and_ranges_stands_as_it_was() {
    let Some([ffmpeg, nginx]) = programs(["ffmpeg", "nginx"]) else { return };
    let Some(stage) = Stage::set(&ffmpeg, &nginx).await else { return };
    for kind in KINDS.into_iter().filter(|kind| *kind != "master") {
        let path = format!("/hls/{kind}/playlist.m3u8");
        let got = playlist(&stage.gateway, &path).await;
        let original = stage.folder.read(&list_of(kind));
        let kept = |text: &str| {
            let uris = super::uris(text);
            uris.iter().fold(text.to_owned(), |text, uri| text.replacen(uri.as_str(), "<>", 1))
        };
        assert_eq!(kept(&got), kept(&original), "{kind}");
        let key = links(&path, &got).into_iter().find(|link| link.ends_with(".key"));
        assert_eq!(key.is_some(), kind.starts_with("aes"), "{kind}");
        if let Some(key) = key {
            assert_eq!(get(&stage.gateway, &key).await.text(), KEY);
        }
    }
}

#[tokio::test]
async fn ffmpeg_plays_through_a_proxy_with_tls_and_a_prefix() {
    let Some([ffmpeg, ffprobe, nginx]) = programs(["ffmpeg", "ffprobe", "nginx"]) else { return };
    let Some(stage) = Stage::set(&ffmpeg, &nginx).await else { return };
    let front = Folder::new();
    let (certificate, key) = Authority::new().pem_pair(&["localhost", "127.0.0.1"]);
    std::fs::write(front.join("certificate.pem"), certificate).unwrap();
    std::fs::write(front.join("key.pem"), key).unwrap();
    let (place, weir) = (front.join(""), stage.gateway.stream);
    let place = place.display();
    let (_front, [_, port]) = nginx::serve(&nginx, &front, |[port, secure]| {
        format!(
            "upstream weir {{ server {weir}; keepalive 4; }}\n\
             server {{ listen 127.0.0.1:{port}; add_header X-Port {port} always; }}\n\
             server {{ listen 127.0.0.1:{secure} ssl;\n ssl_certificate {place}/certificate.pem;\n \
             ssl_certificate_key {place}/key.pem;\n location /tv/ {{ proxy_pass http://weir/; }} }}"
        )
    })
    .await;
    let mut seen = 0;
    for kind in KINDS {
        let url = format!("https://127.0.0.1:{port}/tv/hls/{kind}/playlist.m3u8");
        let direct = frames(&ffmpeg, &stage.direct(kind)).await;
        assert_eq!(frames(&ffmpeg, &url).await, direct, "{kind}");
        seen += 1;
    }
    assert_eq!(seen, KINDS.len());
    let url = format!("https://127.0.0.1:{port}/tv/hls/master/playlist.m3u8");
    let direct = packets(&ffprobe, &stage.direct("master")).await;
    assert_eq!(packets(&ffprobe, &url).await, direct);
}

/// The hashes of the pictures of a list of frames that has them alone.
fn pictures(frames: &str) -> Vec<&str> {
    let lines = frames.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim()).collect()
}

#[tokio::test]
async fn ffmpeg_plays_a_live_stream_whose_segments_are_deleted_behind_it() {
    let Some([ffmpeg, nginx]) = programs(["ffmpeg", "nginx"]) else { return };
    let folder = Folder::new();
    make(&ffmpeg, &folder, &format!("{RECORDING} all.ts")).await;
    std::fs::create_dir(folder.join("live")).unwrap();
    let place = folder.join("");
    let (_nginx, [port, _]) = nginx::serve(&nginx, &folder, |[port, _]| files(&place, port)).await;
    let gateway = Gateway::start(&format!(
        "{LIMITS}\nchannels: {{one: {{sources: [\"http://127.0.0.1:{port}/live/list.m3u8\"], kind: hls}}}}"
    ))
    .await;
    let mut command = std::process::Command::new(&ffmpeg);
    command.args(["-v", "error", "-nostdin", "-re", "-i", "all.ts", "-c", "copy", "-f", "hls"]);
    command.args(["-hls_time", "1", "-hls_list_size", "3", "-hls_flags", "delete_segments"]);
    command.arg("live/list.m3u8").current_dir(folder.join("")).stderr(folder.file("err"));
    let mut live = Server::start(&mut command);
    eventually("two segments", || {
        let list = std::fs::read_to_string(folder.join("live/list.m3u8")).ok()?;
        (list.matches("#EXTINF").count() >= 2).then_some(())
    })
    .await;
    let url = format!("http://{}/hls/one/playlist.m3u8", gateway.stream);
    let decoded = async |url: &str| {
        let mut command = Command::new(&ffmpeg);
        command.args(["-v", "error", "-nostdin", "-i", url, "-map", "0:v", "-f", "framemd5", "-"]);
        run_clean(&mut command).await
    };
    let played = decoded(&url).await;
    assert!(live.ended().is_some_and(|status| status.success()), "{}", folder.read("err"));
    assert!(!folder.join("live/list0.ts").exists(), "it was deleted");
    let whole = decoded(folder.join("all.ts").to_str().unwrap()).await;
    let (played, whole) = (pictures(&played), pictures(&whole));
    assert!(played.len() >= 100, "{} pictures", played.len());
    assert!(whole.ends_with(&played), "{} pictures are not the last ones", played.len());
}

/// Compresses a file to the same name under another folder.
async fn compress(gzip: &Path, folder: &Folder, from: &str, to: &str) {
    let output = run(Command::new(gzip).arg("-c").arg(folder.join(from))).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::write(folder.join(to), output.stdout).unwrap();
}

#[tokio::test]
async fn a_compressed_playlist_is_decoded_and_a_bomb_is_not() {
    let Some([gzip, nginx]) = programs(["gzip", "nginx"]) else { return };
    let folder = Folder::new();
    std::fs::create_dir(folder.join("gzip")).unwrap();
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n";
    std::fs::write(folder.join("plain"), list).unwrap();
    let bomb = format!("{list}{}", "#\n".repeat(10 << 20));
    std::fs::write(folder.join("bomb"), bomb).unwrap();
    compress(&gzip, &folder, "plain", "gzip/list.m3u8").await;
    compress(&gzip, &folder, "bomb", "gzip/bomb.m3u8").await;
    let whole = std::fs::read(folder.join("gzip/list.m3u8")).unwrap();
    std::fs::write(folder.join("gzip/cut.m3u8"), &whole[..whole.len() - 12]).unwrap();
    std::fs::write(folder.join("gzip/false.m3u8"), list).unwrap();
    let place = folder.join("");
    let (_nginx, [port, _]) = nginx::serve(&nginx, &folder, |[port, _]| files(&place, port)).await;
    let channels: String = ["list", "bomb", "cut", "false"]
        .map(|name| {
            let url = format!("http://127.0.0.1:{port}/gzip/{name}.m3u8");
            format!("  {name}: {{kind: hls, sources: [{url:?}]}}\n")
        })
        .concat();
    let gateway = Gateway::start(&format!("{LIMITS}\nchannels:\n{channels}")).await;
    // The players ask for it or not: the source may compress all the same.
    for asking in ["", "Accept-Encoding: gzip\r\n", "Accept-Encoding: identity\r\n"] {
        let path = "/hls/list/playlist.m3u8";
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{asking}\r\n");
        let answer = Player::fetch(gateway.stream, &request).await;
        assert_eq!((answer.status(), answer.head.header("Content-Encoding")), (200, None));
        assert_eq!(answer.head.content_length(), Some(answer.body.bytes.len() as u64));
        assert_eq!(links(path, answer.text()).len(), 1, "{}", answer.text());
    }
    for name in ["bomb", "cut", "false"] {
        let answer = Player::get(gateway.stream, &format!("/hls/{name}/playlist.m3u8")).await;
        assert_eq!(answer.status(), 502, "{name}");
    }
}
