//! One place that a channel can come from, ready to be asked: URLs in the order to try them, the
//! fields of the request, and whose budget it counts against.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::channel::budget::Budget;
use crate::channel::budget::Slot;
use crate::channel::health;
use crate::channel::health::Health;
use crate::channel::health::Standing;
use crate::channel::kind::Kind;
use crate::config;
use crate::message::Url;
use crate::message::credentials;
use crate::metrics::Value;

/// The `User-Agent` of requests where neither source nor provider sets one.
pub const USER_AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// What answers at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Any HTTP server.
    Http,
    /// An Enigma2 receiver's stream port: GET only, always a transport stream.
    Enigma2,
    /// Nothing: weir makes the stream itself, a transport stream that always can be had and needs no
    /// connection.
    Made(Arc<config::Made>),
}

/// One place that a channel can come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Position in the channel's list, counted from 0: how logs and metrics name it.
    pub index: usize,
    /// What answers there.
    pub protocol: Protocol,
    /// Tried in order: one URL, or a receiver's stream ports. None of what is made.
    pub urls: Vec<Url>,
    /// Configured request fields; they may hold keys.
    pub own_fields: HeaderMap,
    /// The `User-Agent` to send.
    pub user_agent: HeaderValue,
    /// Configured Basic credentials.
    pub authorization: Option<HeaderValue>,
    /// A URL that one of its playlists named, asked instead of `urls`.
    found: Option<Url>,
    /// The budget of its provider or receiver.
    budget: Option<Arc<Budget>>,
    /// Open connections of sources without a budget.
    gauge: Value,
    /// The slot that its connections share, instead of one each.
    whole: Option<Arc<Slot>>,
    /// How it has fared, with all sessions. Guards a few words.
    health: Arc<Mutex<Health>>,
}

/// Why a definition makes no source. The configuration's own checks come first; this names what
/// only the wire format rules out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel `{channel}`, source {index}: {reason}")]
pub struct Unusable {
    /// The channel's (or receiver's) name.
    pub channel: String,
    /// Which source.
    pub index: usize,
    /// What is wrong, without the value.
    pub reason: &'static str,
}

/// Who a source belongs to: its fields, its budget, its gauge.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The provider's or receiver's budget.
    pub budget: Option<Arc<Budget>>,
    /// Counts connections where there is no budget.
    pub gauge: Value,
    /// Fields from the provider.
    pub fields: HeaderMap,
    /// The provider's `User-Agent`.
    pub user_agent: Option<HeaderValue>,
}

impl Source {
    /// A source with a URL of its own.
    ///
    /// # Errors
    /// What the wire format rules out.
    pub fn from_url(
        index: usize,
        url: &config::SourceUrl,
        user_agent: Option<&str>,
        headers: &[config::Header],
        owner: Owner,
    ) -> Result<Self, &'static str> {
        let mut own_fields = owner.fields;
        own_fields.extend(fields(headers)?);
        let user_agent = match user_agent {
            Some(text) => {
                HeaderValue::from_str(text).map_err(|_| "user_agent is no field value")?
            }
            None => owner.user_agent.unwrap_or(HeaderValue::from_static(USER_AGENT)),
        };
        Ok(Self {
            index,
            protocol: Protocol::Http,
            urls: vec![Url::parse(url.expose()).map_err(|_| "not a usable URL")?],
            own_fields,
            user_agent,
            authorization: None,
            found: None,
            budget: owner.budget,
            gauge: owner.gauge,
            whole: None,
            health: Arc::default(),
        })
    }

    /// A receiver's service. `target` is the service reference as it goes on the request line, any
    /// query included.
    ///
    /// # Errors
    /// What the wire format rules out.
    pub fn from_receiver(
        index: usize,
        receiver: &config::Receiver,
        target: &str,
        owner: Owner,
    ) -> Result<Self, &'static str> {
        let urls = receiver
            .stream
            .iter()
            .map(|base| {
                let base = base.expose().trim_end_matches('/');
                Url::parse(&format!("{base}/{target}")).map_err(|_| "not a usable service")
            })
            .collect::<Result<Vec<_>, _>>()?;
        let username = receiver.username.as_deref();
        let password = receiver.password.as_ref().map(config::Secret::expose);
        let authorization = match (username, password) {
            (None, None) => None,
            (username, password) => Some(
                credentials::basic(username.unwrap_or_default(), password.unwrap_or_default())
                    .ok_or("its credentials cannot be sent")?,
            ),
        };
        Ok(Self {
            index,
            protocol: Protocol::Enigma2,
            urls,
            own_fields: HeaderMap::new(),
            user_agent: HeaderValue::from_static(USER_AGENT),
            authorization,
            found: None,
            budget: owner.budget,
            gauge: owner.gauge,
            whole: None,
            health: Arc::default(),
        })
    }

    /// A source that weir makes itself.
    #[must_use]
    pub fn from_made(index: usize, made: &config::Made) -> Self {
        Self {
            index,
            protocol: Protocol::Made(Arc::new(made.clone())),
            urls: Vec::new(),
            own_fields: HeaderMap::new(),
            user_agent: HeaderValue::from_static(USER_AGENT),
            authorization: None,
            found: None,
            budget: None,
            gauge: Value::default(),
            whole: None,
            health: Arc::default(),
        }
    }

    /// What weir makes it of; `None` where it comes from elsewhere.
    #[must_use]
    pub fn made(&self) -> Option<&Arc<config::Made>> {
        match &self.protocol {
            Protocol::Made(made) => Some(made),
            Protocol::Http | Protocol::Enigma2 => None,
        }
    }

    /// Another place of the same source, found in one of its playlists: the same fields, the same
    /// budget, and credentials only while the host is the same.
    #[must_use]
    pub fn at(&self, url: Url) -> Self {
        Self { found: Some(url), ..self.clone() }
    }

    /// The same source for requests that share `slot`.
    #[must_use]
    pub fn within(self, slot: Arc<Slot>) -> Self {
        Self { whole: Some(slot), ..self }
    }

    /// Where to ask, in order.
    #[must_use]
    pub fn targets(&self) -> &[Url] {
        match &self.found {
            Some(url) => std::slice::from_ref(url),
            None => &self.urls,
        }
    }

    /// Whether its provider's or receiver's budget limits its connections.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.budget.is_some()
    }

    /// The budget that limits its connections.
    #[must_use]
    pub fn budget(&self) -> Option<&Arc<Budget>> {
        self.budget.as_ref()
    }

    /// Slots that its provider has; 0 where nothing limits them.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.budget.as_ref().map_or(0, |budget| budget.max())
    }

    /// Whether it may be tried at `now`, after what became of it before.
    #[must_use]
    pub fn standing(&self, now: Instant) -> Standing {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).standing(now)
    }

    /// It was opened, and what it sends is what was asked for.
    pub fn succeeded(&self, now: Instant) {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).succeeded(now);
    }

    /// It could not be opened, or died. What is made is well at any time.
    pub fn failed(&self, now: Instant, kind: health::Kind, cooldown: Duration) {
        if self.made().is_some() {
            return;
        }
        self.health.lock().unwrap_or_else(PoisonError::into_inner).failed(now, kind, cooldown);
    }

    /// A slot of the budget, if one is free now.
    #[must_use]
    pub fn try_slot(&self) -> Option<Slot> {
        match (&self.whole, &self.budget) {
            _ if self.made().is_some() => Some(Slot::none()),
            (Some(whole), _) => Some(Slot::share(whole)),
            (None, Some(budget)) => budget.try_slot(),
            (None, None) => Some(Slot::unlimited(self.gauge.clone())),
        }
    }

    /// A slot of the budget, waiting for one as long as it takes. Cancel safe.
    pub async fn slot(&self) -> Slot {
        match (&self.whole, &self.budget) {
            _ if self.made().is_some() => Slot::none(),
            (Some(whole), _) => Slot::share(whole),
            (None, Some(budget)) => budget.slot().await,
            (None, None) => Slot::unlimited(self.gauge.clone()),
        }
    }

    /// The kind of stream, as far as its URL tells.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.protocol {
            Protocol::Enigma2 | Protocol::Made(_) => Some(Kind::Live),
            Protocol::Http => self.targets().first().and_then(Kind::from_url),
        }
    }

    /// Host and port, for logs: never a path or a credential. Of what is made the word for it.
    #[must_use]
    pub fn place(&self) -> String {
        if let Some(made) = self.made() {
            return made.word().to_owned();
        }
        self.urls.first().map(ToString::to_string).unwrap_or_default()
    }
}

/// Configured header fields as they go on the wire, marked so that no log prints them.
///
/// # Errors
/// A name or value that is none.
pub fn fields(headers: &[config::Header]) -> Result<HeaderMap, &'static str> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name =
            HeaderName::try_from(header.name.as_str()).map_err(|_| "a header's name is none")?;
        let mut value = HeaderValue::from_str(header.value.expose())
            .map_err(|_| "a header's value has characters that no header may have")?;
        value.set_sensitive(true);
        map.insert(name, value);
    }
    Ok(map)
}
