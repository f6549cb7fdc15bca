//! Memory is taken at the start, and none on the way to a decision.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use edge_reasoner::act::output::{
    CommandReader, GateOutputParts, ModelOutput, OutputParts, PublishBytes, RobotOutput,
    publish_from_here,
};
use edge_reasoner::configure::Configuration;
use edge_reasoner::ingest::Ingest;
use edge_reasoner::messages::{Header, Message, Odometry, TwistStamped};
use edge_reasoner::model::{Bundle, EngineKind};
use edge_reasoner::params::{Value, Values};
use edge_reasoner::scheduler::{
    CYCLE, InferenceWorker, InputStatus, Poll, Reason, SchedulerState, Watchdog,
};
use edge_reasoner::time::{Clock, Stamp, SystemClock, When};
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

/// What left on a topic, and the memory that the thread which published it had taken by then.
#[derive(Default)]
struct Topic {
    count: AtomicU64,
    taken: AtomicUsize,
    /// The bytes of the newest, as far as they fit.
    newest: Mutex<Vec<u8>>,
}

impl Topic {
    fn wire(self: &Arc<Topic>) -> PublishBytes {
        let (topic, home) = (Arc::clone(self), std::thread::current().id());
        topic.newest.lock().unwrap().reserve(4096);
        Box::new(move |bytes| {
            let mut newest = topic.newest.lock().unwrap();
            newest.clear();
            newest.extend_from_slice(bytes);
            topic.count.fetch_add(1, Ordering::Relaxed);
            // The test's own thread is counted as it is.
            if std::thread::current().id() != home {
                topic.taken.store(TAKEN.with(Cell::get), Ordering::Relaxed);
            }
            true
        })
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// What a live node has between the bytes of its messages and those of a decision, with the output
/// that it publishes by.
struct Rig {
    robots: Vec<Robot>,
    worker: InferenceWorker,
    clock: Arc<SystemClock>,
    stamp: Stamp,
}

struct Robot {
    scheduler: Arc<SchedulerState>,
    ingest: Ingest,
    watchdog: Watchdog,
    robot_output: Arc<RobotOutput>,
    reader: CommandReader,
    decisions: Arc<Topic>,
    commands: Arc<Topic>,
    scan: Vec<u8>,
    odometry: Vec<u8>,
    command: Vec<u8>,
}

impl Robot {
    fn new(configuration: &Configuration, clock: &Arc<SystemClock>) -> Robot {
        let (decisions, commands) = (Arc::new(Topic::default()), Arc::new(Topic::default()));
        let gate = configuration.params.gate.as_ref().unwrap();
        let parts = OutputParts {
            decisions: decisions.wire(),
            gate: Some(GateOutputParts {
                limits: gate.limits.clone(),
                stamped: gate.stamped,
                velocities: commands.wire(),
                state: Arc::new(Topic::default()).wire(),
            }),
            speed: None,
            notes: true,
            shown: true,
            sim_time: false,
        };
        let times = (
            Arc::clone(clock) as Arc<dyn Clock>,
            (|| Stamp(7)) as fn() -> Stamp,
        );
        let robot_output = Arc::new(RobotOutput::new(parts, times, Arc::new(|| ())).unwrap());
        robot_output.open();
        let model_output = ModelOutput::new(Arc::clone(&robot_output), configuration.vocabulary());
        let scheduler = configuration.scheduler(Arc::clone(clock) as _, Arc::new(model_output));
        let header = |frame: &str| Header {
            stamp: Stamp(0),
            frame_id: frame.into(),
        };
        let mut odometry = Odometry {
            header: header("odom"),
            child_frame_id: "base_footprint_of_a_robot".into(),
            ..Odometry::default()
        };
        odometry.twist.twist.linear.x = 0.1;
        let mut command = TwistStamped {
            header: header("base_footprint_of_a_robot"),
            ..TwistStamped::default()
        };
        command.twist.linear.x = 0.25;
        Robot {
            ingest: configuration.ingest().unwrap(),
            watchdog: Watchdog::new(Arc::clone(&scheduler)),
            scheduler,
            robot_output,
            reader: CommandReader::default(),
            decisions,
            commands,
            scan: Message::LaserScan(support::scan(0, 3.0)).encode().unwrap(),
            odometry: Message::Odometry(odometry).encode().unwrap(),
            command: Message::TwistStamped(command).encode().unwrap(),
        }
    }

    /// Odometry, a command to the window and the gate, and a scan come in.
    fn messages(&mut self, clock: &SystemClock, stamp: Stamp) {
        let now = clock.now();
        let arrival = When {
            mono: now,
            ros: stamp,
        };
        self.reader.read(&self.robot_output, arrival, &self.command);
        for (name, bytes) in [
            ("odom", &mut self.odometry),
            ("cmd", &mut self.command),
            ("scan", &mut self.scan),
        ] {
            let (sec, nanosec) = stamp.to_ros();
            bytes[4..8].copy_from_slice(&sec.to_le_bytes());
            bytes[8..12].copy_from_slice(&nanosec.to_le_bytes());
            let source = self.ingest.source(name).unwrap();
            let (request, taken) = self
                .ingest
                .message(&self.scheduler, source, bytes, now, stamp);
            assert!(taken.is_ok(), "{taken:?}");
            if let Some((stamp, points)) = self.ingest.points(source) {
                self.robot_output.scan((arrival, stamp), source, points);
            } else if let Some(twist) = self.ingest.twist(source) {
                self.robot_output.odometry(arrival, twist.into());
            }
            if let Some(request) = request {
                self.scheduler.offer(request);
            }
        }
    }

    /// Another range: nothing real says the same twice.
    fn vary(&mut self) {
        let last = self.scan.len() - 8;
        self.scan[last] ^= 1;
    }

    /// `linear.x` of the newest command that left, behind a header with a frame of 25 letters.
    fn speed(&self) -> f64 {
        let newest = self.commands.newest.lock().unwrap();
        let at = newest.len() - 48;
        f64::from_le_bytes(newest[at..at + 8].try_into().unwrap())
    }
}

impl Rig {
    /// Answers are used again for up to `cache_ms`.
    fn new(robots: usize, cache_ms: f64) -> Rig {
        let mut values = Values::new();
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
        let word = |text: &str| Value::String(text.into());
        for (name, value) in [
            ("model", word(&model.to_string_lossy())),
            // A busy machine shall not lead some cycles another way, over places used for the first
            // time.
            ("deadline_ms", Value::Double(10_000.0)),
            ("cache.max_age_ms", Value::Double(cache_ms)),
            ("scan.freeze_timeout_ms", Value::Double(1000.0)),
            ("scan.stamp_timeout_ms", Value::Double(1000.0)),
            ("cmd.type", word("geometry_msgs/msg/TwistStamped")),
            ("act.velocity_gate.enabled", Value::Bool(true)),
            ("act.velocity_gate.in", word("/cmd_vel_raw")),
            ("act.velocity_gate.out", word("/cmd_vel")),
            ("act.velocity_gate.stamped", Value::Bool(true)),
            ("robot_radius", Value::Double(0.2)),
            (
                "act.velocity_gate.decision_timeout_ms",
                Value::Double(10_000.0),
            ),
            (
                "act.velocity_gate.command_timeout_ms",
                Value::Double(10_000.0),
            ),
            ("act.velocity_gate.linear.go", Value::Double(1.0)),
            ("act.velocity_gate.linear.slow", Value::Double(0.5)),
            ("act.velocity_gate.linear.stop", Value::Double(0.0)),
        ] {
            values.insert(name.into(), value);
        }
        let mut configuration = Configuration::read(&values).unwrap();
        let engines = configuration.warm_engines().unwrap();
        let clock = Arc::new(SystemClock::new());
        let robots = (0..robots).map(|_| Robot::new(&configuration, &clock));
        let robots: Vec<Robot> = robots.collect();
        let schedulers: Vec<Arc<SchedulerState>> =
            robots.iter().map(|r| Arc::clone(&r.scheduler)).collect();
        let mut workers = configuration.workers(&schedulers, engines);
        Rig {
            robots,
            worker: workers.remove(0),
            clock,
            stamp: Stamp(1_700_000_000_000_000_000),
        }
    }

    /// Every robot's messages come in, 100 ms after those before, and are answered.
    fn scan(&mut self) {
        self.stamp = self.stamp + Duration::from_millis(100);
        for robot in &mut self.robots {
            robot.messages(&self.clock, self.stamp);
        }
        self.answer();
    }

    /// So many scans, each another than the one before.
    fn drive(&mut self, scans: usize) {
        for _ in 0..scans {
            self.robots.iter_mut().for_each(Robot::vary);
            self.scan();
        }
    }

    /// Triggers whose window cannot be used.
    fn stale(&mut self) {
        for robot in &self.robots {
            let mut request = robot.scheduler.empty_request().unwrap();
            request.trigger.arrival = self.clock.now();
            request.trigger.input_status = InputStatus::Unusable(Reason::StaleInput);
            robot.scheduler.offer(request);
        }
        self.answer();
    }

    fn answer(&mut self) {
        loop {
            match self.worker.poll() {
                Poll::Idle => break,
                Poll::Later(_) => {}
                Poll::Stages => {
                    self.worker.run_stages();
                    self.worker.settle();
                }
            }
        }
        for robot in &mut self.robots {
            robot.watchdog.step();
            // Nothing waits, so that every scan finds the same.
            robot
                .robot_output
                .flush(Instant::now() + Duration::from_secs(20));
        }
    }

    /// Taken so far by this thread, and by those that publish on each topic.
    fn taken(&self) -> usize {
        let topics = self.robots.iter().flat_map(|r| [&r.decisions, &r.commands]);
        let elsewhere: usize = topics
            .map(|topic| topic.taken.load(Ordering::Relaxed))
            .sum();
        TAKEN.with(Cell::get) + elsewhere
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
        // As the engine of a single robot does.
        publish_from_here();
        takes_none(Rig::new(1, 0.0));
    });
}

#[test]
fn nor_is_any_where_several_robots_share_the_engine_and_others_publish() {
    let _alone = SUBSCRIBED.lock();
    takes_none(Rig::new(3, 0.0));
}

fn takes_none(mut rig: Rig) {
    // Queues and thread-local places are made at their first use, the window's history is filled.
    rig.drive(30);
    rig.stale();
    rig.drive(10);
    assert!(rig.robots[0].speed() > 0.0, "the gate is open");
    let (before, left) = (rig.taken(), rig.robots[0].commands.count());
    for _ in 0..100 {
        rig.drive(1);
        rig.stale();
    }
    assert_eq!(rig.taken() - before, 0);
    rig.drive(10);
    assert!(rig.robots[0].speed() > 0.0, "and opens again");
    for robot in &rig.robots {
        assert_eq!(robot.scheduler.counts().tally().decisions, 251);
        assert_eq!(robot.decisions.count(), 251);
        assert!(robot.commands.count() > left);
    }
    // Other terms are taken over without it, too.
    for robot in &rig.robots {
        let cycle_config = (*robot.scheduler.cycle_config()).clone();
        robot.scheduler.set_cycle_config(cycle_config);
    }
    rig.drive(1);
    let before = rig.taken();
    rig.drive(100);
    assert_eq!(rig.taken() - before, 0);
}

#[test]
fn nor_is_any_taken_to_use_an_answer_again() {
    let _alone = SUBSCRIBED.lock();
    publish_from_here();
    let mut rig = Rig::new(1, 60_000.0);
    let scheduler = Arc::clone(&rig.robots[0].scheduler);
    let reused = || scheduler.counts().tally().reused;
    rig.drive(40);
    // The tally is a list of its own.
    let before = reused();
    let taken = rig.taken();
    rig.drive(100);
    assert_eq!(rig.taken() - taken, 0);
    assert_eq!(reused() - before, 100);
    // Under other terms the world is new once.
    scheduler.set_cycle_config((*scheduler.cycle_config()).clone());
    let taken = rig.taken();
    rig.drive(10);
    assert_eq!(rig.taken() - taken, 0);
    assert_eq!(reused() - before, 109);
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
        publish_from_here();
        let mut rig = Rig::new(1, 0.0);
        for _ in 0..3 {
            rig.scan();
        }
    });
    let seen = seen.0.lock().unwrap();
    assert_eq!((seen["take_in"], seen["publish"]), (9, 3), "{seen:?}");
    assert!(seen["stage"] >= 3, "{seen:?}");
}
