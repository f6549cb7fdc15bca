//! What threads and simulated time know of a lane: the shared state, its workers, its watchdog.
//!
//! There are two. The reflex lane answers triggers by a model of microseconds ([`SchedulerState`]),
//! the deliberate lane answers [`questions`](super::questions) by one that thinks as long as the
//! deadline lets it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::engine::EngineFault;
use super::publish::TICK;
use super::request::Request;
use super::state::SchedulerState;
use super::watchdog::Watchdog;
use super::worker::{InferenceWorker, Poll};
use crate::time::Mono;

/// The state that workers and watchdog of a lane share.
pub trait Lane: Send + Sync + 'static {
    /// What is to be answered.
    type Request;
    /// What becomes of it at once.
    type Offered;
    /// Runs an engine.
    type Worker: LaneWorker;
    /// Answers what is due.
    type Watchdog: LaneWatchdog;

    /// Begins the names of the threads of its workers; their numbers follow.
    const WORKERS: &'static str;
    /// Name of the thread of its watchdogs.
    const WATCHDOG: &'static str;
    /// The longest that its watchdog sleeps.
    const PULSE: Duration;

    /// The watchdog of this state, which has one.
    fn watchdog(self: &Arc<Self>) -> Self::Watchdog;

    /// The present moment on the clock deadlines run on.
    fn now(&self) -> Mono;

    /// Takes in what is to be answered.
    fn offer(&self, request: Self::Request) -> Self::Offered;

    /// Whether work waits for the active engine.
    fn has_pending(&self) -> bool;

    /// Index of the engine that has the work.
    fn active_engine(&self) -> usize;

    /// In what time all that was taken in is answered.
    fn horizon(&self) -> Duration;

    /// Time passed; called at least every [`Lane::PULSE`].
    fn tick(&self) {}

    /// Nobody will work any more: answers what is open.
    fn close(&self) {}
}

/// One engine's logic, cut at the points where time passes.
pub trait LaneWorker: Send + 'static {
    /// Whether [`LaneWorker::run`] looks at clock and claim on its way, and so must be told how
    /// time passes between two looks.
    const LOOKS_UP: bool;

    /// Takes work if there is any and none is in hand.
    fn poll(&mut self) -> Poll;

    /// The parts that [`LaneWorker::run`] would run, 0-based.
    fn parts(&self) -> Range<usize>;

    /// Runs the next part. This is where an engine may take its time; `pause` is called after each
    /// look at clock and claim.
    fn run(&mut self, pause: &mut dyn FnMut());

    /// The part is over: goes on, decides or gives up.
    fn settle(&mut self);

    /// The engine's last error; returned once.
    fn take_fault(&mut self) -> Option<EngineFault>;

    /// Whether the engine was passed by and could show that it is sound.
    fn may_recover(&self) -> bool;

    /// Puts the engine to the test, and gives it its place back when it passes. Where the engine
    /// may hang, this does.
    fn run_health_check(&mut self) -> Result<(), EngineFault>;
}

/// The logic of a deadline timer.
pub trait LaneWatchdog {
    /// Answers what is due, and returns when it must run again; `None` when there is nothing to
    /// wait for.
    fn step(&mut self) -> Option<Mono>;
}

impl Lane for SchedulerState {
    type Request = Box<Request>;
    type Offered = ();
    type Worker = InferenceWorker;
    type Watchdog = Watchdog;

    const WORKERS: &'static str = "inference";
    const WATCHDOG: &'static str = "watchdog";
    const PULSE: Duration = TICK;

    fn watchdog(self: &Arc<Self>) -> Watchdog {
        Watchdog::new(Arc::clone(self))
    }

    fn now(&self) -> Mono {
        self.now()
    }

    fn offer(&self, request: Box<Request>) {
        self.offer(request);
    }

    fn has_pending(&self) -> bool {
        self.has_pending()
    }

    fn active_engine(&self) -> usize {
        self.active_engine()
    }

    fn horizon(&self) -> Duration {
        let cycle_config = self.cycle_config();
        cycle_config.deadline * 2 + cycle_config.fault_time
    }

    fn tick(&self) {
        self.tick();
    }
}

impl LaneWorker for InferenceWorker {
    const LOOKS_UP: bool = false;

    fn poll(&mut self) -> Poll {
        self.poll()
    }

    fn parts(&self) -> Range<usize> {
        self.stages()
    }

    fn run(&mut self, _pause: &mut dyn FnMut()) {
        self.run_stages();
    }

    fn settle(&mut self) {
        self.settle();
    }

    fn take_fault(&mut self) -> Option<EngineFault> {
        self.take_fault()
    }

    fn may_recover(&self) -> bool {
        self.may_recover()
    }

    fn run_health_check(&mut self) -> Result<(), EngineFault> {
        self.run_health_check()
    }
}

impl LaneWatchdog for Watchdog {
    fn step(&mut self) -> Option<Mono> {
        self.step()
    }
}
