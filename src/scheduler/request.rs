//! A request: a trigger with its window, and the configuration its decision is made by.

use std::sync::Arc;
use std::time::Duration;

use super::decision::Trigger;
use super::policy::Policy;
use crate::time::Mono;

/// A trigger with the window assembled at its arrival.
#[derive(Debug)]
pub struct Request {
    /// The trigger.
    pub trigger: Trigger,
    /// Row-major `[frames, features]`.
    pub window: Box<[f32]>,
    /// What holds for it.
    pub(super) cycle_config: Arc<CycleConfig>,
}

/// What holds for a cycle, from its trigger to its decision.
#[derive(Clone, Debug)]
pub struct CycleConfig {
    /// From the trigger's arrival to the publication.
    pub deadline: Duration,
    /// Kept free before the deadline for publishing.
    pub publish_margin: Duration,
    /// An engine call longer than this counts as a stall.
    pub fault_time: Duration,
    /// How long a model decision may stand in for a missing one.
    pub hold: Duration,
    /// How long a trigger may wait for those of other robots, where the engine gains by running
    /// them together.
    pub batch_slack: Duration,
    /// Whether the model's answer to the same window is used again; set for the scheduler's life.
    pub reuse: Option<CacheConfig>,
    /// How the optional stages are spent.
    pub policy: Policy,
    /// Below this confidence the safe label is published.
    pub min_confidence: f32,
    /// Quantile of the free way that a decision carries; between 0 and 0.5.
    pub free_way_quantile: f32,
    /// Per exit, the confidence at which `fastest` stops.
    pub thresholds: Vec<f32>,
    /// Index of the safe label.
    pub safe_label: u8,
    /// Exits of the model.
    pub exits: u8,
}

/// When the model's answer to the same window is used again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheConfig {
    /// Not longer than this after the arrival of the trigger it was computed for.
    pub max_age: Duration,
    /// Features that round to the same multiple of this are the same; they lie in [-1, 1].
    pub step: f32,
}

impl CycleConfig {
    /// When the watchdog answers a trigger that arrived at `arrival` in the worker's place.
    pub(super) fn due(&self, arrival: Mono) -> Mono {
        arrival + self.deadline - self.publish_margin
    }
}

impl Request {
    /// Becomes as `other`; windows of one scheduler are of one length.
    pub(super) fn copy_from(&mut self, other: &Request) {
        self.trigger.clone_from(&other.trigger);
        self.window.copy_from_slice(&other.window);
        self.cycle_config = Arc::clone(&other.cycle_config);
    }

    pub(super) fn due(&self) -> Mono {
        self.cycle_config.due(self.trigger.arrival)
    }
}
