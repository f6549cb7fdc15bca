//! The control plane: services, on tokio; signals, reporters and log lines, each on a thread of its
//! own. No decision waits for any of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ros::error::RunError;
use crate::ros::monitoring::reporter::Reporter;

/// A node that is to end and does not react for so long hangs: in a bundle on a disk that is
/// gone, in a driver. It is ended then.
const TURNS_WITHIN: Duration = Duration::from_millis(800);
/// How long the orderly end of a node may take.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Period of the reporters' looks between two reports.
const LOOK: Duration = Duration::from_millis(50);

/// What a signal means.
#[derive(Default)]
pub struct StopSignal {
    asked: AtomicBool,
    noticed: AtomicBool,
    active: AtomicBool,
}

impl StopSignal {
    /// Whether the node is to end.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// The node is about to end.
    pub fn notice(&self) {
        self.noticed.store(true, Ordering::Release);
    }

    /// Whether the node decides: its end is not an orderly one then, unless it notices.
    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Release);
    }

    /// Ends the process where the node does not in time.
    fn see_to_it(&self) {
        let asked = Instant::now();
        self.asked.store(true, Ordering::Release);
        loop {
            let (limit, doing) = match self.noticed.load(Ordering::Acquire) {
                false => (TURNS_WITHIN, "loading a model or changing its state"),
                true => (ENDS_WITHIN, "freeing what it has"),
            };
            if asked.elapsed() >= limit {
                // The reader of standard output may have stopped reading.
                let say = move || {
                    eprintln!(
                        "edge_reasoner: told to end, but still {doing} after {limit:?}; ended as it \
                         is"
                    );
                };
                let said = thread::Builder::new().spawn(say);
                thread::sleep(Duration::from_millis(50));
                drop(said);
                let code = i32::from(self.active.load(Ordering::Acquire));
                // SAFETY: ends the process. Destructors of the middleware, whose threads still run,
                // are not to be run beside them.
                unsafe { libc::_exit(code) };
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The tokio runtime and what runs on it.
pub struct ControlPlane {
    runtime: Runtime,
    later: Sender<Job>,
}

impl ControlPlane {
    /// From here on SIGINT and SIGTERM ask to stop.
    pub fn start(stop: Arc<StopSignal>) -> Result<ControlPlane, RunError> {
        let system = |cause| RunError::System {
            doing: "starting the cold side",
            cause,
        };
        let signals = Builder::new_current_thread().enable_all().build();
        let signals = signals.map_err(system)?;
        let entered = signals.enter();
        let interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        let terminate = signal(SignalKind::terminate()).map_err(system)?;
        drop(entered);
        let thread = thread::Builder::new().name(String::from("signals"));
        let waits = move || {
            signals.block_on(either(interrupt, terminate));
            stop.see_to_it();
        };
        thread.spawn(waits).map_err(system)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("control")
            .enable_all()
            .build()
            .map_err(system)?;
        let (later, jobs) = channel();
        let thread = thread::Builder::new().name(String::from("later"));
        thread.spawn(move || one_by_one(&jobs)).map_err(system)?;
        Ok(ControlPlane { runtime, later })
    }

    /// Runs `work` beside everything else. What may take its time belongs into `spawn_blocking`.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs `job` after those before it, where it may take its time.
    pub fn later(&self, job: impl FnOnce() + Send + 'static) {
        // Nobody refuses before the end.
        let _ = self.later.send(Box::new(job));
    }

    /// Runs the reporter every period until the node ends, and once more then.
    pub fn report(
        &self,
        mut reporter: Reporter,
        over: Arc<AtomicBool>,
    ) -> Result<JoinHandle<()>, RunError> {
        let speak = move || {
            let mut spoke = Instant::now();
            while !over.load(Ordering::Acquire) {
                thread::sleep(LOOK);
                reporter.look();
                if spoke.elapsed() >= reporter.period() {
                    spoke = Instant::now();
                    reporter.report();
                }
            }
            reporter.report();
            reporter.last_line();
        };
        let thread = thread::Builder::new().name(String::from("reporter"));
        thread.spawn(speak).map_err(|cause| RunError::System {
            doing: "starting the thread that reports",
            cause,
        })
    }

    /// Waits for the reporters' last lines, not for long.
    pub fn wait_for(&self, reporters: Vec<JoinHandle<()>>) {
        let until = Instant::now() + Duration::from_millis(300);
        for reporter in reporters {
            while !reporter.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Ends the control plane.
    pub fn finish(self) {
        let (done, told) = channel::<()>();
        self.later(move || drop(done));
        let _ = told.recv_timeout(Duration::from_millis(100));
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

async fn either(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn one_by_one(jobs: &Receiver<Job>) {
    for job in jobs {
        // The panic hook reports a panic; the next job is done.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}
