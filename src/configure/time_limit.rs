//! Runs work that may never return, such as a call into a GPU's driver, on a thread that can be
//! abandoned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{RecvTimeoutError, bounded};

/// How often a line is logged that it still runs.
const PULSE: Duration = Duration::from_secs(3);

/// Runs `work` on a thread of its own and waits for it, not longer than `limit`; `doing` goes into
/// the log while it takes long, and into the error. Work that does not come back keeps its thread
/// for as long as the process lives.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    doing: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let began = Instant::now();
    let (tell, told) = bounded(1);
    let body = move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let _ = tell.send(outcome.map_err(|_| ()));
    };
    let thread = thread::Builder::new().name(String::from("warm-up"));
    thread
        .spawn(body)
        .map_err(|cause| format!("no thread for {doing}: {cause}"))?;
    loop {
        let left = limit.saturating_sub(began.elapsed());
        match told.recv_timeout(left.min(PULSE)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(())) => return Err(format!("{doing} panicked")),
            Err(RecvTimeoutError::Disconnected) => return Err(format!("{doing} ended early")),
            Err(RecvTimeoutError::Timeout) if began.elapsed() >= limit => {
                let limit = limit.as_secs_f64();
                return Err(format!("{doing} did not come back within {limit:.0} s"));
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = began.elapsed().as_secs_f64();
                tracing::info!("{doing}: {seconds:.0} s so far");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_that_comes_back_gives_what_it_made() {
        assert_eq!(within(10_000 * MS, "adding", || 1 + 1), Ok(2));
    }

    #[test]
    fn work_that_hangs_or_panics_is_left_behind_with_a_word() {
        let (_keep, never) = bounded::<()>(0);
        let word = within(20 * MS, "warming a stone", move || never.recv().is_ok());
        assert!(word.unwrap_err().contains("warming a stone did not come"));
        let word = within(10_000 * MS, "falling", || panic!("scripted"));
        assert_eq!(word, Err::<(), _>(String::from("falling panicked")));
    }
}
