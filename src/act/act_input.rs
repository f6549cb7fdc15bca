//! What every act is told of a decision: its label, and whether its input was usable.

use crate::scheduler::{Decision, DecisionSource, Reason};
use crate::time::When;

/// Whether a decision's input was usable, and the label where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The model answered on fresh, sound input. Also where it was too unsure and the safe label
    /// stands in: the world was seen, and a robot that may not turn would see the same for ever.
    Seen,
    /// The model's last answer, within its hold time: the machine was too slow for another. It
    /// counts as what was seen then, but it is no new evidence and earns nothing.
    Held,
    /// Nothing: input, time or engine were at fault, and nobody knows what is around the robot.
    Blind,
}

impl Basis {
    /// For a decision with this source and reason; blind where the input is not known to be good.
    pub fn of(source: DecisionSource, reason: Reason) -> Basis {
        match (source, reason) {
            (DecisionSource::Model, Reason::None)
            | (DecisionSource::Fallback, Reason::LowConfidence) => Basis::Seen,
            (DecisionSource::Hold, reason) if reason.may_hold() => Basis::Held,
            _ => Basis::Blind,
        }
    }
}

/// The part of a decision that the velocity gate and the speed limit read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActInput {
    /// Its cycle.
    pub cycle: u64,
    /// When its trigger arrived.
    pub arrival: When,
    /// Index into the bundle's labels.
    pub label: u8,
    /// Whether its input was usable, and its label.
    pub basis: Basis,
    /// The least distance ahead that the model expects over its horizon, from the base frame's
    /// origin to where it will be then, m; none where the model predicts none.
    pub free_way_m: Option<f64>,
}

impl ActInput {
    /// Reads a decision.
    pub fn of(decision: &Decision) -> ActInput {
        let trigger = &decision.trigger;
        ActInput {
            cycle: decision.cycle,
            arrival: When {
                mono: trigger.arrival,
                ros: trigger.arrival_ros,
            },
            label: decision.label,
            basis: Basis::of(decision.source, decision.reason),
            free_way_m: decision
                .free_way_m
                .map(|metres| f64::from(metres) + f64::from(trigger.mount.x)),
        }
    }

    /// Whether it answers an earlier trigger than `other`. Decisions come from two threads, and
    /// cycles are counted by whichever of them takes a trigger first.
    pub fn is_before(&self, other: &ActInput) -> bool {
        (self.arrival.mono, self.cycle) < (other.arrival.mono, other.cycle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every source with every reason; what is not in the table is blind.
    #[test]
    fn only_what_the_model_said_of_sound_input_is_seen() {
        for source in DecisionSource::ALL {
            for reason in Reason::ALL {
                let expected = match (source.name(), reason.name()) {
                    ("MODEL", "NONE") | ("FALLBACK", "LOW_CONFIDENCE") => Basis::Seen,
                    ("HOLD", "DEADLINE") | ("HOLD", "BACKEND_FAULT") => Basis::Held,
                    _ => Basis::Blind,
                };
                assert_eq!(Basis::of(source, reason), expected, "{source} {reason}");
            }
        }
    }
}
