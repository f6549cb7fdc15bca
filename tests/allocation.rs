//! Memory is taken at the start, and none on the way to a decision.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::act;
use edge_reasoner::act::gate::{Command, Gate, GateLimits, Velocity};
use edge_reasoner::act::wire::{Vocabulary, encode, encode_decision};
use edge_reasoner::configure::Configuration;
use edge_reasoner::ingest::Ingest;
use edge_reasoner::model::{Bundle, EngineKind};
use edge_reasoner::params::{Value, Values};
use edge_reasoner::reason::{
    CYCLE, Decision, Desk, Guard, Poll, Publish, Reason, Reasoner, Verdict,
};
use edge_reasoner::sense::Message;
use edge_reasoner::time::{Clock, Stamp, SystemClock};
use tracing::span::{Attributes, Id};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

mod support;

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
        let verdict = act::Verdict::of(decision);
        let now = verdict.arrival;
        let through = gate.on_command(now, Command::new(Velocity::ZERO, now, None));
        gate.on_decision(now, verdict);
        encode(&through.velocity, bytes);
    }
}

/// What a live node has between a scan's bytes and a decision's, on one thread.
struct Rig {
    desk: Arc<Desk>,
    ingest: Ingest,
    reasoner: Reasoner,
    guard: Guard,
    clock: Arc<SystemClock>,
    scan: Vec<u8>,
    stamp: Stamp,
}

impl Rig {
    /// Answers are used again for up to `cache_ms`.
    fn new(cache_ms: f64) -> Rig {
        let mut values = Values::new();
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
        values.insert(
            "model".into(),
            Value::String(model.to_string_lossy().into_owned()),
        );
        // A busy machine shall not lead some cycles another way, over places used for the first time.
        values.insert("deadline_ms".into(), Value::Double(10_000.0));
        values.insert("cache.max_age_ms".into(), Value::Double(cache_ms));
        values.insert("scan.freeze_timeout_ms".into(), Value::Double(1000.0));
        values.insert("scan.stamp_timeout_ms".into(), Value::Double(1000.0));
        let mut configuration = Configuration::read(&values).unwrap();
        let engines = configuration.warm_engines().unwrap();
        let clock = Arc::new(SystemClock::new());
        let limits = GateLimits {
            decision_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
            ..GateLimits::default()
        };
        let outlet = Arc::new(Outlet {
            words: configuration.vocabulary(),
            out: Mutex::new((Vec::with_capacity(2048), Gate::new(limits))),
        });
        let desk = configuration.desk(Arc::clone(&clock) as _, Arc::clone(&outlet) as _);
        let mut reasoners = configuration.reasoners(&[Arc::clone(&desk)], engines);
        Rig {
            ingest: configuration.ingest().unwrap(),
            reasoner: reasoners.remove(0),
            guard: Guard::new(Arc::clone(&desk)),
            desk,
            clock,
            scan: Message::LaserScan(support::scan(0, 2.0)).encode().unwrap(),
            stamp: Stamp(1_700_000_000_000_000_000),
        }
    }

    /// A scan comes in, 100 ms after the one before, and is answered.
    fn scan(&mut self) {
        self.stamp = self.stamp + Duration::from_millis(100);
        let (sec, nanosec) = self.stamp.to_ros();
        self.scan[4..8].copy_from_slice(&sec.to_le_bytes());
        self.scan[8..12].copy_from_slice(&nanosec.to_le_bytes());
        let (source, now) = (self.ingest.trigger(), self.clock.now());
        let (request, taken) = self
            .ingest
            .message(&self.desk, source, &self.scan, now, self.stamp);
        assert!(taken.is_ok(), "{taken:?}");
        self.desk.offer(request.expect("a trigger"));
        self.answer();
    }

    /// So many scans, each another than the one before.
    fn drive(&mut self, scans: usize) {
        for _ in 0..scans {
            self.vary();
            self.scan();
        }
    }

    /// A trigger whose window cannot be used.
    fn stale(&mut self) {
        let mut request = self.desk.blank().unwrap();
        request.trigger.arrival = self.clock.now();
        request.trigger.verdict = Verdict::Unusable(Reason::StaleInput);
        self.desk.offer(request);
        self.answer();
    }

    /// Another range: nothing real says the same twice.
    fn vary(&mut self) {
        let last = self.scan.len() - 8;
        self.scan[last] ^= 1;
    }

    fn answer(&mut self) {
        while self.reasoner.poll() == Poll::Stages {
            self.reasoner.run_stages();
            self.reasoner.settle();
        }
        self.guard.step();
    }
}

/// Subscribers of other threads change what `tracing` remembers of every place, here too: one test
/// with a subscriber at a time.
static SUBSCRIBED: Mutex<()> = Mutex::new(());

#[test]
fn from_the_bytes_of_a_scan_to_those_of_its_decision_no_memory_is_taken() {
    let _alone = SUBSCRIBED.lock();
    // A subscriber as a node has it, to which spans of cycles are of no interest.
    let filter = tracing_subscriber::filter::LevelFilter::DEBUG;
    let subscriber = tracing_subscriber::registry().with(Spans::default().with_filter(filter));
    tracing::subscriber::with_default(subscriber, || {
        let mut rig = Rig::new(0.0);
        // Queues and thread-local places are made at their first use, the window's history is
        // filled.
        rig.drive(20);
        rig.stale();
        let before = TAKEN.with(Cell::get);
        for _ in 0..100 {
            rig.vary();
            rig.scan();
            rig.stale();
        }
        let taken = TAKEN.with(Cell::get) - before;
        assert_eq!(taken, 0);
        assert_eq!(rig.desk.counts().tally().decisions, 221);
        // Other terms are taken over without it, too.
        let terms = (*rig.desk.terms()).clone();
        rig.desk.set_terms(terms);
        let before = TAKEN.with(Cell::get);
        rig.drive(100);
        assert_eq!(TAKEN.with(Cell::get) - before, 0);
    });
}

#[test]
fn nor_is_any_taken_to_use_an_answer_again() {
    let _alone = SUBSCRIBED.lock();
    let mut rig = Rig::new(60_000.0);
    rig.drive(20);
    let reused = rig.desk.counts().tally().reused;
    let before = TAKEN.with(Cell::get);
    rig.drive(100);
    assert_eq!(TAKEN.with(Cell::get) - before, 0);
    assert_eq!(rig.desk.counts().tally().reused - reused, 100);
    // Under other terms the world is new once.
    let terms = (*rig.desk.terms()).clone();
    rig.desk.set_terms(terms);
    let before = TAKEN.with(Cell::get);
    rig.drive(10);
    assert_eq!(TAKEN.with(Cell::get) - before, 0);
    assert_eq!(rig.desk.counts().tally().reused - reused, 109);
}

/// Counts spans and events by name.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<String, usize>>>);

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let name = span.metadata().name().to_owned();
        *self.0.lock().unwrap().entry(name).or_default() += 1;
    }
}

#[test]
fn whoever_asks_sees_the_steps_of_every_cycle() {
    let _alone = SUBSCRIBED.lock();
    let seen = Spans::default();
    let filter = Targets::new().with_target(CYCLE, tracing::Level::TRACE);
    let subscriber = tracing_subscriber::registry().with(seen.clone().with_filter(filter));
    tracing::subscriber::with_default(subscriber, || {
        let mut rig = Rig::new(0.0);
        for _ in 0..3 {
            rig.scan();
        }
    });
    let seen = seen.0.lock().unwrap();
    assert_eq!((seen["take_in"], seen["publish"]), (3, 3), "{seen:?}");
    assert!(seen["stage"] >= 3, "{seen:?}");
}
