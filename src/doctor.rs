//! `weir doctor`: tries what a configuration depends on and says what to mend.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method};
use tokio::time::{Instant, timeout, timeout_at};

use crate::channel::Catalog;
use crate::channel::Channel;
use crate::channel::Source;
use crate::config::Audio;
use crate::config::Config;
use crate::config::Environment;
use crate::ffmpeg::Hardware;
use crate::lifecycle::nofile;
use crate::media::sniff::Container;
use crate::media::sniff::Verdict;
use crate::media::sniff::sniff;
use crate::metrics::Metrics;
use crate::remux::codec::BuiltIn;
use crate::transcode::Limits;
use crate::transcode::Place;
use crate::transcode::Transcoder;
use crate::upstream;
use crate::upstream::Ask;
use crate::upstream::Fetcher;
use crate::upstream::Keep;
use crate::upstream::UpstreamBody;
use crate::upstream::fetch::status_error;
use crate::upstream::tls::Tls;
use sound::Listener;

pub mod sound;

/// The start of 2026: a clock before it makes every certificate invalid.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// Bytes of a source in which it must come out what its sound is: twice what the fastest multiplex of a satellite sends
/// in the half second that ETSI TR 101 290 (5.2.1) allows between two tables.
const HEARD_MAX: usize = 16 << 20;
/// How long, and for how many bytes, other programmes are waited for once one is known: not all that are listed are
/// sent.
const OTHERS_WITHIN: Duration = Duration::from_millis(500);
const OTHERS_MAX: usize = 2 << 20;

/// Examines everything, one line each through `say`; `environment` is what FFmpeg would get some of. Answers whether all that is needed is there.
///
/// # Errors
/// When TLS cannot be set up, or the sources cannot be used at all.
pub async fn examine(
    config: Config,
    environment: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<bool, String> {
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::new());
    let catalog = Catalog::build(Arc::clone(&config), None, &metrics).map_err(|unusable| {
        unusable.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    })?;
    let tls = Tls::new().map_err(|error| error.to_string())?;
    let fetcher = Fetcher::new(tls, Arc::clone(&metrics));
    let mut healthy = true;
    let mut line = |good: bool, text: String| {
        healthy &= good;
        say(&format!("{} {text}\n", if good { "ok  " } else { "MEND" }));
    };
    for channel in catalog.channels() {
        for source in &channel.sources {
            let (good, text) = source_line(&fetcher, &config, channel, source).await;
            line(good, text);
        }
    }
    for receiver in catalog.receivers() {
        for port in &receiver.definition().stream {
            let (good, text) = receiver_line(receiver.name(), port.expose()).await;
            line(good, text);
        }
    }
    let (good, text) = open_files(&config);
    line(good, text);
    let (good, text) = clock();
    line(good, text);
    let (good, text) = directory(&config.state_dir);
    line(good, text);
    let converted = sound::build_line(&config, &BuiltIn);
    for text in converted.into_iter().chain(ffmpeg(&config, environment, &metrics).await) {
        say(&format!("     {text}\n"));
    }
    Ok(healthy)
}

/// Opens a source once, within its budget, and looks at its first bytes.
async fn source_line(
    fetcher: &Fetcher,
    config: &Arc<Config>,
    channel: &Channel,
    source: &Source,
) -> (bool, String) {
    let name = format!("channel {} source {} ({})", channel.id, source.index, source.place());
    if source.made().is_some() {
        return (true, format!("{name}: made here"));
    }
    let Ok(_slot) = timeout(config.failover.slot_wait, source.slot()).await else {
        return (false, format!("{name}: all connections of its provider are in use"));
    };
    let mut last = upstream::Error::Closed;
    for url in source.targets() {
        let ask = Ask {
            url: url.clone(),
            home: url.clone(),
            method: Method::GET,
            fields: HeaderMap::new(),
            own_fields: source.own_fields.clone(),
            user_agent: source.user_agent.clone(),
            authorization: source.authorization.clone(),
            connect_timeout: config.failover.connect_timeout,
            response_timeout: config.failover.response_timeout,
            counted: source.is_counted(),
            egress: Arc::new(config.egress.clone()),
            cookies: None,
            keep: Keep::Fresh,
        };
        match first_bytes(fetcher, &ask, channel.profile.audio.as_ref()).await {
            Ok((good, what)) => return (good, format!("{name}: {what}")),
            Err(error) => last = error,
        }
    }
    (false, format!("{name}: {last}; {}", advice(&last)))
}

/// What the first bytes are, and what becomes of their sound where it is converted.
async fn first_bytes(
    fetcher: &Fetcher,
    ask: &Ask,
    audio: Option<&Audio>,
) -> Result<(bool, String), upstream::Error> {
    let started = Instant::now();
    let mut answer = fetcher.fetch(ask).await?;
    if !answer.head.status.is_success() {
        return Err(status_error(&answer.head));
    }
    let patience = ask.response_timeout;
    let mut seen = Vec::new();
    loop {
        let next = timeout(patience, answer.body.next()).await;
        let next = next.map_err(|_| upstream::Error::NoMedia(patience))?.transpose()?;
        let ended = next.is_none();
        seen.extend_from_slice(&next.unwrap_or_default());
        match sniff(&seen, ended) {
            Verdict::NeedMore => {}
            Verdict::Media(container) => {
                let took = started.elapsed().as_millis();
                let what = format!("{container:?}, first bytes after {took} ms");
                let Some(audio) = audio else { return Ok((true, what)) };
                if !matches!(container, Container::MpegTs | Container::PaddedTs) {
                    let text = "only the sound of transport streams is converted";
                    return Ok((true, format!("{what}; {text}")));
                }
                let (good, sound) = sound_of(&seen, &mut answer.body, audio, patience).await;
                return Ok((good, format!("{what}; {sound}")));
            }
            Verdict::NotMedia(what) => return Err(upstream::Error::NotMedia(what)),
        }
    }
}

/// What becomes of the sound of a stream whose first bytes have been `seen`.
async fn sound_of(
    seen: &[u8],
    body: &mut UpstreamBody,
    audio: &Audio,
    patience: Duration,
) -> (bool, String) {
    let mut listener = Listener::new(audio);
    listener.push(seen);
    let mut until = Instant::now() + patience;
    let mut left = HEARD_MAX;
    let mut is_known = false;
    while left > 0 {
        if listener.knows() && !is_known {
            is_known = true;
            until = until.min(Instant::now() + OTHERS_WITHIN);
            left = left.min(OTHERS_MAX);
        }
        let Ok(Some(Ok(bytes))) = timeout_at(until, body.next()).await else { break };
        listener.push(&bytes);
        left = left.saturating_sub(bytes.len());
    }
    listener.end()
}

/// What to do about a source that fails.
fn advice(error: &upstream::Error) -> &'static str {
    match error.outcome() {
        "dns" => "check the host's name and this machine's DNS",
        "denied" => "see egress.deny and egress.private",
        "refused" | "unreachable" | "connect_timeout" => {
            "check host and port, and that the source is switched on"
        }
        "tls" => "check the certificate; SSL_CERT_FILE adds one of your own",
        "credentials" => "check user name, password or key",
        "not_found" => "check the path: the source does not know it",
        "limited" => "its provider says that all connections are in use",
        "silent" => "a receiver without a free tuner or signal answers like this",
        "not_media" => "open the URL in a browser: the source may be telling why",
        _ => "try the URL with curl -v",
    }
}

/// A receiver's stream port: does anything listen? No service is opened, no tuner taken.
async fn receiver_line(name: &str, url: &str) -> (bool, String) {
    let Ok(url) = crate::message::Url::parse(url) else {
        return (false, format!("receiver {name}: its stream URL is not usable"));
    };
    let connecting = tokio::net::TcpStream::connect((url.host().to_owned(), url.port()));
    match timeout(Duration::from_secs(5), connecting).await {
        Ok(Ok(_)) => (true, format!("receiver {name} ({url}): its stream port answers")),
        Ok(Err(error)) => {
            let kind = error.kind();
            (false, format!("receiver {name} ({url}): {kind}; is it on, and streaming allowed?"))
        }
        Err(_) => (false, format!("receiver {name} ({url}): no connection after 5 s")),
    }
}

fn open_files(config: &Config) -> (bool, String) {
    let limit = nofile::raise();
    let places = nofile::connections_for(limit);
    let wanted = config.limits.clients;
    if places >= wanted {
        return (true, format!("open files: {limit}, room for {wanted} clients"));
    }
    let text = format!(
        "open files: {limit} leave room for {places} clients, limits.clients is {wanted}; set \
         LimitNOFILE= in the unit, or ulimit -n"
    );
    (false, text)
}

fn clock() -> (bool, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if now >= EARLIEST {
        return (true, "clock: plausible".to_owned());
    }
    (
        false,
        "clock: in the past; certificates will not be valid. Is a time service running?".to_owned(),
    )
}

/// Whether files can be made in `directory`, which is made if it is missing.
fn directory(directory: &Path) -> (bool, String) {
    let shown = directory.display();
    let probe = directory.join(".weir-doctor");
    let tried = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => (true, format!("state_dir {shown}: writable")),
        Err(error) => (false, format!("state_dir {shown}: {error}")),
    }
}

/// Whether profiles with `ffmpeg` can run here: the program, and each encoder in hardware.
async fn ffmpeg(config: &Config, environment: &Environment, metrics: &Arc<Metrics>) -> Vec<String> {
    // Not in `state_dir`, where a weir that runs has its own.
    let folder = std::env::temp_dir().join(format!("weir-doctor-{}", std::process::id()));
    let place = Place { helper: "/proc/self/exe".into(), folder: folder.clone() };
    let metrics = Arc::clone(metrics);
    let lines = match Transcoder::start(place, Limits::of(config), environment, metrics) {
        Ok(transcoder) => try_ffmpeg(&transcoder).await,
        Err(error) => vec![format!("FFmpeg: cannot be tried: {error}")],
    };
    // What is left of it is in the system's own folder for such things.
    _ = std::fs::remove_dir_all(folder);
    lines
}

async fn try_ffmpeg(transcoder: &Transcoder) -> Vec<String> {
    let version = match transcoder.version().await {
        Ok(version) => version,
        Err(why) => {
            return vec![format!(
                "FFmpeg: {why} (only profiles with `ffmpeg:` or `via: ffmpeg` need it)"
            )];
        }
    };
    let mut lines = vec![format!("FFmpeg: {version}")];
    for hardware in Hardware::ALL {
        let trial = transcoder.trial(hardware).await;
        lines.push(if trial.works {
            format!("{hardware}: encodes in hardware")
        } else {
            let (said, advice) = (trial.message, hardware.advice());
            format!("{hardware}: does not work, software takes its place ({said}); {advice}")
        });
    }
    lines
}
