//! What the value of a beam means: a measurement, nothing within reach, or nothing that can be
//! trusted.

use super::prepared::{NO_RETURN, UNKNOWN};
use crate::sense::message::LaserScan;

/// Below this no scanner measures; a range_min of 0 must not turn the "no return" code 0 into an
/// obstacle.
pub(in crate::sense) const LEAST_RANGE: f32 = 0.001;

/// Writes one entry per beam.
pub(super) fn read(scan: &LaserScan, out: &mut [f32]) {
    // f32::max takes the number when the other is NaN.
    let least = scan.range_min.max(LEAST_RANGE);
    let most = scan.range_max.min(f32::MAX);
    for (out, &range) in out.iter_mut().zip(&scan.ranges) {
        *out = if range >= least && range <= most {
            range
        } else if range > most {
            NO_RETURN
        } else {
            UNKNOWN
        };
    }
}
