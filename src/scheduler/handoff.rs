//! A cycle that passes from one engine to another.

use super::request::Request;

/// A request on its way from an engine that failed or stalled to the next one, within its cycle.
#[derive(Debug)]
pub(in crate::scheduler) struct Handoff {
    /// The cycle.
    pub cycle: u64,
    /// The engine slot whose claim decides who answers: that of the engine that had it first.
    pub claim: usize,
    /// The trigger and its window.
    pub request: Box<Request>,
}
