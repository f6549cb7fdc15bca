//! The one place through which every LaserScan of a source goes before anything reads it: live, in
//! replay and in training alike. Features, truth and baselines see what comes out of here and never
//! the message's ranges.
//!
//! Stages, in order: what a value means ([`meaning`]); then what else is known about a beam.

mod meaning;
mod prepared;

use super::message::LaserScan;
use super::spec::SourceSettings;
use crate::time::Stamp;

pub(super) use meaning::LEAST_RANGE;
pub use prepared::{Beam, Prepared};

/// Prepares the scans of one source, one after the other.
#[derive(Clone, Debug)]
pub struct ScanPreparation {
    /// Turn of the sensor against the robot's forward direction, rad.
    yaw: f32,
    prepared: Prepared,
}

impl ScanPreparation {
    /// For a source with these settings.
    pub fn new(settings: &SourceSettings) -> ScanPreparation {
        ScanPreparation {
            yaw: settings.yaw,
            prepared: Prepared::default(),
        }
    }

    /// Forgets what earlier scans showed: time or place started anew.
    pub fn reset(&mut self) {}

    /// What the beams of a scan say, in the robot frame. `time` (when it arrived) rises from scan to
    /// scan. Any scan can be prepared; whether its fields fit each other is another question. Takes
    /// no memory after the first scan of a size.
    pub fn prepare(&mut self, scan: &LaserScan, _time: Stamp) -> &Prepared {
        self.prepared.point(scan, self.yaw);
        meaning::read(scan, self.prepared.ranges_mut());
        &self.prepared
    }
}
