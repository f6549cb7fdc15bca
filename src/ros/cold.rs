//! The cold side, on one tokio thread: signals, services and the reporter. No decision waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::RunError;
use super::reporter::Reporter;

/// The tokio runtime and what runs on it.
pub struct Cold {
    runtime: Runtime,
}

impl Cold {
    /// From here on SIGINT and SIGTERM set `stop`.
    pub fn start(stop: Arc<AtomicBool>) -> Result<Cold, RunError> {
        let system = |cause| RunError::System {
            doing: "starting the cold side",
            cause,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cold")
            .enable_all()
            .build()
            .map_err(system)?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
        drop(entered);
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.store(true, Ordering::Release);
        });
        Ok(Cold { runtime })
    }

    /// Runs `work` beside everything else.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Lets the reporter speak every period until it is over, and once more then.
    pub fn report(&self, mut reporter: Reporter, over: Arc<AtomicBool>) -> JoinHandle<()> {
        self.runtime.spawn(async move {
            let mut elapsed = Duration::ZERO;
            const LOOK: Duration = Duration::from_millis(50);
            while !over.load(Ordering::Acquire) {
                tokio::time::sleep(LOOK).await;
                elapsed += LOOK;
                reporter.look();
                reporter.log_notices();
                if elapsed >= reporter.period() {
                    elapsed = Duration::ZERO;
                    reporter.report();
                }
            }
            reporter.report();
            reporter.last_line();
        })
    }

    /// Waits for a reporter's last words, not for long.
    pub fn wait_for(&self, reporter: JoinHandle<()>) {
        let patience = Duration::from_millis(300);
        let _ = self
            .runtime
            .block_on(async { tokio::time::timeout(patience, reporter).await });
    }

    /// Nothing runs on the cold side any more.
    pub fn finish(self) {
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}
