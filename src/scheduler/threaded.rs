//! The scheduler's threads: one per engine, and the watchdog's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::health_check::RetrySchedule;
use super::lane::{Lane, LaneWatchdog, LaneWorker};
use super::lock::lock;
use super::state::SchedulerState;
use super::worker::Poll;
use crate::time::Mono;

/// The longest an idle worker sleeps; a trigger wakes it earlier.
const IDLE: Duration = Duration::from_secs(2);
/// How long a stop waits, for all threads together, for an engine that does not come back.
const PATIENCE: Duration = Duration::from_millis(400);

/// The running threads. Dropping it stops them.
pub struct SchedulerThreads<L: Lane = SchedulerState> {
    shared: Arc<ThreadsShared<L>>,
    /// Of the workers in the order of their engine slots; the watchdog's last.
    handles: Vec<JoinHandle<()>>,
    /// Of workers that were replaced.
    left: Vec<JoinHandle<()>>,
    prepare: Arc<dyn Fn(&str) + Send + Sync>,
    report: Sender<EngineReport>,
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

struct ThreadsShared<L> {
    /// One per robot.
    schedulers: Vec<Arc<L>>,
    stop: AtomicBool,
    panicked: AtomicBool,
    resting: AtomicBool,
    /// Of the workers in the order of their engine slots; the watchdog's last. Set once all run.
    threads: OnceLock<Vec<ThreadCell>>,
}

/// A thread to wake, or the one that took its place.
struct ThreadCell {
    first: Thread,
    was_replaced: AtomicBool,
    newest: Mutex<Option<Thread>>,
}

impl ThreadCell {
    fn new(first: Thread) -> ThreadCell {
        ThreadCell {
            first,
            was_replaced: AtomicBool::new(false),
            newest: Mutex::new(None),
        }
    }

    fn replace(&self, thread: Thread) {
        *lock(&self.newest) = Some(thread);
        self.was_replaced.store(true, Ordering::Release);
    }

    fn wake(&self) {
        // No lock for a thread that never was replaced.
        match self.was_replaced.load(Ordering::Acquire) {
            false => self.first.unpark(),
            true => lock(&self.newest).iter().for_each(Thread::unpark),
        }
    }
}

impl<L: Lane> ThreadsShared<L> {
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
            thread.wake();
        }
    }
}

impl<L: Lane> SchedulerThreads<L> {
    /// Starts one thread per worker, and one for the watchdogs of the schedulers, which are the
    /// workers' and one per robot. `prepare` runs first on each new thread, with its name: the
    /// place for realtime settings.
    pub fn start(
        schedulers: Vec<Arc<L>>,
        workers: Vec<L::Worker>,
        prepare: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<SchedulerThreads<L>> {
        let shared = Arc::new(ThreadsShared {
            schedulers,
            stop: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            threads: OnceLock::new(),
        });
        let (report, faults) = bounded(16);
        let mut live = SchedulerThreads {
            shared: Arc::clone(&shared),
            handles: Vec::with_capacity(workers.len() + 1),
            left: Vec::new(),
            prepare: Arc::new(prepare),
            report,
            faults,
        };
        for (slot, worker) in workers.into_iter().enumerate() {
            let handle = live.spawn_worker(slot, worker)?;
            live.handles.push(handle);
        }
        let watchdog = live.spawn(String::from(L::WATCHDOG), run_watchdogs)?;
        live.handles.push(watchdog);
        let threads = live.handles.iter().map(|handle| handle.thread().clone());
        let _ = shared.threads.set(threads.map(ThreadCell::new).collect());
        Ok(live)
    }

    fn spawn_worker(&self, slot: usize, worker: L::Worker) -> std::io::Result<JoinHandle<()>> {
        let report = self.report.clone();
        self.spawn(format!("{}-{slot}", L::WORKERS), move |shared| {
            run_worker(worker, slot, shared, &report)
        })
    }

    fn spawn(
        &self,
        name: String,
        body: impl FnOnce(&ThreadsShared<L>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let prepare = Arc::clone(&self.prepare);
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name(name.clone()).spawn(move || {
            let _report = OnPanic(&shared.panicked);
            prepare(&name);
            body(&shared);
        })
    }

    /// Another worker with another engine in the place of one that does not come back. The thread
    /// of the other is left behind; its worker must know that it was replaced.
    pub fn replace(&mut self, slot: usize, worker: L::Worker) -> std::io::Result<()> {
        let handle = self.spawn_worker(slot, worker)?;
        if let Some(threads) = self.shared.threads.get() {
            threads[slot].replace(handle.thread().clone());
        }
        let before = std::mem::replace(&mut self.handles[slot], handle);
        before.thread().unpark();
        self.left.push(before);
        Ok(())
    }

    /// The schedulers they share, one per robot.
    pub fn schedulers(&self) -> &[Arc<L>] {
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
    pub fn offer(&self, robot: usize, request: L::Request) -> L::Offered {
        let scheduler = &self.shared.schedulers[robot];
        let offered = scheduler.offer(request);
        self.shared.wake(scheduler.active_engine());
        // The watchdog's place is behind the last worker's.
        self.shared.wake(self.handles.len() - 1);
        offered
    }
}

impl<L: Lane> Drop for SchedulerThreads<L> {
    /// A thread stuck in an engine cannot be ended; it is left behind.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.schedulers.iter().for_each(|lane| lane.close());
        for handle in self.handles.iter().chain(&self.left) {
            handle.thread().unpark();
        }
        let until = Instant::now() + PATIENCE;
        for handle in self.handles.drain(..).chain(self.left.drain(..)) {
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

fn run_worker<L: Lane>(
    mut worker: L::Worker,
    slot: usize,
    shared: &ThreadsShared<L>,
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
                worker.run(&mut || ());
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

fn run_watchdogs<L: Lane>(shared: &ThreadsShared<L>) {
    let mut watchdogs: Vec<L::Watchdog> = shared.schedulers.iter().map(L::watchdog).collect();
    while !shared.stops() {
        let due = watchdogs.iter_mut().filter_map(L::Watchdog::step).min();
        // The watchdog may have given the triggers to another engine.
        shared.wake_for_pending();
        let pulse = match shared.resting.load(Ordering::Acquire) {
            true => IDLE,
            false => {
                shared
                    .schedulers
                    .iter()
                    .for_each(|scheduler| scheduler.tick());
                L::PULSE
            }
        };
        let sleep = due.map_or(pulse, |due| shared.now().until(due).min(pulse));
        thread::park_timeout(sleep);
    }
}
