//! The engines of a configuration: which of them can run the model here, and what they cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::configuration::Configuration;
use super::error::ConfigureError;
use super::time_limit::within;
use crate::model::EngineKind;
use crate::params::Params;
use crate::profile::{DeadlineVerdict, StartCheck, check};
use crate::scheduler::{
    BatchCosts, CostModel, Engine, EngineFault, HealthCheck, InferenceWorker, Probabilities,
    SchedulerState, time_finish, time_stages,
};

/// Runs of every stage before the first real cycle: fills caches and the cost model.
const WARM_UP: usize = 64;
/// A GPU that compiles and tunes its kernels takes half a minute on a slow processor; one that has
/// not returned for this long hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// A window through an engine that is warm takes milliseconds; one that has said nothing for this
/// long hangs.
const TRIAL: Duration = Duration::from_secs(10);

/// An engine that has run every stage, with what they cost.
pub struct WarmEngine {
    engine: Box<dyn Engine>,
    batches: BatchCosts,
    health_check: HealthCheck,
}

impl WarmEngine {
    /// Runs every stage on a window; a fault where one fails, does not come back within ten
    /// seconds, or an exit gives no probabilities.
    pub fn try_on(self, window: &[f32]) -> Result<WarmEngine, EngineFault> {
        let doing = format!("{}: a window tried on it", self.engine.name());
        self.try_within(TRIAL, doing, window.to_vec())
    }

    fn try_within(
        mut self,
        patience: Duration,
        doing: String,
        window: Vec<f32>,
    ) -> Result<WarmEngine, EngineFault> {
        let tried = within(patience, &doing, move || {
            self.answer(&window).map(|()| self)
        });
        tried.unwrap_or_else(|what| Err(EngineFault(what)))
    }

    fn answer(&mut self, window: &[f32]) -> Result<(), EngineFault> {
        let mut probabilities = vec![0.0; self.engine.labels()];
        self.engine.begin(window)?;
        for exit in 1..=self.engine.exits() {
            self.engine.advance(&mut probabilities)?;
            if !Probabilities::from_slice(&probabilities).are_probabilities() {
                let overrides =
                    format!("exit {exit} says {probabilities:?}, which is no probabilities");
                return Err(EngineFault(overrides));
            }
        }
        Ok(())
    }

    /// Median cost of the first stage.
    pub fn first_stage(&self) -> Duration {
        self.batches.costs(1).typical(0)
    }
}

impl Configuration {
    /// Loads and warms every engine. One that fails is struck out with a warning; with none left,
    /// the last one's fault is the error.
    pub fn warm_engines(&mut self) -> Result<Vec<WarmEngine>, ConfigureError> {
        let sizes = &self.bundle.manifest.architecture;
        let window_len = sizes.frames * sizes.features;
        let bundle = Arc::clone(&self.bundle);
        let load = move |name: &str| Ok(bundle.engine(name.parse()?)?);
        let sizes = (window_len, self.params.robots.len());
        let warm = warm_all(&mut self.params.engines, sizes, PATIENCE, load)?;
        if let Some(first) = warm.first() {
            self.check_deadline(&self.params, first.first_stage())?;
        }
        Ok(warm)
    }

    /// One worker per warm engine, at schedulers made after [`Configuration::warm_engines`], one
    /// per robot.
    pub fn workers(
        &self,
        schedulers: &[Arc<SchedulerState>],
        engines: Vec<WarmEngine>,
    ) -> Vec<InferenceWorker> {
        let numbered = engines.into_iter().enumerate();
        numbered
            .map(|(slot, warm)| {
                let worker =
                    InferenceWorker::of_several(schedulers, slot, warm.engine, warm.batches);
                worker.with_health_check(warm.health_check)
            })
            .collect()
    }

    /// Before it is promised: whether the engine of first choice, whose first stage takes
    /// `first_stage`, can meet the deadline of `params` at all.
    pub fn check_deadline(
        &self,
        params: &Params,
        first_stage: Duration,
    ) -> Result<(), ConfigureError> {
        let engine = self.params.engines.first().map_or("", String::as_str);
        match check(&StartCheck {
            model: self.bundle.id(),
            engine,
            first_stage,
            deadline: params.deadline,
            publish_margin: params.publish_margin,
        }) {
            DeadlineVerdict::Fits(word) => word.iter().for_each(|word| tracing::info!("{word}")),
            DeadlineVerdict::Tight(word) => tracing::warn!("{word}"),
            DeadlineVerdict::Impossible(word) if params.refuse_impossible_deadline => {
                return Err(ConfigureError::Deadline(word));
            }
            DeadlineVerdict::Impossible(word) => tracing::warn!("deadline_ms: {word}"),
        }
        Ok(())
    }

    /// The costs of every engine's stages as the bundle recorded them where it was trained.
    pub fn recorded_costs(&self) -> Result<Vec<Vec<Duration>>, ConfigureError> {
        let recorded = |name: &String| {
            let costs = self.bundle.manifest.stage_cost_us.of(name.parse()?).iter();
            Ok(costs.map(|us| Duration::from_secs_f64(us * 1e-6)).collect())
        };
        self.params.engines.iter().map(recorded).collect()
    }

    /// As [`Configuration::workers`], with these costs per engine instead of measured ones, so
    /// that a replay is the same everywhere.
    pub fn workers_at(
        &self,
        scheduler: &Arc<SchedulerState>,
        costs: &[Vec<Duration>],
    ) -> Result<Vec<InferenceWorker>, ConfigureError> {
        let engines = self.params.engines.iter().zip(costs).enumerate();
        engines
            .map(|(slot, (name, costs))| {
                let engine = self.bundle.engine(name.parse()?)?;
                let mut known = CostModel::new(costs.len());
                for (stage, cost) in costs.iter().enumerate() {
                    known.record(stage, *cost);
                }
                Ok(InferenceWorker::new(
                    Arc::clone(scheduler),
                    slot,
                    engine,
                    known,
                ))
            })
            .collect()
    }
}

/// Strikes out engines this machine cannot run, with a warning, and puts the exact name in the
/// place of one that leaves the choice to the machine; the last one's fault when none is left.
pub(super) fn keep_available(engines: &mut Vec<String>) -> Result<(), ConfigureError> {
    *engines = keep(engines, |name| {
        let kind: EngineKind = name.parse()?;
        let found = within(PATIENCE, &format!("{name}: looking for it"), move || {
            kind.found()
        });
        let (kind, path) = found.map_err(|what| failed(name, what))??;
        if let Some(path) = path {
            tracing::info!("{kind} uses {path}");
        }
        Ok(kind.to_string())
    })?;
    Ok(())
}

fn failed(engine: &str, what: String) -> ConfigureError {
    ConfigureError::Engine {
        engine: engine.to_owned(),
        fault: EngineFault(what),
    }
}

fn warm_all(
    names: &mut Vec<String>,
    sizes: (usize, usize),
    patience: Duration,
    load: impl Fn(&str) -> Result<Box<dyn Engine>, ConfigureError> + Send + Sync + 'static,
) -> Result<Vec<WarmEngine>, ConfigureError> {
    let load = Arc::new(load);
    keep(names, |name| {
        let began = Instant::now();
        let (load, engine) = (Arc::clone(&load), name.to_owned());
        // Not on this thread: what a driver does at its start may panic or never come back.
        let tried = within(patience, &format!("{name}: warming up"), move || {
            warm_up(load(&engine)?, sizes).map_err(|fault| failed(&engine, fault.to_string()))
        });
        let warm = tried.unwrap_or_else(|what| Err(failed(name, what)))?;
        tracing::info!(
            "{name} is warm after {:.2} s; its stages take {}",
            began.elapsed().as_secs_f64(),
            described(&warm.batches)
        );
        Ok(warm)
    })
}

/// Keeps the names that `try_it` succeeds with, in their order, and what came of them. One that
/// fails is struck out with a warning; with none left, the last one's fault is the error.
fn keep<T>(
    names: &mut Vec<String>,
    mut try_it: impl FnMut(&str) -> Result<T, ConfigureError>,
) -> Result<Vec<T>, ConfigureError> {
    let mut made = Vec::with_capacity(names.len());
    let mut last_fault = None;
    names.retain(|name| match try_it(name) {
        Ok(one) => {
            made.push(one);
            true
        }
        Err(fault) => {
            tracing::warn!("{fault}; the next of the parameter engines takes its place");
            last_fault = Some(fault);
            false
        }
    });
    match last_fault {
        Some(fault) if made.is_empty() => Err(fault),
        _ => Ok(made),
    }
}

fn described(batches: &BatchCosts) -> String {
    let of = |count: usize| {
        let costs = batches.costs(count);
        let stages = (0..costs.stages()).map(|stage| costs.typical(stage).as_secs_f64() * 1e6);
        let stages: Vec<String> = stages.map(|us| format!("{us:.0}")).collect();
        format!("{} µs", stages.join(", "))
    };
    match (batches.most(), batches.ever_gain()) {
        (1, _) => of(1),
        (most, true) => format!("{}; for {most} robots at once {}", of(1), of(most)),
        (_, false) => format!("{}; it gains nothing by several robots at once", of(1)),
    }
}

/// Windows are `window_len` numbers; several go through at once as far as there are `robots`.
fn warm_up(
    mut engine: Box<dyn Engine>,
    (window_len, robots): (usize, usize),
) -> Result<WarmEngine, EngineFault> {
    let single = measure(engine.as_mut(), window_len, 1)?;
    let most = robots.min(engine.capacity());
    let sizes = (1..).map(|power| 1usize << power);
    let sizes = sizes.take_while(|size| *size < 2 * most && *size <= engine.capacity());
    let sizes: Vec<usize> = sizes.collect();
    let several = sizes.into_iter();
    let several = several.map(|size| measure(engine.as_mut(), window_len, size));
    let several = several.collect::<Result<Vec<_>, _>>()?;
    let health_check = HealthCheck::of(engine.as_mut(), vec![0.5; window_len])?;
    Ok(WarmEngine {
        engine,
        batches: BatchCosts::new(single, several),
        health_check,
    })
}

/// The costs of the stages with `count` windows at once.
fn measure(
    engine: &mut dyn Engine,
    window_len: usize,
    count: usize,
) -> Result<CostModel, EngineFault> {
    // The first runs pay for page faults that never come again.
    const UNCOUNTED: usize = 8;
    let windows = vec![0.5; window_len * count];
    let mut probabilities = vec![0.0; engine.labels() * count];
    let mut costs = CostModel::new(engine.exits());
    for run in 0..UNCOUNTED + WARM_UP {
        time_stages(engine, &windows, &mut probabilities, |stage, cost| {
            if run >= UNCOUNTED {
                costs.record(stage, cost);
            }
        })?;
    }
    if engine.reads_are_dear() {
        for stages in 0..engine.exits() {
            for run in 0..UNCOUNTED + WARM_UP {
                let cost = time_finish(engine, &windows, &mut probabilities, stages)?;
                if run >= UNCOUNTED {
                    costs.record_finish(stages, cost);
                }
            }
        }
    }
    Ok(costs)
}

#[cfg(test)]
mod tests;
