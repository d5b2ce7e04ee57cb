//! A source: one thread that plays a channel of its own in real time to each of its connections,
//! and cuts them when it is told to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::clock;
use crate::clock::SECOND;
use crate::events::EventFlags;
use crate::events::Events;
use crate::events::Happened;
use crate::events::TICK;
use crate::process::OwnThread;

use super::SEGMENT;

use self::connection::Connection;
use self::connection::Next;
use self::media::Media;
use self::timeline::Torn;

pub(crate) use self::timeline::Start;

mod connection;
pub(crate) mod media;
mod timeline;

/// How finely pieces are timed and orders are looked for, in nanoseconds.
const TIMING: u32 = 500_000;

/// The listening socket's key; connections have smaller ones.
const LISTENER: u64 = TICK - 1;

/// How a stream is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// With RST.
    Reset,
    /// With FIN, which is how a live stream should never end.
    Fin,
    /// The connection stays and nothing comes.
    Silence,
}

/// What the thread is told.
enum Order {
    /// Break off the streams of these clients.
    Cut(Cut, Vec<usize>),
    /// Whether new connections are taken or reset.
    Accept(bool),
}

/// What happened, in nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) opened: Vec<Opened>,
    pub(crate) broken: Vec<Broken>,
}

/// A stream was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) client: usize,
    pub(crate) accepted: u64,
    /// Its first random access point was written.
    pub(crate) usable: u64,
}

/// A stream was broken off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken {
    pub(crate) client: usize,
    pub(crate) at: u64,
    pub(crate) torn: Torn,
}

/// What all connections have in common.
pub(crate) struct Plan {
    pub(crate) media: Media,
    pub(crate) start: Start,
    began: u64,
}

impl Plan {
    /// When picture 0 of a client's channel began: no two channels are at the same place.
    fn begun(&self, client: usize) -> u64 {
        // The golden ratio's multiples are as evenly spread as can be, however many there are.
        let phase = (client as f64 * 0.618_033_988_749_895).fract();
        self.began - (8.0 * SECOND as f64 * phase) as u64
    }
}

/// The running source; it runs until the program ends.
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    pub(crate) thread: OwnThread,
    /// When picture 0 of the first client's channel began, in nanoseconds of the monotonic clock.
    pub(crate) began: u64,
    book: Arc<Mutex<Book>>,
    orders: mpsc::Sender<Order>,
}

impl Source {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(media: Media, start: Start) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_tcp_mss(SEGMENT)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(4096)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        let book = Arc::new(Mutex::new(Book::default()));
        let (orders, ordered) = mpsc::channel();
        let events = Events::new()?;
        events.add(&listener, LISTENER, EventFlags::IN)?;
        let began = clock::now();
        let mut work = Loop {
            listener,
            events,
            plan: Plan { media, start, began },
            connections: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            number: 0,
            accepts: true,
            book: Arc::clone(&book),
            orders: ordered,
        };
        let (told, thread) = mpsc::channel();
        thread::Builder::new().name("source".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run().unwrap();
        })?;
        Ok(Self { address, thread: thread.recv().unwrap(), began, book, orders })
    }

    /// Breaks off the streams of these clients, within a millisecond.
    pub(crate) fn cut(&self, how: Cut, clients: Vec<usize>) {
        self.orders.send(Order::Cut(how, clients)).unwrap();
    }

    /// Takes new connections, or resets them.
    pub(crate) fn accept(&self, yes: bool) {
        self.orders.send(Order::Accept(yes)).unwrap();
    }

    /// What happened since this was last called.
    pub(crate) fn take_book(&self) -> Book {
        std::mem::take(&mut self.book.lock().unwrap())
    }
}

/// The moment at which a connection has something to do; the number tells a slot's tenants apart.
type Due = Reverse<(u64, usize, u64)>;

struct Loop {
    listener: TcpListener,
    events: Events,
    plan: Plan,
    connections: Vec<Option<(Connection, u64)>>,
    free: Vec<usize>,
    due: BinaryHeap<Due>,
    number: u64,
    accepts: bool,
    book: Arc<Mutex<Book>>,
    orders: mpsc::Receiver<Order>,
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        self.events.tick_every(TIMING)?;
        let mut happened = Happened::room();
        loop {
            for (key, flags) in self.events.wait(&mut happened)? {
                match key {
                    TICK => {}
                    LISTENER => self.accept()?,
                    key => self.turn(key as usize, flags),
                }
            }
            while let Ok(order) = self.orders.try_recv() {
                match order {
                    Order::Cut(how, clients) => self.cut(how, &clients),
                    Order::Accept(yes) => self.accepts = yes,
                }
            }
            self.pieces();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            if !self.accepts {
                socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
                continue;
            }
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.events.add(&stream, slot as u64, EventFlags::IN | EventFlags::RDHUP)?;
            self.number += 1;
            if let Some(place) = self.connections.get_mut(slot) {
                *place = Some((Connection::new(stream), self.number));
            }
        }
        Ok(())
    }

    fn turn(&mut self, slot: usize, flags: EventFlags) {
        let Some(Some((connection, _))) = self.connections.get_mut(slot) else { return };
        let mut next = Next::Wait;
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
        {
            next = connection.readable(&self.plan);
        }
        if next == Next::Wait && flags.contains(EventFlags::OUT) {
            next = connection.play(&self.plan);
            if next != Next::Writable {
                let heard = EventFlags::IN | EventFlags::RDHUP;
                // Fails only for a socket that is not watched.
                self.events.change(connection, slot as u64, heard).unwrap();
            }
        }
        self.follow(slot, next);
    }

    /// Writes what is due by now.
    fn pieces(&mut self) {
        let now = clock::now();
        while let Some(Reverse((due, slot, tenant))) = self.due.peek().copied() {
            if due > now {
                return;
            }
            self.due.pop();
            let Some(Some((connection, number))) = self.connections.get_mut(slot) else { continue };
            if *number == tenant && !connection.was_blocked() {
                let next = connection.play(&self.plan);
                self.follow(slot, next);
            }
        }
    }

    fn cut(&mut self, how: Cut, clients: &[usize]) {
        for slot in 0..self.connections.len() {
            let Some(Some((connection, number))) = self.connections.get_mut(slot) else { continue };
            let Some(client) = connection.client().filter(|client| clients.contains(client)) else {
                continue;
            };
            // Different for each connection, and the same in no two rounds.
            let random = (*number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let (torn, next) = connection.cut(&self.plan, how, random);
            let broken = Broken { client, at: clock::now(), torn };
            self.book.lock().unwrap().broken.push(broken);
            self.follow(slot, next);
        }
    }

    fn follow(&mut self, slot: usize, next: Next) {
        let Some(place) = self.connections.get_mut(slot) else { return };
        let Some((connection, number)) = place else { return };
        if let Some(opened) = connection.opened(&self.plan) {
            self.book.lock().unwrap().opened.push(opened);
        }
        match next {
            Next::Wait => {}
            Next::Close => {
                *place = None;
                self.free.push(slot);
            }
            Next::Writable => {
                let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::OUT;
                self.events.change(connection, slot as u64, flags).unwrap();
            }
            Next::At(due) => self.due.push(Reverse((due, slot, *number))),
        }
    }
}
