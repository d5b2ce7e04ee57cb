//! An Enigma2 receiver as an upstream: the streaming port with what is odd about it.
//! - Every answer is HTTP/1.0; a stream has no length and ends with the connection.
//! - It looks at the first read only (512 bytes of it at a time, until a line is complete): what
//!   does not begin with `GET /` is a bad request, and `Authorization: Basic ` is searched for there,
//!   in this case alone.
//! - It says 200 before it has tried anything: a bad reference shows as a second status line in the
//!   body, a tuner that is busy or without signal as silence.
//! - It drops a reader who takes nothing for ten seconds.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use super::capture::base64_of;
use super::origin::Feed;
use super::origin::Origin;
use super::origin::Recorded;
use super::origin::Script;
use super::ts::TsPattern;

#[cfg(test)]
mod tests;

/// Bytes that the receiver reads at once.
const READ: usize = 512;
/// SO_SNDBUF of a stream.
const SEND_BUFFER: u32 = 188 * 1024;

const OK: &str = "HTTP/1.0 200 OK\r\nConnection: Close\r\nContent-Type: video/mpeg\r\nServer: streamserver\r\n\r\n";
const BAD_REQUEST: &str = "HTTP/1.0 400 Bad Request\r\n\r\n";
const UNAUTHORIZED: &str = "HTTP/1.0 401 Authorization Required\r\n\
                            WWW-Authenticate: Basic realm=\"streamserver\"\r\n\r\n";

/// A receiver before it starts.
#[derive(Clone, Debug)]
pub(crate) struct Enigma2Builder {
    services: HashMap<String, TsPattern>,
    silent: HashSet<String>,
    tuners: usize,
    credentials: Option<String>,
    reader_timeout: Duration,
    rate: Option<u64>,
}

/// A running receiver; it is an [`Origin`] too.
#[derive(Debug)]
pub(crate) struct Enigma2 {
    origin: Origin,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections that were given a tuner, with their service.
    tuned: HashMap<usize, String>,
    /// The service of each connection that asked for one, decoded.
    asked: Vec<String>,
    violations: usize,
    refused: usize,
}

impl Enigma2 {
    /// A receiver with eight tuners, no services and no password.
    pub(crate) fn builder() -> Enigma2Builder {
        Enigma2Builder {
            services: HashMap::new(),
            silent: HashSet::new(),
            tuners: 8,
            credentials: None,
            reader_timeout: Duration::from_secs(10),
            rate: None,
        }
    }

    /// How often a stream was asked for when all tuners were taken.
    pub(crate) fn violations(&self) -> usize {
        self.state().violations
    }

    /// How often credentials were missing or wrong.
    pub(crate) fn unauthorized(&self) -> usize {
        self.state().refused
    }

    /// The services asked for, in their order, decoded once, with their query.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The request targets as they came.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen().iter().map(|request| request.target().to_owned()).collect()
    }

    /// How many readers were dropped because they took nothing.
    pub(crate) fn dropped_readers(&self) -> usize {
        self.connections().iter().filter(|connection| connection.given_up).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Enigma2 {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl Enigma2Builder {
    /// Adds a service: its reference as the receiver knows it, `1:0:19:...:0:0:0:`.
    pub(crate) fn service(mut self, reference: &str, pattern: TsPattern) -> Self {
        self.services.insert(reference.to_owned(), pattern);
        self
    }

    /// Adds a service without signal: 200 and silence.
    pub(crate) fn silent_service(mut self, reference: &str) -> Self {
        self.silent.insert(reference.to_owned());
        self
    }

    /// Sets how many streams there can be at once.
    pub(crate) fn tuners(mut self, tuners: usize) -> Self {
        self.tuners = tuners;
        self
    }

    /// Asks for Basic credentials.
    pub(crate) fn credentials(mut self, username: &str, password: &str) -> Self {
        self.credentials = Some(base64_of(format!("{username}:{password}").as_bytes()));
        self
    }

    /// Sets how long a reader may take nothing.
    pub(crate) fn reader_timeout(mut self, timeout: Duration) -> Self {
        self.reader_timeout = timeout;
        self
    }

    /// Plays at so many bytes a second in place of real time.
    pub(crate) fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Starts the receiver.
    pub(crate) async fn start(self) -> Enigma2 {
        let state = Arc::new(Mutex::new(State::default()));
        let known = Arc::clone(&state);
        let origin = Origin::builder().send_buffer(SEND_BUFFER);
        let origin = origin
            .start(move |request| {
                let mut state = known.lock().unwrap_or_else(PoisonError::into_inner);
                self.answer(request, &mut state)
            })
            .await;
        Enigma2 { origin, state }
    }

    fn answer(&self, request: &Recorded, state: &mut State) -> Script {
        let looked_at = first_look(request);
        let Some(rest) = looked_at.strip_prefix("GET /") else {
            return Script::new().raw(BAD_REQUEST);
        };
        if let Some(credentials) = &self.credentials {
            let given = looked_at.split_once("Authorization: Basic ").map(|(_, rest)| rest);
            let given = given.and_then(|rest| rest.split('\r').next());
            if given != Some(credentials) {
                state.refused += 1;
                return Script::new().raw(UNAUTHORIZED);
            }
        }
        // Up to the next space, wherever it is; without one, or with nothing before it, the box has
        // not said 200 yet.
        let Some((target, _)) = rest.split_once(' ').filter(|(target, _)| !target.is_empty())
        else {
            return Script::new().raw(BAD_REQUEST);
        };
        let asked = decoded(target);
        state.asked.push(asked.clone());
        let accepted = Script::new().raw(OK);
        let Some(service) = playable(&asked) else { return accepted.raw(BAD_REQUEST) };
        let pattern = self.services.get(service);
        if pattern.is_none() && !self.silent.contains(service) {
            return accepted.raw(BAD_REQUEST);
        }
        state.tuned.retain(|connection, _| request.open.contains(connection));
        if state.tuned.len() >= self.tuners {
            state.violations += 1;
            return accepted.stall();
        }
        state.tuned.insert(request.connection, service.to_owned());
        let Some(pattern) = pattern else { return accepted.stall() };
        let rate = self.rate.unwrap_or(pattern.bytes_per_second());
        let mut feed = Feed::of(pattern.clone()).rate(rate);
        if let Some(seconds) = duration(&asked) {
            feed = feed.bytes(pattern.bytes_per_second() * seconds);
        }
        accepted.give_up_after(self.reader_timeout).feed(feed)
    }
}

/// What the receiver has of a request when it decides: as many reads of 512 bytes as the first line
/// takes.
fn first_look(request: &Recorded) -> String {
    let head = &request.head;
    let line = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    let length = request.first_read.min(line.next_multiple_of(READ)).min(head.len());
    String::from_utf8_lossy(&head[..length]).into_owned()
}

/// Percent-decoding, once; what is no escape stays.
fn decoded(target: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = target.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The service of a decoded target: without a session id, and without the parameters of a transcoding
/// or a duration. None for parameters that the box can make nothing of.
fn playable(asked: &str) -> Option<&str> {
    let asked = asked.split("&sessionid=").next()?.split("?sessionid=").next()?;
    let Some((service, parameters)) = asked.split_once('?') else { return Some(asked) };
    let known =
        |parameter: &str| parameter.starts_with("bitrate=") || parameter.starts_with("duration=");
    parameters.split(['?', '&']).any(known).then_some(service)
}

/// `duration=` of a decoded target: after so many seconds the stream ends.
fn duration(asked: &str) -> Option<u64> {
    asked
        .split(['?', '&'])
        .skip(1)
        .find_map(|parameter| parameter.strip_prefix("duration="))?
        .parse()
        .ok()
}
