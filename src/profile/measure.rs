//! Measures the costs of a bundle's stages.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::machine::{Machine, memory_kib};
use super::profile_file::{
    ConditionCosts, CostQuantiles, EngineProfile, FORMAT, Profile, ProfileError,
};
use crate::model::{Bundle, EngineKind};
use crate::scheduler::{Engine, EngineFault, time_stages};

/// Read between two cold runs: more than the last-level cache of what robots carry.
const EVICTION_BYTES: usize = 64 << 20;
/// Cold runs are dear; this share of the runs is enough for a median.
const COLD_SHARE: usize = 10;
/// Runs that pay for page faults and are not counted.
const WARM_UP: usize = 32;

/// Options of a measurement.
#[derive(Clone, Debug)]
pub struct ProfileOptions {
    /// Engines; those this processor cannot run are left out.
    pub engines: Vec<EngineKind>,
    /// Runs per condition, at least 1.
    pub runs: usize,
}

/// Measures every engine under every condition; takes seconds to a minute.
pub fn profile(bundle: &Bundle, options: &ProfileOptions) -> Result<Profile, ProfileError> {
    let mut engines = Vec::new();
    for &kind in &options.engines {
        let kind = match kind.found() {
            Ok((kind, _)) => kind,
            Err(reason) => {
                tracing::warn!("{reason}; left out");
                continue;
            }
        };
        let before = memory_kib("VmRSS");
        let mut engine = bundle.engine(kind)?;
        let mut bench = Bench::new(bundle);
        let failed = |fault| ProfileError::Engine {
            engine: kind.to_string(),
            fault,
        };
        bench.run(engine.as_mut(), WARM_UP, || {}).map_err(failed)?;
        let rss_added_kib = memory_kib("VmRSS").saturating_sub(before);
        let runs = options.runs.max(1);
        engines.push(EngineProfile {
            engine: kind.to_string(),
            rss_added_kib,
            warm: bench.run(engine.as_mut(), runs, || {}).map_err(failed)?,
            cold: bench.cold(engine.as_mut(), runs).map_err(failed)?,
            loaded: bench.loaded(engine.as_mut(), runs).map_err(failed)?,
        });
    }
    Ok(Profile {
        format: FORMAT,
        model: bundle.id().to_owned(),
        machine: Machine::this(),
        measured_at: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        runs: options.runs,
        weights_bytes: bundle.weights_bytes(),
        engines,
    })
}

struct Bench {
    windows: Vec<Vec<f32>>,
    probabilities: Vec<f32>,
}

impl Bench {
    fn new(bundle: &Bundle) -> Bench {
        let sizes = &bundle.manifest.architecture;
        let len = sizes.frames * sizes.features;
        // A few windows of numbers within the features' range, so that no branch sees one alone.
        let window = |seed: usize| {
            let at = |i: usize| ((i * 37 + seed * 101) % 97) as f32 / 97.0;
            (0..len).map(at).collect()
        };
        Bench {
            windows: (0..7).map(window).collect(),
            probabilities: vec![0.0; bundle.manifest.labels.len()],
        }
    }

    fn run(
        &mut self,
        engine: &mut dyn Engine,
        runs: usize,
        mut before: impl FnMut(),
    ) -> Result<ConditionCosts, EngineFault> {
        let exits = engine.exits();
        let mut stages = vec![Vec::with_capacity(runs); exits];
        let mut to_exit = vec![Vec::with_capacity(runs); exits];
        for run in 0..runs {
            before();
            let window = &self.windows[run % self.windows.len()];
            let mut since = Duration::ZERO;
            time_stages(engine, window, &mut self.probabilities, |stage, cost| {
                since += cost;
                stages[stage].push(cost);
                to_exit[stage].push(since);
            })?;
        }
        let quantiles =
            |costs: Vec<Vec<Duration>>| costs.into_iter().map(CostQuantiles::of).collect();
        Ok(ConditionCosts {
            stages: quantiles(stages),
            to_exit: quantiles(to_exit),
        })
    }

    fn cold(
        &mut self,
        engine: &mut dyn Engine,
        runs: usize,
    ) -> Result<ConditionCosts, EngineFault> {
        let mut other = vec![1u8; EVICTION_BYTES];
        self.run(engine, (runs / COLD_SHARE).max(1), || {
            // Written, so that the lines are owned and the engine's own are thrown out.
            for byte in other.iter_mut().step_by(64) {
                *byte = byte.wrapping_add(1);
            }
            black_box(&other);
        })
    }

    /// A busy thread per processor, as neighbours on a vehicle's computer are.
    fn loaded(
        &mut self,
        engine: &mut dyn Engine,
        runs: usize,
    ) -> Result<ConditionCosts, EngineFault> {
        let stop = AtomicBool::new(false);
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    let mut data = vec![0u64; 1 << 17];
                    while !stop.load(Ordering::Relaxed) {
                        for (i, word) in data.iter_mut().enumerate() {
                            *word = word.wrapping_mul(31).wrapping_add(i as u64);
                        }
                        black_box(&data);
                    }
                });
            }
            // As triggers come on a robot: after a pause, not in one long run.
            let costs = self.run(engine, runs, || thread::sleep(Duration::from_micros(500)));
            stop.store(true, Ordering::Relaxed);
            costs
        })
    }
}
