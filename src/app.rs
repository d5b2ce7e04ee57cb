//! The composition root: `App::build` starts nothing, it reads keys, binds and wires; `App::run` serves, reloads and drains.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::Span;

use crate::api::Api;
use crate::app::both::Both;
use crate::app::sealing::Sealing;
use crate::app::transcoding::transcoder;
use crate::app::transcoding::uses_ffmpeg;
use crate::channel::Catalog;
use crate::channel::Catalogs;
use crate::config;
use crate::config::Bind;
use crate::config::Config;
use crate::config::Environment;
use crate::config::Loaded;
use crate::delivery::Delivery;
use crate::lifecycle::Lanes;
use crate::lifecycle::Phase;
use crate::lifecycle::Readiness;
use crate::lifecycle::Tasks;
use crate::lifecycle::nofile;
use crate::lifecycle::signals::Request;
use crate::lifecycle::systemd::Notifier;
use crate::listen::Activation;
use crate::listen::Gate;
use crate::listen::HttpOptions;
use crate::listen::Listener;
use crate::listen::accept::Acceptor;
use crate::listen::connection;
use crate::listen::tls;
use crate::logging::LevelHandle;
use crate::metrics::Metrics;
use crate::metrics::Port;
use crate::server::Rates;
use crate::server::Server;
use crate::transcode::Limits;
use crate::upstream::Fetcher;
use crate::upstream::Pool;
use crate::upstream::PoolLimits;
use crate::upstream::tls::Tls;
use crate::watchdog;

mod both;
mod sealing;
mod transcoding;

/// Time a client has for a whole request head, and an idle connection for its next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections of the admin listener at a time.
const ADMIN_CONNECTIONS: usize = 32;

/// Time for answers of the admin listener that still run when everything else has stopped.
const ADMIN_GRACE: Duration = Duration::from_millis(500);

/// Why the program cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {place} ({key}): {cause}")]
    Bind {
        /// Which configuration key.
        key: &'static str,
        /// The address.
        place: String,
        /// What the kernel says.
        cause: io::Error,
    },
    /// The certificate for TLS listeners cannot be used.
    #[error("tls: {0}")]
    Certificate(tls::Error),
    /// The admin listener can be reached by others, and nothing keeps them out.
    #[error(
        "the admin listener is bound to {0}, which others can reach: set access.admin_token \
         (WEIR_ACCESS__ADMIN_TOKEN), or listen on 127.0.0.1"
    )]
    AdminOpen(SocketAddr),
    /// No TLS towards sources.
    #[error("TLS towards sources: {0}")]
    Rustls(#[from] rustls::Error),
    /// No thread for streams.
    #[error("cannot start the threads that carry streams: {0}")]
    Threads(io::Error),
    /// No folder or no thread for FFmpeg.
    #[error("cannot make ready for FFmpeg: {0}")]
    Transcoder(io::Error),
    /// No keys for sealed URLs.
    #[error(transparent)]
    Sealing(#[from] sealing::Error),
    /// Sources that cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Sources(Vec<crate::channel::source::Unusable>),
}

/// Where a new configuration comes from at a reload.
pub type Reload = Box<dyn Fn() -> Result<Loaded, config::Error> + Send + Sync>;

/// What the outside gives the program.
pub struct Surroundings {
    /// Sockets bound by the service manager.
    pub activation: Activation,
    /// The service manager's ear.
    pub notifier: Notifier,
    /// How often the watchdog wants to hear from us.
    pub watchdog: Option<Duration>,
    /// Reads the configuration again.
    pub reload: Reload,
    /// Changes the log level.
    pub level: LevelHandle,
    /// Whether anything may be kept in `state_dir`: what is tried out leaves nothing behind.
    pub keeps_state: bool,
    /// weir itself, which becomes FFmpeg: `/proc/self/exe`.
    pub helper: PathBuf,
    /// The environment, of which FFmpeg gets a little.
    pub environment: Environment,
}

/// The whole program, bound and wired.
pub struct App {
    catalogs: Arc<Catalogs>,
    delivery: Delivery,
    sealing: Sealing,
    rates: Arc<Rates>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    tasks: Tasks,
    /// Those of the admin listener, which answers for as long as the others drain.
    admin_tasks: Tasks,
    /// Where streams run; idle until a client comes.
    lanes: Lanes,
    tls: Option<tls::Tls>,
    stream: Vec<Listener>,
    stream_tls: Vec<Listener>,
    admin: Vec<Listener>,
    /// Addresses that stand in both lists.
    shared: Vec<Listener>,
    /// Where others can reach the admin listener, whoever bound it: it needs a token then.
    admin_open: Option<SocketAddr>,
    connections: usize,
    around: Surroundings,
}

impl App {
    /// Binds every listener and wires every part. Call inside the runtime.
    ///
    /// # Errors
    /// See [`Error`]; nothing is left bound.
    pub fn build(config: Config, mut around: Surroundings) -> Result<Self, Error> {
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new());
        let tasks = Tasks::new();
        let catalog =
            Catalog::build(Arc::clone(&config), None, &metrics).map_err(Error::Sources)?;
        let tls =
            config.tls.as_ref().map(tls::Tls::load).transpose().map_err(Error::Certificate)?;
        let mut bind =
            |name, key, places: &[Bind]| bind_all(&mut around.activation, name, key, places);
        let stream = bind("stream", "listen.stream", &config.listen.stream)?;
        // By what was bound, as the service manager may have done it.
        let is_at = |listener: &Listener, place: &Bind| listener.to_string() == place.to_string();
        let (shared, stream): (Vec<_>, Vec<_>) = stream.into_iter().partition(|listener| {
            config
                .listen
                .stream
                .iter()
                .any(|place| config.listen.is_shared(place) && is_at(listener, place))
        });
        let is_bound = |place: &Bind| shared.iter().any(|listener| is_at(listener, place));
        let admin: Vec<_> =
            config.listen.admin.iter().filter(|place| !is_bound(place)).cloned().collect();
        let stream_tls = bind("stream_tls", "listen.stream_tls", &config.listen.stream_tls)?;
        let admin = bind("admin", "listen.admin", &admin)?;
        let open = admin.iter().chain(&shared).filter_map(Listener::local_addr);
        let admin_open = open.into_iter().find(|address| !address.ip().is_loopback());
        if let Some(address) = admin_open.filter(|_| config.access.admin_token.is_none()) {
            return Err(Error::AdminOpen(address));
        }
        let sealing = Sealing::open(&config, around.keeps_state)?;
        let pool = Pool::new(pool_limits(&config), &metrics);
        pool.tend(&tasks);
        let fetcher = Fetcher::new(Tls::new()?, Arc::clone(&metrics)).with_pool(pool);
        let delivery = Delivery::new(
            fetcher,
            Arc::clone(&metrics),
            sealing.seal(),
            config.hls.shared_bytes,
            &tasks,
        );
        let delivery = match around.keeps_state {
            true => delivery.keeping_clips(config.state_dir.join("slates"), &tasks),
            false => delivery,
        };
        delivery.render_with(config.ffmpeg.program.clone());
        if uses_ffmpeg(&config) {
            delivery.transcode_with(transcoder(&config, &around, &metrics)?);
        }
        let connections = connections(&config);
        Ok(Self {
            catalogs: Arc::new(Catalogs::new(catalog)),
            rates: Arc::new(Rates::new(config.limits.requests_per_second)),
            delivery,
            sealing,
            metrics,
            readiness: Readiness::new(),
            tasks,
            admin_tasks: Tasks::new(),
            lanes: Lanes::start().map_err(Error::Threads)?,
            tls,
            stream,
            stream_tls,
            admin,
            shared,
            admin_open,
            connections,
            around,
        })
    }

    /// The TCP addresses of the media listener (plain), port 0 resolved.
    #[must_use]
    pub fn stream_addresses(&self) -> Vec<SocketAddr> {
        self.stream.iter().chain(&self.shared).filter_map(Listener::local_addr).collect()
    }

    /// The TCP addresses of the media listener's TLS side.
    #[must_use]
    pub fn stream_tls_addresses(&self) -> Vec<SocketAddr> {
        self.stream_tls.iter().filter_map(Listener::local_addr).collect()
    }

    /// The TCP addresses of the admin listener.
    #[must_use]
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        self.admin.iter().chain(&self.shared).filter_map(Listener::local_addr).collect()
    }

    /// The tasks of the program, for parts that run beside it.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Serves until a stop is requested and the drain is over. A second stop ends at once.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let plain: Vec<_> = self.stream.iter().chain(&self.shared).collect();
        let probe = watchdog::Target::of(&plain, &self.stream_tls);
        let stream = listed(plain.iter().copied().chain(&self.stream_tls));
        let admin = listed(self.admin.iter().chain(&self.shared));
        // All is bound, and nobody can ask before there is somebody to answer.
        self.readiness.advance(Phase::Ready);
        self.start();
        let notifier = std::mem::take(&mut self.around.notifier);
        notifier.ready(&self.summary());
        tracing::info!(%stream, %admin, "ready: {}", self.summary());
        let every = self.around.watchdog;
        let metrics = Arc::clone(&self.metrics);
        let rounds = move || metrics.accept_rounds();
        let mut watchdog =
            std::pin::pin!(watchdog::feed(every, probe, &notifier, rounds, || self.summary()));
        loop {
            let request = tokio::select! {
                request = requests.recv() => request,
                () = &mut watchdog => continue,
            };
            match request {
                Some(Request::Reload) => self.reload(&notifier),
                Some(Request::Stop) | None => break,
            }
        }
        self.drain(requests, &notifier).await;
    }

    /// Spawns an accept loop for each listener.
    fn start(&mut self) {
        self.sealing.start(&self.tasks);
        let config = Arc::clone(self.catalogs.current().config());
        // Room for one address's clients and the connections they zap with.
        let per_address = config.limits.clients_per_ip.saturating_mul(2);
        let gate = Gate::new(self.connections, per_address);
        let acceptor = Acceptor {
            tasks: self.tasks.clone(),
            gate,
            metrics: Arc::clone(&self.metrics),
            port: Port::Stream,
            patience: config.limits.client_timeout,
            lanes: Some(self.lanes.clone()),
        };
        let server = Server::new(
            Arc::clone(&self.catalogs),
            self.delivery.clone(),
            Arc::clone(&self.rates),
            Arc::clone(&self.metrics),
        );
        let options =
            HttpOptions { head_timeout: HEAD_TIMEOUT, head_bytes: config.limits.head_bytes };
        let plain = std::mem::take(&mut self.stream).into_iter().map(|listener| (listener, None));
        let tls = std::mem::take(&mut self.stream_tls);
        let secure = tls.into_iter().map(|listener| (listener, self.tls.clone()));
        for (listener, tls) in plain.chain(secure) {
            Self::accept(acceptor.clone(), listener, tls, server.clone(), options);
        }
        let api = Api::new(
            Arc::clone(&self.catalogs),
            self.delivery.clone(),
            Arc::clone(&self.metrics),
            self.readiness.clone(),
            self.lanes.clone(),
        );
        let both = Both { server, api: api.clone() };
        for listener in std::mem::take(&mut self.shared) {
            Self::accept(acceptor.clone(), listener, None, both.clone(), options);
        }
        let acceptor = Acceptor {
            tasks: self.admin_tasks.clone(),
            gate: Gate::new(ADMIN_CONNECTIONS, ADMIN_CONNECTIONS),
            port: Port::Admin,
            // It answers whatever the lanes do.
            lanes: None,
            ..acceptor
        };
        for listener in std::mem::take(&mut self.admin) {
            Self::accept(acceptor.clone(), listener, None, api.clone(), options);
        }
    }

    fn accept<H: connection::Handler>(
        acceptor: Acceptor,
        listener: Listener,
        tls: Option<tls::Tls>,
        handler: H,
        options: HttpOptions,
    ) {
        let tasks = acceptor.tasks.clone();
        let stop = tasks.stop_notice();
        let serving = acceptor.run(listener, tls, move |accepted| {
            connection::serve(accepted.io, accepted.info, handler.clone(), options, stop.clone())
        });
        tasks.spawn(Span::none(), serving);
    }

    /// Reads the configuration again and applies what changed; a bad one changes nothing.
    fn reload(&self, notifier: &Notifier) {
        notifier.reloading();
        match (self.around.reload)() {
            Ok(loaded) => self.apply(loaded),
            Err(error) => self.refuse(&error.to_string()),
        }
        notifier.ready(&self.summary());
    }

    /// Says why the running configuration stays: one line an event, one event a mistake.
    fn refuse(&self, mistakes: &str) {
        self.metrics.reload("refused");
        tracing::error!("reload refused, the running configuration stays");
        for mistake in mistakes.lines() {
            tracing::error!("{mistake}");
        }
    }

    fn apply(&self, loaded: Loaded) {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let last = self.catalogs.current();
        let config = Arc::new(loaded.config);
        if let Some(address) = self.admin_open.filter(|_| config.access.admin_token.is_none()) {
            return self.refuse(&Error::AdminOpen(address).to_string());
        }
        let next = match Catalog::build(Arc::clone(&config), Some(&last), &self.metrics) {
            Ok(next) => next,
            Err(unusable) => return self.refuse(&Error::Sources(unusable).to_string()),
        };
        if let (Some(tls), Some(files)) = (&self.tls, &config.tls)
            && let Err(error) = tls.reload(files)
        {
            return self.refuse(&format!("tls: {error}"));
        }
        let changes = config::diff(last.config(), &config);
        self.catalogs.replace(next);
        self.rates.change(config.limits.requests_per_second);
        self.delivery.limit_processes(Limits::of(&config));
        self.delivery.render_with(config.ffmpeg.program.clone());
        if uses_ffmpeg(&config) && !self.delivery.transcodes() {
            match transcoder(&config, &self.around, &self.metrics) {
                Ok(transcoder) => self.delivery.transcode_with(transcoder),
                Err(error) => tracing::error!("{error}"),
            }
        }
        self.around.level.change(config.log.level);
        self.metrics.reload("applied");
        tracing::info!(changes = changes.len(), "reloaded: {}", self.summary());
        for change in changes {
            tracing::info!("{change}");
        }
    }

    /// Not ready, nothing new, running streams go on to the end of the grace; then the rest is cut.
    async fn drain(&self, mut requests: mpsc::Receiver<Request>, notifier: &Notifier) {
        let grace = self.catalogs.current().config().drain_timeout;
        self.readiness.advance(Phase::Draining);
        notifier.stopping(grace);
        tracing::info!(sessions = self.delivery.sessions().count(), ?grace, "draining");
        let at_once = async {
            while let Some(request) = requests.recv().await {
                if request == Request::Stop {
                    return;
                }
            }
            std::future::pending().await
        };
        // Nobody accepts any more, so the probe ends at the runtime itself.
        let alive = watchdog::feed(
            self.around.watchdog,
            watchdog::Target::Runtime,
            notifier,
            || 0,
            || "draining".to_owned(),
        );
        let cut = tokio::select! {
            cut = self.tasks.finish(grace) => cut,
            () = at_once => self.tasks.finish(Duration::ZERO).await,
            () = alive => 0,
        };
        self.admin_tasks.finish(ADMIN_GRACE).await;
        self.delivery.at_rest().await;
        tracing::info!(cut, "stopped");
    }

    fn summary(&self) -> String {
        let catalog = self.catalogs.current();
        let counted = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        [
            counted(catalog.channels().len(), "channel"),
            counted(catalog.receivers().len(), "receiver"),
            counted(self.delivery.sessions().count(), "session"),
        ]
        .join(", ")
    }
}

fn pool_limits(config: &Config) -> PoolLimits {
    let hls = &config.hls;
    PoolLimits { idle: hls.idle_connections, open: hls.connections, idle_time: hls.idle_timeout }
}

/// Binds `places`, or takes what the service manager bound under `name` instead.
fn bind_all(
    activation: &mut Activation,
    name: &str,
    key: &'static str,
    places: &[Bind],
) -> Result<Vec<Listener>, Error> {
    let adopted = activation.take(name);
    let failed = |place: String| move |cause| Error::Bind { key, place, cause };
    let adopted = adopted.map_err(failed("a socket of the service manager".to_owned()))?;
    if !adopted.is_empty() {
        return Ok(adopted);
    }
    places.iter().map(|place| Listener::bind(place).map_err(failed(place.to_string()))).collect()
}

/// What was bound, for a log line.
fn listed<'a>(listeners: impl Iterator<Item = &'a Listener>) -> String {
    listeners.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Client connections at a time: room for every client, for those who zap (the new connection comes
/// before the old one goes) and for short questions, within the limit on open files.
fn connections(config: &Config) -> usize {
    let wanted = config.limits.clients.saturating_mul(2).saturating_add(64);
    let possible = nofile::connections_for(nofile::raise());
    if possible < config.limits.clients {
        tracing::warn!(
            possible,
            wanted = config.limits.clients,
            "the limit on open files leaves room for fewer clients than limits.clients"
        );
    }
    wanted.min(possible)
}
