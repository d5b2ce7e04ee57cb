//! The source of every stream: one thread, one epoll, no copy but the kernel's own.
//!
//! `/live/<bits per second>/<bytes per write>` is an endless transport stream, paced by the clock
//! (0 bits per second: as fast as the socket takes it); `/file/<bytes>` is a file with ranges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

use socket2::Domain;
use socket2::Socket;
use socket2::Type;

use crate::clock;
use crate::events::EventFlags;
use crate::events::Events;
use crate::events::Happened;
use crate::events::TICK;
use crate::process::OwnThread;

use self::connection::Connection;
use self::connection::Next;

mod connection;
mod pace;
mod packets;

/// How finely the pieces of paced streams are timed, in nanoseconds.
const TIMING: u32 = 250_000;

/// The listening socket's key; connections have smaller ones.
const LISTENER: u64 = TICK - 1;

/// What the origin has done so far, in bytes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: AtomicU64,
    /// Left out because the receiver had not taken what was due before.
    pub(crate) pushed_back: AtomicU64,
    /// Left out because this thread came too late: the measurement's own fault.
    pub(crate) late: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) requests: AtomicU64,
}

/// The running origin; it runs until the program ends.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    pub(crate) tally: Arc<Tally>,
    pub(crate) thread: OwnThread,
}

impl Origin {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(4096)?;
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        let tally = Arc::new(Tally::default());
        let (told, thread) = std::sync::mpsc::channel();
        let mut work = Loop::new(listener, Arc::clone(&tally))?;
        thread::Builder::new().name("origin".into()).spawn(move || {
            told.send(OwnThread::this()).unwrap();
            work.run().unwrap();
        })?;
        Ok(Self { address, tally, thread: thread.recv().unwrap() })
    }
}

/// The moment at which the piece of a connection is due; the number tells a slot's tenants apart.
type Due = Reverse<(u64, usize, u64)>;

struct Loop {
    listener: TcpListener,
    events: Events,
    connections: Vec<Option<(Connection, u64)>>,
    free: Vec<usize>,
    due: BinaryHeap<Due>,
    accepted: u64,
    ticking: bool,
    media: Vec<u8>,
    tally: Arc<Tally>,
}

impl Loop {
    fn new(listener: TcpListener, tally: Arc<Tally>) -> io::Result<Self> {
        let events = Events::new()?;
        events.add(&listener, LISTENER, EventFlags::IN)?;
        Ok(Self {
            listener,
            events,
            connections: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            accepted: 0,
            ticking: false,
            media: packets::two_cycles(),
            tally,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut happened = Happened::room();
        loop {
            for (key, flags) in self.events.wait(&mut happened)? {
                match key {
                    TICK => {}
                    LISTENER => self.accept()?,
                    key => self.turn(key as usize, flags),
                }
            }
            self.pieces();
            self.timer()?;
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            self.events.add(&stream, slot as u64, EventFlags::IN | EventFlags::RDHUP)?;
            self.accepted += 1;
            let connection = Connection::new(stream, self.accepted);
            if let Some(place) = self.connections.get_mut(slot) {
                *place = Some((connection, self.accepted));
                self.tally.open.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// A socket can be read or written again.
    fn turn(&mut self, slot: usize, flags: EventFlags) {
        let Some(Some((connection, _))) = self.connections.get_mut(slot) else { return };
        let mut next = Next::Wait;
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
        {
            next = connection.readable(&self.media, &self.tally);
        }
        if next != Next::Close && flags.contains(EventFlags::OUT) {
            next = connection.writable(&self.media, &self.tally);
        }
        self.follow(slot, next);
    }

    /// Sends what is due by now.
    fn pieces(&mut self) {
        let now = clock::now();
        while let Some(Reverse((due, slot, tenant))) = self.due.peek().copied() {
            if due > now {
                return;
            }
            self.due.pop();
            let Some(Some((connection, number))) = self.connections.get_mut(slot) else { continue };
            if *number == tenant {
                let next = connection.due(now, &self.media, &self.tally);
                self.follow(slot, next);
            }
        }
    }

    fn follow(&mut self, slot: usize, next: Next) {
        let Some(place) = self.connections.get_mut(slot) else { return };
        let Some((connection, number)) = place else { return };
        let heard = EventFlags::IN | EventFlags::RDHUP;
        match next {
            Next::Wait => {}
            Next::Close => {
                *place = None;
                self.free.push(slot);
                self.tally.open.fetch_sub(1, Ordering::Relaxed);
            }
            Next::Quiet => {
                // Fails only for a socket that is not watched.
                self.events.change(connection, slot as u64, heard).unwrap();
            }
            Next::Writable => {
                self.events.change(connection, slot as u64, heard | EventFlags::OUT).unwrap();
            }
            Next::At { due, was_blocked } => {
                self.due.push(Reverse((due, slot, *number)));
                if was_blocked {
                    self.events.change(connection, slot as u64, heard).unwrap();
                }
            }
        }
    }

    /// The timer ticks only while a piece is going to be due.
    fn timer(&mut self) -> io::Result<()> {
        let wanted = !self.due.is_empty();
        if wanted != self.ticking {
            self.events.tick_every(if wanted { TIMING } else { 0 })?;
            self.ticking = wanted;
        }
        Ok(())
    }
}
