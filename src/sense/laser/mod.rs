//! The one place through which every LaserScan of a source goes before anything reads it: live, in
//! replay and in training alike. Features, truth and baselines see what comes out of here and never
//! the message's ranges.
//!
//! Stages, in order: where the beams look, by how the laser is mounted; what a value means
//! ([`meaning`]); what is the robot itself ([`body`]); then what else is known about a beam.

mod body;
mod meaning;
mod prepared;
mod still;

use std::sync::Arc;

use super::frames::Mount;
use super::message::LaserScan;
use super::spec::SourceSettings;
use crate::time::Stamp;

pub use body::{Footprint, LEAST_AHEAD, OwnBody, Sector};
pub(super) use meaning::LEAST_RANGE;
pub use prepared::{Beam, Prepared};
pub use still::{Standing, Still};

/// Prepares the scans of one source, one after the other.
#[derive(Clone, Debug)]
pub struct ScanPreparation {
    mount: Mount,
    body: Arc<OwnBody>,
    prepared: Prepared,
}

impl ScanPreparation {
    /// For a source with these settings.
    pub fn new(settings: &SourceSettings) -> ScanPreparation {
        ScanPreparation {
            mount: settings.mount(),
            body: Arc::clone(&settings.body),
            prepared: Prepared::default(),
        }
    }

    /// From here on the laser is mounted like this.
    pub fn mount(&mut self, mount: Mount) {
        self.mount = mount;
    }

    /// How the laser is mounted.
    pub fn mounted(&self) -> Mount {
        self.mount
    }

    /// Forgets what earlier scans showed: time or place started anew.
    pub fn reset(&mut self) {}

    /// What the beams of a scan say, in the robot frame. `time` (when it arrived) rises from scan to
    /// scan. Any scan can be prepared; whether its fields fit each other is another question. Takes
    /// no memory after the first scan of a size.
    pub fn prepare(&mut self, scan: &LaserScan, _time: Stamp) -> &Prepared {
        self.prepared.point(scan, &self.mount);
        meaning::read(scan, self.prepared.ranges_mut());
        self.body.take_out(&self.mount, &mut self.prepared);
        &self.prepared
    }
}
