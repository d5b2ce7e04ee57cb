//! The clients: one thread, one epoll; they look for their first picture, and then they count what comes
//! and throw it away in the kernel.

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
use crate::process::OwnThread;

use self::client::Client;
use self::client::Turn;

mod client;
mod finder;
mod player;

/// How long it takes until all clients have come, in nanoseconds: several picture groups and no multiple
/// of one, so that they come at every place of one.
pub(crate) const COMING: u64 = 4_300_000_000;

/// How often it is looked who comes and who goes on, in nanoseconds.
const LOOK: u32 = 5_000_000;

/// How long a client stays away that was disconnected, in nanoseconds.
const AWAY: u64 = SECOND / 10;

/// What is read or discarded at once.
const ROOM: usize = 1 << 20;

/// What the clients do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    pub(crate) path: &'static str,
    /// The path is that of a playlist.
    pub(crate) of_segments: bool,
    pub(crate) clients: usize,
}

/// What one client saw since it was last asked, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Of media; of a chunked body with the chunks' heads, which are less than 1 %.
    pub(crate) bytes: u64,
    /// Its longest time without a byte of media, what it is waiting for now included.
    pub(crate) gap: u64,
    /// Its first picture, once.
    pub(crate) first: Option<First>,
    /// How often its connection ended.
    pub(crate) lost: u64,
    pub(crate) error: Option<String>,
}

/// The first picture of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    /// From before the connect to the first bytes of the random access point, in nanoseconds.
    pub(crate) after: u64,
    pub(crate) at: u64,
    /// Base of its PCR, in ticks of 90 kHz.
    pub(crate) clock: u64,
}

/// A look at all of them, and when that was.
type Look = (u64, Vec<Seen>);

/// Running clients; they go when this value does.
pub(crate) struct Crowd {
    pub(crate) thread: OwnThread,
    looks: Option<mpsc::Sender<mpsc::Sender<Look>>>,
    running: Option<JoinHandle<()>>,
}

impl Crowd {
    /// The first client comes at once, the last one after [`COMING`].
    pub(crate) fn start(plan: Plan) -> io::Result<Self> {
        let (looks, orders) = mpsc::channel();
        let mut work = Loop {
            plan,
            began: clock::now(),
            events: Events::new()?,
            clients: Vec::new(),
            room: vec![0; ROOM],
            orders,
        };
        let (told, thread) = mpsc::channel();
        let running = thread::Builder::new().name("crowd".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run().unwrap();
        })?;
        Ok(Self { thread: thread.recv().unwrap(), looks: Some(looks), running: Some(running) })
    }

    /// What each client saw since this was last called.
    pub(crate) fn take(&self) -> Look {
        let (answer, answered) = mpsc::channel();
        // There until this value goes.
        self.looks.as_ref().map(|looks| looks.send(answer).unwrap()).unwrap();
        answered.recv().unwrap()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.looks = None;
        if self.running.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the clients' thread failed");
        }
    }
}

struct Loop {
    plan: Plan,
    began: u64,
    events: Events,
    clients: Vec<Client>,
    room: Vec<u8>,
    orders: mpsc::Receiver<mpsc::Sender<Look>>,
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
                    let seen = self.clients.iter_mut().map(|client| client.take(now)).collect();
                    // Whoever asked may have gone.
                    answer.send((now, seen)).ok();
                }
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    /// Lets come who is to come, and go on who has waited.
    fn tick(&mut self) -> io::Result<()> {
        let now = clock::now();
        let share = (now - self.began).min(COMING) as f64 / COMING as f64;
        let wanted = 1 + (share * (self.plan.clients as f64 - 1.0)) as usize;
        for slot in self.clients.len()..wanted {
            let client = Client::connect(&self.plan)?;
            self.events.add(&client.socket, slot as u64, EventFlags::OUT)?;
            self.clients.push(client);
        }
        for slot in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(slot) else { continue };
            if client.is_away(now) {
                client.come_again(&self.plan)?;
                self.events.add(&client.socket, slot as u64, EventFlags::OUT)?;
            } else {
                let turn = client.go_on(now, &self.plan);
                self.follow(slot, turn, now);
            }
        }
        Ok(())
    }

    fn turn(&mut self, slot: usize, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let now = clock::now();
        let turn = if client.is_new() {
            client.ask(&self.plan)
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            client.read(now, &self.plan, &mut self.room)
        } else {
            Ok(Turn::Wait)
        };
        self.follow(slot, turn, now);
    }

    fn follow(&mut self, slot: usize, turn: Result<Turn, String>, now: u64) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        // Both fail only for a socket that is not watched.
        match turn {
            Ok(Turn::Wait) => {}
            Ok(Turn::Listen) => {
                self.events.change(&client.socket, slot as u64, EventFlags::IN).unwrap();
            }
            Err(why) => {
                client.leave(now + AWAY, why);
                self.events.remove(&client.socket).unwrap();
            }
        }
    }
}
