//! The cold side, on one tokio thread: signals, statistics, the log. No decision waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use r2r::PublisherUntyped;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::RunError;
use super::ingest_thread::Seen;
use super::outlet::Outlet;
use crate::act::statistics::{Statistics, encode_statistics};
use crate::act::wire::because;
use crate::configure::Configuration;
use crate::params::SourceParams;
use crate::reason::live::Live;
use crate::reason::{Reason, Source, Tally};
use crate::time::Stamp;

/// The tokio runtime and what runs on it.
pub struct Cold {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    statistics: std::cell::Cell<Option<JoinHandle<()>>>,
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
        let told = Arc::clone(&stop);
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            told.store(true, Ordering::Release);
        });
        Ok(Cold {
            runtime,
            stop,
            statistics: std::cell::Cell::new(None),
        })
    }

    /// Publishes statistics and logs faults until the stop, and once more then.
    pub fn publish_statistics(
        &self,
        publisher: PublisherUntyped,
        configuration: &Configuration,
        live: Arc<Live>,
        seen: Arc<Seen>,
        outlet: Arc<Outlet>,
    ) {
        let period = configuration.params.statistics_period;
        let mut reporter = Reporter {
            publisher,
            engines: configuration.params.engines.clone(),
            sources: configuration.params.sources.clone(),
            live,
            seen,
            outlet,
            // Microseconds up to a minute, three digits.
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
            before: Tally::default(),
            told: [(None, 0); Reason::ALL.len()],
            muted: 0,
        };
        let stop = Arc::clone(&self.stop);
        let task = self.runtime.spawn(async move {
            let mut elapsed = Duration::ZERO;
            const LOOK: Duration = Duration::from_millis(50);
            while !stop.load(Ordering::Acquire) {
                tokio::time::sleep(LOOK).await;
                elapsed += LOOK;
                if elapsed >= period {
                    elapsed = Duration::ZERO;
                    reporter.report();
                }
            }
            reporter.report();
            reporter.last_line();
        });
        self.statistics.set(Some(task));
    }

    /// Waits for the last statistics.
    pub fn finish(self) {
        if let Some(task) = self.statistics.take() {
            let patience = Duration::from_millis(300);
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(patience, task).await });
        }
        self.runtime.shutdown_timeout(Duration::from_millis(100));
    }
}

struct Reporter {
    publisher: PublisherUntyped,
    engines: Vec<String>,
    sources: Vec<SourceParams>,
    live: Arc<Live>,
    seen: Arc<Seen>,
    outlet: Arc<Outlet>,
    latencies: Histogram<u64>,
    before: Tally,
    /// Per reason, when the log last spoke of it and how many there were then.
    told: [(Option<Instant>, u64); Reason::ALL.len()],
    /// Faults not logged, to keep a storm from filling the disk.
    muted: u64,
}

/// A reason that goes on is told again after this time, not at every report.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// Faults logged per report.
const LOGGED: usize = 3;

impl Reporter {
    fn report(&mut self) {
        let desk = self.live.desk();
        while let Some(latency) = desk.counts().next_latency() {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latencies.saturating_record(micros.max(1));
        }
        let tally = desk.counts().tally();
        let now_ms = (desk.now().0 / 1_000_000) as i64;
        let input_age_ms =
            self.seen
                .newest_ms
                .iter()
                .map(|newest| match newest.load(Ordering::Relaxed) {
                    -1 => -1.0,
                    newest => (now_ms - newest).max(0) as f32,
                });
        let engine = self.engines.get(desk.active_engine());
        let statistics = Statistics {
            stamp: Stamp::wall_clock(),
            tally: &tally,
            latency_ms: [0.5, 0.99, 1.0].map(|q| self.latencies.value_at_quantile(q) as f32 / 1e3),
            stage_bounds: desk.counts().stage_bounds(),
            engine: engine.map_or("", String::as_str),
            inputs: &self.seen.names,
            input_age_ms: input_age_ms.collect(),
        };
        let mut bytes = Vec::new();
        encode_statistics(&statistics, &mut bytes);
        let _ = self.publisher.publish_raw(&bytes);
        self.log_faults(&tally);
        self.before = tally;
    }

    fn log_faults(&mut self, tally: &Tally) {
        for report in self.live.engine_reports() {
            let name = self.engines.get(report.station).map_or("", String::as_str);
            tracing::error!("engine {name}: {}", report.fault);
        }
        if tally.engine_changes > self.before.engine_changes {
            let engine = self.engines.get(self.live.desk().active_engine());
            tracing::warn!("engine {} takes over", engine.map_or("", String::as_str));
        }
        while let Some(notice) = self.seen.notices.pop() {
            tracing::warn!("{notice}");
        }
        for logged in 0.. {
            let Some(fault) = self.seen.faults.pop() else {
                break;
            };
            match logged < LOGGED {
                true => tracing::warn!("{fault}"),
                false => self.muted += 1,
            }
        }
        for reason in Reason::ALL {
            let told = &mut self.told[reason as usize];
            let news = tally.of_reason(reason) - told.1;
            let again = told.0.is_none_or(|at| at.elapsed() >= TELL_AGAIN);
            if reason != Reason::None && news > 0 && again {
                *told = (Some(Instant::now()), tally.of_reason(reason));
                tracing::warn!(
                    "{} not the model's because {} ({reason}){}",
                    match news {
                        1 => String::from("1 decision was"),
                        n => format!("{n} decisions were"),
                    },
                    because(reason),
                    self.silent_sources(reason)
                );
            }
        }
        let withheld = self.seen.withheld.swap(0, Ordering::Relaxed);
        if withheld > 0 {
            tracing::warn!(
                "this process was not run for a while; {withheld} messages that waited meanwhile were thrown away"
            );
        }
        if tally.late > self.before.late {
            tracing::error!("{} decisions were late", tally.late - self.before.late);
        }
    }

    /// Which topics to look at, where the reason is that nothing was heard.
    fn silent_sources(&self, reason: Reason) -> String {
        if !matches!(reason, Reason::StaleInput | Reason::IncompleteInput) {
            return String::new();
        }
        let now_ms = (self.live.desk().now().0 / 1_000_000) as i64;
        let mut words = String::new();
        for (source, newest) in self.sources.iter().zip(&self.seen.newest_ms) {
            let newest = newest.load(Ordering::Relaxed);
            let age = Duration::from_millis((now_ms - newest).max(0) as u64);
            if newest < 0 {
                words += &format!("; nothing was ever heard on {}", source.topic);
            } else if age > source.timeout {
                words += &format!(
                    "; {} is silent for {:.1} s",
                    source.topic,
                    age.as_secs_f64()
                );
            }
        }
        words
    }

    fn last_line(&self) {
        let tally = &self.before;
        tracing::info!(
            "ended: {} received, {} decided ({} model, {} held, {} fallback), {} superseded, {} late, \
             {} messages refused, latency p50 {:.2} ms p99 {:.2} ms max {:.2} ms",
            tally.received,
            tally.decisions,
            tally.of_source(Source::Model),
            tally.of_source(Source::Hold),
            tally.of_source(Source::Fallback),
            tally.superseded,
            tally.late,
            self.seen.refused_messages.load(Ordering::Relaxed),
            self.latencies.value_at_quantile(0.5) as f64 / 1e3,
            self.latencies.value_at_quantile(0.99) as f64 / 1e3,
            self.latencies.max() as f64 / 1e3,
        );
        if self.outlet.failed() > 0 {
            tracing::error!("ROS refused to publish {} messages", self.outlet.failed());
        }
        if self.muted > 0 {
            tracing::info!(
                "{} faults of messages were not logged one by one",
                self.muted
            );
        }
    }
}
