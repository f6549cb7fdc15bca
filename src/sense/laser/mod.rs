//! The one place through which every LaserScan of a source goes before anything reads it: live, in
//! replay and in training alike. Features, truth and baselines see what comes out of here and never
//! the message's ranges.
//!
//! Stages, in order: where the beams look, by how the laser is mounted; what a value means
//! ([`meaning`], [`below_min`]) and what it hides when something came too near to be measured
//! ([`blind_zone`]); what is the robot itself ([`body`]); at last, where asked for, whether a
//! return stands alone ([`specks`]).

mod below_min;
mod blind_zone;
mod body;
mod codes;
mod finding;
mod meaning;
mod prepared;
mod settings;
mod specks;
mod still;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::frames::Mount;
use super::message::LaserScan;
use super::spec::SourceSettings;
use crate::time::Stamp;
use below_min::Below;
use blind_zone::BlindZone;
use meaning::Limits;
use specks::Specks;

pub use body::{Footprint, LEAST_AHEAD, OwnBody, Sector};
pub use finding::{Finding, ScanNews};
pub(super) use meaning::LEAST_RANGE;
pub use prepared::{Beam, Prepared};
pub use settings::{BelowMin, SpeckFilter};
pub use still::{Standing, Still};

/// Where the beams of a scan look, in the sensor's frame.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    beams: usize,
    /// Of beam 0, rad.
    first: f32,
    /// rad; negative: clockwise.
    step: f32,
}

/// Prepares the scans of one source, one after the other.
#[derive(Clone, Debug)]
pub struct ScanPreparation {
    mount: Mount,
    body: Arc<OwnBody>,
    /// Per beam what was left of the scan before.
    before: Vec<f32>,
    below_min: BelowMin,
    below: Below,
    blind_zone: BlindZone,
    specks: Specks,
    finding: Finding,
    prepared: Prepared,
}

impl ScanPreparation {
    /// For a source with these settings.
    pub fn new(settings: &SourceSettings) -> ScanPreparation {
        ScanPreparation {
            mount: settings.mount(),
            body: Arc::clone(&settings.body),
            before: Vec::new(),
            below_min: settings.below_min,
            below: Below::default(),
            blind_zone: BlindZone::default(),
            specks: Specks::new(settings.speck_filter),
            finding: Finding::default(),
            prepared: Prepared::default(),
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

    /// What the beams of a scan say, in the robot frame. `arrival` counts where the driver does not
    /// stamp its messages. Any scan can be prepared; whether its fields fit each other is another
    /// question. Takes no memory after the first scan of a size.
    pub fn prepare(&mut self, scan: &LaserScan, arrival: Stamp) -> &Prepared {
        let stamp = scan.header.stamp;
        let time = if stamp == Stamp(0) { arrival } else { stamp };
        let shape = Shape {
            beams: scan.ranges.len(),
            first: scan.angle_min,
            step: scan.angle_increment,
        };
        self.prepared.point(scan, &self.mount);
        let out = self.prepared.ranges_mut();
        let Some(limits) = Limits::of(scan) else {
            return &self.prepared;
        };
        let ranges = &scan.ranges[..];
        let too_near = meaning::read(ranges, limits, out);
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
    pub fn finding(&self) -> &Finding {
        &self.finding
    }

    /// What was found out since the last call, to be said once.
    pub fn news(&mut self) -> Option<ScanNews> {
        self.finding.news()
    }
}
