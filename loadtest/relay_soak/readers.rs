//! The clients: one thread and one epoll that judges every packet of those that read.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;

use crate::clock;
use crate::clock::SECOND;
use crate::events::EventFlags;
use crate::events::Events;
use crate::events::Happened;
use crate::events::TICK;
use crate::failover::clients::judge::Faults;
use crate::process::OwnThread;

use self::reader::Reader;

mod reader;

/// How often those that read half or nothing have their turn, and a look is answered, in nanoseconds.
const LOOK: u32 = 20_000_000;

/// What is read at once.
const ROOM: usize = 256 * 1024;

/// How long a client stays away that was disconnected, in nanoseconds.
const AWAY: u64 = SECOND / 2;

/// How much a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    All,
    Nothing,
    Half,
}

/// Clients to start.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) path: &'static str,
    /// That read everything, nothing, and half of it.
    pub(crate) clients: usize,
    pub(crate) stalled: usize,
    pub(crate) slow: usize,
    /// Of the stream.
    pub(crate) bytes_per_second: u64,
}

impl Plan {
    fn manners(&self) -> impl Iterator<Item = Manner> {
        let all = std::iter::repeat_n(Manner::All, self.clients);
        let nothing = std::iter::repeat_n(Manner::Nothing, self.stalled);
        all.chain(nothing).chain(std::iter::repeat_n(Manner::Half, self.slow))
    }
}

/// What one client saw since it was last asked.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) manner: Manner,
    pub(crate) bytes: u64,
    /// Its longest time without a byte, in nanoseconds.
    pub(crate) gap: u64,
    pub(crate) faults: Faults,
    /// How often its connection ended, and how the first time.
    pub(crate) lost: u64,
    pub(crate) error: Option<String>,
}

impl Seen {
    fn nothing(manner: Manner) -> Self {
        Self { manner, bytes: 0, gap: 0, faults: Faults::default(), lost: 0, error: None }
    }
}

/// Running clients; they go when this value does.
pub(crate) struct Readers {
    pub(crate) thread: OwnThread,
    looks: Option<mpsc::Sender<mpsc::Sender<Vec<Seen>>>>,
    running: Option<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let (looks, orders) = mpsc::channel();
        let events = Events::new()?;
        let readers: io::Result<Vec<_>> =
            plan.manners().map(|manner| Reader::connect(manner, &plan)).collect();
        let readers = readers?;
        for (slot, reader) in readers.iter().enumerate() {
            events.add(&reader.socket, slot as u64, EventFlags::OUT)?;
        }
        let mut work = Loop { plan, events, readers, room: vec![0; ROOM], orders };
        let (told, thread) = mpsc::channel();
        let running = thread::Builder::new().name("readers".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run().unwrap();
        })?;
        Ok(Self { thread: thread.recv().unwrap(), looks: Some(looks), running: Some(running) })
    }

    /// What each client saw since this was last called.
    pub(crate) fn take(&self) -> Vec<Seen> {
        let (answer, answered) = mpsc::channel();
        // There until this value goes.
        self.looks.as_ref().map(|looks| looks.send(answer).unwrap()).unwrap();
        answered.recv().unwrap()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.looks = None;
        if self.running.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the clients' thread failed");
        }
    }
}

struct Loop {
    plan: Plan,
    events: Events,
    readers: Vec<Reader>,
    room: Vec<u8>,
    orders: mpsc::Receiver<mpsc::Sender<Vec<Seen>>>,
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        self.events.tick_every(LOOK)?;
        let mut happened = Happened::room();
        loop {
            let mut has_ticked = false;
            for (key, flags) in self.events.wait(&mut happened)? {
                match key {
                    TICK => has_ticked = true,
                    key => self.turn(key as usize, flags),
                }
            }
            if has_ticked {
                self.tick()?;
            }
            match self.orders.try_recv() {
                Ok(answer) => {
                    let now = clock::now();
                    let seen = self.readers.iter_mut().map(|reader| reader.take(now)).collect();
                    // Whoever asked may have gone.
                    answer.send(seen).ok();
                }
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Lets come again who has gone, and go on who waits for the time.
    fn tick(&mut self) -> io::Result<()> {
        let now = clock::now();
        for slot in 0..self.readers.len() {
            let Some(reader) = self.readers.get_mut(slot) else { continue };
            if reader.is_away(now) {
                reader.come_again(&self.plan)?;
                self.events.add(&reader.socket, slot as u64, EventFlags::OUT)?;
            } else if reader.is_timed() {
                let outcome = reader.go_on(now, &self.plan, &mut self.room);
                self.follow(slot, outcome, now);
            }
        }
        Ok(())
    }

    fn turn(&mut self, slot: usize, flags: EventFlags) {
        let Some(reader) = self.readers.get_mut(slot) else { return };
        let now = clock::now();
        let is_broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        let outcome = if is_broken && reader.interest().is_empty() {
            Err("the connection broke".into())
        } else {
            reader.go_on(now, &self.plan, &mut self.room)
        };
        self.follow(slot, outcome, now);
    }

    fn follow(&mut self, slot: usize, outcome: Result<(), String>, now: u64) {
        let Some(reader) = self.readers.get_mut(slot) else { return };
        // Both fail only for a socket that is not watched.
        if let Err(why) = outcome {
            reader.leave(now + AWAY, why);
            self.events.remove(&reader.socket).unwrap();
        } else if reader.watched != reader.interest() {
            reader.watched = reader.interest();
            self.events.change(&reader.socket, slot as u64, reader.watched).unwrap();
        }
    }
}
