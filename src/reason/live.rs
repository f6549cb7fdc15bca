//! Threads under the desk: one per engine, and the guard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::desk::{Desk, Request};
use super::guard::Guard;
use super::reasoner::{Poll, Reasoner};

/// The longest an idle thread sleeps before it looks whether it is to end.
const IDLE: Duration = Duration::from_millis(100);
/// How long a stop waits for an engine that does not come back.
const PATIENCE: Duration = Duration::from_millis(500);

/// The running threads. Dropping it stops them.
pub struct Live {
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    reasoners: Vec<Worker>,
    guard: Worker,
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

struct Worker {
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

impl Live {
    /// Starts one thread per reasoner and one for the guard. `prepare` runs first on each new
    /// thread, with its name: the place for realtime settings.
    pub fn start(
        desk: Arc<Desk>,
        reasoners: Vec<Reasoner>,
        prepare: impl Fn(&str) + Send + Sync + 'static,
    ) -> std::io::Result<Live> {
        let stop = Arc::new(AtomicBool::new(false));
        let prepare: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(prepare);
        let (report, faults) = bounded(16);
        let workers = reasoners
            .into_iter()
            .enumerate()
            .map(|(station, reasoner)| {
                let stop = Arc::clone(&stop);
                let report = report.clone();
                spawn(format!("reasoner-{station}"), &prepare, move || {
                    reason(reasoner, station, &stop, &report)
                })
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let guard = {
            let (desk, stop) = (Arc::clone(&desk), Arc::clone(&stop));
            spawn(String::from("guard"), &prepare, move || watch(desk, &stop))?
        };
        Ok(Live {
            desk,
            stop,
            reasoners: workers,
            guard,
            faults,
        })
    }

    /// The desk they share.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Engines that failed since the last call.
    pub fn engine_reports(&self) -> impl Iterator<Item = EngineReport> + '_ {
        self.faults.try_iter()
    }

    /// A trigger arrived.
    pub fn offer(&self, request: Box<Request>) {
        self.desk.offer(request);
        if let Some(worker) = self.reasoners.get(self.desk.active_engine()) {
            worker.thread.unpark();
        }
        self.guard.thread.unpark();
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for worker in self.reasoners.iter_mut().chain([&mut self.guard]) {
            worker.thread.unpark();
            join_within(worker, PATIENCE);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A thread stuck in an engine cannot be ended; it is left behind.
fn join_within(worker: &mut Worker, patience: Duration) {
    let Some(handle) = worker.handle.take() else {
        return;
    };
    let begun = std::time::Instant::now();
    while !handle.is_finished() && begun.elapsed() < patience {
        thread::sleep(Duration::from_millis(1));
    }
    if handle.is_finished() {
        let _ = handle.join();
    }
}

fn spawn(
    name: String,
    prepare: &Arc<dyn Fn(&str) + Send + Sync>,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<Worker> {
    let prepare = Arc::clone(prepare);
    let handle = thread::Builder::new().name(name.clone()).spawn(move || {
        prepare(&name);
        body();
    })?;
    Ok(Worker {
        thread: handle.thread().clone(),
        handle: Some(handle),
    })
}

fn reason(
    mut reasoner: Reasoner,
    station: usize,
    stop: &AtomicBool,
    report: &Sender<EngineReport>,
) {
    while !stop.load(Ordering::Acquire) {
        match reasoner.poll() {
            Poll::Idle => thread::park_timeout(IDLE),
            Poll::Stage => {
                reasoner.run_stage();
                reasoner.settle();
                if let Some(fault) = reasoner.take_fault() {
                    let fault = fault.to_string();
                    let _ = report.try_send(EngineReport { station, fault });
                }
            }
        }
    }
}

fn watch(desk: Arc<Desk>, stop: &AtomicBool) {
    let mut guard = Guard::new(Arc::clone(&desk));
    while !stop.load(Ordering::Acquire) {
        let sleep = match guard.step() {
            Some(due) => desk.now().until(due).min(IDLE),
            None => IDLE,
        };
        thread::park_timeout(sleep);
    }
}
