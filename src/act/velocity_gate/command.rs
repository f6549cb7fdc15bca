//! A command and its age by its own stamp.

use std::time::Duration;

use super::ages::Ages;
use super::velocity::Velocity;
use crate::time::{Stamp, When};

/// A command as it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Command {
    velocity: Velocity,
    arrival: When,
    /// Its header's; none where it has no header, or a stamp of 0.
    stamp: Option<Stamp>,
}

impl Command {
    /// With the stamp of its header where it has one; a stamp of 0 says nothing.
    pub fn new(velocity: Velocity, arrival: When, stamp: Option<Stamp>) -> Command {
        Command {
            velocity,
            arrival,
            stamp: stamp.filter(|stamp| *stamp != Stamp(0)),
        }
    }

    /// What it asks for.
    pub fn velocity(&self) -> Velocity {
        self.velocity
    }

    /// How old it was when it came, by its stamp.
    pub fn behind(&self) -> Duration {
        let behind = self.stamp.map(|stamp| self.arrival.ros.since(stamp));
        behind.unwrap_or_default()
    }

    /// How far its stamp was ahead of the node's clock when it came.
    pub fn ahead(&self) -> Duration {
        let ahead = self.stamp.map(|stamp| stamp.since(self.arrival.ros));
        ahead.unwrap_or_default()
    }

    /// Whether it is not older than `timeout`, by its stamp and by its arrival. The two clocks are
    /// held against each other once, at its arrival: a clock that is set right afterwards does not
    /// make it younger. A stamp from further ahead than `timeout` is of another clock, so nobody
    /// knows how old the command is.
    pub(super) fn is_current(&self, timeout: Duration, ages: &Ages, now: When) -> bool {
        self.ahead() <= timeout && ages.within(timeout, self.arrival, self.behind(), now)
    }

    /// The stamp with which it leaves at `now`: never younger than what it repeats.
    pub(super) fn stamp_at(&self, now: When) -> Stamp {
        self.stamp.unwrap_or(self.arrival.ros).min(now.ros)
    }
}
