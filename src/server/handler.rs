//! The one straight line from a request to its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::channel::Catalog;
use crate::channel::Catalogs;
use crate::channel::Channel;
use crate::channel::Kind;
use crate::channel::service_ref::ServiceRef;
use crate::delivery;
use crate::delivery::Body;
use crate::delivery::Delivery;
use crate::delivery::Form;
use crate::delivery::Held;
use crate::delivery::Viewer;
use crate::delivery::Wish;
use crate::listen::ConnectionInfo;
use crate::listen::Handler;
use crate::listen::guard;
use crate::message::forwarded::client_address;
use crate::message::headers;
use crate::message::percent;
use crate::message::query;
use crate::metrics::Metrics;
use crate::metrics::Port;
use crate::server::auth;
use crate::server::base::Arrival;
use crate::server::base::base;
use crate::server::limits::Limits;
use crate::server::limits::Rates;
use crate::server::m3u;
use crate::server::respond::Problem;
use crate::server::route::Target;
use crate::server::route::route;

/// What may be asked of this listener.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Answers the media listener.
#[derive(Clone)]
pub struct Server(Arc<Parts>);

struct Parts {
    catalogs: Arc<Catalogs>,
    delivery: Delivery,
    limits: Limits,
    rates: Arc<Rates>,
    metrics: Arc<Metrics>,
}

/// One request, its access checked.
struct Asked<'a> {
    request: &'a Request<Incoming>,
    info: &'a ConnectionInfo,
    catalog: Arc<Catalog>,
    /// The client's own address.
    client: IpAddr,
    viewer: Viewer,
    /// The raw query without weir's token.
    query: Option<String>,
    /// The token that stood in the path or in the query, as it may stand in a path.
    url_token: Option<String>,
    /// The one of the query alone, for URLs that are relative to the path.
    query_token: Option<String>,
    started: Instant,
}

impl Server {
    /// Wires the parts; starts nothing.
    #[must_use]
    pub fn new(
        catalogs: Arc<Catalogs>,
        delivery: Delivery,
        rates: Arc<Rates>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Parts { catalogs, delivery, limits: Limits::default(), rates, metrics }))
    }

    async fn answer(
        &self,
        request: &Request<Incoming>,
        info: &ConnectionInfo,
    ) -> Result<Response<Body>, Problem> {
        let started = Instant::now();
        let route = route(request.uri().path());
        if request.method().as_str() == guard::REJECTED {
            let code = request.uri().path().trim_start_matches('/');
            return Err(Problem::rejected(code, ALLOWED));
        }
        let catalog = self.0.catalogs.current();
        let config = catalog.config();
        let trusted = |address| config.trusted_proxies.iter().any(|cidr| cidr.contains(address));
        let client = client_address(info.peer.ip, request.headers(), trusted);
        if !config.access.allow.iter().any(|cidr| cidr.contains(client)) {
            return Err(Problem::new(StatusCode::FORBIDDEN, "this address is not in access.allow"));
        }
        check_method(request)?;
        if route.target == Target::Health {
            return Ok(text("text/plain; charset=utf-8", "OK\n".to_owned()));
        }
        if !self.0.rates.allows(client) {
            return Err(Problem::too_fast());
        }
        if request.method() == Method::OPTIONS {
            return Ok(preflight());
        }
        // Without tokens of ours a `token` in the query is the receiver's.
        let ours = !config.access.tokens.is_empty();
        let (token, query) = match request.uri().query() {
            Some(query) if !ours => (None, Some(query.to_owned())),
            Some(query) => {
                let (token, rest) = query::take(query, "token");
                (token, Some(rest.into_owned()).filter(|rest| !rest.is_empty()))
            }
            None => (None, None),
        };
        // A sealed URL is a key in itself: it was made for a client that had a token.
        let sealed = matches!(route.target, Target::Sealed(_));
        let path_token = route.token.and_then(percent::decode_text);
        let in_path = path_token.as_deref().or(route.token);
        let judged = auth::judge(&config.access, in_path, token.as_deref(), request.headers());
        let token_name = match judged {
            auth::Verdict::Allowed(name) => name,
            _ if sealed => None,
            auth::Verdict::Missing => return Err(Problem::token_missing()),
            auth::Verdict::Wrong => {
                return Err(Problem::new(StatusCode::FORBIDDEN, "this access token is not known"));
            }
        };
        let viewer = Viewer::new(token_name.as_deref(), client, request.headers());
        let url_token = in_path.or(token.as_deref()).map(path_segment);
        let query_token = token.as_deref().filter(|_| in_path.is_none()).map(path_segment);
        let asked = Asked {
            request,
            info,
            catalog,
            client,
            viewer,
            query,
            url_token,
            query_token,
            started,
        };
        self.dispatch(&asked, route.target).await
    }

    async fn dispatch(
        &self,
        asked: &Asked<'_>,
        target: Target<'_>,
    ) -> Result<Response<Body>, Problem> {
        match target {
            Target::Health => Ok(text("text/plain; charset=utf-8", "OK\n".to_owned())),
            Target::Playlist => Ok(playlist(asked)),
            Target::Stream(id) => self.stream(asked, id, None).await,
            Target::Hls(id) => self.stream(asked, id, Some("hls")).await,
            Target::HlsFile(id, file) => self.file(asked, id, file).await,
            Target::Sealed(sealed) => self.sealed(asked, sealed).await,
            Target::Service { receiver, target } => self.service(asked, receiver, target).await,
            Target::Unknown => Err(Problem::unknown_path()),
        }
    }

    /// A channel by its id, in the form that was asked for.
    async fn stream(
        &self,
        asked: &Asked<'_>,
        id: &str,
        form: Option<&str>,
    ) -> Result<Response<Body>, Problem> {
        let channel = asked.catalog.find(id).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "no channel has this id").about(id)
        })?;
        let parameter = |name| {
            let value = asked.query.as_deref().and_then(|given| query::get(given, name));
            value.map(std::borrow::Cow::into_owned)
        };
        let is_playlist = form.is_some();
        let format = form.map(str::to_owned).or_else(|| parameter("format"));
        if Delivery::is_packaged(channel) {
            return self.packaged(asked, channel, format.as_deref(), is_playlist).await;
        }
        let form = form_of(channel, format.as_deref(), parameter("max_bandwidth").as_deref());
        let form = form.map_err(|problem| problem.about(id))?;
        if parameter("profile").is_some_and(|name| name != channel.profile.name) {
            let detail =
                format!("this channel is delivered with the profile `{}`", channel.profile.name);
            return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail).about(id));
        }
        let wish = Wish { form, ..self.wish(asked)? };
        let served = self.0.delivery.serve(channel, wish).await;
        served.map_err(|error| undelivered(channel, asked, &error).about(id))
    }

    /// A channel that is made HLS here. Whoever asks for a stream of it is led to its playlist, beside
    /// which the segments are.
    async fn packaged(
        &self,
        asked: &Asked<'_>,
        channel: &Arc<Channel>,
        format: Option<&str>,
        is_playlist: bool,
    ) -> Result<Response<Body>, Problem> {
        if !matches!(format, None | Some("auto" | "hls")) {
            let problem = Problem::undelivered(&delivery::Error::NotAcceptable("hls"));
            return Err(problem.about(&channel.id));
        }
        let token = asked.query_token.as_deref();
        if !is_playlist {
            let query = token.map(|token| format!("?token={token}")).unwrap_or_default();
            // Out of `/stream/ID` and of `/relay/channel/ID/stream`, whatever stands before them.
            let is_long = asked.request.uri().path().ends_with("/stream");
            let up = if is_long { "../../../" } else { "../" };
            return Ok(see(&format!("{up}hls/{}/playlist.m3u8{query}", channel.id)));
        }
        let served = self.0.delivery.packaged_playlist(channel, self.wish(asked)?, token).await;
        served.map_err(|error| undelivered(channel, asked, &error).about(&channel.id))
    }

    /// A segment that is made here.
    async fn file(
        &self,
        asked: &Asked<'_>,
        id: &str,
        name: &str,
    ) -> Result<Response<Body>, Problem> {
        let channel = asked.catalog.find(id).filter(|channel| Delivery::is_packaged(channel));
        let channel = channel.ok_or_else(Problem::unknown_path)?;
        let served = self.0.delivery.packaged_file(channel, self.wish(asked)?, name).await;
        served.map_err(|error| Problem::undelivered(&error).about(id))
    }

    /// A receiver's service.
    async fn service(
        &self,
        asked: &Asked<'_>,
        receiver: Option<&str>,
        target: &str,
    ) -> Result<Response<Body>, Problem> {
        let reference = ServiceRef::parse_path(target)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?;
        if reference.carries_url() {
            let detail =
                "a service reference that carries a URL is taken from the configuration only";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let receiver = asked
            .catalog
            .receiver(receiver)
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such receiver is configured"))?;
        let target = match &asked.query {
            Some(query) => format!("{target}?{query}"),
            None => target.to_owned(),
        };
        let channel = receiver
            .channel(&target, &self.0.metrics)
            .map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, reason))?;
        let channel = Arc::new(channel);
        let wish = self.wish(asked)?;
        let served = self.0.delivery.serve(&channel, wish).await;
        served.map_err(|error| undelivered(&channel, asked, &error).about(&channel.id))
    }

    /// A URL that a rewritten playlist named.
    async fn sealed(&self, asked: &Asked<'_>, text: &str) -> Result<Response<Body>, Problem> {
        let text = text.split('.').next().unwrap_or_default();
        let opened = self.0.delivery.unseal(text);
        let opened = opened.ok_or_else(|| Problem::undelivered(&delivery::Error::Forged))?;
        let channel = asked.catalog.find(&opened.channel).ok_or_else(|| {
            Problem::new(StatusCode::GONE, "the channel of this URL is no longer configured")
        })?;
        let wish = self.wish(asked)?;
        let served = self.0.delivery.serve_sealed(&opened, channel, wish, SystemTime::now()).await;
        served.map_err(|error| undelivered(channel, asked, &error).about(&channel.id))
    }

    /// What delivery needs to know, with a place under the limits.
    fn wish(&self, asked: &Asked<'_>) -> Result<Wish, Problem> {
        let config = asked.catalog.config();
        let place = self.0.limits.enter(asked.client, &config.limits).map_err(Problem::full)?;
        Ok(Wish {
            form: Form::Own,
            method: asked.request.method().clone(),
            headers: asked.request.headers().clone(),
            path: asked.request.uri().path().to_owned(),
            query: asked.query.clone(),
            client: asked.client,
            viewer: asked.viewer.clone(),
            started: asked.started,
            control: Arc::clone(&asked.info.control),
            place: Box::new(place),
            config: Arc::clone(config),
        })
    }
}

impl Handler for Server {
    type Body = Body;

    async fn handle(
        &self,
        request: Request<Incoming>,
        info: Arc<ConnectionInfo>,
    ) -> Response<Body> {
        let mut response = match self.answer(&request, &info).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        };
        headers::apply_cors(response.headers_mut());
        self.0.metrics.http_request(Port::Stream, response.status().as_u16());
        tracing::debug!(peer = %info.peer.ip, status = response.status().as_u16(), "answered");
        response
    }
}

/// GET, HEAD and OPTIONS, without a body.
fn check_method(request: &Request<Incoming>) -> Result<(), Problem> {
    let method = request.method();
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        let known = [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::CONNECT,
            Method::TRACE,
        ];
        return Err(Problem::method(known.contains(method), ALLOWED));
    }
    let fields = request.headers();
    let sized = fields.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if sized || fields.contains_key(TRANSFER_ENCODING) {
        return Err(Problem::body_not_expected());
    }
    Ok(())
}

/// The form that was asked for, if the channel comes in it. `max_bandwidth` is in bits per second.
fn form_of(
    channel: &Channel,
    format: Option<&str>,
    max_bandwidth: Option<&str>,
) -> Result<Form, Problem> {
    let hls = channel.kind() == Some(Kind::Hls);
    let max_bandwidth = match max_bandwidth.map(str::parse) {
        None => u64::MAX,
        Some(Ok(bandwidth)) => bandwidth,
        Some(Err(_)) => {
            let detail = "max_bandwidth is a number of bits per second, such as 5000000";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    match format {
        None | Some("auto") => Ok(Form::Own),
        Some("ts") => Ok(Form::Ts { max_bandwidth }),
        // What it is shows when a source has answered.
        Some("hls") if hls || channel.kind().is_none() => Ok(Form::Own),
        Some("hls" | "hls-fmp4" | "dash") => {
            let form = if hls { "hls" } else { "ts" };
            Err(Problem::undelivered(&delivery::Error::NotAcceptable(form)))
        }
        Some(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "format is one of ts, hls, hls-fmp4, dash, auto",
        )),
    }
}

/// Logs, once, that a client got no stream.
fn undelivered(channel: &Channel, asked: &Asked<'_>, error: &delivery::Error) -> Problem {
    let problem = Problem::undelivered(error);
    let (channel, client, status) = (&channel.id, asked.client, problem.status().as_u16());
    // What a client can bring about by asking is no business of the operator's.
    let is_ours = matches!(
        error,
        delivery::Error::Exhausted(_)
            | delivery::Error::Playlist(_)
            | delivery::Error::Ffmpeg(_)
            | delivery::Error::Undecodable(_)
            | delivery::Error::Remux
    );
    if is_ours {
        tracing::error!(%channel, %client, status, "no stream for a client: {error}");
    } else {
        tracing::debug!(%channel, %client, status, "no stream for a client: {error}");
    }
    problem
}

fn playlist(asked: &Asked<'_>) -> Response<Body> {
    let config = asked.catalog.config();
    let arrival = Arrival {
        public_url: config.public_url.as_deref(),
        headers: asked.request.headers(),
        trusted: config.trusted_proxies.iter().any(|cidr| cidr.contains(asked.info.peer.ip)),
        tls: asked.info.tls,
        local: asked.info.peer.local,
    };
    let mut base = base(&arrival);
    // A list that was fetched with a token in its URL leads to URLs with the same token.
    if let Some(token) = &asked.url_token {
        base = format!("{base}/t/{token}");
    }
    text("audio/x-mpegurl", m3u::list(&asked.catalog, &base))
}

/// `text` as one segment of a path.
fn path_segment(text: &str) -> String {
    let mut segment = String::new();
    percent::encode_into(text.as_bytes(), percent::is_unreserved, &mut segment);
    segment
}

fn text(media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Either::Left(Held::new(Bytes::from(text), None)));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Somewhere else, relative to what was asked for.
fn see(place: &str) -> Response<Body> {
    let mut response = Response::new(Either::Left(Held::empty()));
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn preflight() -> Response<Body> {
    let mut response = Response::new(Either::Left(Held::empty()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields: &mut HeaderMap = response.headers_mut();
    fields.insert(http::header::ALLOW, HeaderValue::from_static(ALLOWED));
    headers::apply_preflight(fields);
    response
}
