//! Operator attention: whether decisions have been unsure, or not the model's, so often that
//! somebody should look after the robot. It is published for an operator, a mission layer or a
//! fail-safe; the node does not wait for an answer.

use std::collections::VecDeque;

use serde::Serialize;

use super::encode::{TimeWire, because, encode};
use crate::scheduler::{Decision, DecisionSource, Reason};
use crate::time::Stamp;

/// Type of the message.
pub const ATTENTION_TYPE: &str = "edge_reasoner/msg/Attention";

/// When attention is needed, and when not any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionLimits {
    /// A decision of the model below this confidence counts as unsure, 0..=1.
    pub confidence: f32,
    /// How many of the newest decisions are looked at; at least 1.
    pub decisions: u32,
    /// Needed when more than this share of them is unsure or not the model's, 0..=1.
    pub raise_share: f64,
    /// Not needed any more when at most this share is, 0..=`raise_share`.
    pub release_share: f64,
}

/// The part of a decision that is kept; small, since a hot thread writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionSample {
    confidence: f32,
    /// None: the model's.
    not_the_models: Option<Reason>,
}

impl AttentionSample {
    /// Reads a decision.
    pub fn of(decision: &Decision) -> AttentionSample {
        AttentionSample {
            confidence: decision.confidence,
            not_the_models: (decision.source != DecisionSource::Model).then_some(decision.reason),
        }
    }
}

/// Looks at the newest decisions. Raised only once there were enough of them, so that a node whose
/// window fills is left alone; between the two shares it stays as it is.
#[derive(Debug)]
pub struct Attention {
    limits: AttentionLimits,
    recent: VecDeque<AttentionSample>,
    needed: bool,
}

/// What is published.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionChange {
    /// Whether somebody is needed.
    pub needed: bool,
    /// Why, in one sentence.
    pub explanation: String,
    decisions: u16,
    not_the_models: u16,
    unsure: u16,
    last_reason: Reason,
}

impl Attention {
    /// Nobody is needed yet.
    pub fn new(limits: AttentionLimits) -> Attention {
        Attention {
            limits,
            recent: VecDeque::new(),
            needed: false,
        }
    }

    /// From the next decision on these hold.
    pub fn set_limits(&mut self, limits: AttentionLimits) {
        self.limits = limits;
    }

    /// Takes a decision that was published; what to publish where it changed whether somebody is
    /// needed.
    pub fn note(&mut self, note: AttentionSample) -> Option<AttentionChange> {
        let most = self.limits.decisions.max(1) as usize;
        self.recent.push_back(note);
        while self.recent.len() > most {
            self.recent.pop_front();
        }
        let (not_the_models, unsure) = self.count();
        let share = (not_the_models + unsure) as f64 / self.recent.len() as f64;
        let needed = match self.needed {
            true => share > self.limits.release_share,
            false => self.recent.len() == most && share > self.limits.raise_share,
        };
        let changed = needed != self.needed;
        self.needed = needed;
        changed.then(|| self.call())
    }

    /// The present state.
    pub fn call(&self) -> AttentionChange {
        let (not_the_models, unsure) = self.count();
        let decisions = self.recent.len();
        let last = self.recent.iter().rev().find_map(|n| n.not_the_models);
        let last_reason = last.unwrap_or(Reason::None);
        let mut explanation = match self.needed {
            true => String::from("somebody should look after the robot: "),
            false => String::from("nobody is needed: "),
        };
        explanation +=
            &format!("of the last {decisions} decisions {not_the_models} were not the model's");
        if let Some(reason) = last {
            explanation += &format!(" (lately because {})", because(reason));
        }
        explanation += &format!(
            " and {unsure} were unsure (confidence below {})",
            self.limits.confidence
        );
        let short = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        AttentionChange {
            needed: self.needed,
            explanation,
            decisions: short(decisions),
            not_the_models: short(not_the_models),
            unsure: short(unsure),
            last_reason,
        }
    }

    /// Not the model's, and unsure.
    fn count(&self) -> (usize, usize) {
        let others = self.recent.iter().filter(|n| n.not_the_models.is_some());
        let unsure = self.recent.iter().filter(|n| {
            // A confidence that is no number is not sure.
            let sure = n.confidence >= self.limits.confidence;
            n.not_the_models.is_none() && !sure
        });
        (others.count(), unsure.count())
    }
}

/// Field for field `msg/Attention.msg`.
#[derive(Serialize)]
struct AttentionWire<'a> {
    stamp: TimeWire,
    needed: bool,
    explanation: &'a str,
    decisions: u16,
    not_the_models: u16,
    unsure: u16,
    last_reason: &'a str,
}

/// Writes the message's CDR bytes into `out`.
pub fn encode_attention(stamp: Stamp, call: &AttentionChange, out: &mut Vec<u8>) {
    let wire = AttentionWire {
        stamp: stamp.into(),
        needed: call.needed,
        explanation: &call.explanation,
        decisions: call.decisions,
        not_the_models: call.not_the_models,
        unsure: call.unsure,
        last_reason: call.last_reason.name(),
    };
    encode(&wire, out);
}

/// Writes the CDR bytes of a `std_msgs/msg/Bool` into `out`.
pub fn encode_bool(value: bool, out: &mut Vec<u8>) {
    encode(&value, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: AttentionLimits = AttentionLimits {
        confidence: 0.6,
        decisions: 10,
        raise_share: 0.5,
        release_share: 0.1,
    };
    const SURE: AttentionSample = AttentionSample {
        confidence: 0.9,
        not_the_models: None,
    };
    const UNSURE: AttentionSample = AttentionSample {
        confidence: 0.5,
        not_the_models: None,
    };
    const LATE: AttentionSample = AttentionSample {
        confidence: 0.9,
        not_the_models: Some(Reason::Deadline),
    };

    fn after(notes: &[(usize, AttentionSample)]) -> (Attention, Vec<AttentionChange>) {
        let mut attention = Attention::new(LIMITS);
        let each = notes
            .iter()
            .flat_map(|(n, note)| std::iter::repeat_n(*note, *n));
        let calls = each.filter_map(|note| attention.note(note)).collect();
        (attention, calls)
    }

    #[test]
    fn it_is_raised_once_by_more_than_the_share_and_says_why() {
        let (_, calls) = after(&[(20, SURE), (5, LATE)]);
        assert!(calls.is_empty(), "half is not more than half");
        let (_, calls) = after(&[(20, SURE), (3, LATE), (20, UNSURE)]);
        assert_eq!(calls.len(), 1, "said once");
        let call = &calls[0];
        assert!(call.needed);
        assert_eq!(
            (call.decisions, call.not_the_models, call.unsure),
            (10, 3, 3)
        );
        assert_eq!(call.last_reason, Reason::Deadline);
        assert!(
            call.explanation.contains("no exit was ready in time"),
            "{}",
            call.explanation
        );
    }

    #[test]
    fn one_good_moment_does_not_release_it() {
        let (attention, calls) = after(&[(10, LATE), (8, SURE)]);
        assert_eq!(calls.len(), 1);
        assert!(attention.call().needed, "two of ten are still late");
        let (_, calls) = after(&[(10, LATE), (9, SURE)]);
        assert_eq!(
            calls.iter().map(|call| call.needed).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn a_node_whose_window_fills_is_left_alone() {
        let (_, calls) = after(&[(5, LATE), (20, SURE)]);
        assert!(calls.is_empty());
    }

    #[test]
    fn limits_that_change_count_from_the_next_decision_on() {
        let (mut attention, _) = after(&[(20, UNSURE)]);
        attention.set_limits(AttentionLimits {
            confidence: 0.4,
            ..LIMITS
        });
        assert!(attention.note(UNSURE).is_some_and(|call| !call.needed));
        attention.set_limits(AttentionLimits {
            decisions: 2,
            ..LIMITS
        });
        assert!(attention.note(LATE).is_some_and(|call| call.needed));
    }

    proptest! {
        #[test]
        fn what_it_says_last_is_how_it_stands(notes in prop::collection::vec(0u8..3, 0..200)) {
            let mut attention = Attention::new(LIMITS);
            let mut said = false;
            for kind in notes {
                let note = [SURE, UNSURE, LATE][usize::from(kind)];
                if let Some(call) = attention.note(note) {
                    prop_assert_ne!(call.needed, said, "only changes are said");
                    said = call.needed;
                }
                prop_assert_eq!(attention.call().needed, said);
            }
        }
    }
}
