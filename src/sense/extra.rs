//! Values of a sample that derived features need and the model does not see.

use super::arc::{POINT_VALUES, points};
use super::fault::InvalidSample;
use super::fields::Field;
use super::laser::Prepared;
use super::message::Message;
use super::travelled::Trail;

#[derive(Debug, PartialEq)]
pub(super) enum Extra {
    /// Least range in the forward cone, m; infinite when there is none.
    Clearance { half_angle: f32 },
    /// The points of a scan.
    Points,
    /// A speed or a turn rate; 0 when it cannot be true.
    Rate { field: Field, most: f64 },
    /// A speed or a turn rate by the way; NaN when it is not known or cannot be true.
    Travelled { trail: usize, part: Part, most: f64 },
}

/// Of a motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Forward,
    Turn,
}

impl Extra {
    /// Values in a sample.
    pub(super) fn width(&self) -> usize {
        match self {
            Extra::Points => POINT_VALUES,
            Extra::Clearance { .. } | Extra::Rate { .. } | Extra::Travelled { .. } => 1,
        }
    }

    /// Writes its values of a message, which the trails know already; a scan has passed its check
    /// and comes with its beams.
    pub(super) fn write(
        &self,
        (message, beams): (&Message, Option<&Prepared>),
        trails: &[Trail],
        values: &mut [f32],
    ) -> Result<(), InvalidSample> {
        match (self, beams) {
            (Extra::Clearance { half_angle }, Some(beams)) => {
                values.fill(beams.clearance(*half_angle).unwrap_or(f32::INFINITY));
            }
            (Extra::Points, Some(beams)) => points(beams, values),
            // `Layout::new` lets these have LaserScans only.
            (Extra::Clearance { .. } | Extra::Points, None) => values.fill(f32::INFINITY),
            (Extra::Rate { field, most }, _) => {
                let rate = field.value(message)?;
                // NaN is in no range.
                let sane = (-most..=*most).contains(&rate);
                values.fill(if sane { rate as f32 } else { 0.0 });
            }
            (Extra::Travelled { trail, part, most }, _) => {
                let travelled = trails.get(*trail).and_then(Trail::travelled);
                let rate = travelled.map(|travelled| match part {
                    Part::Forward => travelled.forward,
                    Part::Turn => travelled.turn,
                });
                let sane = rate.filter(|rate| (-most..=*most).contains(rate));
                values.fill(sane.map_or(f32::NAN, |rate| rate as f32));
            }
        }
        Ok(())
    }
}
