//! The players: one thread that plays for all of them, checks what they get, and notes how long it took.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use weir::message::Url;

use crate::process::OwnThread;

use super::channel::Channel;
use super::channel::Random;
use super::channel::TARGET;

use self::player::Player;

mod connection;
pub(crate) mod player;

/// What the players have seen since they were last asked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From before the request to the last byte of each playlist, in milliseconds.
    pub(crate) playlists: Vec<f64>,
    /// The same of each segment.
    pub(crate) segments: Vec<f64>,
    /// For how long a segment that a playlist did not name had been there when the playlist was asked
    /// for, in milliseconds.
    pub(crate) behind: Vec<f64>,
    pub(crate) faults: Faults,
    pub(crate) first_error: Option<String>,
}

/// What should not be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Requests without an answer, or with another than 200.
    pub(crate) failed: u64,
    /// Segments with other bytes than the channel's.
    pub(crate) wrong: u64,
    /// Playlists whose media sequence was lower than before, or that said something impossible.
    pub(crate) back: u64,
    /// Segments that had another URI in the playlist before.
    pub(crate) renamed: u64,
    /// Segments that left the playlist before their player came to them.
    pub(crate) missed: u64,
    /// Kept connections that were closed by the other side.
    pub(crate) closed: u64,
}

impl Faults {
    pub(crate) const NAMES: [&'static str; 6] =
        ["failed", "wrong bytes", "sequence", "renamed", "missed", "closed"];

    /// In the order of the names.
    pub(crate) fn all(&self) -> [u64; 6] {
        [self.failed, self.wrong, self.back, self.renamed, self.missed, self.closed]
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.failed += more.failed;
        self.wrong += more.wrong;
        self.back += more.back;
        self.renamed += more.renamed;
        self.missed += more.missed;
        self.closed += more.closed;
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of segments.
    pub(crate) bytes: AtomicU64,
    seen: Mutex<Seen>,
}

impl Tally {
    /// What was seen since the last time.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap());
    }

    fn fault(&self, which: impl FnOnce(&mut Faults) -> &mut u64, what: &str) {
        let mut seen = self.seen.lock().unwrap();
        *which(&mut seen.faults) += 1;
        seen.first_error.get_or_insert_with(|| what.to_owned());
    }
}

/// Running players; they go when this value does.
pub(crate) struct Players {
    pub(crate) tally: Arc<Tally>,
    pub(crate) thread: OwnThread,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Players {
    /// Players of the channel whose playlist is there; they begin during one target duration, and
    /// those of another `seed` at other moments.
    pub(crate) fn start(
        playlist: &str,
        clients: usize,
        channel: &Arc<Channel>,
        seed: usize,
    ) -> io::Result<Self> {
        let tally = Arc::new(Tally::default());
        let playlist = Url::parse(playlist).map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut random = Random(seed as u64);
        let players: Vec<_> = (0..clients)
            .map(|number| {
                let phase = Duration::from_nanos(random.next() % TARGET.as_nanos() as u64);
                let player = Player::new(number, &playlist, Arc::clone(channel), &tally);
                (phase, player)
            })
            .collect();
        let (told, thread) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let running = thread::Builder::new().name("players".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            runtime.block_on(async {
                for (phase, player) in players {
                    tokio::spawn(player.play(phase));
                }
                // Told, or left alone: the end either way.
                stopped.await.ok();
            });
        })?;
        let thread = thread.recv().map_err(io::Error::other)?;
        Ok(Self { tally, thread, stop: Some(stop), running: Some(running) })
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        self.stop.take();
        if self.running.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the players' thread failed");
        }
    }
}
