//! Prepares every LaserScan of a source before anything reads it: live, in replay and in training
//! alike. Features, truth and baselines see the result and never the message's ranges.
//!
//! Stages, in order: where the beams look, by how the laser is mounted; what a value means
//! ([`range_value`], [`below_min`]) and what it hides when something came too near to be measured
//! ([`blind_zone`]); what is the robot itself ([`self_filter`]); at last, where asked for, whether
//! a return stands alone ([`speck_filter`]).

mod below_min;
mod below_min_statistics;
mod blind_zone;
mod driver_codes;
mod prepared_scan;
mod range_value;
pub(super) mod scan_check;
pub(super) mod scan_geometry;
mod self_filter;
mod settings;
mod speck_filter;
mod static_returns;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::frames::Mount;
use super::window_spec::SourceSettings;
use crate::messages::LaserScan;
use crate::time::Stamp;
use below_min::BelowMinFilter;
pub use below_min_statistics::{BelowMinStatistics, ScanFinding};
use blind_zone::BlindZone;
pub use prepared_scan::{Beam, LEAST_AHEAD, PreparedScan};
use range_value::RangeLimits;
use scan_geometry::ScanGeometry;
pub use self_filter::{Footprint, Sector, SelfFilter};
pub use settings::{BelowMin, SpeckFilter};
use speck_filter::SpeckRemover;
pub use static_returns::{StaticReturn, StaticReturnDetector};

/// Prepares the scans of one source, one after the other.
#[derive(Clone, Debug)]
pub struct ScanPreparation {
    mount: Mount,
    body: Arc<SelfFilter>,
    /// Per beam what was left of the scan before.
    before: Vec<f32>,
    below_min: BelowMin,
    below: BelowMinFilter,
    blind_zone: BlindZone,
    specks: SpeckRemover,
    finding: BelowMinStatistics,
    prepared: PreparedScan,
}

impl ScanPreparation {
    /// For a source with these settings.
    pub fn new(settings: &SourceSettings) -> ScanPreparation {
        ScanPreparation {
            mount: settings.mount(),
            body: Arc::clone(&settings.body),
            before: Vec::new(),
            below_min: settings.below_min,
            below: BelowMinFilter::default(),
            blind_zone: BlindZone::default(),
            specks: SpeckRemover::new(settings.speck_filter),
            finding: BelowMinStatistics::default(),
            prepared: PreparedScan::default(),
        }
    }

    /// From here on the laser is mounted like this.
    pub fn mount(&mut self, mount: Mount) {
        self.mount = mount;
        self.before.clear();
    }

    /// How the laser is mounted.
    pub fn mounted(&self) -> Mount {
        self.mount
    }

    /// Forgets what earlier scans showed: time or place started anew. What was learned about the
    /// driver stays.
    pub fn reset(&mut self) {
        self.below.reset();
        self.blind_zone.reset();
        self.before.clear();
        self.specks.reset();
    }

    /// The prepared beams of a scan, in the robot frame. `arrival` counts where the driver does not
    /// stamp its messages. Any scan can be prepared; whether its fields fit each other is another
    /// question. Takes no memory after the first scan of a size.
    pub fn prepare(&mut self, scan: &LaserScan, arrival: Stamp) -> &PreparedScan {
        let stamp = scan.header.stamp;
        let time = if stamp == Stamp(0) { arrival } else { stamp };
        let shape = ScanGeometry {
            beams: scan.ranges.len(),
            first: scan.angle_min,
            step: scan.angle_increment,
        };
        self.prepared.point(scan, &self.mount);
        let out = self.prepared.ranges_mut();
        let Some(limits) = RangeLimits::of(scan) else {
            return &self.prepared;
        };
        let ranges = &scan.ranges[..];
        let too_near = range_value::read(ranges, limits, out);
        self.finding.count(ranges.len(), too_near, limits.least);
        if self.below_min != BelowMin::None {
            self.blind_zone.follow(shape);
            if too_near.below > 0 {
                let zone = (&mut self.blind_zone, time.0);
                let mode = self.below_min;
                let measured = self.below.judge(mode, (ranges, shape), limits, zone, out);
                if let Some((beams, example)) = measured {
                    self.finding.count_measured(beams, example);
                }
                self.finding.note_codes(self.below.codes());
            } else {
                self.below.reset();
            }
            let held = self.blind_zone.fill(ranges, limits, time.0, out);
            self.finding.count_held(held);
        }
        let prepared = &mut self.prepared;
        self.body.take_out(&self.mount, prepared, &mut self.before);
        self.specks.filter(shape, time.0, prepared.ranges_mut());
        &self.prepared
    }

    /// What the newest scan shows, as points of the base frame, m: x ahead, y to the left.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let place = [f64::from(self.mount.x), f64::from(self.mount.y)];
        let beams = self.prepared.beams().enumerate();
        beams.filter_map(move |(beam, said)| match said {
            Beam::At(range) => {
                let (sin, cos) = self.prepared.angle(beam).sin_cos();
                let range = f64::from(range);
                Some([place[0] + range * cos, place[1] + range * sin])
            }
            Beam::NoReturn | Beam::Unknown => None,
        })
    }

    /// What the values below range_min turned out to be, so far.
    pub fn finding(&self) -> &BelowMinStatistics {
        &self.finding
    }

    /// What was found out since the last call, to be logged once.
    pub fn news(&mut self) -> Option<ScanFinding> {
        self.finding.news()
    }
}
