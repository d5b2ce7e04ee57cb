//! One request to one source: connect, send, read the head, follow redirects.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, COOKIE, HOST, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::time::{Instant, timeout_at};

use crate::config::Egress;
use crate::message::Cookies;
use crate::message::Url;
use crate::message::credentials;
use crate::message::headers::retry_after;
use crate::message::response_head::Malformed;
use crate::metrics::Metrics;
use crate::upstream::Error;
use crate::upstream::body::Driver;
use crate::upstream::body::UpstreamBody;
use crate::upstream::body::io_kind;
use crate::upstream::connect::Race;
use crate::upstream::connect::Transport;
use crate::upstream::connect::connect;
use crate::upstream::connect::set_options;
use crate::upstream::egress::Trust;
use crate::upstream::head_filter::HeadFilter;
use crate::upstream::redirect::Trail;
use crate::upstream::redirect::may_carry_credentials;
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Tls;

/// hyper's read buffer on an upstream connection: fixed, or it would grow to 400 KiB at high bit
/// rates. It also bounds the response head.
const READ_BUFFER: usize = 32 * 1024;

/// Header fields of a source's answer: those that its filter lets through, and one of the filter's.
const FIELDS_MAX: usize = 257;

/// What to ask a source for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The source's URL; its userinfo, if any, becomes Basic credentials.
    pub url: Url,
    /// The source's configured URL: its host is trusted, and configured fields and credentials go
    /// to no other.
    pub home: Url,
    /// GET or HEAD.
    pub method: Method,
    /// Fields that may go wherever a redirect leads (Range, If-Range, ...).
    pub fields: HeaderMap,
    /// The source's own configured fields: they may hold keys and stay with its host.
    pub own_fields: HeaderMap,
    /// The source's, the provider's or the default one.
    pub user_agent: HeaderValue,
    /// Configured Basic credentials; they stay with the host.
    pub authorization: Option<HeaderValue>,
    /// To an open connection, TLS included.
    pub connect_timeout: Duration,
    /// From the request to the response head.
    pub response_timeout: Duration,
    /// Whether its connections are counted by somebody: then never two at once, not even while
    /// connecting.
    pub counted: bool,
    /// Which addresses connections may go to.
    pub egress: Arc<Egress>,
    /// Cookies to send, and where those that are set on the way go.
    pub cookies: Option<Arc<Mutex<Cookies>>>,
}

/// A source's answer: the head, and the body still to be read from its connection.
pub struct Answer {
    /// Status and fields as the source sent them.
    pub head: response::Parts,
    /// The body; dropping it closes the connection.
    pub body: UpstreamBody,
    /// Where the answer came from, redirects followed.
    pub url: Url,
}

/// Opens sources. One for the program; holds no connection.
#[derive(Clone)]
pub struct Fetcher {
    tls: Tls,
    resolver: Resolver,
    metrics: Arc<Metrics>,
}

impl Fetcher {
    /// A fetcher that trusts what `tls` trusts.
    #[must_use]
    pub fn new(tls: Tls, metrics: Arc<Metrics>) -> Self {
        Self { tls, resolver: Resolver::new(), metrics }
    }

    /// Sends `ask` on a fresh connection and reads the response head, following at most ten
    /// redirects, each on a fresh connection of its own, one at a time. Cancel safe: dropping it
    /// closes whatever is open. The redirects of one request share its two timeouts.
    ///
    /// # Errors
    /// See [`Error`]; a status is an error only where a redirect cannot be followed.
    pub async fn fetch(&self, ask: &Ask) -> Result<Answer, Error> {
        let patience = ask.connect_timeout + ask.response_timeout;
        let followed = tokio::time::timeout(patience, self.follow(ask)).await;
        followed.unwrap_or(Err(Error::ResponseTimeout(patience)))
    }

    async fn follow(&self, ask: &Ask) -> Result<Answer, Error> {
        let mut trail = Trail::new(ask.url.clone());
        let mut url = ask.url.clone();
        loop {
            let started = Instant::now();
            let (response, driver) = self.exchange(ask, &url).await?;
            self.metrics.upstream_response(started.elapsed());
            let (head, incoming) = response.into_parts();
            if let Some(cookies) = &ask.cookies {
                let mut cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner);
                cookies.store(&url, &head.headers);
            }
            let is_raw = !url.is_https() && !head.headers.contains_key(TRANSFER_ENCODING);
            let next =
                trail.follow(head.status.as_u16(), &head.headers).map_err(Error::Redirect)?;
            let Some(next) = next else {
                return Ok(Answer { head, body: UpstreamBody::new(driver, incoming, is_raw), url });
            };
            url = next;
        }
    }

    /// One request, one response head.
    async fn exchange(
        &self,
        ask: &Ask,
        url: &Url,
    ) -> Result<(Response<Incoming>, Option<Driver>), Error> {
        let began = Instant::now();
        let connecting = self.open(ask, url);
        let transport = tokio::time::timeout(ask.connect_timeout, connecting)
            .await
            .map_err(|_| Error::ConnectTimeout(ask.connect_timeout))??;
        self.metrics.upstream_connect(began.elapsed());
        let deadline = Instant::now() + ask.response_timeout;
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .max_headers(FIELDS_MAX)
            .read_buf_exact_size(Some(READ_BUFFER))
            .handshake(HeadFilter::new(transport))
            .await
            .map_err(|error| before_head(&error))?;
        let mut driver: Option<Driver> = Some(Box::new(connection));
        let mut response = pin!(sender.send_request(request(ask, url)?));
        // Nothing runs beside us: the connection moves only while we poll it.
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answered) = response.as_mut().poll(cx) {
                return Poll::Ready(answered);
            }
            if let Some(running) = &mut driver
                && Pin::new(&mut **running).poll(cx).is_ready()
            {
                driver = None;
            }
            response.as_mut().poll(cx)
        });
        let answered = timeout_at(deadline, answered).await;
        let response = answered
            .map_err(|_| Error::ResponseTimeout(ask.response_timeout))?
            .map_err(|error| before_head(&error))?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Malformed(Malformed::Switching));
        }
        Ok((response, driver))
    }

    async fn open(&self, ask: &Ask, url: &Url) -> Result<Transport, Error> {
        let trust = if url.same_host(&ask.home) { Trust::Configured } else { Trust::Foreign };
        let race = if ask.counted { Race::Never } else { Race::Allowed };
        let addresses = self.resolver.resolve(url, trust, &ask.egress).await?;
        let stream = connect(&addresses, race).await?;
        set_options(&stream);
        if url.is_https() {
            return Ok(Transport::Tls(Box::new(self.tls.connect(url.host(), stream).await?)));
        }
        Ok(Transport::Tcp(stream))
    }
}

/// The error that a non-success answer is.
#[must_use]
pub fn status_error(head: &response::Parts) -> Error {
    Error::Status { code: head.status.as_u16(), retry_after: retry_after(&head.headers) }
}

/// The request as the source sees it: nothing in it comes from the client but `ask.fields`.
fn request(ask: &Ask, url: &Url) -> Result<Request<Empty<Bytes>>, Error> {
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(url.path_and_query())
        .body(Empty::new())
        .map_err(|_| Error::Unsendable)?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&url.authority()).map_err(|_| Error::Unsendable)?;
    headers.insert(HOST, host);
    let at_home = may_carry_credentials(&ask.home, url);
    let userinfo = || userinfo(url).or_else(|| userinfo(&ask.home));
    if let Some(authorization) = ask.authorization.clone().or_else(userinfo).filter(|_| at_home) {
        // This early, because receivers look for it in the first 512 bytes only.
        headers.insert(AUTHORIZATION, authorization);
    }
    headers.insert(USER_AGENT, ask.user_agent.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    // A body that was compressed on the way could not be passed on byte by byte.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.extend(ask.fields.clone());
    if let Some(cookies) = &ask.cookies {
        let cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner);
        headers.extend(cookies.field(url).map(|field| (COOKIE, field)));
    }
    if at_home {
        let mut own_fields = ask.own_fields.clone();
        if headers.contains_key(AUTHORIZATION) {
            own_fields.remove(AUTHORIZATION);
        }
        headers.extend(own_fields);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

/// The credentials that a URL carries.
fn userinfo(url: &Url) -> Option<HeaderValue> {
    let username = url.username()?;
    credentials::basic(&username, &url.password().unwrap_or_default())
}

/// What an error before the head means.
fn before_head(error: &hyper::Error) -> Error {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(malformed) = inner.and_then(|inner| inner.downcast_ref::<Malformed>()) {
            return Error::Malformed(*malformed);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || io_kind(error).is_some() {
        return Error::Closed;
    }
    Error::Malformed(Malformed::Status)
}
