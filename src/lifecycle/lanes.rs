//! The threads that carry streams: one for each core, each turning a runtime of its own. A stream
//! stays on the lane that its connection was put on, so that no wake-up crosses threads and no
//! socket's readiness is looked for twice; new connections go to the lane with the fewest.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle};

use crate::lifecycle::Notice;
use crate::lifecycle::pace::{Hurry, Pace};

/// The lanes of the program. Each ends when neither they nor a place on it is left.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<[Arc<Lane>]>);

/// One thread and its runtime.
#[derive(Debug)]
pub struct Lane {
    runtime: Handle,
    thread: Thread,
    /// Connections on it. Written by [`Place`].
    load: AtomicUsize,
    pace: Arc<Pace>,
    stop: Notice,
}

/// A connection's place on a lane, given back when dropped.
#[derive(Debug)]
pub struct Place(Arc<Lane>);

impl Lanes {
    /// Starts as many as there are cores to run them.
    ///
    /// # Errors
    /// When the system gives no thread or no poller.
    pub fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..count).map(|index| Lane::start(index).map(Arc::new));
        lanes.collect::<io::Result<_>>().map(Self)
    }

    /// A place on the lane with the fewest connections.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let lane = self.0.iter().min_by_key(|lane| lane.load.load(Ordering::Relaxed))?;
        lane.load.fetch_add(1, Ordering::Relaxed);
        Some(Place(Arc::clone(lane)))
    }

    /// Their runtimes, for figures.
    pub fn runtimes(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter().map(|lane| &lane.runtime)
    }
}

impl Lane {
    fn start(index: usize) -> io::Result<Self> {
        let pace = Arc::new(Pace::new());
        let (resting, working) = (Arc::clone(&pace), Arc::clone(&pace));
        let stop = Notice::new();
        let stopped = stop.given();
        let (tell, told) = mpsc::sync_channel(1);
        // The runtime is made on its own thread: dropped on one that runs another it would panic.
        let thread =
            thread::Builder::new().name(format!("weir-lane-{index}")).spawn(move || {
                let built = Builder::new_current_thread()
                    .enable_all()
                    .on_thread_park(move || resting.rest())
                    .on_thread_unpark(move || working.work())
                    .build();
                match built {
                    Ok(runtime) if tell.send(Ok(runtime.handle().clone())).is_ok() => {
                        runtime.block_on(stopped);
                        // A look-up that hangs in the system's resolver must not keep the thread.
                        runtime.shutdown_background();
                    }
                    Ok(_) => {}
                    Err(error) => _ = tell.send(Err(error)),
                }
            })?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, thread: thread.thread().clone(), load: AtomicUsize::new(0), pace, stop })
    }

    /// The lane's runtime.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Something was given to the lane from another thread: it does not wait for the next look.
    pub fn wake(&self) {
        self.pace.stir();
        self.thread.unpark();
    }

    /// A way for one of its connections to say that it is in a hurry.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        Hurry::new(Arc::clone(&self.pace))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop.give();
        self.thread.unpark();
    }
}

impl Place {
    /// Where it is.
    #[must_use]
    pub fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_over_the_lanes() {
        let lanes = Lanes::start().unwrap();
        let count = lanes.runtimes().count();
        let places: Vec<_> = (0..count * 3).filter_map(|_| lanes.place()).collect();
        assert_eq!(places.len(), count * 3);
        assert!(lanes.0.iter().all(|lane| lane.load.load(Ordering::Relaxed) == 3));
        drop(places);
        assert!(lanes.0.iter().all(|lane| lane.load.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn a_task_runs_on_its_lane_and_the_thread_ends_with_the_lanes() {
        let lanes = Lanes::start().unwrap();
        let place = lanes.place().unwrap();
        let (tell, told) = mpsc::channel();
        let running = place.lane().runtime().spawn(async move {
            tell.send(thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
        });
        let name = told.recv().unwrap();
        assert!(name.is_some_and(|name| name.starts_with("weir-lane-")));
        drop((place, lanes));
        let waiting = Builder::new_current_thread().build().unwrap();
        assert!(waiting.block_on(running).unwrap_err().is_cancelled());
    }
}
