//! The names that other programs gave their settings, read as settings of weir: `XG2G_…` always, and the unprefixed
//! ones of m3u-proxy when `WEIR_COMPAT=m3u-proxy` asks for them.

use super::environment::Variable;
use super::listen::Bind;
use super::mistake::KeyPath;
use super::mistake::Origin;
use super::mistake::quoted;
use super::overlay;
use super::tree::Node;
use super::tree::Value;
use super::units;
use super::walk::Walk;

/// The `XG2G_` variables that mean something here; others are ignored with a warning.
const XG2G: [&str; 10] = [
    "XG2G_ENABLE_STREAM_PROXY",
    "XG2G_PROXY_LISTEN",
    "XG2G_PROXY_TARGET",
    "XG2G_LISTEN",
    "XG2G_OWI_BASE",
    "XG2G_ENABLE_AUDIO_TRANSCODING",
    REMUXER,
    "XG2G_AUDIO_CODEC",
    "XG2G_AUDIO_BITRATE",
    "XG2G_AUDIO_CHANNELS",
];
/// Name of the receiver that `XG2G_PROXY_TARGET` makes.
const RECEIVER: &str = "receiver";
/// Name of the profile that `XG2G_ENABLE_AUDIO_TRANSCODING` makes.
const AAC: &str = "aac";
/// Whether xg2g converts sound itself, or has FFmpeg do it.
const REMUXER: &str = "XG2G_USE_RUST_REMUXER";
/// Port of m3u-proxy when only its host is set.
const M3U_PROXY_PORT: &str = "8085";

/// Lays the aliases over `root`, which carries the `WEIR_` variables already: an alias that contradicts one is a
/// mistake.
pub(crate) fn apply(root: &mut Node, walk: &mut Walk<'_>) {
    let mut aliases = Aliases { root, walk };
    aliases.xg2g();
    aliases.m3u_proxy();
}

struct Aliases<'a, 'e> {
    root: &'a mut Node,
    walk: &'a mut Walk<'e>,
}

/// How two spellings of one value are made equal before they are compared.
type Normal = fn(&str) -> String;

impl Aliases<'_, '_> {
    fn xg2g(&mut self) {
        let enabled = self.flag("XG2G_ENABLE_STREAM_PROXY");
        if enabled == Some(false) {
            for name in ["XG2G_PROXY_LISTEN", "XG2G_PROXY_TARGET"] {
                if self.text(name).is_some() {
                    self.warn(name, "ignored, because XG2G_ENABLE_STREAM_PROXY is false");
                }
            }
        } else {
            self.set("XG2G_PROXY_LISTEN", &["listen", "stream"], address);
            let receiver = self.first_receiver().unwrap_or_else(|| RECEIVER.to_owned());
            self.set("XG2G_PROXY_TARGET", &["receivers", &receiver, "stream"], base_url);
        }
        self.xg2g_listen();
        let receiver = self.first_receiver();
        if enabled == Some(true) && receiver.is_none() {
            let text = "true, but there is no target; set XG2G_PROXY_TARGET=http://RECEIVER:8001";
            self.mistake("XG2G_ENABLE_STREAM_PROXY", &[], text);
        }
        match &receiver {
            Some(receiver) => self.set("XG2G_OWI_BASE", &["receivers", receiver, "web"], base_url),
            None if self.text("XG2G_OWI_BASE").is_some() => {
                self.warn(
                    "XG2G_OWI_BASE",
                    "ignored, because there is no receiver; set XG2G_PROXY_TARGET too",
                );
            }
            None => {}
        }
        self.xg2g_audio(receiver.as_deref());
        let names: Vec<&str> = self.walk.env.with_prefix("XG2G_").map(|(name, _)| name).collect();
        let ignored: Vec<&str> = names.into_iter().filter(|name| !XG2G.contains(name)).collect();
        if !ignored.is_empty() {
            self.warn(&ignored.join(", "), "ignored; weir has no such setting");
        }
    }

    /// `XG2G_LISTEN` is usually `:18080`, every address, on a port that asked for no token. weir's admin listener
    /// refuses that, and refusing to start would break the very setups that the alias is for: so without a token a
    /// port alone means this machine only.
    fn xg2g_listen(&mut self) {
        let token = self.root.child("access").and_then(|access| access.child("admin_token"));
        let open = token.is_none_or(Node::is_null);
        let port_only = self.text("XG2G_LISTEN").is_some_and(|text| text.starts_with(':'));
        let canonical = self
            .find(&["listen", "admin"])
            .is_some_and(|node| matches!(node.origin, Origin::Variable(_)));
        if open && port_only && !canonical {
            self.set("XG2G_LISTEN", &["listen", "admin"], |text| {
                address(&format!("127.0.0.1{text}"))
            });
            let text = "no address named and no token set, so the admin listener is on 127.0.0.1; set \
                        WEIR_ACCESS__ADMIN_TOKEN to listen on every address";
            self.warn("XG2G_LISTEN", text);
        } else {
            self.set("XG2G_LISTEN", &["listen", "admin"], address);
        }
    }

    /// xg2g converts the sound of what its proxy passes, for each client by itself, and gives the tuner back when
    /// that client leaves. `delivery: direct` does the same; a shared channel would keep its tuner for
    /// `relay.idle_timeout`, so that whoever zaps would soon have all tuners of the box. The `ffmpeg` program, which
    /// xg2g takes in place of its remuxer, works on shared channels only.
    fn xg2g_audio(&mut self, receiver: Option<&str>) {
        let name = "XG2G_ENABLE_AUDIO_TRANSCODING";
        let settings = [
            ("XG2G_AUDIO_CODEC", "codec", str::to_ascii_lowercase as Normal),
            ("XG2G_AUDIO_BITRATE", "bitrate", bitrate),
            ("XG2G_AUDIO_CHANNELS", "channels", str::to_owned),
        ];
        let enabled = self.flag(name) == Some(true);
        let remuxer = self.flag(REMUXER);
        let Some(receiver) = receiver.filter(|_| enabled) else {
            if enabled {
                return self.warn(name, "ignored, because there is no receiver");
            }
            for (variable, ..) in settings {
                if self.text(variable).is_some() {
                    let text = "ignored, because XG2G_ENABLE_AUDIO_TRANSCODING is not true";
                    self.warn(variable, text);
                }
            }
            return;
        };
        let aac = |keys: &[&'static str]| [&["profiles", AAC], keys].concat();
        if self.find(&aac(&[])).is_none() && remuxer == Some(false) {
            self.put(REMUXER, &aac(&["delivery"]), "shared");
        }
        for (variable, key, normal) in settings {
            self.set(variable, &aac(&["audio", key]), normal);
        }
        // A profile of the user's own may have FFmpeg do it, with arguments of its own.
        if self.find(&aac(&["ffmpeg"])).is_none() {
            if self.find(&aac(&["audio", "codec"])).is_none() {
                self.put(name, &aac(&["audio", "codec"]), "aac");
            }
            if let Some(remuxer) = remuxer {
                let via = if remuxer { "remux" } else { "ffmpeg" };
                self.set_to(REMUXER, &aac(&["audio", "via"]), via, str::to_owned);
            }
        }
        self.set_to(name, &["receivers", receiver, "profile"], AAC, str::to_owned);
    }

    /// m3u-proxy's names are so general (`HOST`, `PORT`) that other software sets them too, so they count only when
    /// asked for.
    fn m3u_proxy(&mut self) {
        match self.text("WEIR_COMPAT").as_deref() {
            None => return,
            Some("m3u-proxy") => {}
            Some(other) => {
                let text = format!("{} is not known; the one value is m3u-proxy", quoted(other));
                return self.mistake("WEIR_COMPAT", &[], text);
            }
        }
        let (host, port) = (self.text("HOST"), self.text("PORT"));
        if host.is_some() || port.is_some() {
            let variable = if host.is_some() { "HOST" } else { "PORT" };
            let host = host.unwrap_or_else(|| "0.0.0.0".to_owned());
            let host = if host.contains(':') && !host.starts_with('[') {
                format!("[{host}]")
            } else {
                host
            };
            let text = format!("{host}:{}", port.as_deref().unwrap_or(M3U_PROXY_PORT));
            self.set_to(variable, &["listen", "stream"], &text, address);
        }
        self.set("LOG_LEVEL", &["log", "level"], level);
        // There, how long a client may be silent before it is dropped.
        self.set("CLIENT_TIMEOUT", &["limits", "client_timeout"], seconds);
        // There, how long the client of the upstream waits for it, as `response_timeout` here. It is no stall timeout:
        // its usual 300 s would keep a viewer in front of a frozen picture for five minutes.
        self.set("STREAM_TIMEOUT", &["failover", "response_timeout"], seconds);
    }

    /// Sets `path` to the value of `variable`, if it has one.
    fn set(&mut self, variable: &str, path: &[&str], normal: Normal) {
        if let Some(text) = self.text(variable) {
            self.set_to(variable, path, &text, normal);
        }
    }

    /// Sets `path` to `text`, unless another variable has set it: to the same, or it is a mistake.
    fn set_to(&mut self, variable: &str, path: &[&str], text: &str, normal: Normal) {
        let text = normal(text);
        let other = self.find(path).and_then(|node| match &node.origin {
            Origin::Variable(other) => Some((other.to_string(), agrees(node, &text, normal))),
            _ => None,
        });
        match other {
            None => self.put(variable, path, &text),
            Some((_, true)) => {}
            Some((other, false)) => {
                self.mistake(
                    variable,
                    path,
                    format!("contradicts {other}, which sets the same; unset one of them"),
                );
            }
        }
    }

    fn put(&mut self, variable: &str, path: &[&str], text: &str) {
        let node = Node::plain(Origin::variable(variable), text);
        if let Err(text) = overlay::put(self.root, path, node) {
            self.mistake(variable, path, text);
        }
    }

    fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter()
            .try_fold(&*self.root, |node, key| node.child(key))
            .filter(|node| !node.is_null())
    }

    fn first_receiver(&self) -> Option<String> {
        match &self.root.child("receivers")?.value {
            Value::Map(entries) => entries.first().map(|entry| entry.key.clone()),
            _ => None,
        }
    }

    /// The value of `variable`; empty is unset, as the programs that these come from have it.
    fn text(&mut self, variable: &str) -> Option<String> {
        match self.walk.env.variable(variable)? {
            Variable::Text(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Variable::NotText => {
                self.mistake(variable, &[], "the value is not UTF-8");
                None
            }
        }
    }

    fn flag(&mut self, variable: &str) -> Option<bool> {
        let text = self.text(variable)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.mistake(variable, &[], format!("{} is neither true nor false", quoted(&text)));
                None
            }
        }
    }

    fn mistake(&mut self, variable: &str, path: &[&str], text: impl Into<String>) {
        let path = path.iter().fold(KeyPath::default(), |path, key| path.key(key));
        self.walk.mistake(&Origin::variable(variable), &path, text);
    }

    fn warn(&mut self, variable: &str, text: &str) {
        self.walk.warn(&Origin::variable(variable), &KeyPath::default(), text);
    }
}

/// Whether `node`, set by another variable, says what `text` says.
fn agrees(node: &Node, text: &str, normal: Normal) -> bool {
    let values: Vec<String> = match &node.value {
        Value::Scalar { text, .. } => vec![normal(text)],
        Value::List(items) => items
            .iter()
            .filter_map(|item| match &item.value {
                Value::Scalar { text, .. } => Some(normal(text)),
                _ => None,
            })
            .collect(),
        Value::Map(_) | Value::Refused => Vec::new(),
    };
    values == [text]
}

fn address(text: &str) -> String {
    text.parse::<Bind>().map_or_else(|_| text.to_owned(), |bind| bind.to_string())
}

fn base_url(text: &str) -> String {
    text.trim_end_matches('/').to_owned()
}

fn bitrate(text: &str) -> String {
    units::bitrate(text).map_or_else(|_| text.to_owned(), units::show_bitrate)
}

/// Python's names of levels as weir's.
fn level(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        other => other.to_owned(),
    }
}

/// Seconds without a unit as a duration; a duration stays one.
fn seconds(text: &str) -> String {
    let whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = if whole { format!("{text}s") } else { text.to_owned() };
    units::duration(&text).map_or(text, units::show_duration)
}
