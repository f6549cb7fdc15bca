//! The arc baseline: a rule without learning, by physics along the circle that the robot drives.

use crate::features::DerivedSpec;
use crate::learn::task::label_rule::LabelRule;
use crate::learn::task::task_file::Task;

/// Answers by the feature `arc_clearance` of the newest frame: the class of the least range ahead
/// now and after each of its horizons.
#[derive(Clone, Debug)]
pub(in crate::learn) struct ArcBaseline {
    /// Where the feature is in a frame.
    column: usize,
    near: f32,
    far: f32,
    bounds: Vec<f32>,
}

impl ArcBaseline {
    /// Of the task's first arc in the cone of its truth whose range holds all bounds; none where
    /// there is no such input.
    pub(in crate::learn) fn of(task: &Task) -> Option<ArcBaseline> {
        let LabelRule::FutureMinRange {
            scan: of,
            half_angle_deg: cone,
            bounds_m,
            ..
        } = &task.truth
        else {
            return None;
        };
        let inputs = task.window.inputs.iter();
        // Behind every input's features lie its valid flag and its age.
        let mut column: usize = inputs.map(|input| input.extractor.features() + 2).sum();
        for derived in &task.window.derived {
            column += derived.features();
            let DerivedSpec::ArcClearance {
                scan,
                half_angle_deg,
                near_m,
                far_m,
                ..
            } = derived
            else {
                continue;
            };
            let within = |bound: &f32| bound > near_m && bound < far_m;
            if scan == of && half_angle_deg == cone && bounds_m.iter().all(within) {
                return Some(ArcBaseline {
                    column: column - 1,
                    near: *near_m,
                    far: *far_m,
                    bounds: bounds_m.clone(),
                });
            }
        }
        None
    }

    /// The class for a window of frames of `features` each.
    pub(in crate::learn) fn answer(&self, window: &[f32], features: usize) -> usize {
        let newest = window.len().saturating_sub(features);
        let share = window.get(newest + self.column).copied().unwrap_or(0.0);
        let least = self.near + share * (self.far - self.near);
        // What lies on a bound to the rounding of the feature is on the calmer side, as in the
        // truth.
        let below = |bound: &&f32| least < **bound - 1e-6;
        self.bounds.iter().filter(below).count()
    }
}
