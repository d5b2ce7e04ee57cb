//! `channels`: what clients request, each with its ordered list of sources.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::forms::Choice;
use super::forms::Form;
use super::forms::HeaderText;
use super::forms::Reference;
use super::forms::Span;
use super::forms::Text;
use super::forms::Url;
use super::forms::check_name;
use super::made;
use super::made::Made;
use super::profiles::PASSTHROUGH;
use super::providers::Header;
use super::providers::read_headers;
use super::source_url::SourceUrl;
use super::syntax;
use super::tree::Value;
use super::walk;
use super::walk::Named;
use super::walk::Section;
use super::walk::Walk;

/// Channels of one configuration.
const CHANNELS_MAX: usize = 50_000;
/// Sources of one channel.
const SOURCES_MAX: usize = 32;

/// Bounds of `failback`.
const FAILBACK: Span = Span { min: Duration::from_secs(1), max: Duration::from_secs(24 * 3600) };

/// What clients request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id in URLs, logs and metrics.
    pub id: String,
    /// Its name for people. Default the id; at most 200 characters.
    pub name: String,
    /// Where it comes from, in order of preference. 1 to 32.
    pub sources: Vec<Source>,
    /// What kind of stream it is. Default `auto`.
    pub kind: Kind,
    /// How it is delivered. Default `passthrough`.
    pub profile: String,
    /// After so long on another source than the first, a running stream tries to go back to it.
    /// Default `null`: it stays where it is. 1s to 24h.
    pub failback: Option<Duration>,
}

/// What kind of stream a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Told by the source's answer.
    Auto,
    /// Goes on for ever; Range is ignored.
    Live,
    /// A file; Range is forwarded.
    Vod,
    /// A playlist whose URLs are rewritten.
    Hls,
}

impl Default for Channel {
    fn default() -> Self {
        let (id, name, sources) = (String::new(), String::new(), Vec::new());
        let (kind, profile) = (Kind::Auto, PASSTHROUGH.to_owned());
        Self { id, name, sources, kind, profile, failback: None }
    }
}

/// One place that a channel can come from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// A URL.
    Url {
        /// The URL.
        url: SourceUrl,
        /// The provider whose budget it counts against.
        provider: Option<String>,
        /// Sent as User-Agent instead of the provider's.
        user_agent: Option<String>,
        /// Sent in addition to the provider's headers; one of the same name replaces the provider's.
        headers: Vec<Header>,
    },
    /// A service of a receiver.
    Receiver {
        /// The receiver's name.
        receiver: String,
        /// The service reference. Secret from its eleventh field on, where IPTV services carry a URL.
        service: String,
    },
    /// What weir makes itself.
    Made(Made),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, provider, user_agent, headers } => f
                .debug_struct("Url")
                .field("url", url)
                .field("provider", provider)
                .field("user_agent", user_agent)
                .field("headers", headers)
                .finish(),
            Self::Receiver { receiver, service } => f
                .debug_struct("Receiver")
                .field("receiver", receiver)
                .field("service", &shown_service(service))
                .finish(),
            Self::Made(made) => made.fmt(f),
        }
    }
}

/// The names that channels may refer to.
pub(crate) struct Names {
    /// Of profiles.
    pub(crate) profiles: BTreeSet<String>,
    /// Of providers.
    pub(crate) providers: BTreeSet<String>,
    /// Of receivers.
    pub(crate) receivers: BTreeSet<String>,
}

impl Channel {
    /// Reads `channels`.
    pub(crate) fn read_all(
        root: &mut Section<'_>,
        walk: &mut Walk<'_>,
        names: &Names,
    ) -> Vec<Self> {
        let mut channels = Vec::new();
        for named in root.names(walk, "channels", CHANNELS_MAX, check_name) {
            // Whoever has so many mistakes to mend gains nothing from the rest of a long list.
            if walk.mistakes.is_full() {
                break;
            }
            channels.push(Self::read(walk, &named, names));
        }
        channels
    }

    fn read(walk: &mut Walk<'_>, named: &Named<'_>, names: &Names) -> Self {
        let default = Self::default();
        let kinds = Choice(&[
            ("auto", Kind::Auto),
            ("live", Kind::Live),
            ("vod", Kind::Vod),
            ("hls", Kind::Hls),
        ]);
        let mut section = Section::open(walk, Some(named.node), named.path.clone(), named.origin);
        let profile = Reference { what: "profile", names: &names.profiles };
        let channel = Self {
            id: named.name.to_owned(),
            name: section.value(walk, "name", &Text { max: 200 }, named.name.to_owned()),
            sources: read_sources(&mut section, walk, names),
            kind: section.value(walk, "kind", &kinds, default.kind),
            profile: section.value(walk, "profile", &profile, default.profile),
            failback: section.optional(walk, "failback", &FAILBACK).map(|(span, _)| span),
        };
        section.finish(walk);
        channel
    }
}

/// Reads `sources` of a channel: a list of URLs and mappings, or one of them.
fn read_sources(channel: &mut Section<'_>, walk: &mut Walk<'_>, names: &Names) -> Vec<Source> {
    let path = channel.path.key("sources");
    let items = channel
        .take("sources")
        .filter(|node| !node.is_null())
        .map(walk::items::<Url>)
        .unwrap_or_default();
    if items.is_empty() {
        channel.missing(
            walk,
            "sources",
            "a channel needs a source; write one, as `- http://host/path`",
        );
    }
    if items.len() > SOURCES_MAX {
        walk.mistake(&channel.origin, &path, format!("more than {SOURCES_MAX} sources"));
    }
    let mut sources = Vec::new();
    for (index, item) in items.iter().take(SOURCES_MAX).enumerate() {
        let path = path.index(index);
        match &item.value {
            Value::Scalar { text, .. } if syntax::looks_like_service(text) => {
                let text =
                    "a service needs its receiver: {receiver: NAME, service: \"1:0:19:…:0:0:0:\"}";
                walk.mistake(&item.origin, &path, text);
            }
            Value::Scalar { .. } => {
                let Some(url) = walk::scalar(walk, item, &path, &Url) else { continue };
                walk.effective.scalar(&path.key("url"), &Url.show(&url), &item.origin);
                sources.push(Source::Url {
                    url,
                    provider: None,
                    user_agent: None,
                    headers: Vec::new(),
                });
            }
            _ => {
                let mut section = Section::open(walk, Some(item), path, &item.origin);
                sources.extend(read_source(&mut section, walk, names));
                section.finish(walk);
            }
        }
    }
    sources
}

/// Reads a source written as a mapping: by `url`, by `receiver` and `service`, or by what is made.
fn read_source(section: &mut Section<'_>, walk: &mut Walk<'_>, names: &Names) -> Option<Source> {
    if made::is_made(section) {
        return made::read(section, walk).map(Source::Made);
    }
    if section.has("url") && (section.has("receiver") || section.has("service")) {
        walk.mistake(
            &section.origin,
            &section.path,
            "a source has either `url`, or `receiver` and `service`; keep one",
        );
        section.know(&["url", "receiver", "service", "provider", "user_agent", "headers"]);
        return None;
    }
    if !section.has("receiver") && !section.has("service") {
        return read_url(section, walk, names);
    }
    let form = Reference { what: "receiver", names: &names.receivers };
    let receiver = section.optional(walk, "receiver", &form);
    let service = section.optional(walk, "service", &Service);
    if receiver.is_none() && !section.written_badly("receiver") {
        section.missing(walk, "receiver", "name the receiver of this service");
    }
    if service.is_none() && !section.written_badly("service") {
        section.missing(
            walk,
            "service",
            "write the service reference, as \"1:0:19:132F:3EF:1:C00000:0:0:0:\"",
        );
    }
    Some(Source::Receiver { receiver: receiver?.0, service: service?.0 })
}

fn read_url(section: &mut Section<'_>, walk: &mut Walk<'_>, names: &Names) -> Option<Source> {
    let url = section.optional(walk, "url", &Url).map(|(url, _)| url);
    if url.is_none()
        && !section.written_badly("url")
        && !section.has_key_that(syntax::looks_like_service)
    {
        section.missing(walk, "url", "a source needs `url`, or `receiver` and `service`");
    }
    let form = Reference { what: "provider", names: &names.providers };
    let provider = section.optional(walk, "provider", &form).map(|(name, _)| name);
    let user_agent = section.optional(walk, "user_agent", &HeaderText).map(|(text, _)| text);
    let headers = read_headers(section, walk);
    section.know(&["receiver", "service"]);
    Some(Source::Url { url: url?, provider, user_agent, headers })
}

/// A service reference.
struct Service;

impl Form for Service {
    type Value = String;

    fn noun(&self) -> &'static str {
        "a service reference, as \"1:0:19:132F:3EF:1:C00000:0:0:0:\""
    }

    fn read(&self, text: &str) -> Result<String, String> {
        if text.len() > 2048
            || text.chars().any(char::is_control)
            || !syntax::looks_like_service(text)
        {
            return Err("not a service reference; it is ten hexadecimal numbers, as \
                        \"1:0:19:132F:3EF:1:C00000:0:0:0:\""
                .to_owned());
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        shown_service(value)
    }
}

/// A service reference without what may be secret: IPTV services carry a URL from the eleventh field on.
fn shown_service(service: &str) -> String {
    let shown: Vec<_> = service.split(':').take(10).collect();
    let rest = service.split(':').skip(10).any(|field| !field.is_empty());
    format!("{}:{}", shown.join(":"), if rest { "***" } else { "" })
}
