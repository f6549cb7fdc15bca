//! The trait by which decisions leave the scheduler.

use std::time::Duration;

use super::outgoing::OutgoingDecision;

/// Where decisions go. Called on the worker's and the watchdog's thread; must not block.
pub trait Publish: Send + Sync {
    /// Sends the decision, or hands it to whoever does.
    fn publish(&self, outgoing: OutgoingDecision);

    /// Time passed; called by the watchdog at least every [`TICK`].
    fn tick(&self) {}
}

/// The watchdog's pulse: how soon an act notices that no decision came.
pub const TICK: Duration = Duration::from_millis(20);
