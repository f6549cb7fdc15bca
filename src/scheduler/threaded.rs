//! The scheduler's threads: one per engine, and the watchdog's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::health_check::RetrySchedule;
use super::publish::TICK;
use super::request::Request;
use super::state::SchedulerState;
use super::watchdog::Watchdog;
use super::worker::{InferenceWorker, Poll};
use crate::time::Mono;

/// The longest an idle worker sleeps; a trigger wakes it earlier.
const IDLE: Duration = Duration::from_secs(2);
/// How long a stop waits, for all threads together, for an engine that does not come back.
const PATIENCE: Duration = Duration::from_millis(400);

/// The running threads. Dropping it stops them.
pub struct SchedulerThreads {
    shared: Arc<ThreadsShared>,
    handles: Vec<JoinHandle<()>>,
    faults: Receiver<EngineReport>,
}

/// A report to the control plane that an engine failed; sent after the decision was published.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// Index of the engine.
    pub slot: usize,
    /// Its error.
    pub fault: String,
}

struct ThreadsShared {
    /// One per robot.
    schedulers: Vec<Arc<SchedulerState>>,
    stop: AtomicBool,
    panicked: AtomicBool,
    resting: AtomicBool,
    /// Of the workers in the order of their engine slots; the watchdog's last. Set once all run.
    threads: OnceLock<Vec<Thread>>,
}

impl ThreadsShared {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Wakes the workers that are to take pending triggers, if there are any.
    fn wake_for_pending(&self) {
        for scheduler in self
            .schedulers
            .iter()
            .filter(|scheduler| scheduler.has_pending())
        {
            self.wake(scheduler.active_engine());
        }
    }

    fn now(&self) -> Mono {
        self.schedulers
            .first()
            .map_or(Mono(0), |scheduler| scheduler.now())
    }

    fn wake(&self, thread: usize) {
        if let Some(thread) = self.threads.get().and_then(|all| all.get(thread)) {
            thread.unpark();
        }
    }
}

impl SchedulerThreads {
    /// Starts one thread per worker, and one for the watchdogs of the schedulers, which are the
    /// workers' and one per robot. `prepare` runs first on each new thread, with its name: the
    /// place for realtime settings.
    pub fn start(
        schedulers: Vec<Arc<SchedulerState>>,
        workers: Vec<InferenceWorker>,
        prepare: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<SchedulerThreads> {
        let shared = Arc::new(ThreadsShared {
            schedulers,
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            threads: OnceLock::new(),
        });
        let prepare: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(prepare);
        let (report, faults) = bounded(16);
        let mut live = SchedulerThreads {
            shared: Arc::clone(&shared),
            handles: Vec::with_capacity(workers.len() + 1),
            faults,
        };
        for (slot, worker) in workers.into_iter().enumerate() {
            let report = report.clone();
            live.spawn(format!("inference-{slot}"), &prepare, move |shared| {
                run_worker(worker, slot, shared, &report)
            })?;
        }
        live.spawn(String::from("watchdog"), &prepare, run_watchdogs)?;
        let threads = live.handles.iter().map(|handle| handle.thread().clone());
        let _ = shared.threads.set(threads.collect());
        Ok(live)
    }

    fn spawn(
        &mut self,
        name: String,
        prepare: &Arc<dyn Fn(&str) + Send + Sync>,
        body: impl FnOnce(&ThreadsShared) + Send + 'static,
    ) -> std::io::Result<()> {
        let prepare = Arc::clone(prepare);
        let shared = Arc::clone(&self.shared);
        let handle = thread::Builder::new().name(name.clone()).spawn(move || {
            let _report = OnPanic(&shared.panicked);
            prepare(&name);
            body(&shared);
        })?;
        self.handles.push(handle);
        Ok(())
    }

    /// The schedulers they share, one per robot.
    pub fn schedulers(&self) -> &[Arc<SchedulerState>] {
        &self.shared.schedulers
    }

    /// Whether a thread that must run has ended by a panic: the guarantee is lost, and the
    /// process should end. Engines that panic are not meant; they are caught.
    pub fn has_panicked(&self) -> bool {
        self.shared.panicked.load(Ordering::Acquire)
    }

    /// Engines that failed since the last call.
    pub fn engine_reports(&self) -> impl Iterator<Item = EngineReport> + '_ {
        self.faults.try_iter()
    }

    /// Whether another scheduler takes the triggers: the watchdog then sleeps unless a cycle is
    /// still open. Call it with true once nothing is offered here any more, and with false before a
    /// trigger is offered again.
    pub fn set_resting(&self, resting: bool) {
        self.shared.resting.store(resting, Ordering::Release);
        self.shared.wake(self.handles.len() - 1);
    }

    /// A trigger of robot number `robot` arrived.
    pub fn offer(&self, robot: usize, request: Box<Request>) {
        let scheduler = &self.shared.schedulers[robot];
        scheduler.offer(request);
        self.shared.wake(scheduler.active_engine());
        // The watchdog's place is behind the last worker's.
        self.shared.wake(self.handles.len() - 1);
    }
}

impl Drop for SchedulerThreads {
    /// A thread stuck in an engine cannot be ended; it is left behind.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for handle in &self.handles {
            handle.thread().unpark();
        }
        let until = Instant::now() + PATIENCE;
        for handle in self.handles.drain(..) {
            while !handle.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            if handle.is_finished() {
                let _ = handle.join();
            }
        }
    }
}

struct OnPanic<'a>(&'a AtomicBool);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

fn run_worker(
    mut worker: InferenceWorker,
    slot: usize,
    shared: &ThreadsShared,
    report: &Sender<EngineReport>,
) {
    let mut retries = RetrySchedule::new();
    while !shared.stops() {
        match worker.poll() {
            Poll::Idle if worker.may_recover() && retries.due(Instant::now()) => {
                let back = worker.run_health_check();
                retries.done(back.is_ok(), Instant::now());
                if let Err(fault) = back {
                    let fault = format!("is not trusted yet: {fault}");
                    let _ = report.try_send(EngineReport { slot, fault });
                }
                shared.wake_for_pending();
            }
            Poll::Idle => thread::park_timeout(IDLE),
            Poll::Later(until) => thread::park_timeout(shared.now().until(until)),
            Poll::Stages => {
                worker.run_stages();
                worker.settle();
                if let Some(fault) = worker.take_fault() {
                    // Another engine's turn: what waits is its to take, at once.
                    shared.wake_for_pending();
                    let fault = fault.to_string();
                    let _ = report.try_send(EngineReport { slot, fault });
                }
            }
        }
    }
}

fn run_watchdogs(shared: &ThreadsShared) {
    let schedulers = shared.schedulers.iter();
    let mut watchdogs: Vec<Watchdog> = schedulers
        .map(|scheduler| Watchdog::new(Arc::clone(scheduler)))
        .collect();
    while !shared.stops() {
        let due = watchdogs.iter_mut().filter_map(Watchdog::step).min();
        // The watchdog may have given the triggers to another engine.
        shared.wake_for_pending();
        let pulse = match shared.resting.load(Ordering::Acquire) {
            true => IDLE,
            false => {
                shared
                    .schedulers
                    .iter()
                    .for_each(|scheduler| scheduler.tick());
                TICK
            }
        };
        let sleep = due.map_or(pulse, |due| shared.now().until(due).min(pulse));
        thread::park_timeout(sleep);
    }
}
