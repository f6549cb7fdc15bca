//! Times the stages of a bundle on this machine.

use crate::learn::error::LearnError;
use crate::model::{Bundle, EngineKind};
use crate::scheduler::{EngineFault, time_stages};

/// Median microseconds of every stage, one window at a time, as the node runs it; taking the window
/// counts to the first.
pub(in crate::learn) fn stage_costs(
    bundle: &Bundle,
    windows: &[f32],
    engine: EngineKind,
) -> Result<Vec<f64>, LearnError> {
    const WARM_UP: usize = 50;
    const ROUNDS: usize = 500;
    let sizes = bundle.manifest.architecture;
    let mut engine = bundle.engine(engine)?;
    let mut out = vec![0.0; engine.labels()];
    let mut costs = vec![Vec::with_capacity(ROUNDS); sizes.depth];
    let fault = |error: EngineFault| LearnError::Training(error.to_string());
    let windows = windows.chunks_exact(sizes.frames * sizes.features).cycle();
    for (round, window) in windows.take(WARM_UP + ROUNDS).enumerate() {
        time_stages(engine.as_mut(), window, &mut out, |stage, cost| {
            if round >= WARM_UP {
                costs[stage].push(cost.as_secs_f64() * 1e6);
            }
        })
        .map_err(fault)?;
    }
    let median = |costs: &mut Vec<f64>| {
        costs.sort_by(f64::total_cmp);
        // Whole tenths: the digits behind are noise.
        (costs.get(costs.len() / 2).copied().unwrap_or(0.0) * 10.0).round() / 10.0
    };
    Ok(costs.iter_mut().map(median).collect())
}
