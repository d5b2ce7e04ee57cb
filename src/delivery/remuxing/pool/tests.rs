use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

/// Work that a test decides about.
struct Task {
    deed: Box<dyn FnMut() + Send>,
    /// Counts those that there are.
    alive: Arc<AtomicUsize>,
}

impl Task {
    fn boxed(alive: &Arc<AtomicUsize>, deed: impl FnMut() + Send + 'static) -> Box<Self> {
        alive.fetch_add(1, Ordering::SeqCst);
        Box::new(Self { deed: Box::new(deed), alive: Arc::clone(alive) })
    }
}

impl Work for Task {
    fn work(&mut self) {
        (self.deed)();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until a figure of the pool is this one.
fn until(pool: &Pool<Task>, look: impl Fn(&State<Task>) -> bool) {
    while !look(&pool.shared.state()) {
        thread::yield_now();
    }
}

#[tokio::test]
async fn work_comes_back_and_threads_end_with_the_last_seat() {
    let (pool, alive) = (Pool::with_threads(2), Arc::default());
    let seats: Vec<_> = (0..10).map(|_| pool.seat()).collect();
    assert_eq!(pool.shared.state().running, 0, "nobody works before there is work");
    for round in 0..50 {
        for seat in &seats {
            seat.submit(Task::boxed(&alive, || {}));
        }
        for seat in &seats {
            assert!(poll_fn(|cx| seat.poll(cx)).await.is_ok(), "{round}");
        }
    }
    assert!((1..=2).contains(&pool.shared.state().running));
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    drop(seats);
    until(&pool, |state| state.running == 0);
    // And begin anew with the next one.
    let seat = pool.seat();
    seat.submit(Task::boxed(&alive, || {}));
    assert!(poll_fn(|cx| seat.poll(cx)).await.is_ok());
}

#[tokio::test]
async fn a_panic_loses_its_own_work_and_the_thread_goes_on() {
    let (pool, alive) = (Pool::with_threads(1), Arc::default());
    let (bad, good) = (pool.seat(), pool.seat());
    bad.submit(Task::boxed(&alive, || panic!("as it is told")));
    good.submit(Task::boxed(&alive, || {}));
    assert_eq!(poll_fn(|cx| bad.poll(cx)).await.err(), Some(Lost));
    assert!(poll_fn(|cx| good.poll(cx)).await.is_ok());
    assert_eq!((alive.load(Ordering::SeqCst), pool.shared.state().running), (0, 1));
}

#[tokio::test]
async fn work_whose_session_has_gone_is_dropped_where_it_is() {
    let (pool, alive) = (Pool::with_threads(1), Arc::default());
    let (begun, began) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let (busy, waiting, other) = (pool.seat(), pool.seat(), pool.seat());
    busy.submit(Task::boxed(&alive, move || {
        begun.send(()).unwrap();
        gate.recv().unwrap();
    }));
    began.recv().unwrap();
    waiting.submit(Task::boxed(&alive, || panic!("it is not begun with")));
    other.submit(Task::boxed(&alive, || {}));
    drop((busy, waiting));
    go.send(()).unwrap();
    assert!(poll_fn(|cx| other.poll(cx)).await.is_ok());
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_pool_that_ends_waits_for_what_runs_and_gives_up_what_does_not() {
    let (pool, alive) = (Pool::with_threads(1), Arc::default());
    let (begun, began) = mpsc::channel();
    let (busy, waiting) = (pool.seat(), pool.seat());
    busy.submit(Task::boxed(&alive, move || begun.send(()).unwrap()));
    waiting.submit(Task::boxed(&alive, || {}));
    began.recv().unwrap();
    drop(pool);
    assert!(poll_fn(|cx| busy.poll(cx)).await.is_ok());
    // Done before it was given up, or not.
    _ = poll_fn(|cx| waiting.poll(cx)).await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    waiting.submit(Task::boxed(&alive, || {}));
    assert_eq!(poll_fn(|cx| waiting.poll(cx)).await.err(), Some(Lost));
}
