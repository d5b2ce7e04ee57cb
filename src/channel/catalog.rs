//! Names to channels: built from a configuration, swapped whole at a reload. What a reload leaves
//! unchanged keeps its identity, so sessions on it do not notice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};

use crate::channel::budget::Budget;
use crate::channel::kind::Kind;
use crate::channel::kind::Learned;
use crate::channel::service_ref::ServiceRef;
use crate::channel::source::Owner;
use crate::channel::source::Source;
use crate::channel::source::Unusable;
use crate::channel::source::fields;
use crate::config;
use crate::config::Config;
use crate::lifecycle::Notice;
use crate::metrics::Metrics;

/// A named thing that clients request.
#[derive(Debug)]
pub struct Channel {
    /// The name in URLs, metrics and logs. For a receiver's services `r/NAME`: labels come from
    /// the configuration only.
    pub id: Arc<str>,
    /// Which stream it is: the id, and of a receiver's services the service as well. May be secret.
    pub identity: Arc<str>,
    /// The name for people.
    pub name: String,
    /// In the order to try them; never empty.
    pub sources: Vec<Source>,
    /// How it is delivered.
    pub profile: config::Profile,
    /// After so long on another source than the first, a session tries the first one again.
    pub failback: Option<Duration>,
    /// Cancelled when a reload has changed or removed it: its sessions end.
    pub retired: Notice,
    /// The kind by definition.
    defined_kind: Option<Kind>,
    /// The kind that an answer showed.
    learned: Arc<Learned>,
    /// What it was made from, to tell whether a reload changes it; `None` for a receiver's service,
    /// which lives for one request.
    definition: Option<Definition>,
}

/// Everything in a configuration that a channel depends on.
#[derive(Clone, Debug, PartialEq)]
struct Definition {
    channel: config::Channel,
    providers: Vec<config::Provider>,
    receivers: Vec<config::Receiver>,
    profile: config::Profile,
}

/// An Enigma2 box: any service reference is a channel of it.
#[derive(Debug)]
pub struct Receiver {
    definition: config::Receiver,
    profile: config::Profile,
    budget: Arc<Budget>,
    retired: Notice,
    /// `r/NAME`.
    id: Arc<str>,
}

/// Everything that requests are answered from, at one moment.
#[derive(Debug)]
pub struct Catalog {
    config: Arc<Config>,
    channels: HashMap<String, Arc<Channel>>,
    /// Ids in the configuration's order.
    order: Vec<Arc<Channel>>,
    receivers: Vec<Arc<Receiver>>,
    /// Each provider's and receiver's budget, and the size it has while this catalog is in use.
    budgets: HashMap<String, (Arc<Budget>, usize)>,
}

/// The catalog in use; readers never wait.
#[derive(Debug)]
pub struct Catalogs(ArcSwap<Catalog>);

impl Catalogs {
    /// Starts with `catalog`.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self(ArcSwap::from_pointee(catalog))
    }

    /// The catalog in use; stays valid for as long as it is held.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        self.0.load_full()
    }

    /// Puts `next` in use, its budgets' sizes too, and retires what it changed or no longer has.
    pub fn replace(&self, next: Catalog) {
        for (budget, max) in next.budgets.values() {
            budget.resize(*max);
        }
        let next = Arc::new(next);
        let last = self.0.swap(Arc::clone(&next));
        for channel in last.channels.values() {
            let kept = next.channels.get(channel.id.as_ref());
            if !kept.is_some_and(|kept| Arc::ptr_eq(kept, channel)) {
                channel.retired.give();
            }
        }
        for receiver in &last.receivers {
            if !next.receivers.iter().any(|kept| Arc::ptr_eq(kept, receiver)) {
                receiver.retired.give();
            }
        }
    }
}

impl Catalog {
    /// Builds all channels and receivers of `config`, keeping from `last` whatever is the same.
    ///
    /// # Errors
    /// Every source that cannot be used.
    pub fn build(
        config: Arc<Config>,
        last: Option<&Self>,
        metrics: &Metrics,
    ) -> Result<Self, Vec<Unusable>> {
        let mut builder = Builder { config: &config, last, metrics, budgets: HashMap::new() };
        let mut order = Vec::new();
        let mut unusable = Vec::new();
        for definition in &config.channels {
            match builder.channel(definition) {
                Ok(channel) => order.push(channel),
                Err(error) => unusable.push(error),
            }
        }
        let receivers =
            config.receivers.iter().map(|definition| builder.receiver(definition)).collect();
        let budgets = builder.budgets;
        if !unusable.is_empty() {
            return Err(unusable);
        }
        let channels =
            order.iter().map(|channel| (channel.id.to_string(), Arc::clone(channel))).collect();
        Ok(Self { config, channels, order, receivers, budgets })
    }

    /// The channel with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Arc<Channel>> {
        self.channels.get(id)
    }

    /// The receiver with this name, or the first.
    #[must_use]
    pub fn receiver(&self, name: Option<&str>) -> Option<&Arc<Receiver>> {
        match name {
            Some(name) => self.receivers.iter().find(|receiver| receiver.definition.name == name),
            None => self.receivers.first(),
        }
    }

    /// All channels in the configuration's order.
    #[must_use]
    pub fn channels(&self) -> &[Arc<Channel>] {
        &self.order
    }

    /// All receivers in the configuration's order.
    #[must_use]
    pub fn receivers(&self) -> &[Arc<Receiver>] {
        &self.receivers
    }

    /// Every budget with its provider's or receiver's name.
    pub fn budgets(&self) -> impl Iterator<Item = (&str, &Arc<Budget>)> {
        self.budgets.iter().map(|(name, (budget, _))| (name.as_str(), budget))
    }

    /// The configuration this was built from.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }
}

impl Channel {
    /// The kind of stream: by definition, by the first source's URL, by what was learned.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.defined_kind
            .or_else(|| self.sources.first().and_then(Source::kind))
            .or_else(|| self.learned.get())
    }

    /// The same channel, reduced to one place of one kind.
    #[must_use]
    pub fn only(&self, source: Source, kind: Kind) -> Self {
        Self {
            id: Arc::clone(&self.id),
            identity: Arc::clone(&self.identity),
            name: self.name.clone(),
            sources: vec![source],
            profile: self.profile.clone(),
            failback: None,
            retired: self.retired.clone(),
            defined_kind: Some(kind),
            learned: Arc::default(),
            definition: None,
        }
    }

    /// Host and port of a source, for logs.
    #[must_use]
    pub fn place(&self, source: usize) -> String {
        self.sources.get(source).map(Source::place).unwrap_or_default()
    }

    /// Remembers the kind that an answer showed.
    pub fn learn(&self, kind: Kind) {
        self.learned.set(kind);
    }
}

impl Receiver {
    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// The definition it was made from.
    #[must_use]
    pub fn definition(&self) -> &config::Receiver {
        &self.definition
    }

    /// The channel behind a service reference; `target` is the request line's path without its
    /// leading slash, query included, exactly as the client wrote it.
    ///
    /// # Errors
    /// When the reference cannot go on a request line.
    pub fn channel(&self, target: &str, metrics: &Metrics) -> Result<Channel, &'static str> {
        let owner = Owner {
            budget: Some(Arc::clone(&self.budget)),
            gauge: metrics.upstream_connections(&self.definition.name),
            fields: HeaderMap::new(),
            user_agent: None,
        };
        let source = Source::from_receiver(0, &self.definition, target, owner)?;
        Ok(Channel {
            id: Arc::clone(&self.id),
            identity: format!("{}/{target}", self.id).into(),
            name: self.definition.name.clone(),
            sources: vec![source],
            profile: self.profile.clone(),
            failback: None,
            retired: self.retired.clone(),
            defined_kind: Some(Kind::Live),
            learned: Arc::default(),
            definition: None,
        })
    }
}

/// What building needs at hand.
struct Builder<'a> {
    config: &'a Config,
    last: Option<&'a Catalog>,
    metrics: &'a Metrics,
    budgets: HashMap<String, (Arc<Budget>, usize)>,
}

impl Builder<'_> {
    fn channel(&mut self, channel: &config::Channel) -> Result<Arc<Channel>, Unusable> {
        let definition = self.definition(channel);
        let sources = channel
            .sources
            .iter()
            .enumerate()
            .map(|(index, source)| {
                self.source(index, source).map_err(|reason| Unusable {
                    channel: channel.id.clone(),
                    index,
                    reason,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Budgets were just made sure of for the new catalog too; the channel itself may stay.
        let last = self.last.and_then(|last| last.find(&channel.id));
        if let Some(last) = last.filter(|last| last.definition.as_ref() == Some(&definition)) {
            return Ok(Arc::clone(last));
        }
        Ok(Arc::new(Channel {
            id: channel.id.as_str().into(),
            identity: channel.id.as_str().into(),
            name: channel.name.clone(),
            sources,
            profile: definition.profile.clone(),
            failback: channel.failback,
            retired: Notice::new(),
            defined_kind: Kind::from_definition(channel.kind),
            learned: Arc::default(),
            definition: Some(definition),
        }))
    }

    fn source(&mut self, index: usize, source: &config::Source) -> Result<Source, &'static str> {
        match source {
            config::Source::Made(made) => Ok(Source::from_made(index, made)),
            config::Source::Url { url, provider, user_agent, headers } => {
                let owner = self.owner(provider.as_deref())?;
                Source::from_url(index, url, user_agent.as_deref(), headers, owner)
            }
            config::Source::Receiver { receiver, service } => {
                let named = self.config.receivers.iter().find(|known| known.name == *receiver);
                let receiver = named.ok_or("its receiver is not configured")?;
                let owner = Owner {
                    budget: Some(self.budget(&receiver.name, receiver.max_connections)),
                    gauge: self.metrics.upstream_connections(&receiver.name),
                    fields: HeaderMap::new(),
                    user_agent: None,
                };
                let service =
                    ServiceRef::parse_text(service).map_err(|_| "no service reference")?;
                Source::from_receiver(index, receiver, service.raw(), owner)
            }
        }
    }

    fn owner(&mut self, provider: Option<&str>) -> Result<Owner, &'static str> {
        let Some(name) = provider else {
            let gauge = self.metrics.upstream_connections("none");
            return Ok(Owner { budget: None, gauge, fields: HeaderMap::new(), user_agent: None });
        };
        let named = self.config.providers.iter().find(|known| known.name == name);
        let provider = named.ok_or("its provider is not configured")?;
        let user_agent = provider.user_agent.as_deref().map(HeaderValue::from_str).transpose();
        Ok(Owner {
            budget: Some(self.budget(name, provider.max_connections)),
            gauge: self.metrics.upstream_connections(name),
            fields: fields(&provider.headers)?,
            user_agent: user_agent.map_err(|_| "its provider's user_agent is no field value")?,
        })
    }

    fn receiver(&mut self, definition: &config::Receiver) -> Arc<Receiver> {
        let budget = self.budget(&definition.name, definition.max_connections);
        let profile = self.profile(&definition.profile);
        let last = self.last.and_then(|last| last.receiver(Some(&definition.name)));
        let definition = config::Receiver { max_connections: 0, ..definition.clone() };
        let same = |last: &&Arc<Receiver>| last.definition == definition && last.profile == profile;
        if let Some(last) = last.filter(same) {
            return Arc::clone(last);
        }
        let id = format!("r/{}", definition.name).into();
        Arc::new(Receiver { definition, profile, budget, retired: Notice::new(), id })
    }

    /// The budget with this name, carried over from the last catalog so that what is open counts;
    /// it gets its new size when the new catalog is put in use, as it may yet be refused.
    fn budget(&mut self, name: &str, max: usize) -> Arc<Budget> {
        if let Some((budget, _)) = self.budgets.get(name) {
            return Arc::clone(budget);
        }
        let budget = match self.last.and_then(|last| last.budgets.get(name)) {
            Some((budget, _)) => Arc::clone(budget),
            None => Arc::new(Budget::new(max, self.metrics.upstream_connections(name))),
        };
        self.budgets.insert(name.to_owned(), (Arc::clone(&budget), max));
        budget
    }

    fn profile(&self, name: &str) -> config::Profile {
        let named = self.config.profiles.iter().find(|known| known.name == name);
        named.cloned().unwrap_or_default()
    }

    fn definition(&self, channel: &config::Channel) -> Definition {
        let uses_provider = |name: &str| {
            channel.sources.iter().any(|source| {
                matches!(source, config::Source::Url { provider: Some(used), .. } if used == name)
            })
        };
        let uses_receiver = |name: &str| {
            channel.sources.iter().any(|source| {
                matches!(source, config::Source::Receiver { receiver, .. } if receiver == name)
            })
        };
        let providers = self.config.providers.iter().filter(|known| uses_provider(&known.name));
        let receivers = self.config.receivers.iter().filter(|known| uses_receiver(&known.name));
        // A budget of another size is carried over and ends no session.
        Definition {
            channel: channel.clone(),
            providers: providers
                .map(|known| config::Provider { max_connections: 0, ..known.clone() })
                .collect(),
            receivers: receivers
                .map(|known| config::Receiver { max_connections: 0, ..known.clone() })
                .collect(),
            profile: self.profile(&channel.profile),
        }
    }
}
