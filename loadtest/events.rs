//! epoll(7) with one periodic timer: all that the origin's and the swarm's loop wait for.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use rustix::event::Timespec;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Itimerspec;
use rustix::time::TimerfdClockId;
use rustix::time::TimerfdFlags;
use rustix::time::TimerfdTimerFlags;
use rustix::time::timerfd_create;
use rustix::time::timerfd_settime;

pub(crate) use rustix::event::epoll::EventFlags;

/// The key of the timer's events; sockets have smaller ones.
pub(crate) const TICK: u64 = u64::MAX;

/// What happened, at most so much at once.
const EVENTS: usize = 512;

/// One epoll instance and its timer.
pub(crate) struct Events {
    epoll: OwnedFd,
    timer: OwnedFd,
}

/// Room for what happened at once; it stays in its thread.
pub(crate) struct Happened(Vec<epoll::Event>);

impl Happened {
    pub(crate) fn room() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }
}

impl Events {
    /// An instance whose timer is not running yet.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TICK), EventFlags::IN)?;
        Ok(Self { epoll, timer })
    }

    /// Lets the timer tick every `nanoseconds`; 0 stops it.
    pub(crate) fn tick_every(&self, nanoseconds: u32) -> io::Result<()> {
        let every = Timespec { tv_sec: 0, tv_nsec: i64::from(nanoseconds) };
        let timer = Itimerspec { it_interval: every, it_value: every };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)?;
        Ok(())
    }

    /// Watches a socket under `key`.
    pub(crate) fn add(&self, socket: impl AsFd, key: u64, flags: EventFlags) -> io::Result<()> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(key), flags)?;
        Ok(())
    }

    /// Watches it for something else.
    pub(crate) fn change(&self, socket: impl AsFd, key: u64, flags: EventFlags) -> io::Result<()> {
        epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(key), flags)?;
        Ok(())
    }

    /// Watches it no more.
    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        epoll::delete(&self.epoll, socket)?;
        Ok(())
    }

    /// Waits until something happens: the keys, and what.
    pub(crate) fn wait<'h>(
        &self,
        happened: &'h mut Happened,
    ) -> io::Result<impl Iterator<Item = (u64, EventFlags)> + use<'h>> {
        happened.0.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut happened.0), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if happened.0.iter().any(|event| event.data.u64() == TICK) {
            // Without this a periodic timer does not start again.
            rustix::io::read(&self.timer, &mut [0; 8]).ok();
        }
        Ok(happened.0.iter().map(|event| (event.data.u64(), event.flags)))
    }
}
