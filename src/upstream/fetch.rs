//! One request to one source: connect, send, read the head, follow redirects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, COOKIE, HOST};
use http::header::{SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, response};
use http_body_util::Empty;
use tokio::time::{Instant, timeout_at};

use crate::config::Egress;
use crate::message::Cookies;
use crate::message::Url;
use crate::message::credentials;
use crate::message::headers::retry_after;
use crate::metrics::Metrics;
use crate::upstream::Error;
use crate::upstream::body::UpstreamBody;
use crate::upstream::connect::Race;
use crate::upstream::connect::Transport;
use crate::upstream::connect::connect;
use crate::upstream::connect::set_options;
use crate::upstream::egress::Trust;
use crate::upstream::exchange::Unanswered;
use crate::upstream::exchange::send;
use crate::upstream::pool::Key;
use crate::upstream::pool::Loan;
use crate::upstream::pool::Pool;
use crate::upstream::pool::Use;
use crate::upstream::redirect::Trail;
use crate::upstream::redirect::may_carry_credentials;
use crate::upstream::resolve::Resolver;
use crate::upstream::tls::Tls;

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
    /// What becomes of its connections.
    pub keep: Keep,
}

/// What becomes of the connections that a request is sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Each is new, belongs to this request alone and ends with it.
    #[default]
    Fresh,
    /// A kept one will do, and each is kept for another request if it can be. Without a pool, as
    /// [`Keep::Fresh`].
    Pooled,
    /// As [`Keep::Pooled`], before those where there are more requests than places: for what is
    /// short and waited for.
    Ahead,
}

/// A source's answer: the head, and the body still to be read from its connection.
pub struct Answer {
    /// Status and fields as the source sent them.
    pub head: response::Parts,
    /// The body; dropping it closes the connection, or gives it back to the pool.
    pub body: UpstreamBody,
    /// Where the answer came from, redirects followed.
    pub url: Url,
    /// The cookies that were set on the way there and by the answer, and by whom; for those who are
    /// given the answer without having asked.
    pub set_cookies: SetCookies,
}

/// `Set-Cookie` fields and where they came from. At most eleven heads' worth.
pub type SetCookies = Vec<(Url, HeaderMap)>;

/// Opens sources. One for the program; holds no connection but those in its pool.
#[derive(Clone)]
pub struct Fetcher {
    tls: Tls,
    resolver: Resolver,
    metrics: Arc<Metrics>,
    pool: Option<Pool>,
}

/// An open connection without a request.
struct Connected {
    transport: Transport,
    /// Its place in the pool, if it has one.
    loan: Option<Loan>,
    /// It has carried another request before.
    is_reused: bool,
}

impl Fetcher {
    /// A fetcher that trusts what `tls` trusts.
    #[must_use]
    pub fn new(tls: Tls, metrics: Arc<Metrics>) -> Self {
        Self { tls, resolver: Resolver::new(), metrics, pool: None }
    }

    /// The same, with a place for kept connections.
    #[must_use]
    pub fn with_pool(self, pool: Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// Sends `ask` on a connection, fresh or kept as it says, and reads the response head, following
    /// at most ten redirects, each on a connection of its own, one at a time. Cancel safe: dropping
    /// it closes whatever is open. The redirects of one request share its two timeouts.
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
        let mut set_cookies = SetCookies::new();
        loop {
            let started = Instant::now();
            let (head, body) = self.exchange(ask, &url).await?;
            self.metrics.upstream_response(started.elapsed());
            if let Some(cookies) = &ask.cookies
                && head.headers.contains_key(SET_COOKIE)
            {
                let mut cookies = cookies.lock().unwrap_or_else(PoisonError::into_inner);
                cookies.store(&url, &head.headers);
                let lines = head.headers.get_all(SET_COOKIE).iter();
                let lines = lines.map(|line| (SET_COOKIE, line.clone())).collect();
                set_cookies.push((url.clone(), lines));
            }
            let next =
                trail.follow(head.status.as_u16(), &head.headers).map_err(Error::Redirect)?;
            let Some(next) = next else {
                return Ok(Answer { head, body, url, set_cookies });
            };
            // Its connection is good for the next hop if all of the body has come with the head.
            drop(body);
            url = next;
        }
    }

    /// One request, one response head.
    async fn exchange(
        &self,
        ask: &Ask,
        url: &Url,
    ) -> Result<(response::Parts, UpstreamBody), Error> {
        let mut must_be_fresh = false;
        loop {
            let request = request(ask, url, self.pool_for(ask).is_some())?;
            let Connected { loan, transport, is_reused } =
                self.connection(ask, url, must_be_fresh).await?;
            // The source may have closed it at the moment that the request went out, and what changes
            // nothing may be asked twice (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1). It may have
            // said so with a 408, which is no answer to this request (RFC 9110 section 15.5.9).
            let may_repeat = is_reused && matches!(ask.method, Method::GET | Method::HEAD);
            let answered = send(request, transport, ask.response_timeout).await;
            let is_answer = match &answered {
                Ok(answered) => answered.status() != StatusCode::REQUEST_TIMEOUT,
                Err(Unanswered { error: Error::Closed, heard }) => *heard,
                Err(_) => true,
            };
            if is_reused
                && (answered.is_err() || !is_answer)
                && let Some(pool) = &self.pool
            {
                pool.forget(&key(ask, url));
            }
            match answered {
                _ if may_repeat && !is_answer => must_be_fresh = true,
                Ok(answered) => return Ok(answered.into_parts(loan, url)),
                Err(unanswered) => return Err(unanswered.error),
            }
        }
    }

    /// A kept connection, or a new one.
    async fn connection(
        &self,
        ask: &Ask,
        url: &Url,
        must_be_fresh: bool,
    ) -> Result<Connected, Error> {
        let deadline = Instant::now() + ask.connect_timeout;
        let mut loan = None;
        if let Some(pool) = self.pool_for(ask) {
            let key = key(ask, url);
            let what = if ask.keep == Keep::Ahead { Use::Short } else { Use::Long };
            let claimed = timeout_at(deadline, pool.claim(&key, what, must_be_fresh)).await;
            let (kept, place) = claimed.map_err(|_| Error::NoPlace(ask.connect_timeout))?;
            loan = Some(place);
            if let Some(transport) = kept {
                return Ok(Connected { transport, loan, is_reused: true });
            }
        }
        let began = Instant::now();
        let transport = timeout_at(deadline, self.open(ask, url))
            .await
            .map_err(|_| Error::ConnectTimeout(ask.connect_timeout))??;
        self.metrics.upstream_connect(began.elapsed());
        Ok(Connected { transport, loan, is_reused: false })
    }

    /// The pool, where `ask` is for it.
    fn pool_for(&self, ask: &Ask) -> Option<&Pool> {
        self.pool.as_ref().filter(|_| ask.keep != Keep::Fresh)
    }

    async fn open(&self, ask: &Ask, url: &Url) -> Result<Transport, Error> {
        let race = if ask.counted { Race::Never } else { Race::Allowed };
        if let Some(pool) = self.pool.as_ref().filter(|_| ask.counted) {
            // An idle connection would be one too many.
            pool.make_way(url.host());
        }
        let addresses = self.resolver.resolve(url, trust(ask, url), &ask.egress).await?;
        let stream = connect(&addresses, race).await?;
        set_options(&stream);
        if url.is_https() {
            return Ok(Transport::Tls(Box::new(self.tls.connect(url.host(), stream).await?)));
        }
        Ok(Transport::Tcp(stream))
    }
}

/// How the host of `url` came to be asked.
fn trust(ask: &Ask, url: &Url) -> Trust {
    if url.same_host(&ask.home) { Trust::Configured } else { Trust::Foreign }
}

/// What a kept connection must be good for to be used for `url`.
fn key(ask: &Ask, url: &Url) -> Key {
    Key::new(url, trust(ask, url), &ask.egress)
}

/// The error that a non-success answer is.
#[must_use]
pub fn status_error(head: &response::Parts) -> Error {
    Error::Status { code: head.status.as_u16(), retry_after: retry_after(&head.headers) }
}

/// The request as the source sees it: nothing in it comes from the client but `ask.fields`.
fn request(ask: &Ask, url: &Url, may_keep: bool) -> Result<Request<Empty<Bytes>>, Error> {
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
    if may_keep {
        headers.remove(CONNECTION);
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(request)
}

/// The credentials that a URL carries.
fn userinfo(url: &Url) -> Option<HeaderValue> {
    let username = url.username()?;
    credentials::basic(&username, &url.password().unwrap_or_default())
}
