//! The clients: one thread, one epoll; they count what comes and throw it away in the kernel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;

use crate::clock;
use crate::clock::SECOND;
use crate::events::EventFlags;
use crate::events::Events;
use crate::events::Happened;
use crate::events::TICK;
use crate::process::OwnThread;

use self::client::Client;
use self::client::Turn;

mod client;

/// Clients that connect at once while the swarm grows.
const GROWING: usize = 64;

/// How often silent clients are looked for, in nanoseconds.
const LOOK: u32 = 100_000_000;

/// A client of a paced stream without a byte for so long is an error.
const SILENCE: u64 = 5 * SECOND;

/// What a client discards at once.
const NOWHERE: usize = 1 << 20;

/// What each client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes what comes; `paced` streams may not fall silent.
    Play { paced: bool },
    /// Takes the head and then nothing.
    Stall,
    /// Takes so many bytes, drops the connection and comes again.
    Zap { bytes: u64 },
    /// Asks for one range after the other of a file of this size, on one connection.
    Ranges { size: u64, piece: u64 },
}

/// A swarm to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
    pub(crate) clients: usize,
    pub(crate) manner: Manner,
}

/// What the swarm has seen so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes: AtomicU64,
    /// Clients whose answer has begun.
    pub(crate) heads: AtomicU64,
    /// Zaps or ranges that were done.
    pub(crate) done: AtomicU64,
    pub(crate) errors: AtomicU64,
    /// What the first error was.
    pub(crate) first_error: Mutex<Option<String>>,
}

/// A running swarm; its clients go when this value does.
pub(crate) struct Swarm {
    pub(crate) tally: Arc<Tally>,
    pub(crate) thread: OwnThread,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

impl Swarm {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let mut work = Loop {
            events: Events::new()?,
            clients: Vec::new(),
            started: 0,
            growing: 0,
            tally: Arc::clone(&tally),
            now: clock::now(),
            // Addresses only: nothing is ever written there.
            nowhere: vec![0; NOWHERE],
            plan,
        };
        let (told, thread) = std::sync::mpsc::channel();
        let asked = Arc::clone(&stop);
        let running = thread::Builder::new().name("swarm".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run(&asked).unwrap();
        })?;
        Ok(Self { tally, thread: thread.recv().unwrap(), stop, running: Some(running) })
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.running.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the swarm's thread failed");
        }
    }
}

struct Loop {
    plan: Plan,
    events: Events,
    clients: Vec<Option<Client>>,
    started: usize,
    growing: usize,
    tally: Arc<Tally>,
    now: u64,
    nowhere: Vec<u8>,
}

impl Loop {
    fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        self.events.tick_every(LOOK)?;
        let mut happened = Happened::room();
        while !stop.load(Ordering::Relaxed) {
            while self.growing < GROWING && self.started < self.plan.clients {
                let slot = self.clients.len();
                self.clients.push(None);
                self.started += 1;
                self.open(slot);
            }
            let happened = self.events.wait(&mut happened)?;
            self.now = clock::now();
            let mut bytes = 0;
            for (key, flags) in happened {
                match key {
                    TICK => self.look_for_silence(),
                    key => self.turn(key as usize, flags, &mut bytes),
                }
            }
            self.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Connects a client in `slot`.
    fn open(&mut self, slot: usize) {
        let client = Client::connect(self.plan.to, self.now).and_then(|client| {
            self.events.add(&client.socket, slot as u64, EventFlags::OUT)?;
            Ok(client)
        });
        match client {
            Ok(client) => {
                if let Some(place) = self.clients.get_mut(slot) {
                    *place = Some(client);
                    self.growing += 1;
                }
            }
            Err(error) => self.error(&format!("connecting: {error}")),
        }
    }

    fn turn(&mut self, slot: usize, flags: EventFlags, bytes: &mut u64) {
        let Some(Some(client)) = self.clients.get_mut(slot) else { return };
        client.seen = self.now;
        let turn = if client.is_new() {
            client.ask(&self.plan)
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            client.take(&self.plan, &mut self.nowhere, bytes)
        } else {
            Turn::Wait
        };
        self.follow(slot, turn);
    }

    fn follow(&mut self, slot: usize, turn: Turn) {
        let Some(place) = self.clients.get_mut(slot) else { return };
        let Some(client) = place else { return };
        match turn {
            Turn::Wait => {}
            Turn::Listen => {
                self.events.change(&client.socket, slot as u64, EventFlags::IN).unwrap();
            }
            Turn::Begun => {
                self.growing -= 1;
                self.tally.heads.fetch_add(1, Ordering::Relaxed);
                if self.plan.manner == Manner::Stall {
                    // Errors are still told.
                    self.events.change(&client.socket, slot as u64, EventFlags::empty()).unwrap();
                }
            }
            Turn::Done => {
                self.tally.done.fetch_add(1, Ordering::Relaxed);
            }
            Turn::Again => {
                *place = None;
                self.tally.done.fetch_add(1, Ordering::Relaxed);
                self.open(slot);
            }
            Turn::Error(what) => {
                if !client.has_begun() {
                    self.growing -= 1;
                }
                *place = None;
                self.error(&what);
                if matches!(self.plan.manner, Manner::Zap { .. }) {
                    self.open(slot);
                }
            }
        }
    }

    fn look_for_silence(&mut self) {
        if self.plan.manner != (Manner::Play { paced: true }) {
            return;
        }
        for slot in 0..self.clients.len() {
            let Some(Some(client)) = self.clients.get(slot) else { continue };
            if self.now.saturating_sub(client.seen) > SILENCE {
                self.follow(slot, Turn::Error("no byte for 5 s".into()));
            }
        }
    }

    fn error(&self, what: &str) {
        self.tally.errors.fetch_add(1, Ordering::Relaxed);
        let mut first = self.tally.first_error.lock().unwrap();
        first.get_or_insert_with(|| what.to_owned());
    }
}
