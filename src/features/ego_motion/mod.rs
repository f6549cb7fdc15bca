//! How a robot has moved lately, from the poses of an odometry or from the scans of a laser.

pub(super) mod arc;
pub(super) mod distance;
mod from_poses;
pub(super) mod moments;
mod scan_matching;

use super::laser::PreparedScan;
use crate::messages::{Message, MessageType};
use crate::time::Stamp;
use from_poses::PlanarPose;
use moments::{MeanMotion, Moments};
use scan_matching::SparseScan;

/// The motion that one source has shown over a span of time.
#[derive(Clone, Debug)]
pub(super) struct MotionHistory {
    shown: MotionSamples,
    travelled: Option<MeanMotion>,
}

#[derive(Clone, Debug)]
enum MotionSamples {
    Poses(Moments<PlanarPose>),
    Scans(Moments<SparseScan>),
}

impl MotionHistory {
    /// For a source of this type; none where its messages do not show motion.
    pub(super) fn new(kind: MessageType, span_ns: i64) -> Option<MotionHistory> {
        let shown = match kind {
            MessageType::Odometry => MotionSamples::Poses(Moments::new(span_ns)),
            MessageType::LaserScan => MotionSamples::Scans(Moments::new(span_ns)),
            _ => return None,
        };
        Some(MotionHistory {
            shown,
            travelled: None,
        })
    }

    pub(super) fn clear(&mut self) {
        self.travelled = None;
        match &mut self.shown {
            MotionSamples::Poses(past) => past.clear(),
            MotionSamples::Scans(past) => past.clear(),
        }
    }

    /// Takes a message that has passed its check, with its beams where it is a scan. Where the
    /// driver stamps its messages, the stamps say when: arrivals come in bursts.
    pub(super) fn note(
        &mut self,
        (message, beams): (&Message, Option<&PreparedScan>),
        arrival: Stamp,
    ) {
        let stamp = message.header().map(|header| header.stamp);
        let time = stamp.filter(|stamp| *stamp != Stamp(0)).unwrap_or(arrival);
        self.travelled = match (&mut self.shown, message, beams) {
            (MotionSamples::Poses(past), Message::Odometry(odometry), _) => {
                from_poses::travelled(past, odometry, time.0)
            }
            (MotionSamples::Scans(past), _, Some(beams)) => {
                scan_matching::travelled(past, beams, time.0, self.travelled)
            }
            // `new` made it for the source's type.
            _ => None,
        };
    }

    /// Between now and a span or a little more ago; none where that is not known.
    pub(super) fn travelled(&self) -> Option<MeanMotion> {
        self.travelled
    }
}
