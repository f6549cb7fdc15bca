//! Ages of commands and decisions, on the node's own clock, which may be a simulation's.
//!
//! In a simulation ages are in ROS time, so that the same timeouts mean the same to the robot at
//! any real-time factor. That clock may stand still, while a real robot that was left with
//! `use_sim_time` drives on: where ROS time has not moved for as long as the age that is asked
//! about may be, on the monotonic clock, everything counts as too old. It may also go back, and
//! then nobody can tell how old anything is.

use std::time::Duration;

use crate::time::{Stamp, When};

/// Two threads may read the simulation's time in one order and come to the gate in the other.
const SLACK: Duration = Duration::from_millis(50);

/// Measures ages.
#[derive(Debug)]
pub(super) struct Ages {
    simulated: bool,
    /// The latest ROS time, and since when it has been that; in a simulation only.
    latest: When,
}

impl Ages {
    pub fn new(simulated: bool) -> Ages {
        Ages {
            simulated,
            latest: When::default(),
        }
    }

    pub fn simulated(&self) -> bool {
        self.simulated
    }

    /// It is `now`. Whether ROS time went back: what came before has no age any more.
    pub fn look(&mut self, now: When) -> bool {
        if !self.simulated {
            return false;
        }
        let back = now.ros + SLACK < self.latest.ros;
        if back || now.ros > self.latest.ros {
            self.latest = now;
        }
        back
    }

    /// Whether what was `before` old already at `then` is at most `span` old now.
    pub fn within(&self, span: Duration, then: When, before: Duration, now: When) -> bool {
        if !self.simulated {
            return now.mono.since(then.mono).saturating_add(before) <= span;
        }
        // Stamp 0: no /clock was heard yet.
        let told = now.ros != Stamp(0) && now.ros + SLACK >= then.ros;
        let stood_still = now.mono.since(self.latest.mono);
        told && stood_still <= span && now.ros.since(then.ros).saturating_add(before) <= span
    }

    /// From `then` to `now`.
    pub fn since(&self, then: When, now: When) -> Duration {
        match self.simulated {
            true => now.ros.since(then.ros),
            false => now.mono.since(then.mono),
        }
    }

    /// Whether `span` has passed on either clock: for what may come too often but not too seldom.
    pub fn has_passed(&self, span: Duration, then: When, now: When) -> bool {
        now.mono.since(then.mono) >= span || self.since(then, now) >= span
    }
}
