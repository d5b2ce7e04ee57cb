//! How much memory a thread holds.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::GlobalAlloc;
use std::alloc::Layout;
use std::alloc::System;
use std::cell::Cell;

/// The system's allocator, counted by thread.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread that ends has nothing to count any more.
    let held = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    MOST.try_with(|most| most.set(most.get().max(held.unwrap_or(0)))).ok();
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as the caller has promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What `run` gives, and the most bytes that it held at once beyond what there was before, as far as Rust's
/// allocator knows.
pub(crate) fn most<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let value = run();
    (value, usize::try_from(MOST.get() - before).unwrap_or(0))
}

#[test]
fn memory_is_counted() {
    let ((), bytes) = most(|| drop(std::hint::black_box(vec![0_u8; 100_000])));
    assert!((100_000..110_000).contains(&bytes), "{bytes}");
    assert!(most(|| ()).1 < 1000);
}
