//! A receiver as a client (service type 1 with a URL): it reads answers as narrowly as the real one
//! and fails where that fails.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Connecting takes no longer.
const CONNECT: Duration = Duration::from_secs(10);
/// So long without data, and the receiver shows black.
const DATA: Duration = Duration::from_secs(5);
/// URLs followed, redirects and one-line playlists alike.
const HOPS: usize = 5;
/// Content types read as a playlist of one URL.
const PLAYLISTS: [&str; 4] =
    ["application/text", "audio/x-mpegurl", "audio/mpegurl", "application/m3u"];

/// A stream that a receiver plays.
pub(crate) struct Enigma2Player {
    stream: TcpStream,
    buffer: Vec<u8>,
    chunked: bool,
    chunk_left: u64,
}

/// Where an answer leads.
enum Opened {
    Stream(Enigma2Player),
    Elsewhere(String),
}

impl Enigma2Player {
    /// Opens `url` as the receiver would, without its half second of waiting first.
    ///
    /// # Errors
    /// What the receiver stumbled over.
    pub(crate) async fn open(url: &str) -> Result<Self, String> {
        let mut url = url.to_owned();
        for _ in 0..HOPS {
            match Self::open_once(&url).await? {
                Opened::Stream(player) => return Ok(player),
                Opened::Elsewhere(next) => url = next,
            }
        }
        Err(format!("more than {HOPS} redirects"))
    }

    /// Reads `count` bytes of the stream.
    ///
    /// # Errors
    /// If it ends, breaks or gives nothing for five seconds.
    pub(crate) async fn read(&mut self, count: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            if self.chunked && self.chunk_left == 0 {
                self.chunk_left = self.chunk_size().await?;
            }
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let chunk = if self.chunked { self.chunk_left } else { u64::MAX };
            let most = usize::try_from(chunk).unwrap_or(usize::MAX).min(count - bytes.len());
            let taken = self.buffer.len().min(most);
            bytes.extend(self.buffer.drain(..taken));
            self.chunk_left = self.chunk_left.saturating_sub(taken as u64);
        }
        Ok(bytes)
    }

    async fn open_once(url: &str) -> Result<Opened, String> {
        let (request, address) = request(url)?;
        let connect = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
        let stream =
            connect.map_err(|_| "connect timed out")?.map_err(|error| error.to_string())?;
        let mut player = Self { stream, buffer: Vec::new(), chunked: false, chunk_left: 0 };
        player.stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let line = player.line().await?;
        let status = status(&line)?;
        player.fields(status).await
    }

    /// Reads fields until they lead elsewhere or end.
    async fn fields(mut self, status: u16) -> Result<Opened, String> {
        let mut content_type = None;
        loop {
            let mut line = self.line().await?;
            let playlist = content_type.as_deref().is_some_and(is_playlist);
            // The name is compared as it stands; the space after it may be missing here only.
            if let (None, Some(value)) = (&content_type, line.strip_prefix("Content-Type:")) {
                content_type = value.split_whitespace().next().map(str::to_owned);
            } else if playlist && has_prefix(&line, "http://") {
                return Ok(Opened::Elsewhere(line));
            } else if status == 302 && has_prefix(&line, "location: ") {
                return Ok(Opened::Elsewhere(line.split_off("location: ".len())));
            } else if status != 302 && has_prefix(&line, "transfer-encoding: chunked") {
                self.chunked = true;
            } else if line.is_empty() && !playlist {
                return Ok(Opened::Stream(self));
            }
        }
    }

    async fn chunk_size(&mut self) -> Result<u64, String> {
        // The CRLF behind the chunk before shows as an empty line.
        let mut line = String::new();
        while line.is_empty() {
            line = self.line().await?;
        }
        let digits: String = line.chars().take_while(char::is_ascii_hexdigit).collect();
        match u64::from_str_radix(&digits, 16) {
            Ok(size) if size > 0 => Ok(size),
            _ => Err(format!("the stream ended with the chunk size {line:?}")),
        }
    }

    /// The next line without its end.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            if self.buffer.len() > 1 << 20 {
                return Err("an endless line".to_owned());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        match tokio::time::timeout(DATA, self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Err("the stream ended".to_owned()),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no data for five seconds".to_owned()),
        }
    }
}

/// The request for `url` and where it goes; Host lacks the port.
fn request(url: &str) -> Result<(String, SocketAddr), String> {
    let rest = url.strip_prefix("http://").ok_or(format!("{url}: only http:// is understood"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user_info, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let address = format!("{name}:{port}").parse().map_err(|error| format!("{host}: {error}"))?;
    let path = if path.is_empty() { "/" } else { path };
    let basic = |user: &str| {
        format!("Authorization: Basic {}\r\n", crate::support::capture::base64_of(user.as_bytes()))
    };
    let authorization = user_info.map_or(String::new(), basic);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {name}\r\n\
         User-Agent: Enigma2 HbbTV/1.1.1 (+PVR+RTSP+DL;openATV;;;)\r\n{authorization}\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    Ok((request, address))
}

/// The status code of a line with three words.
fn status(line: &str) -> Result<u16, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, code, _, ..] = *words else {
        return Err(format!("{line:?} has fewer than three words"));
    };
    match code.parse() {
        Ok(code @ (200 | 206 | 302)) => Ok(code),
        _ => Err(format!("status {code}")),
    }
}

fn is_playlist(content_type: &str) -> bool {
    PLAYLISTS.iter().any(|known| known.eq_ignore_ascii_case(content_type))
}

fn has_prefix(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
