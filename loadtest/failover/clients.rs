//! The clients: one thread and one epoll that reads, judges and records what each of them gets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;

use crate::clock;
use crate::events::EventFlags;
use crate::events::Events;
use crate::events::Happened;
use crate::events::TICK;
use crate::process::OwnThread;

use super::source::media::Marks;

use self::client::Client;
use self::judge::Faults;
use self::judge::Joined;
use self::recording::Part;

pub(crate) mod chunks;
mod client;
pub(crate) mod judge;
pub(crate) mod recording;

/// Clients that connect at once in the beginning.
const GROWING: usize = 32;

/// How often orders are looked for, in nanoseconds.
const LOOK: u32 = 5_000_000;

/// What is read at once.
const ROOM: usize = 256 * 1024;

/// What one client saw since it was last asked, in nanoseconds of the monotonic clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The source that it plays from.
    pub(crate) source: Option<usize>,
    pub(crate) joined: Vec<Joined>,
    /// The end and the length of each pause between two reads that is worth remembering.
    pub(crate) pauses: Vec<(u64, u64)>,
    pub(crate) faults: Faults,
    /// When its stream ended, and how.
    pub(crate) ended: Option<(u64, String)>,
}

/// What the thread is told.
enum Order {
    Take(mpsc::Sender<Vec<Seen>>),
    /// The recordings of these clients, with a join at this place of the stream.
    Save(Vec<(usize, Option<u64>)>, mpsc::Sender<Vec<Part>>),
    /// New clients for those whose streams have ended.
    Renew,
}

/// Running clients; they go when this value does.
pub(crate) struct Clients {
    pub(crate) thread: OwnThread,
    orders: Option<mpsc::Sender<Order>>,
    running: Option<JoinHandle<()>>,
}

impl Clients {
    /// Client number n asks `to` for `path` and its number.
    pub(crate) fn start(
        to: SocketAddr,
        path: &'static str,
        count: usize,
        marks: Arc<Marks>,
    ) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let mut work = Loop {
            to,
            path,
            count,
            marks,
            events: Events::new()?,
            clients: Vec::new(),
            room: vec![0; ROOM],
            orders: ordered,
        };
        let (told, thread) = mpsc::channel();
        let running = thread::Builder::new().name("clients".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run().unwrap();
        })?;
        Ok(Self { thread: thread.recv().unwrap(), orders: Some(orders), running: Some(running) })
    }

    /// What each client saw since this was last called.
    pub(crate) fn take(&self) -> Vec<Seen> {
        let (answer, answered) = mpsc::channel();
        self.order(Order::Take(answer));
        answered.recv().unwrap()
    }

    /// The last seconds of these clients.
    pub(crate) fn save(&self, which: Vec<(usize, Option<u64>)>) -> Vec<Part> {
        let (answer, answered) = mpsc::channel();
        self.order(Order::Save(which, answer));
        answered.recv().unwrap()
    }

    /// Starts a client anew where one's stream has ended.
    pub(crate) fn renew(&self) {
        self.order(Order::Renew);
    }

    fn order(&self, order: Order) {
        // There until this value goes.
        self.orders.as_ref().map(|orders| orders.send(order).unwrap()).unwrap();
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.orders = None;
        if self.running.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the clients' thread failed");
        }
    }
}

struct Loop {
    to: SocketAddr,
    path: &'static str,
    count: usize,
    marks: Arc<Marks>,
    events: Events,
    clients: Vec<Client>,
    room: Vec<u8>,
    orders: mpsc::Receiver<Order>,
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        self.events.tick_every(LOOK)?;
        let mut happened = Happened::room();
        loop {
            let waiting = self.clients.iter().filter(|client| !client.plays()).count();
            if waiting < GROWING && self.clients.len() < self.count {
                let client = self.open(self.clients.len())?;
                self.clients.push(client);
            }
            for (key, flags) in self.events.wait(&mut happened)? {
                if key != TICK {
                    self.turn(key as usize, flags);
                }
            }
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.obey(order)?,
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                }
            }
        }
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        // Whoever asked may have gone.
        match order {
            Order::Take(answer) => {
                answer.send(self.clients.iter_mut().map(Client::take).collect()).ok();
            }
            Order::Save(which, answer) => {
                let part = |(client, joined): (usize, Option<u64>)| {
                    Some(self.clients.get(client)?.recording.part(joined))
                };
                answer.send(which.into_iter().filter_map(part).collect()).ok();
            }
            Order::Renew => {
                for slot in 0..self.clients.len() {
                    if self.clients.get(slot).is_some_and(Client::has_ended) {
                        let client = self.open(slot)?;
                        if let Some(place) = self.clients.get_mut(slot) {
                            *place = client;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&self, slot: usize) -> io::Result<Client> {
        let client = Client::connect(self.to, Arc::clone(&self.marks))?;
        self.events.add(&client.socket, slot as u64, EventFlags::OUT)?;
        Ok(client)
    }

    fn turn(&mut self, slot: usize, flags: EventFlags) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let now = clock::now();
        let mut outcome = Ok(());
        if client.is_new() {
            outcome = client.ask(&format!("{}{slot}", self.path), self.to);
            // Fails only for a socket that is not watched.
            self.events.change(&client.socket, slot as u64, EventFlags::IN).unwrap();
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            outcome = client.take_bytes(now, &mut self.room);
        }
        if let Err(why) = outcome {
            client.end(now, why);
            self.events.remove(&client.socket).unwrap();
        }
    }
}
