//! Memory is taken at the start, and none on the way to a decision.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::act::gate::{self, Gate, GateLimits, Velocity};
use edge_reasoner::act::wire::{Vocabulary, encode, encode_decision};
use edge_reasoner::configure::Configuration;
use edge_reasoner::model::{Bundle, EngineKind};
use edge_reasoner::params::{Value, Values};
use edge_reasoner::reason::{Decision, Guard, Poll, Publish, Reason, Verdict};
use edge_reasoner::time::{Clock, SystemClock};

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

/// Encodes and gates as the live outlet does, into memory it already has.
struct Outlet {
    words: Vocabulary,
    out: Mutex<(Vec<u8>, Gate)>,
}

impl Publish for Outlet {
    fn publish(&self, decision: &Decision) {
        let mut out = self.out.lock().unwrap();
        let (bytes, gate) = &mut *out;
        encode_decision(decision, &self.words, bytes);
        let now = decision.trigger.arrival;
        let verdict = gate::Verdict {
            cycle: decision.cycle,
            arrival: now,
            label: decision.label,
        };
        let through = gate.on_command(now, now, Velocity::ZERO);
        gate.on_decision(now, verdict);
        encode(&through, bytes);
    }
}

#[test]
fn from_an_accepted_trigger_to_the_published_bytes_no_memory_is_taken() {
    let mut values = Values::new();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
    values.insert(
        "model".into(),
        Value::String(model.to_string_lossy().into_owned()),
    );
    let mut configuration = Configuration::read(&values).unwrap();
    let engines = configuration.warm_engines().unwrap();
    let clock = Arc::new(SystemClock::new());
    let limits = GateLimits {
        factors: vec![],
        decision_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_secs(1),
        repeat_stop: Duration::ZERO,
        release_after: 1,
    };
    let outlet = Arc::new(Outlet {
        words: configuration.vocabulary(),
        out: Mutex::new((Vec::with_capacity(2048), Gate::new(limits))),
    });
    let desk = configuration.desk(Arc::clone(&clock) as _, Arc::clone(&outlet) as _);
    let mut reasoners = configuration.reasoners(&desk, engines);
    let mut guard = Guard::new(Arc::clone(&desk));
    let first = &mut reasoners[0];
    let mut cycle = |verdict: Verdict| {
        let mut request = desk.blank().unwrap();
        request.trigger.arrival = clock.now();
        request.trigger.verdict = verdict;
        desk.offer(request);
        while first.poll() == Poll::Stage {
            first.run_stage();
            first.settle();
            guard.step();
        }
    };
    // Queues and thread-local places are made at their first use.
    cycle(Verdict::Ready);
    let before = TAKEN.with(Cell::get);
    for _ in 0..100 {
        cycle(Verdict::Ready);
        cycle(Verdict::Unusable(Reason::StaleInput));
    }
    let taken = TAKEN.with(Cell::get) - before;
    assert_eq!(taken, 0);
    assert_eq!(desk.counts().tally().decisions, 201);
    // Other terms are taken over without it, too.
    let terms = (*desk.terms()).clone();
    desk.set_terms(terms);
    let before = TAKEN.with(Cell::get);
    for _ in 0..100 {
        cycle(Verdict::Ready);
    }
    assert_eq!(TAKEN.with(Cell::get) - before, 0);
}
