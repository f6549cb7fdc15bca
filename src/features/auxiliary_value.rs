//! Auxiliary values: values of a sample that derived features need and the model does not see.

use super::ego_motion::MotionHistory;
use super::ego_motion::arc::{POINT_VALUES, points};
use super::fields::Field;
use super::input_fault::InvalidSample;
use super::laser::PreparedScan;
use crate::messages::Message;

#[derive(Debug, PartialEq)]
pub(super) enum AuxiliaryValue {
    /// Least range in the forward cone, m; infinite when there is none.
    Clearance { half_angle: f32 },
    /// The points of a scan.
    Points,
    /// A speed or a turn rate; 0 when it cannot be true.
    Rate { field: Field, most: f64 },
    /// A speed or a turn rate by the way; NaN when it is not known or cannot be true.
    Travelled {
        motion_history: usize,
        part: MotionComponent,
        most: f64,
    },
}

/// Of a motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MotionComponent {
    Forward,
    Turn,
}

impl AuxiliaryValue {
    /// Values in a sample.
    pub(super) fn width(&self) -> usize {
        match self {
            AuxiliaryValue::Points => POINT_VALUES,
            AuxiliaryValue::Clearance { .. }
            | AuxiliaryValue::Rate { .. }
            | AuxiliaryValue::Travelled { .. } => 1,
        }
    }

    /// Writes its values of a message, which the trails know already; a scan has passed its check
    /// and comes with its beams.
    pub(super) fn write(
        &self,
        (message, beams): (&Message, Option<&PreparedScan>),
        motion_histories: &[MotionHistory],
        values: &mut [f32],
    ) -> Result<(), InvalidSample> {
        match (self, beams) {
            (AuxiliaryValue::Clearance { half_angle }, Some(beams)) => {
                values.fill(beams.clearance(*half_angle).unwrap_or(f32::INFINITY));
            }
            (AuxiliaryValue::Points, Some(beams)) => points(beams, values),
            // `Layout::new` lets these have LaserScans only.
            (AuxiliaryValue::Clearance { .. } | AuxiliaryValue::Points, None) => {
                values.fill(f32::INFINITY)
            }
            (AuxiliaryValue::Rate { field, most }, _) => {
                let rate = field.value(message)?;
                // NaN is in no range.
                let sane = (-most..=*most).contains(&rate);
                values.fill(if sane { rate as f32 } else { 0.0 });
            }
            (
                AuxiliaryValue::Travelled {
                    motion_history,
                    part,
                    most,
                },
                _,
            ) => {
                let travelled = motion_histories
                    .get(*motion_history)
                    .and_then(MotionHistory::travelled);
                let rate = travelled.map(|travelled| match part {
                    MotionComponent::Forward => travelled.forward,
                    MotionComponent::Turn => travelled.turn,
                });
                let sane = rate.filter(|rate| (-most..=*most).contains(rate));
                values.fill(sane.map_or(f32::NAN, |rate| rate as f32));
            }
        }
        Ok(())
    }
}
