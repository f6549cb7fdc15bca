//! How a robot has moved lately, by what one of its sensors shows of the way: the poses of an
//! odometry, or the scans of a laser.

mod poses;
mod scans;

use std::collections::VecDeque;

use super::laser::Prepared;
use super::message::{Message, MessageType};
use crate::time::Stamp;
use poses::Pose;
use scans::Sight;

/// Moments kept, an eighth of the span apart or more: twice the span.
const KEPT: usize = 16;
/// A moment this many spans back tells too little about now.
const LONGEST: i64 = 4;

/// Mean motion between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Travelled {
    /// m/s, along the mean heading.
    pub forward: f64,
    /// rad/s, left positive.
    pub turn: f64,
}

/// What one source has shown over a span.
#[derive(Clone, Debug)]
pub(super) struct Trail {
    shown: Shown,
    travelled: Option<Travelled>,
}

#[derive(Clone, Debug)]
enum Shown {
    Poses(Past<Pose>),
    Scans(Past<Sight>),
}

impl Trail {
    /// Of a source of this type; none where its messages say nothing about the way.
    pub(super) fn new(kind: MessageType, span_ns: i64) -> Option<Trail> {
        let shown = match kind {
            MessageType::Odometry => Shown::Poses(Past::new(span_ns)),
            MessageType::LaserScan => Shown::Scans(Past::new(span_ns)),
            _ => return None,
        };
        Some(Trail {
            shown,
            travelled: None,
        })
    }

    pub(super) fn clear(&mut self) {
        self.travelled = None;
        match &mut self.shown {
            Shown::Poses(past) => past.clear(),
            Shown::Scans(past) => past.clear(),
        }
    }

    /// Takes a message that has passed its check, with its beams where it is a scan. Where the driver
    /// stamps its messages, the stamps say when: arrivals come in bursts.
    pub(super) fn note(&mut self, (message, beams): (&Message, Option<&Prepared>), arrival: Stamp) {
        let stamp = message.header().map(|header| header.stamp);
        let time = stamp.filter(|stamp| *stamp != Stamp(0)).unwrap_or(arrival);
        self.travelled = match (&mut self.shown, message, beams) {
            (Shown::Poses(past), Message::Odometry(odometry), _) => {
                poses::travelled(past, odometry, time.0)
            }
            (Shown::Scans(past), _, Some(beams)) => {
                scans::travelled(past, beams, time.0, self.travelled)
            }
            // `new` made it for the source's type.
            _ => None,
        };
    }

    /// Between now and a span or a little more ago; none where that is not known.
    pub(super) fn travelled(&self) -> Option<Travelled> {
        self.travelled
    }
}

/// Moments that reach back over a span, in memory fixed at the start.
#[derive(Clone, Debug)]
struct Past<T> {
    span_ns: i64,
    /// In order of time, ns.
    moments: VecDeque<(i64, T)>,
}

impl<T> Past<T> {
    fn new(span_ns: i64) -> Past<T> {
        Past {
            span_ns,
            moments: VecDeque::with_capacity(KEPT),
        }
    }

    /// The newest moment at least a span before `time`, and how many seconds before. Forgets all
    /// that a clock which has gone back has not reached yet.
    fn before(&mut self, time: i64) -> Option<(&T, f64)> {
        if self.moments.back().is_some_and(|(last, _)| *last > time) {
            self.moments.clear();
        }
        let back = |kept: i64| time.saturating_sub(kept);
        let mut newest = self.moments.iter().rev();
        let (kept, moment) = newest
            .find(|(kept, _)| back(*kept) >= self.span_ns)
            .filter(|(kept, _)| back(*kept) <= LONGEST * self.span_ns)?;
        Some((moment, back(*kept) as f64 * 1e-9))
    }

    /// Keeps a moment, unless it follows another too closely.
    fn keep(&mut self, time: i64, moment: T) {
        let last = self.moments.back();
        if last.is_some_and(|(last, _)| time.saturating_sub(*last) < self.span_ns / 8) {
            return;
        }
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back((time, moment));
    }

    fn clear(&mut self) {
        self.moments.clear();
    }
}
