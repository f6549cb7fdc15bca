//! The packed engine takes its memory when it is made, and none on the way to a decision.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use edge_reasoner::model::{Bundle, EngineKind};

struct Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of this thread between the first window and the last exit of the second.
fn taken_on_the_way(kind: EngineKind) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
    let bundle = Bundle::load(&folder).unwrap();
    let sizes = bundle.manifest.architecture;
    let window = vec![0.5; sizes.frames * sizes.features];
    let mut probabilities = vec![0.0; bundle.manifest.labels.len()];
    let mut engine = bundle.engine(kind).unwrap();
    let before = TAKEN.with(Cell::get);
    for _ in 0..2 {
        engine.begin(&window).unwrap();
        for _ in 0..sizes.depth {
            engine.advance(&mut probabilities).unwrap();
        }
    }
    TAKEN.with(Cell::get) - before
}

#[test]
fn the_packed_engine_takes_no_memory_while_it_runs() {
    for kind in EngineKind::ALL {
        let taken = taken_on_the_way(kind);
        match kind {
            EngineKind::Packed(_) => assert_eq!(taken, 0, "{kind}"),
            // The count does count.
            EngineKind::Burn(_) => assert!(taken > 0, "{kind}"),
        }
    }
}
