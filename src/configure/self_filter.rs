//! The self filter's settings: from the parameters, and from how far to the sides the bundle looks.

use std::sync::Arc;

use crate::features::{DerivedSpec, LEAST_AHEAD, SelfFilter, WindowSpec};
use crate::messages::MessageType;
use crate::params::{ParamFaults, Params, SourceParams};

/// The angle that counts as ahead where a bundle has none, degrees to each side.
const AHEAD_DEG: f32 = 22.5;
/// Directions tried to see how much of what is ahead is left.
const TRIED: u32 = 1000;

/// The self filter of a source's scans.
pub fn of(params: &Params, source: &SourceParams, derived: &[DerivedSpec]) -> Arc<SelfFilter> {
    let ahead = ahead(&source.name, derived);
    let (footprint, ignored) = (params.footprint.clone(), source.ignore.clone());
    Arc::new(SelfFilter::new(footprint, ignored, ahead))
}

/// Refuses parameters by which a watchdog would look at next to nothing.
pub fn check(params: &Params, window: &WindowSpec) -> Result<(), ParamFaults> {
    let scans = MessageType::LaserScan.ros_name();
    let lasers = params
        .sources
        .iter()
        .filter(|source| source.message == scans);
    let blind = lasers.filter_map(|source| {
        let ahead = ahead(&source.name, &window.derived);
        let tried = (0..TRIED).map(|n| (f64::from(n) + 0.5) / f64::from(TRIED) * 2.0 - 1.0);
        let left = tried.filter(|part| {
            let angle = part * ahead;
            !source.ignore.iter().any(|sector| sector.holds(angle))
        });
        let left = left.count() as f64 / f64::from(TRIED);
        (left < LEAST_AHEAD).then(|| {
            format!(
                "{}.ignore leaves {:.0} % of what is ahead (±{:.1}°) to be looked at; expected {:.0} % at \
                 least, since nothing is seen in ignored directions",
                source.name,
                100.0 * left,
                ahead.to_degrees(),
                100.0 * LEAST_AHEAD
            )
        })
    });
    let faults: Vec<String> = blind.collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(ParamFaults(faults)),
    }
}

/// How far to each side of forward decisions look by this scan, rad.
fn ahead(scan: &str, derived: &[DerivedSpec]) -> f64 {
    let angles = derived.iter().filter_map(|derived| match derived {
        DerivedSpec::ProjectedClearance {
            scan: of,
            half_angle_deg,
            ..
        }
        | DerivedSpec::ArcClearance {
            scan: of,
            half_angle_deg,
            ..
        } => (of == scan).then_some(*half_angle_deg),
    });
    let widest = angles.reduce(f32::max).unwrap_or(AHEAD_DEG);
    f64::from(widest).to_radians()
}
