//! Kept-alive connections to sources of playlists, segments and keys (RFC 9112 section 9.3). Held
//! are open transports, not hyper's connections: each request makes its own of these. What is kept
//! and who may open another is decided in `shelf`.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::config::Egress;
use crate::lifecycle::Tasks;
use crate::message::Url;
use crate::metrics::Metrics;
use crate::metrics::Value;
use crate::upstream::connect::Transport;
use crate::upstream::egress::Trust;
use crate::upstream::pool::shelf::Claim;
use crate::upstream::pool::shelf::Shelf;

mod rest;
mod shelf;
#[cfg(test)]
mod tests;

pub(crate) use rest::Resting;
pub use shelf::PoolLimits;
pub(crate) use shelf::Use;

/// What a kept connection is good for. Its address was checked when it was connected, so it serves
/// only who would have made the same check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    is_https: bool,
    host: String,
    port: u16,
    trust: Trust,
    egress: Arc<Egress>,
}

impl Key {
    /// For `url`, whose host is trusted so far, under these rules.
    pub(crate) fn new(url: &Url, trust: Trust, egress: &Arc<Egress>) -> Self {
        Self {
            is_https: url.is_https(),
            host: url.host().to_owned(),
            port: url.port(),
            trust,
            egress: Arc::clone(egress),
        }
    }
}

/// Connections that are used one after the other. Cheap to clone; all clones are one pool.
///
/// Memory: an idle connection is a socket, with TLS also its session; nothing else is held.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held for a few comparisons, never while something is closed or waited for.
    shelf: Mutex<Shelf<Key, Resting>>,
    /// Somebody who is queued for a short or for a long use may find a place.
    freed_short: Notify,
    freed_long: Notify,
    /// The first idle connection is there: it will expire.
    stocked: Notify,
    idle: Value,
    reused: Value,
}

impl Pool {
    /// An empty pool. Without [`Pool::tend`] what has expired is closed only when the pool is used.
    #[must_use]
    pub fn new(limits: PoolLimits, metrics: &Metrics) -> Self {
        Self(Arc::new(Shared {
            shelf: Mutex::new(Shelf::new(limits)),
            freed_short: Notify::new(),
            freed_long: Notify::new(),
            stocked: Notify::new(),
            idle: metrics.pool_idle(),
            reused: metrics.pool_reused(),
        }))
    }

    /// Closes connections when they have been idle for too long, and all idle ones when the program
    /// begins to drain; none is kept from then on.
    pub fn tend(&self, tasks: &Tasks) {
        let pool = self.clone();
        let mut stopping = tasks.stopping();
        tasks.spawn(Span::none(), async move {
            loop {
                let due = pool.expire();
                let expiry = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => pool.0.stocked.notified().await,
                    }
                };
                tokio::select! {
                    () = &mut stopping => break,
                    () = expiry => {}
                }
            }
            drop(pool.with(Shelf::shut));
        });
    }

    /// An idle connection for `key`, unless a new one `must_be_fresh`; else a place to open one,
    /// waited for in turn where there is none for such a use. The caller sets the deadline. Cancel
    /// safe.
    pub(crate) async fn claim(
        &self,
        key: &Key,
        what: Use,
        must_be_fresh: bool,
    ) -> (Option<Transport>, Loan) {
        let wanted = (!must_be_fresh).then_some(key);
        let mut turn = None;
        loop {
            let now = Instant::now();
            let (expired, claim) = self
                .with(|shelf| (shelf.expire(now), shelf.claim(wanted, what, turn.is_some(), now)));
            drop(expired);
            match claim {
                Claim::Reuse(resting) => {
                    let loan = self.loan(key, what);
                    if let Some(transport) = revived(resting) {
                        self.0.reused.add(1);
                        return (Some(transport), loan);
                    }
                }
                Claim::Open { close } => {
                    drop(close);
                    return (None, self.loan(key, what));
                }
                Claim::Wait => {
                    if turn.is_some() {
                        // It was told of a place that is another one's by now.
                        self.pass_on();
                    }
                    turn.get_or_insert_with(|| Turn(self, what));
                    self.freed(what).notified().await;
                }
            }
        }
    }

    /// Closes what is idle for `key`: it is no longer believed to be alive.
    pub(crate) fn forget(&self, key: &Key) {
        drop(self.with(|shelf| shelf.remove(|own| own == key)));
    }

    /// Closes what is idle to `host`, whoever vetted it: the host counts its connections.
    pub(crate) fn make_way(&self, host: &str) {
        drop(self.with(|shelf| shelf.remove(|own| own.host.eq_ignore_ascii_case(host))));
    }

    /// Closes what has been idle for too long and answers when the next one will have been.
    fn expire(&self) -> Option<Instant> {
        let (expired, due) = self.with(|shelf| (shelf.expire(Instant::now()), shelf.due()));
        drop(expired);
        due
    }

    fn loan(&self, key: &Key, what: Use) -> Loan {
        Loan { pool: self.clone(), key: Some(key.clone()), what }
    }

    fn freed(&self, what: Use) -> &Notify {
        match what {
            Use::Short => &self.0.freed_short,
            Use::Long => &self.0.freed_long,
        }
    }

    /// Changes the accounts, and with them the gauge; whoever is queued looks whether there is a
    /// place now.
    fn with<R>(&self, change: impl FnOnce(&mut Shelf<Key, Resting>) -> R) -> R {
        let mut shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shelf.idle();
        let changed = change(&mut shelf);
        let after = shelf.idle();
        self.0.idle.add(after.saturating_sub(before) as u64);
        self.0.idle.sub(before.saturating_sub(after) as u64);
        changed
    }

    /// A place has come free, or an idle connection that would make room. Who is queued passes it on.
    fn pass_on(&self) {
        if let Some(what) = self.with(|shelf| shelf.turn()) {
            self.freed(what).notify_one();
        }
    }
}

/// A place in the queue of those who wait to open a connection.
struct Turn<'a>(&'a Pool, Use);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.with(|shelf| shelf.leave_queue(self.1));
        self.0.pass_on();
    }
}

/// The place of one open connection. When dropped, the connection is closed already: whoever holds
/// both drops the connection first.
#[derive(Debug)]
pub(crate) struct Loan {
    pool: Pool,
    /// `None` once the connection is back.
    key: Option<Key>,
    what: Use,
}

impl Loan {
    /// The connection can be used again; it is closed where the pool has no room for it or its source
    /// has something to say.
    pub(crate) fn give_back(mut self, mut resting: Resting) {
        if !resting.is_quiet() {
            // Closed before the place is free.
            return drop(resting);
        }
        let Some(key) = self.key.take() else { return };
        let (pool, what) = (&self.pool, self.what);
        let (surplus, is_first) = pool.with(|shelf| {
            let surplus = shelf.put(key, resting, what, Instant::now());
            (surplus, shelf.idle() == 1)
        });
        drop(surplus);
        if is_first {
            pool.0.stocked.notify_one();
        }
        pool.pass_on();
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.key.is_some() {
            self.pool.with(|shelf| shelf.closed(self.what));
            self.pool.pass_on();
        }
    }
}

/// A kept connection, if it is still good.
fn revived(mut resting: Resting) -> Option<Transport> {
    if !resting.is_quiet() {
        return None;
    }
    let woken = resting.wake();
    woken.inspect_err(|error| tracing::debug!(%error, "a kept connection is lost")).ok()
}
