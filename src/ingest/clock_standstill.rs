//! Notices a ROS clock that stands still while messages arrive.

use std::time::Duration;

use crate::time::{Mono, Stamp};

/// How long ROS time has stood still while messages came: a simulation's clock that nobody
/// publishes any more would leave every input as young as it was then.
#[derive(Default)]
pub(super) struct ClockStandstill(pub(super) Option<(Stamp, Mono)>);

impl ClockStandstill {
    pub(super) fn look(&mut self, ros: Stamp, now: Mono) -> Duration {
        match self.0 {
            Some((stood, since)) if stood == ros => now.since(since),
            _ => {
                self.0 = Some((ros, now));
                Duration::ZERO
            }
        }
    }
}
