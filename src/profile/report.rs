//! A profile as text.

use std::fmt;
use std::time::Duration;

use super::machine::memory_kib;
use super::profile_file::{EngineProfile, Profile};
use crate::time::{ShownDuration, least_ms};

/// Deadlines the verdict is given for when none is asked for, in ms.
pub const DEADLINES_MS: [f64; 7] = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// How deep a deadline lets an engine go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachableDepth {
    /// Not even the first exit.
    Nothing,
    /// This exit, 1-based, and no deeper one.
    Exit(usize),
    /// The whole depth.
    Full,
}

impl EngineProfile {
    /// The deepest exit that 99.9 % of the runs beside a load reached within the deadline less the
    /// publish margin.
    pub fn fit(&self, deadline: Duration, publish_margin: Duration) -> ReachableDepth {
        let budget_us = deadline.saturating_sub(publish_margin).as_secs_f64() * 1e6;
        let exits = &self.loaded.to_exit;
        match exits
            .iter()
            .take_while(|cost| cost.p999_us <= budget_us)
            .count()
        {
            0 => ReachableDepth::Nothing,
            deepest if deepest == exits.len() => ReachableDepth::Full,
            deepest => ReachableDepth::Exit(deepest),
        }
    }

    /// The verdict on a deadline, as a sentence.
    pub fn verdict(&self, deadline: Duration, publish_margin: Duration) -> String {
        let engine = &self.engine;
        let exits = self.loaded.to_exit.len();
        match self.fit(deadline, publish_margin) {
            ReachableDepth::Full => format!(
                "{engine}: the full depth fits {} with 99.9 %",
                ShownDuration(deadline)
            ),
            ReachableDepth::Exit(exit) => format!(
                "{engine}: exit {exit} of {exits} fits {} with 99.9 %; the full depth does not",
                ShownDuration(deadline)
            ),
            ReachableDepth::Nothing => {
                let first = self.loaded.to_exit.first().map_or(0.0, |cost| cost.p999_us);
                let least = Duration::from_secs_f64((first * 1e-6).max(0.0)) + publish_margin;
                format!(
                    "{engine}: nothing fits {}: the first exit takes up to {first:.0} µs (99.9 %); \
                     the least deadline is {} ms",
                    ShownDuration(deadline),
                    least_ms(least)
                )
            }
        }
    }
}

/// Kept free for publishing by default: a tenth, at most 2 ms, as of the node.
fn margin(deadline: Duration) -> Duration {
    (deadline / 10).min(Duration::from_millis(2))
}

impl EngineProfile {
    /// The verdicts on these deadlines in one sentence; of deadlines with the same one, the
    /// shortest speaks.
    fn verdicts(&self, deadlines_ms: &[f64]) -> String {
        let mut words: Vec<String> = Vec::new();
        let mut last = None;
        for ms in deadlines_ms {
            let deadline = Duration::from_secs_f64(ms.max(0.0) / 1e3);
            let fit = self.fit(deadline, margin(deadline));
            if last.replace(fit) == Some(fit) {
                continue;
            }
            words.push(match fit {
                ReachableDepth::Nothing => {
                    let first = self.loaded.to_exit.first().map_or(0.0, |cost| cost.p999_us);
                    format!("nothing fits {ms} ms, the first exit takes up to {first:.0} µs")
                }
                ReachableDepth::Exit(exit) => {
                    format!(
                        "exit {exit} of {} from {ms} ms on",
                        self.loaded.to_exit.len()
                    )
                }
                ReachableDepth::Full => format!("the full depth from {ms} ms on"),
            });
        }
        format!("{}: {}", self.engine, words.join("; "))
    }
}

impl Profile {
    /// The verdicts on these deadlines, a sentence per engine.
    pub fn verdicts(&self, deadlines_ms: &[f64]) -> Vec<String> {
        let mut ordered = deadlines_ms.to_vec();
        ordered.sort_unstable_by(f64::total_cmp);
        let engines = self.engines.iter();
        engines.map(|engine| engine.verdicts(&ordered)).collect()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, {} runs", self.model, self.machine, self.runs)?;
        writeln!(
            f,
            "weights {:.1} KiB, this process {:.1} MiB, at its peak {:.1} MiB\n",
            self.weights_bytes as f64 / 1024.0,
            memory_kib("VmRSS") as f64 / 1024.0,
            memory_kib("VmHWM") as f64 / 1024.0
        )?;
        writeln!(
            f,
            "{:<12} {:>5} | {:>9} {:>9} {:>9} | {:>9} | {:>9} {:>9} {:>9}   µs from the window to the exit",
            "engine", "exit", "warm p50", "p99", "p99.9", "cold p50", "load p50", "p99", "p99.9"
        )?;
        for engine in &self.engines {
            let EngineProfile {
                warm, cold, loaded, ..
            } = engine;
            for exit in 0..warm.to_exit.len() {
                let (w, c, l) = (warm.to_exit[exit], cold.to_exit[exit], loaded.to_exit[exit]);
                writeln!(
                    f,
                    "{:<12} {:>5} | {:>9.1} {:>9.1} {:>9.1} | {:>9.1} | {:>9.1} {:>9.1} {:>9.1}",
                    engine.engine,
                    exit + 1,
                    w.p50_us,
                    w.p99_us,
                    w.p999_us,
                    c.p50_us,
                    l.p50_us,
                    l.p99_us,
                    l.p999_us
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::profile_file::{ConditionCosts, CostQuantiles};

    fn engine(p999_us: &[f64]) -> EngineProfile {
        let cost = |&us: &f64| CostQuantiles {
            p50_us: us / 2.0,
            p99_us: us * 0.9,
            p999_us: us,
            bound_us: us * 2.0,
        };
        let costs = ConditionCosts {
            stages: p999_us.iter().map(cost).collect(),
            to_exit: p999_us.iter().map(cost).collect(),
        };
        EngineProfile {
            engine: "flex".into(),
            rss_added_kib: 0,
            warm: costs.clone(),
            cold: costs.clone(),
            loaded: costs,
        }
    }

    #[test]
    fn the_verdict_says_how_deep_a_deadline_lets_one_go() {
        let engine = engine(&[400.0, 900.0, 1500.0]);
        let us = Duration::from_micros;
        let verdict = |deadline| engine.verdict(us(deadline), us(100));
        assert_eq!(engine.fit(us(499), us(100)), ReachableDepth::Nothing);
        assert!(verdict(499).contains("nothing fits") && verdict(499).contains("is 0.5 ms"));
        assert_eq!(engine.fit(us(500), us(100)), ReachableDepth::Exit(1));
        assert!(
            verdict(1000).contains("exit 2 of 3 fits 1 ms"),
            "{}",
            verdict(1000)
        );
        assert_eq!(
            engine.verdicts(&[0.1, 0.2, 0.5, 1.1, 5.0, 20.0]),
            "flex: nothing fits 0.1 ms, the first exit takes up to 400 µs; exit 1 of 3 from 0.5 ms \
             on; exit 2 of 3 from 1.1 ms on; the full depth from 5 ms on"
        );
        assert_eq!(engine.fit(us(1600), us(100)), ReachableDepth::Full);
        assert!(verdict(1600).contains("the full depth fits"));
    }
}
