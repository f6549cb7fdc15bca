//! A speed limit for Nav2 by the newest decision: `nav2_msgs/msg/SpeedLimit`, in percent of the
//! controller's own maximum, where 0 means no limit (nav2_costmap_2d's NO_SPEED_LIMIT).

use std::time::Duration;

use super::act_input::{ActInput, Basis};
use super::asymmetric_debounce::{Allowance, AsymmetricDebounce};
use crate::time::Mono;

/// A percentage as Nav2 reads it: within 0..=100, where 0 is no limit at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(f64);

impl Percent {
    /// No limit.
    pub const NONE: Percent = Percent(0.0);

    /// None outside 0..=100 or where it is no number.
    pub fn new(percent: f64) -> Option<Percent> {
        (0.0..=100.0).contains(&percent).then_some(Percent(percent))
    }

    /// As the message carries it; 100 is no limit, too.
    pub fn on_the_wire(self) -> f64 {
        match self.0 {
            100.0 => 0.0,
            percent => percent,
        }
    }

    /// What part of the speed it leaves, so that limits can be compared.
    pub fn leaves(self) -> f64 {
        match self.0 {
            0.0 => 100.0,
            percent => percent,
        }
    }
}

impl Allowance for Percent {
    fn at_most(self, other: Percent) -> Percent {
        match self.leaves() <= other.leaves() {
            true => self,
            false => other,
        }
    }
}

/// The limiter's configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpeedLimits {
    /// Per label, in the bundle's order.
    pub percent: Vec<Percent>,
    /// Decisions in a row that must allow more before more is allowed; one that allows less counts
    /// at once.
    pub release_after: u32,
}

/// Follows the decisions. Sent when it changes, and again every second for late subscribers.
#[derive(Debug)]
pub struct SpeedLimiter {
    limits: SpeedLimits,
    newest: Option<ActInput>,
    in_force: AsymmetricDebounce<Percent>,
    sent: Option<(Mono, Percent)>,
}

/// Between two messages of the same limit.
const AGAIN: Duration = Duration::from_secs(1);

impl SpeedLimiter {
    /// No limit until the first decision.
    pub fn new(limits: SpeedLimits) -> SpeedLimiter {
        SpeedLimiter {
            limits,
            newest: None,
            in_force: AsymmetricDebounce::new(Percent::NONE),
            sent: None,
        }
    }

    /// From here on these hold; what they allow less of from the next decision on.
    pub fn set_limits(&mut self, limits: SpeedLimits) -> SpeedLimits {
        let before = std::mem::replace(&mut self.limits, limits);
        if let Some(newest) = self.newest {
            self.in_force.tighten(self.wanted(newest));
        }
        before
    }

    /// Decisions begin anew; what is in force is forgotten.
    pub fn reset(&mut self) {
        let limits = std::mem::take(&mut self.limits);
        *self = SpeedLimiter::new(limits);
    }

    /// A decision left; the limit to send, if one is to be sent. One that answers an earlier
    /// trigger than the newest may tighten the limit, not loosen it.
    pub fn on_decision(&mut self, now: Mono, act_input: ActInput) -> Option<Percent> {
        let wanted = self.wanted(act_input);
        match self.newest {
            Some(newest) if act_input.is_before(&newest) => self.in_force.tighten(wanted),
            _ => {
                self.newest = Some(act_input);
                match act_input.basis {
                    Basis::Held => self.in_force.keep(wanted),
                    Basis::Seen | Basis::Blind => {
                        self.in_force.follow(wanted, self.limits.release_after);
                    }
                }
            }
        }
        let in_force = self.in_force.allowed();
        let said = |(at, said): (Mono, Percent)| said == in_force && now.since(at) < AGAIN;
        if self.sent.is_some_and(said) {
            return None;
        }
        self.sent = Some((now, in_force));
        Some(in_force)
    }

    /// Where nothing was seen, and for a label that there is no limit for, the least of all.
    fn wanted(&self, act_input: ActInput) -> Percent {
        let limits = &self.limits.percent;
        let least = || {
            let least = limits.iter().copied().reduce(Percent::at_most);
            least.unwrap_or(self.in_force.allowed())
        };
        match (act_input.basis, limits.get(usize::from(act_input.label))) {
            (Basis::Seen | Basis::Held, Some(percent)) => *percent,
            _ => least(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Stamp, When};
    use proptest::prelude::*;

    const T: Mono = Mono(10_000_000_000);

    fn limiter() -> SpeedLimiter {
        let percent = [0.0, 70.0, 40.0].map(|p| Percent::new(p).unwrap());
        SpeedLimiter::new(SpeedLimits {
            percent: percent.to_vec(),
            release_after: 3,
        })
    }

    /// Cycles come with their triggers, one after the other.
    fn act_input(cycle: u64, label: u8, basis: Basis) -> ActInput {
        ActInput {
            cycle,
            arrival: When {
                mono: Mono(cycle),
                ros: Stamp(0),
            },
            label,
            basis,
            free_way_m: None,
        }
    }

    fn seen(cycle: u64, label: u8) -> ActInput {
        act_input(cycle, label, Basis::Seen)
    }

    fn said(limiter: &mut SpeedLimiter, cycle: u64, label: u8) -> Option<f64> {
        limiter
            .on_decision(T, seen(cycle, label))
            .map(Percent::on_the_wire)
    }

    #[test]
    fn blind_is_the_least_of_all_and_held_earns_nothing() {
        let mut limiter = limiter();
        said(&mut limiter, 1, 0);
        let mut next = |cycle, label, basis| {
            let limit = limiter.on_decision(T, act_input(cycle, label, basis));
            limit.map(Percent::on_the_wire)
        };
        assert_eq!(next(2, 0, Basis::Blind), Some(40.0), "whatever the label");
        let held: Vec<_> = (3..9).map(|cycle| next(cycle, 0, Basis::Held)).collect();
        assert_eq!(held, [None; 6]);
        assert_eq!([9, 10].map(|cycle| next(cycle, 0, Basis::Seen)), [None; 2]);
        assert_eq!(next(11, 0, Basis::Held), None, "it does not break the row");
        assert_eq!(next(12, 0, Basis::Seen), Some(0.0));
        assert_eq!(next(13, 1, Basis::Held), Some(70.0), "less at once");
        assert_eq!(next(14, 9, Basis::Seen), Some(40.0), "no such label");
    }

    #[test]
    fn slower_at_once_and_faster_when_decisions_agree() {
        let mut limiter = limiter();
        assert_eq!(
            said(&mut limiter, 1, 0),
            Some(0.0),
            "whatever stood before is cleared"
        );
        assert_eq!(said(&mut limiter, 2, 2), Some(40.0));
        assert_eq!(said(&mut limiter, 3, 2), None, "nothing new");
        assert_eq!(said(&mut limiter, 4, 0), None);
        assert_eq!(said(&mut limiter, 5, 1), None);
        assert_eq!(
            said(&mut limiter, 6, 0),
            Some(70.0),
            "as far as all three allow"
        );
        for cycle in 7..9 {
            assert_eq!(said(&mut limiter, cycle, 0), None);
        }
        assert_eq!(said(&mut limiter, 9, 0), Some(0.0), "cleared");
    }

    #[test]
    fn an_older_cycle_that_comes_last_only_tightens() {
        let mut limiter = limiter();
        said(&mut limiter, 5, 1);
        assert_eq!(said(&mut limiter, 3, 0), None);
        assert_eq!(said(&mut limiter, 4, 2), Some(40.0));
    }

    #[test]
    fn it_is_said_again_for_those_who_came_late() {
        let mut limiter = limiter();
        limiter.on_decision(T, seen(1, 2));
        assert_eq!(limiter.on_decision(T + AGAIN / 2, seen(2, 2)), None);
        assert!(limiter.on_decision(T + AGAIN, seen(3, 2)).is_some());
        limiter.reset();
        assert!(limiter.on_decision(T + AGAIN, seen(4, 2)).is_some());
    }

    #[test]
    fn new_limits_tighten_with_the_next_decision() {
        let mut limiter = limiter();
        said(&mut limiter, 1, 1);
        let mut limits = limiter.limits.clone();
        limits.percent[1] = Percent::new(20.0).unwrap();
        limiter.set_limits(limits);
        assert_eq!(said(&mut limiter, 2, 1), Some(20.0));
    }

    #[test]
    fn only_percentages_are_percentages() {
        for bad in [-1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Percent::new(bad), None);
        }
        assert_eq!(Percent::new(100.0).unwrap().on_the_wire(), 0.0);
    }

    proptest! {
        /// Never looser than the newest decision allows, and the least there is where it is blind.
        #[test]
        fn it_never_allows_more_than_the_newest_decision(
            decisions in prop::collection::vec((0u8..3, 0usize..3), 1..80)
        ) {
            let mut limiter = limiter();
            let mut last = Percent::NONE;
            for (cycle, (label, basis)) in decisions.into_iter().enumerate() {
                let basis = [Basis::Seen, Basis::Held, Basis::Blind][basis];
                if let Some(percent) = limiter.on_decision(T, act_input(cycle as u64, label, basis)) {
                    last = percent;
                }
                let most = match basis {
                    Basis::Blind => 40.0,
                    _ => limiter.limits.percent[usize::from(label)].leaves(),
                };
                prop_assert!(last.leaves() <= most);
            }
        }
    }
}
