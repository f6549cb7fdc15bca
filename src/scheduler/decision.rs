//! A decision, and the names of its sources and reasons.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::features::frames::Mount;
use crate::time::{Mono, Stamp};

/// Most labels a task may have, here and in every manifest; keeps a decision free of allocation.
pub const MAX_LABELS: usize = 64;
/// Most exits a model may have.
pub const MAX_EXITS: usize = 32;

/// What stands behind a decision's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DecisionSource {
    /// An exit of the model, in this cycle.
    Model,
    /// The last decision of the model, still within its hold time.
    Hold,
    /// The task's safe label.
    Fallback,
}

impl DecisionSource {
    /// All, in the order statistics list them.
    pub const ALL: [DecisionSource; 3] = [
        DecisionSource::Model,
        DecisionSource::Hold,
        DecisionSource::Fallback,
    ];

    /// The word used in messages.
    pub fn name(self) -> &'static str {
        match self {
            DecisionSource::Model => "MODEL",
            DecisionSource::Hold => "HOLD",
            DecisionSource::Fallback => "FALLBACK",
        }
    }
}

/// Why a decision is not the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It is the model's.
    None,
    /// No exit was ready in time.
    Deadline,
    /// A source is older than its timeout.
    StaleInput,
    /// The message could not be used.
    InvalidInput,
    /// The window is not filled yet, or a required source never spoke.
    IncompleteInput,
    /// The model is not sure enough of the label it prefers.
    LowConfidence,
    /// The engine failed, stalled, or returned something that is no probability.
    BackendFault,
    /// The clock jumped; the window starts anew.
    TimeJump,
    /// The node is not active.
    Inactive,
}

impl Reason {
    /// All, in the order statistics list them.
    pub const ALL: [Reason; 9] = [
        Reason::None,
        Reason::Deadline,
        Reason::StaleInput,
        Reason::InvalidInput,
        Reason::IncompleteInput,
        Reason::LowConfidence,
        Reason::BackendFault,
        Reason::TimeJump,
        Reason::Inactive,
    ];

    /// The word used in messages.
    pub fn name(self) -> &'static str {
        match self {
            Reason::None => "NONE",
            Reason::Deadline => "DEADLINE",
            Reason::StaleInput => "STALE_INPUT",
            Reason::InvalidInput => "INVALID_INPUT",
            Reason::IncompleteInput => "INCOMPLETE_INPUT",
            Reason::LowConfidence => "LOW_CONFIDENCE",
            Reason::BackendFault => "BACKEND_FAULT",
            Reason::TimeJump => "TIME_JUMP",
            Reason::Inactive => "INACTIVE",
        }
    }

    /// Whether the last model decision may stand in. Only when this machine was too slow or its
    /// engine failed: what the sensors said is still good. After bad input the label must not
    /// outlive what it was built from.
    pub fn may_hold(self) -> bool {
        matches!(self, Reason::Deadline | Reason::BackendFault)
    }
}

impl fmt::Display for DecisionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the window had to say when the trigger arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputStatus {
    /// The window can be reasoned on.
    Ready,
    /// It cannot, and this is why.
    Unusable(Reason),
}

/// An arrival on the trigger source: everything but the window it was assembled into.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// When it arrived; its deadline counts from here.
    pub arrival: Mono,
    /// The same in ROS time.
    pub arrival_ros: Stamp,
    /// Header stamp of the message, or its arrival in ROS time when it has none.
    pub stamp: Stamp,
    /// Frame of the message.
    pub frame: Arc<str>,
    /// How the laser whose sectors the window holds was mounted then.
    pub mount: Mount,
    /// Age of the oldest source in the window.
    pub input_age: Duration,
    /// Whether the window can be used.
    pub input_status: InputStatus,
}

/// What one exit says: class probabilities, and how far the way is free, without allocation.
#[derive(Clone, Copy, PartialEq)]
pub struct Probabilities {
    values: [f32; MAX_LABELS],
    len: u8,
    free_way_m: Option<f32>,
}

impl Probabilities {
    /// No exit stands behind the decision.
    pub const NONE: Probabilities = Probabilities {
        values: [0.0; MAX_LABELS],
        len: 0,
        free_way_m: None,
    };

    /// Takes up to [`MAX_LABELS`] values.
    pub fn from_slice(values: &[f32]) -> Self {
        let mut all = Self::NONE;
        let len = values.len().min(MAX_LABELS);
        all.values[..len].copy_from_slice(&values[..len]);
        all.len = len as u8;
        all
    }

    /// With the lower quantile of the free way, m, that the same exit gives.
    pub fn with_free_way(mut self, metres: Option<f32>) -> Self {
        self.free_way_m = metres;
        self
    }

    /// The lower quantile of the free way, m; none where the model does not tell.
    pub fn free_way_m(&self) -> Option<f32> {
        self.free_way_m
    }

    /// One per label; empty when no exit stands behind the decision.
    pub fn as_slice(&self) -> &[f32] {
        &self.values[..usize::from(self.len)]
    }

    /// The most probable label and its probability.
    pub fn top(&self) -> Option<(u8, f32)> {
        let mut best: Option<(u8, f32)> = None;
        for (index, &p) in self.as_slice().iter().enumerate() {
            if best.is_none_or(|(_, confidence)| p > confidence) {
                best = Some((index as u8, p));
            }
        }
        best
    }

    /// Finite, not negative, and summing to one within 1e-3.
    pub fn are_probabilities(&self) -> bool {
        let values = self.as_slice();
        let sum: f32 = values.iter().sum();
        !values.is_empty()
            && values.iter().all(|p| p.is_finite() && *p >= 0.0)
            && (sum - 1.0).abs() < 1e-3
    }
}

impl fmt::Debug for Probabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// The answer to one accepted trigger.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Counts accepted triggers, from 1.
    pub cycle: u64,
    /// What it answers.
    pub trigger: Trigger,
    /// Index into the bundle's labels.
    pub label: u8,
    /// Probability of the label; 0 when no exit stands behind it.
    pub confidence: f32,
    /// Of every label; empty when no exit stands behind the decision.
    pub probabilities: Probabilities,
    /// The least range ahead over the horizon of the task, m: a lower quantile, as the exit that
    /// answered says, or as held. None for fallbacks, where the model does not tell, and where it
    /// expects more than it can tell.
    pub free_way_m: Option<f32>,
    /// What stands behind the label.
    pub source: DecisionSource,
    /// Why it is not the model's.
    pub reason: Reason,
    /// Exit the probabilities were read from, 1-based; 0 when there is none.
    pub exit: u8,
    /// Exits of the model.
    pub exits: u8,
    /// Index of the engine that ran, in the order of the `engines` parameter.
    pub engine: Option<u8>,
    /// The age of the model's answer, where that was given to the same window before and is used
    /// again.
    pub reused: Option<Duration>,
    /// Arrival of the trigger to publication.
    pub latency: Duration,
    /// What was promised.
    pub deadline: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_not_taken_for_probabilities() {
        assert!(Probabilities::from_slice(&[0.25, 0.75]).are_probabilities());
        for bad in [
            &[][..],
            &[f32::NAN, 1.0],
            &[0.5, 0.6],
            &[-0.5, 1.5],
            &[f32::INFINITY, 0.0],
        ] {
            assert!(
                !Probabilities::from_slice(bad).are_probabilities(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_first_of_equals_is_the_top() {
        assert_eq!(
            Probabilities::from_slice(&[0.4, 0.4, 0.2]).top(),
            Some((0, 0.4))
        );
        assert_eq!(Probabilities::NONE.top(), None);
    }

    #[test]
    fn bad_input_is_never_answered_by_an_older_label() {
        for reason in Reason::ALL {
            let machine = matches!(reason, Reason::Deadline | Reason::BackendFault);
            assert_eq!(reason.may_hold(), machine, "{reason}");
        }
    }
}
