//! Live HLS as FFmpeg writes it into a folder, in real time, and nginx serves it.

use std::path::Path;
use std::process::Command;

use super::super::Folder;
use super::super::Server;
use super::super::nginx;
use crate::support::eventually::eventually;

/// What FFmpeg writes, each into a folder of its own name: segments of two seconds, of about 100 kbit/s. A
/// playlist has the last ten of them, and older ones are deleted.
const PLAYLISTS: [(&str, &str); 6] = [
    ("plain", "index.m3u8"),
    ("backup", "index.m3u8"),
    ("aes", "index.m3u8"),
    ("fmp4", "index.m3u8"),
    ("ranges", "index.m3u8"),
    ("master", "sound.m3u8"),
];

/// The sources, running.
pub(super) struct Stage {
    /// Base URL of all of them.
    pub(super) base: String,
    writers: Vec<Server>,
    _nginx: Server,
    folder: Folder,
    _own: Folder,
}

impl Stage {
    /// Starts them, and waits until each has enough to begin with.
    pub(super) async fn set(nginx: &Path, ffmpeg: &Path) -> Self {
        let folder = Folder::new();
        let mut writers = Vec::new();
        for (name, _) in PLAYLISTS {
            let place = folder.join(name);
            std::fs::create_dir(&place).unwrap();
            let mut command = Command::new(ffmpeg);
            command.current_dir(&place).stdout(folder.file(&format!("{name}.out")));
            command.stderr(folder.file(&format!("{name}.err")));
            write(&mut command, name, &place);
            writers.push(Server::start(&mut command));
        }
        let own = Folder::new();
        let (server, port) = serve(nginx, &own, &folder).await;
        let base = format!("http://127.0.0.1:{port}");
        let mut stage = Self { base, writers, _nginx: server, folder, _own: own };
        for (number, (name, playlist)) in PLAYLISTS.into_iter().enumerate() {
            let file = stage.folder.join(name).join(playlist);
            eventually(&format!("{name} has three segments"), || {
                let ended = stage.writers[number].ended();
                assert!(
                    ended.is_none(),
                    "{ended:?}: {}",
                    stage.folder.read(&format!("{name}.err"))
                );
                let text = std::fs::read_to_string(&file).ok()?;
                (text.matches("#EXTINF").count() >= 3).then_some(())
            })
            .await;
        }
        stage
    }

    /// A second nginx with the same files: its base URL, for as long as the server lives.
    pub(super) async fn replica(&self, nginx: &Path, own: &Folder) -> (Server, String) {
        let (server, port) = serve(nginx, own, &self.folder).await;
        (server, format!("http://127.0.0.1:{port}"))
    }
}

async fn serve(nginx: &Path, own: &Folder, files: &Folder) -> (Server, u16) {
    let place = files.join("");
    serve_as(nginx, own, &format!("root {};", place.display())).await
}

/// nginx with one server that does this; over TLS if it has a certificate.
pub(super) async fn serve_as(nginx: &Path, own: &Folder, does: &str) -> (Server, u16) {
    let types = "types { video/mp4 mp4 m4s; video/mp2t ts; application/vnd.apple.mpegurl m3u8; }";
    let tls = if does.contains("ssl_certificate") { " ssl" } else { "" };
    let (server, [port, _]) = nginx::serve(nginx, own, |[port, _]| {
        format!(
            "{types}\nserver {{ listen 127.0.0.1:{port}{tls}; add_header X-Port {port} always; {does} }}"
        )
    })
    .await;
    (server, port)
}

/// The command line of the source `name`.
fn write(command: &mut Command, name: &str, place: &Path) {
    // Another size, so that one can see who plays, and clocks that are hours apart.
    let (size, offset) = if name == "backup" { ("256x144", "7200") } else { ("320x180", "0") };
    let picture = format!("testsrc2=size={size}:rate=25");
    // The end is for when nobody is left to end it.
    command.args(["-v", "error", "-nostdin", "-t", "600", "-re", "-f", "lavfi", "-i", &picture]);
    command.args(["-t", "600", "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    if name == "master" {
        command.args(["-filter_complex", "[0:v]split[high][low];[low]scale=160:90[small]"]);
        command.args(["-map", "[high]", "-map", "[small]", "-map", "1:a"]);
        command.args(["-var_stream_map", "v:0,agroup:a,name:high v:1,agroup:a,name:low a:0,agroup:a,default:yes,language:en,name:sound"]);
        command.args(["-master_pl_name", "master.m3u8"]);
    }
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"]);
    command.args(["-b:v", "70k", "-maxrate", "70k", "-bufsize", "70k", "-pix_fmt", "yuv420p"]);
    command.args(["-g", "50", "-keyint_min", "50", "-sc_threshold", "0"]);
    command.args(["-c:a", "aac", "-b:a", "32k", "-output_ts_offset", offset]);
    // Ranges are of one file that grows, so that nothing can be deleted.
    let (list, flags) =
        if name == "ranges" { ("0", "single_file") } else { ("10", "delete_segments") };
    command.args(["-f", "hls", "-hls_time", "2", "-hls_list_size", list, "-hls_flags", flags]);
    match name {
        "aes" => {
            std::fs::write(place.join("secret.key"), *b"0123456789abcdef").unwrap();
            std::fs::write(place.join("key.info"), "secret.key\nsecret.key\n").unwrap();
            command.args(["-hls_key_info_file", "key.info"]);
        }
        "fmp4" | "ranges" => {
            command.args(["-hls_segment_type", "fmp4"]);
        }
        _ => {}
    }
    command.arg(if name == "master" { "%v.m3u8" } else { "index.m3u8" });
}
