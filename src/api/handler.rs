//! Routes of the admin listener.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::api::overrides;
use crate::api::relay;
use crate::api::route::Route;
use crate::api::switch;
use crate::api::types::ChannelView;
use crate::api::types::Session;
use crate::api::types::Status;
use crate::channel::Catalog;
use crate::channel::Catalogs;
use crate::channel::Channel;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::lifecycle::Lanes;
use crate::lifecycle::Phase;
use crate::lifecycle::Readiness;
use crate::listen::ConnectionInfo;
use crate::listen::Handler;
use crate::listen::guard;
use crate::message::problem;
use crate::metrics::Metrics;
use crate::metrics::Port;
use crate::metrics::process;

/// Bytes that a request's body may have, and how long it may take to come.
const BODY_MAX: usize = 16 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers the admin listener.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    catalogs: Arc<Catalogs>,
    delivery: Delivery,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    lanes: Lanes,
    started: Instant,
}

type Answer = Response<Full<Bytes>>;

impl Api {
    /// Wires the parts; starts nothing.
    #[must_use]
    pub fn new(
        catalogs: Arc<Catalogs>,
        delivery: Delivery,
        metrics: Arc<Metrics>,
        readiness: Readiness,
        lanes: Lanes,
    ) -> Self {
        let started = Instant::now();
        Self(Arc::new(Parts { catalogs, delivery, metrics, readiness, lanes, started }))
    }

    /// Whether a path is the admin listener's, where one address answers both.
    #[must_use]
    pub fn owns(path: &str) -> bool {
        matches!(path, "/healthz" | "/readyz" | "/live" | "/metrics")
            || path.starts_with("/api/")
            || path.starts_with("/streams/")
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let request = &head;
        let path = request.uri.path();
        if request.method.as_str() == guard::REJECTED {
            return rejected(path.trim_start_matches('/'));
        }
        let catalog = self.0.catalogs.current();
        if !host_is_known(request, catalog.config()) {
            return problem_answer(
                StatusCode::MISDIRECTED_REQUEST,
                "this Host is not an address of the admin listener",
            );
        }
        let route = Route::of(path);
        let (methods, allowed) = route.methods();
        if !methods.contains(&request.method) {
            return method_not_allowed(allowed);
        }
        if !route.is_free() && !token_fits(request, catalog.config()) {
            let detail = "access.admin_token is needed as a Bearer token";
            let mut answer = problem_answer(StatusCode::UNAUTHORIZED, detail);
            let challenge = HeaderValue::from_static("Bearer realm=\"weir admin\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return answer;
        }
        let changes = !matches!(request.method, Method::GET | Method::HEAD);
        if changes && switch::is_foreign(&request.headers) {
            let detail = "this comes from a page of another site";
            return problem_answer(StatusCode::FORBIDDEN, detail);
        }
        self.dispatch(route, &request.method, &catalog, body).await
    }

    async fn dispatch(
        &self,
        route: Route<'_>,
        method: &Method,
        catalog: &Catalog,
        body: Incoming,
    ) -> Answer {
        let running = || self.0.delivery.sessions().list();
        match route {
            Route::Health => plain(StatusCode::OK, "OK\n"),
            Route::Ready => self.ready(),
            Route::Metrics => self.metrics(),
            Route::Status => json(&self.status()),
            Route::Sessions => {
                json(&running().iter().map(|info| Session::of(info)).collect::<Vec<_>>())
            }
            Route::Channels => {
                let (running, channels) = (running(), catalog.channels().iter());
                let views = channels.map(|channel| ChannelView::of(channel, &running));
                json(&views.collect::<Vec<_>>())
            }
            Route::Switch(channel) => self.switch(catalog, channel, body).await,
            Route::Override(channel) => self.overridden(catalog, channel, method, body).await,
            Route::Relay(route) => self.relays(catalog, route).await,
            Route::Unknown => {
                problem_answer(StatusCode::NOT_FOUND, "nothing is found under this path")
            }
        }
    }

    /// Tells the sessions of a channel to go over to another source.
    async fn switch(&self, catalog: &Catalog, id: &str, body: Incoming) -> Answer {
        let Some(channel) = catalog.find(id) else {
            return unknown_channel();
        };
        let body = match read(body).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let (sessions, sources) = (self.0.delivery.sessions(), channel.sources.len());
        match switch::switch(sessions, id, sources, &body).await {
            Ok((status, switches)) => {
                let mut answer = json(&switches);
                *answer.status_mut() = status;
                answer
            }
            Err((status, detail)) => problem_answer(status, &detail),
        }
    }

    /// What is asked of the relays, or of one.
    async fn relays(&self, catalog: &Catalog, route: relay::Route<'_>) -> Answer {
        let delivery = &self.0.delivery;
        let of = |id: &str, answer: &dyn Fn(&Channel) -> Answer| match catalog.find(id) {
            Some(channel) => answer(channel),
            None => unknown_channel(),
        };
        match route {
            relay::Route::Health => json(&relay::health(delivery)),
            relay::Route::Metrics => json(&relay::figures(delivery)),
            relay::Route::HealthOf(id) => {
                of(id, &|channel| json(&relay::health_of(delivery, channel)))
            }
            relay::Route::Status(id) => of(id, &|channel| json(&relay::status(delivery, channel))),
            relay::Route::Stop(id) => of(id, &|channel| json(&relay::stop(delivery, channel))),
            relay::Route::Start(id) => {
                let Some(channel) = catalog.find(id) else { return unknown_channel() };
                match relay::start(delivery, catalog, channel).await {
                    Ok(done) => json(&done),
                    Err((status, detail)) => problem_answer(status, &detail),
                }
            }
        }
    }

    /// Says or changes what a channel shows instead of its sources.
    async fn overridden(
        &self,
        catalog: &Catalog,
        id: &str,
        method: &Method,
        body: Incoming,
    ) -> Answer {
        let Some(channel) = catalog.find(id) else {
            return unknown_channel();
        };
        let body = match read(body).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let delivery = &self.0.delivery;
        match overrides::answer(method, channel, &body, delivery, catalog) {
            Ok(view) => json(&view),
            Err((status, detail)) => problem_answer(status, &detail),
        }
    }

    fn ready(&self) -> Answer {
        match self.0.readiness.phase() {
            Phase::Ready => plain(StatusCode::OK, "ready\n"),
            Phase::Starting => plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            Phase::Draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        }
    }

    fn metrics(&self) -> Answer {
        self.0.delivery.settle();
        let mut text = self.0.metrics.text();
        let main = Handle::current();
        process::write(&mut text, self.0.lanes.runtimes().chain([&main]));
        let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        answer(StatusCode::OK, media_type, text)
    }

    fn status(&self) -> Status {
        let catalog = self.0.catalogs.current();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            phase: match self.0.readiness.phase() {
                Phase::Starting => "starting",
                Phase::Ready => "ready",
                Phase::Draining => "draining",
            },
            sessions: self.0.delivery.sessions().count(),
            channels: catalog.channels().len(),
            receivers: catalog.receivers().len(),
            uptime_seconds: self.0.started.elapsed().as_secs(),
        }
    }
}

impl Handler for Api {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _info: Arc<ConnectionInfo>) -> Answer {
        let answer = self.answer(request).await;
        self.0.metrics.http_request(Port::Admin, answer.status().as_u16());
        answer
    }
}

/// A request's body.
async fn read(body: Incoming) -> Result<Bytes, Answer> {
    let reading = timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
    if let Ok(Ok(body)) = reading {
        return Ok(body.to_bytes());
    }
    let mut answer =
        problem_answer(StatusCode::BAD_REQUEST, "the body is too long or did not come");
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Err(answer)
}

/// A page in the administrator's browser must not reach a loopback listener under a name of its
/// own (DNS rebinding): without a token, only addresses and `localhost` are known.
fn host_is_known(request: &request::Parts, config: &Config) -> bool {
    if config.access.admin_token.is_some() {
        return true;
    }
    let Some(host) = request.headers.get(HOST) else {
        // HTTP/1.0 without Host: no browser.
        return true;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

fn token_fits(request: &request::Parts, config: &Config) -> bool {
    let Some(known) = &config.access.admin_token else {
        return true;
    };
    let given = request.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    let Some((scheme, given)) = given else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer") && known.matches(given.trim())
}

fn rejected(code: &str) -> Answer {
    let (status, detail) = problem::of_reject(code);
    let mut answer = problem_answer(status, &detail);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn method_not_allowed(allowed: &'static str) -> Answer {
    let detail = format!("this path answers {allowed}");
    let mut answer = problem_answer(StatusCode::METHOD_NOT_ALLOWED, &detail);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn json(document: &impl Serialize) -> Answer {
    match serde_json::to_string(document) {
        Ok(text) => {
            answer(StatusCode::OK, HeaderValue::from_static("application/json"), text + "\n")
        }
        Err(error) => {
            tracing::error!(%error, "cannot write a document");
            problem_answer(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written")
        }
    }
}

fn unknown_channel() -> Answer {
    problem_answer(StatusCode::NOT_FOUND, "no channel has this id")
}

fn problem_answer(status: StatusCode, detail: &str) -> Answer {
    let document = problem::document(status, detail, None);
    answer(status, HeaderValue::from_static(problem::MEDIA_TYPE), document)
}

fn plain(status: StatusCode, text: &str) -> Answer {
    answer(status, HeaderValue::from_static("text/plain; charset=utf-8"), text.to_owned())
}

fn answer(status: StatusCode, media_type: HeaderValue, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, media_type);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
