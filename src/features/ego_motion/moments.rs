//! A history of moments over a span of time, and the mean motion between two of them.

use std::collections::VecDeque;

/// Moments that reach back over a span, in memory fixed at the start.
#[derive(Clone, Debug)]
pub(super) struct Moments<T> {
    pub(super) span_ns: i64,
    /// In order of time, ns.
    moments: VecDeque<(i64, T)>,
}

impl<T> Moments<T> {
    pub(super) fn new(span_ns: i64) -> Moments<T> {
        Moments {
            span_ns,
            moments: VecDeque::with_capacity(KEPT),
        }
    }

    /// The newest moment at least a span before `time`, and how many seconds before. Forgets all
    /// that a clock which has gone back has not reached yet.
    pub(super) fn before(&mut self, time: i64) -> Option<(&T, f64)> {
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
    pub(super) fn keep(&mut self, time: i64, moment: T) {
        let last = self.moments.back();
        if last.is_some_and(|(last, _)| time.saturating_sub(*last) < self.span_ns / 8) {
            return;
        }
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back((time, moment));
    }

    pub(super) fn clear(&mut self) {
        self.moments.clear();
    }
}

/// Mean motion between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::features) struct MeanMotion {
    /// m/s, along the mean heading.
    pub forward: f64,
    /// rad/s, left positive.
    pub turn: f64,
}

/// Moments kept, an eighth of the span apart or more: twice the span.
pub(super) const KEPT: usize = 16;

/// A moment this many spans back is too old to compare with.
pub(super) const LONGEST: i64 = 4;
