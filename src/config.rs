//! The configuration: environment over file over defaults, read in two stages. YAML becomes a tree that knows where
//! everything was written; the tree is walked by typed readers that collect every mistake. What leaves is a
//! [`Config`], resolved, within bounds and consistent, or all [`Mistakes`] at once.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use self::forms::FilePath;
use self::forms::Span;
use self::mistake::KeyPath;
use self::mistake::Origin;
use self::tree::Node;
use self::walk::Section;
use self::walk::Walk;

mod access;
mod alias;
mod audio;
mod channels;
mod cidr;
mod diff;
mod effective;
mod environment;
mod failover;
mod ffmpeg;
mod forms;
mod hls;
mod language;
mod limits;
mod listen;
mod log;
mod made;
mod mistake;
mod overlay;
mod profiles;
mod providers;
mod relay;
mod secret;
mod source_url;
mod syntax;
mod tree;
mod units;
mod walk;

pub use self::access::Access;
pub use self::access::Token;
pub use self::audio::Audio;
pub use self::audio::AudioCodec;
pub use self::audio::AudioEncoder;
pub use self::channels::Channel;
pub use self::channels::Kind;
pub use self::channels::Source;
pub use self::cidr::Cidr;
pub use self::cidr::NotACidr;
pub use self::cidr::cidrs;
pub use self::diff::Change;
pub use self::diff::Edit;
pub use self::diff::diff;
pub use self::effective::Effective;
pub use self::environment::Environment;
pub use self::failover::Failover;
pub use self::failover::Join;
pub use self::failover::OnExhausted;
pub use self::ffmpeg::Ffmpeg;
pub use self::ffmpeg::FfmpegProgram;
pub use self::ffmpeg::Output;
pub use self::hls::Hls;
pub use self::limits::Egress;
pub use self::limits::Limits;
pub use self::listen::Bind;
pub use self::listen::Listen;
pub use self::listen::NotABind;
pub use self::listen::TlsFiles;
pub use self::log::Level;
pub use self::log::Log;
pub use self::log::LogFormat;
pub use self::made::MESSAGE_MAX;
pub use self::made::Made;
pub use self::made::Pattern;
pub use self::made::TITLE_MAX;
pub use self::mistake::Mistake;
pub use self::mistake::Mistakes;
pub use self::profiles::Delivery;
pub use self::profiles::PASSTHROUGH;
pub use self::profiles::Profile;
pub use self::providers::Header;
pub use self::providers::Provider;
pub use self::providers::Receiver;
pub use self::relay::JoinAt;
pub use self::relay::Prebuffer;
pub use self::relay::Relay;
pub use self::relay::SlowClients;
pub use self::secret::NotASecret;
pub use self::secret::Secret;
pub use self::source_url::SourceUrl;
pub use self::source_url::UrlError;

/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Files looked for when none is named.
const FILES: [&str; 2] = ["config.yaml", "/etc/weir/config.yaml"];
/// The top-level keys in the order they are shown.
pub(crate) const TOP_KEYS: [&str; 18] = [
    "listen",
    "tls",
    "public_url",
    "trusted_proxies",
    "access",
    "limits",
    "egress",
    "failover",
    "hls",
    "providers",
    "receivers",
    "channels",
    "profiles",
    "relay",
    "ffmpeg",
    "log",
    "state_dir",
    "drain_timeout",
];

/// Everything that weir does, decided. Made by [`load`] and [`parse`] only, or by `Default`.
///
/// Every name in it is defined in it: a channel's profile in `profiles`, its sources' providers and receivers in
/// `providers` and `receivers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Listen,
    /// Certificate and key; `Some` exactly when `listen.stream_tls` has an address.
    pub tls: Option<TlsFiles>,
    /// How clients reach weir, without a slash at the end: `https://tv.example/iptv`. Default `None`: answers carry
    /// relative URLs, or what the request said.
    pub public_url: Option<String>,
    /// Addresses whose `Forwarded` and `X-Forwarded-*` count. Default none.
    pub trusted_proxies: Vec<Cidr>,
    /// Who may use weir.
    pub access: Access,
    /// How much clients may take.
    pub limits: Limits,
    /// Where upstream connections may go.
    pub egress: Egress,
    /// When a source counts as lost and how the next one takes over.
    pub failover: Failover,
    /// What HLS channels share.
    pub hls: Hls,
    /// Accounts that sources share, in the order written; names unique.
    pub providers: Vec<Provider>,
    /// Enigma2 boxes, in the order written; names unique, also among providers.
    pub receivers: Vec<Receiver>,
    /// What clients request, in the order written; ids unique.
    pub channels: Vec<Channel>,
    /// How channels are delivered; `passthrough` and six that run FFmpeg are always among them.
    pub profiles: Vec<Profile>,
    /// Buffers of shared channels.
    pub relay: Relay,
    /// The processes of profiles with `ffmpeg`.
    pub ffmpeg: FfmpegProgram,
    /// How much is logged, and how.
    pub log: Log,
    /// Database, keys, caches. Default `$STATE_DIRECTORY` (its first folder), else `state` in the working directory.
    pub state_dir: PathBuf,
    /// How long a drain waits for clients to finish. Default 30s, 0s to 10m.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            tls: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            access: Access::default(),
            limits: Limits::default(),
            egress: Egress::default(),
            failover: Failover::default(),
            hls: Hls::default(),
            providers: Vec::new(),
            receivers: Vec::new(),
            channels: Vec::new(),
            profiles: Profile::built_in(),
            relay: Relay::default(),
            ffmpeg: FfmpegProgram::default(),
            log: Log::default(),
            state_dir: PathBuf::from("state"),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// A configuration that was read without a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file it came from.
    pub path: Option<PathBuf>,
    /// What is odd but no mistake, one line each.
    pub warnings: Vec<String>,
    /// Every value with its origin, to be shown.
    pub effective: Effective,
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither a file nor a variable says what to serve.
    #[error(
        "nothing is configured: there is no ./config.yaml and no /etc/weir/config.yaml, and neither --config nor \
         WEIR_CONFIG names another file.\n\
         To see weir at work without any configuration: weir demo\n\
         To serve one receiver: XG2G_PROXY_TARGET=http://RECEIVER:8001 weir\n\
         To configure everything: copy config.yaml.example to config.yaml and edit it, then: weir check"
    )]
    NothingConfigured,
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Everything that is wrong with it.
    #[error("{0}")]
    Mistakes(Mistakes),
}

/// The file to read: `cli` (from `--config`), else `$WEIR_CONFIG`, else `config.yaml` in the working directory, else
/// `/etc/weir/config.yaml`, else none.
///
/// # Errors
/// [`Error::Unreadable`] when a file is named but does not exist.
pub fn find_file(cli: Option<&Path>, env: &Environment) -> Result<Option<PathBuf>, Error> {
    let named = cli.or_else(|| env.get("WEIR_CONFIG").map(Path::new));
    let Some(named) = named else {
        // A file that is there but cannot be looked at is still the one meant: reading it will say why it cannot be.
        return Ok(FILES.iter().map(PathBuf::from).find(|path| path.try_exists().unwrap_or(true)));
    };
    match named.metadata() {
        Ok(_) => Ok(Some(named.to_owned())),
        Err(error) => Err(unreadable(named, &error)),
    }
}

/// Reads the file at `path`, lays `env` over it, reads the secret files they name, and checks all of it.
///
/// # Errors
/// [`Error::Unreadable`] when the file cannot be read or is larger than 4 MiB, [`Error::Mistakes`] when anything in it
/// is wrong, [`Error::NothingConfigured`] without a path when `env` names neither a receiver nor a channel.
pub fn load(path: Option<&Path>, env: &Environment) -> Result<Loaded, Error> {
    let Some(path) = path else {
        let loaded = parse("", "environment", env)?;
        let nothing = loaded.config.receivers.is_empty() && loaded.config.channels.is_empty();
        return if nothing { Err(Error::NothingConfigured) } else { Ok(loaded) };
    };
    let (bytes, mode) = read_file(path)?;
    let name = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, error.as_bytes()))?;
    let (mut loaded, literal_secret) = parse_tree(&text, &name, env)?;
    if literal_secret && mode & 0o004 != 0 {
        loaded
            .warnings
            .push(format!("{name}: it holds secrets and everyone can read it; chmod 640 it"));
    }
    loaded.path = Some(path.to_owned());
    Ok(loaded)
}

/// Reads `text` as [`load`] reads a file called `name`; relative paths start at that name's folder.
///
/// # Errors
/// [`Error::Mistakes`] when anything is wrong.
pub fn parse(text: &str, name: &str, env: &Environment) -> Result<Loaded, Error> {
    parse_tree(text, name, env).map(|(loaded, _)| loaded)
}

/// Reads `text` and tells whether it holds a secret itself.
fn parse_tree(text: &str, name: &str, env: &Environment) -> Result<(Loaded, bool), Error> {
    let mut walk = Walk::new(name, env);
    let mut faults = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut root = tree::parse(text, &file_origin, &mut faults);
    for fault in faults {
        walk.mistake(&fault.origin, &fault.path, fault.text);
    }
    overlay::apply(&mut root, &mut walk);
    alias::apply(&mut root, &mut walk);
    let config = read(&root, &mut walk);
    let Walk { mut mistakes, warnings, mut effective, literal_secret, .. } = walk;
    if !mistakes.is_empty() {
        mistakes.sort();
        return Err(Error::Mistakes(mistakes));
    }
    effective.arrange(&TOP_KEYS);
    Ok((Loaded { config, path: None, warnings, effective }, literal_secret))
}

/// Walks the whole tree: what others refer to by name first.
fn read(node: &Node, walk: &mut Walk<'_>) -> Config {
    let mut root = Section::open(walk, Some(node), KeyPath::default(), &node.origin);
    let access = Access::read(&mut root, walk);
    let (listen, tls) = listen::read(&mut root, walk, &access);
    let profiles = Profile::read_all(&mut root, walk);
    let providers = Provider::read_all(&mut root, walk);
    let profile_names = Profile::names(&profiles);
    let receivers = Receiver::read_all(&mut root, walk, &profile_names, &providers);
    let names = channels::Names {
        profiles: profile_names,
        providers: providers.iter().map(|provider| provider.name.clone()).collect(),
        receivers: receivers.iter().map(|receiver| receiver.name.clone()).collect(),
    };
    let drain = Span { min: Duration::ZERO, max: Duration::from_mins(10) };
    let config = Config {
        listen,
        tls,
        public_url: listen::read_public_url(&mut root, walk),
        trusted_proxies: listen::read_trusted_proxies(&mut root, walk),
        access,
        limits: Limits::read(&mut root, walk),
        egress: Egress::read(&mut root, walk),
        failover: Failover::read(&mut root, walk),
        hls: Hls::read(&mut root, walk),
        channels: Channel::read_all(&mut root, walk, &names),
        providers,
        receivers,
        profiles,
        relay: Relay::read(&mut root, walk),
        ffmpeg: FfmpegProgram::read(&mut root, walk),
        log: Log::read(&mut root, walk),
        state_dir: read_state_dir(&mut root, walk),
        drain_timeout: root.value(walk, "drain_timeout", &drain, Config::default().drain_timeout),
    };
    root.finish(walk);
    config
}

/// Reads `state_dir`; its default is the folder that systemd made for the unit, else `./state`.
fn read_state_dir(root: &mut Section<'_>, walk: &mut Walk<'_>) -> PathBuf {
    let form = FilePath { base: walk.base.clone() };
    if let Some(node) = root.take("state_dir").filter(|node| !node.is_null()) {
        let path = root.path.key("state_dir");
        let read = walk::scalar(walk, node, &path, &form).unwrap_or_default();
        walk.effective.scalar(&path, &read.display().to_string(), &node.origin);
        return read;
    }
    // systemd separates several folders by colons.
    let given = walk.env.get("STATE_DIRECTORY").and_then(|folders| folders.split(':').next());
    let (folder, origin) = match given {
        Some(folder) => (PathBuf::from(folder), Origin::variable("STATE_DIRECTORY")),
        None => (Config::default().state_dir, Origin::Default),
    };
    walk.effective.scalar(&root.path.key("state_dir"), &folder.display().to_string(), &origin);
    folder
}

fn read_file(path: &Path) -> Result<(Vec<u8>, u32), Error> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.mode();
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::Unreadable {
            path: path.to_owned(),
            reason: "it is larger than 4 MiB".to_owned(),
        });
    }
    Ok((bytes, mode))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

/// The mistake that bytes outside UTF-8 are, at the first of them.
fn not_utf8(name: &str, bytes: &[u8]) -> Error {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let line = valid.matches('\n').count() + 1;
    let column = valid.rsplit('\n').next().unwrap_or_default().chars().count();
    let origin = file_origin(&serde_saphyr::granit_parser::Marker::new(0, line, column));
    let text = "this is not UTF-8; save the file as UTF-8".to_owned();
    let mut mistakes = Mistakes::default();
    mistakes.push(Mistake { file: name.into(), origin, path: String::new(), text });
    Error::Mistakes(mistakes)
}

/// A position of the parser, whose columns count from 0.
fn file_origin(marker: &serde_saphyr::granit_parser::Marker) -> Origin {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Origin::File { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

#[cfg(test)]
mod tests;
