//! Threads under the desk: one per engine, and the guard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};

use super::checkup::Rounds;
use super::desk::{Desk, TICK};
use super::guard::Guard;
use super::reasoner::{Poll, Reasoner};
use super::request::Request;
use crate::time::Mono;

/// The longest an idle reasoner sleeps; whoever has something for it wakes it.
const IDLE: Duration = Duration::from_secs(2);
/// How long a stop waits, for all threads together, for an engine that does not come back.
const PATIENCE: Duration = Duration::from_millis(400);

/// The running threads. Dropping it stops them.
pub struct Live {
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
    faults: Receiver<EngineReport>,
}

/// An engine failed; told to the cold side, after the decision has left.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// Index of the engine.
    pub station: usize,
    /// What it said.
    pub fault: String,
}

struct Shared {
    /// One per robot.
    desks: Vec<Arc<Desk>>,
    stop: AtomicBool,
    fallen: AtomicBool,
    resting: AtomicBool,
    /// Of the reasoners in the order of their stations; the guard's last. Set once all run.
    threads: OnceLock<Vec<Thread>>,
}

impl Shared {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Wakes the reasoners that are to take pending triggers, if there are any.
    fn wake_for_pending(&self) {
        for desk in self.desks.iter().filter(|desk| desk.has_pending()) {
            self.wake(desk.active_engine());
        }
    }

    fn now(&self) -> Mono {
        self.desks.first().map_or(Mono(0), |desk| desk.now())
    }

    fn wake(&self, thread: usize) {
        if let Some(thread) = self.threads.get().and_then(|all| all.get(thread)) {
            thread.unpark();
        }
    }
}

impl Live {
    /// Starts one thread per reasoner, and one for the guards of the desks, which are the
    /// reasoners' and one per robot. `prepare` runs first on each new thread, with its name: the
    /// place for realtime settings.
    pub fn start(
        desks: Vec<Arc<Desk>>,
        reasoners: Vec<Reasoner>,
        prepare: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<Live> {
        let shared = Arc::new(Shared {
            desks,
            stop: AtomicBool::new(false),
            fallen: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            threads: OnceLock::new(),
        });
        let prepare: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(prepare);
        let (report, faults) = bounded(16);
        let mut live = Live {
            shared: Arc::clone(&shared),
            handles: Vec::with_capacity(reasoners.len() + 1),
            faults,
        };
        for (station, reasoner) in reasoners.into_iter().enumerate() {
            let report = report.clone();
            live.spawn(format!("reasoner-{station}"), &prepare, move |shared| {
                reason(reasoner, station, shared, &report)
            })?;
        }
        live.spawn(String::from("guard"), &prepare, watch)?;
        let threads = live.handles.iter().map(|handle| handle.thread().clone());
        let _ = shared.threads.set(threads.collect());
        Ok(live)
    }

    fn spawn(
        &mut self,
        name: String,
        prepare: &Arc<dyn Fn(&str) + Send + Sync>,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> std::io::Result<()> {
        let prepare = Arc::clone(prepare);
        let shared = Arc::clone(&self.shared);
        let handle = thread::Builder::new().name(name.clone()).spawn(move || {
            let _report = OnPanic(&shared.fallen);
            prepare(&name);
            body(&shared);
        })?;
        self.handles.push(handle);
        Ok(())
    }

    /// The desks they share, one per robot.
    pub fn desks(&self) -> &[Arc<Desk>] {
        &self.shared.desks
    }

    /// Whether a thread that must run has ended by a panic: nothing holds any more, and the
    /// process should end. Engines that panic are not meant; they are caught.
    pub fn has_fallen(&self) -> bool {
        self.shared.fallen.load(Ordering::Acquire)
    }

    /// Engines that failed since the last call.
    pub fn engine_reports(&self) -> impl Iterator<Item = EngineReport> + '_ {
        self.faults.try_iter()
    }

    /// Whether another desk takes the triggers: the guard then sleeps unless a cycle is still open.
    /// To be said once nothing is offered here any more, and before something is again.
    pub fn set_resting(&self, resting: bool) {
        self.shared.resting.store(resting, Ordering::Release);
        self.shared.wake(self.handles.len() - 1);
    }

    /// A trigger of robot number `robot` arrived.
    pub fn offer(&self, robot: usize, request: Box<Request>) {
        let desk = &self.shared.desks[robot];
        desk.offer(request);
        self.shared.wake(desk.active_engine());
        // The guard's place is behind the last reasoner's.
        self.shared.wake(self.handles.len() - 1);
    }
}

impl Drop for Live {
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

fn reason(mut reasoner: Reasoner, station: usize, shared: &Shared, report: &Sender<EngineReport>) {
    let mut rounds = Rounds::new();
    while !shared.stops() {
        match reasoner.poll() {
            Poll::Idle if reasoner.may_come_back() && rounds.due(Instant::now()) => {
                let back = reasoner.come_back();
                rounds.done(back.is_ok(), Instant::now());
                if let Err(fault) = back {
                    let fault = format!("is not trusted yet: {fault}");
                    let _ = report.try_send(EngineReport { station, fault });
                }
                shared.wake_for_pending();
            }
            Poll::Idle => thread::park_timeout(IDLE),
            Poll::Later(until) => thread::park_timeout(shared.now().until(until)),
            Poll::Stages => {
                reasoner.run_stages();
                reasoner.settle();
                if let Some(fault) = reasoner.take_fault() {
                    // Another engine's turn: what waits is its to take, at once.
                    shared.wake_for_pending();
                    let fault = fault.to_string();
                    let _ = report.try_send(EngineReport { station, fault });
                }
            }
        }
    }
}

fn watch(shared: &Shared) {
    let desks = shared.desks.iter();
    let mut guards: Vec<Guard> = desks.map(|desk| Guard::new(Arc::clone(desk))).collect();
    while !shared.stops() {
        let due = guards.iter_mut().filter_map(Guard::step).min();
        // The guard may have given the triggers to another engine.
        shared.wake_for_pending();
        let pulse = match shared.resting.load(Ordering::Acquire) {
            true => IDLE,
            false => {
                shared.desks.iter().for_each(|desk| desk.tick());
                TICK
            }
        };
        let sleep = due.map_or(pulse, |due| shared.now().until(due).min(pulse));
        thread::park_timeout(sleep);
    }
}
