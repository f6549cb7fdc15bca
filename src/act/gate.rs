//! The velocity gate: commands pass as far as the newest decision lets them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sense::MessageType;
use crate::time::Mono;

/// Type of the commands in and out.
pub fn topic_type(stamped: bool) -> MessageType {
    match stamped {
        true => MessageType::TwistStamped,
        false => MessageType::Twist,
    }
}

/// `geometry_msgs/msg/Twist`: linear m/s, angular rad/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Velocity {
    /// x, y, z.
    pub linear: [f64; 3],
    /// x, y, z.
    pub angular: [f64; 3],
}

impl Velocity {
    /// Standing still.
    pub const ZERO: Velocity = Velocity {
        linear: [0.0; 3],
        angular: [0.0; 3],
    };

    fn is_finite(&self) -> bool {
        self.linear
            .iter()
            .chain(&self.angular)
            .all(|v| v.is_finite())
    }

    fn scaled(&self, factors: Factors) -> Velocity {
        Velocity {
            linear: self.linear.map(|v| v * factors.linear),
            angular: self.angular.map(|v| v * factors.angular),
        }
    }
}

/// Which part of a command passes, each within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of the linear velocity.
    pub linear: f64,
    /// Of the angular velocity.
    pub angular: f64,
}

impl Factors {
    fn at_most(self, other: Factors) -> Factors {
        Factors {
            linear: self.linear.min(other.linear),
            angular: self.angular.min(other.angular),
        }
    }
}

/// What the gate is told at start.
#[derive(Clone, Debug, PartialEq)]
pub struct GateLimits {
    /// Per label, in the bundle's order.
    pub factors: Vec<Factors>,
    /// A decision whose trigger arrived longer ago than this counts as none.
    pub decision_timeout: Duration,
    /// A command older than this is not repeated.
    pub command_timeout: Duration,
    /// How long a stop is repeated, for a base that lost the first.
    pub repeat_stop: Duration,
    /// Decisions in a row that must allow more before more is let through. One that allows less
    /// counts at once.
    pub release_after: u32,
}

/// What the gate needs of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Its cycle.
    pub cycle: u64,
    /// When its trigger arrived.
    pub arrival: Mono,
    /// Index into the bundle's labels.
    pub label: u8,
}

/// Holds the newest command and decision. No fresh decision: stop. No fresh command: stop.
/// A command that is not finite: stop. It never makes a command faster.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    command: Option<(Mono, Velocity)>,
    /// Cycle of the newest decision, and when its trigger arrived.
    decided: Option<(u64, Mono)>,
    /// What is let through now.
    allowed: Factors,
    /// Decisions in a row that allow more, and the least that all of them allow.
    freer: (u32, Factors),
    sent: Velocity,
    /// When the robot was last told to move, and when the stop after it was last repeated.
    moved: Option<Mono>,
    repeated: Mono,
}

/// Between two repetitions of a stop.
const REPEAT: Duration = Duration::from_millis(50);

const CLOSED: Factors = Factors {
    linear: 0.0,
    angular: 0.0,
};

impl Gate {
    /// A closed gate. Factors outside 0..=1 or not finite count as 0.
    pub fn new(mut limits: GateLimits) -> Gate {
        for factors in &mut limits.factors {
            for factor in [&mut factors.linear, &mut factors.angular] {
                if !(0.0..=1.0).contains(factor) {
                    *factor = 0.0;
                }
            }
        }
        Gate {
            limits,
            command: None,
            decided: None,
            allowed: CLOSED,
            freer: (0, CLOSED),
            sent: Velocity::ZERO,
            moved: None,
            repeated: Mono(0),
        }
    }

    /// What it was told at its start.
    pub fn limits(&self) -> &GateLimits {
        &self.limits
    }

    /// A command came at `arrival`; what goes out in its place.
    pub fn on_command(&mut self, now: Mono, arrival: Mono, command: Velocity) -> Velocity {
        self.command = Some((arrival, command));
        self.send(now)
    }

    /// A decision left; what goes out at once, if it changes what the robot was last told.
    /// Decisions come from two threads: one that answers an earlier trigger than the newest may
    /// close the gate further, but not open it and not keep it open.
    pub fn on_decision(&mut self, now: Mono, verdict: Verdict) -> Option<Velocity> {
        let factors = self.limits.factors.get(usize::from(verdict.label)).copied();
        let wanted = factors.unwrap_or(CLOSED);
        if self.decided.is_some_and(|(cycle, _)| verdict.cycle < cycle) {
            self.allowed = self.allowed.at_most(wanted);
            self.freer.0 = 0;
        } else {
            let fresh = self.is_fresh(now);
            self.decided = Some((verdict.cycle, verdict.arrival));
            self.follow(wanted, fresh);
        }
        self.resend(now)
    }

    /// Time passed; what goes out if something grew too old, or if a stop is to be repeated.
    pub fn tick(&mut self, now: Mono) -> Option<Velocity> {
        self.resend(now).or_else(|| self.repeat_stop(now))
    }

    fn repeat_stop(&mut self, now: Mono) -> Option<Velocity> {
        let stopped = self.sent == Velocity::ZERO;
        let lately = self
            .moved
            .is_some_and(|moved| now.since(moved) <= self.limits.repeat_stop);
        (stopped && lately && now.since(self.repeated) >= REPEAT).then(|| {
            self.repeated = now;
            Velocity::ZERO
        })
    }

    fn resend(&mut self, now: Mono) -> Option<Velocity> {
        let before = self.sent;
        let after = self.send(now);
        (after != before).then_some(after)
    }

    fn send(&mut self, now: Mono) -> Velocity {
        let after = self.allowed(now).unwrap_or(Velocity::ZERO);
        let before = std::mem::replace(&mut self.sent, after);
        if before != Velocity::ZERO || after != Velocity::ZERO {
            self.moved = Some(now);
            self.repeated = now;
        }
        after
    }

    /// Down at once; up when enough decisions in a row agree, and then only as far as all of them
    /// allow. After a pause in the decisions everything is earned anew.
    fn follow(&mut self, wanted: Factors, fresh: bool) {
        if !fresh {
            self.allowed = CLOSED;
            self.freer.0 = 0;
        }
        let no_less =
            wanted.linear >= self.allowed.linear && wanted.angular >= self.allowed.angular;
        if !no_less || wanted == self.allowed {
            self.allowed = wanted.at_most(self.allowed);
            self.freer.0 = 0;
            return;
        }
        self.freer = match self.freer {
            (0, _) => (1, wanted),
            (count, least) => (count + 1, wanted.at_most(least)),
        };
        if self.freer.0 >= self.limits.release_after {
            self.allowed = self.freer.1;
            self.freer.0 = 0;
        }
    }

    fn is_fresh(&self, now: Mono) -> bool {
        self.decided
            .is_some_and(|(_, arrival)| now.since(arrival) <= self.limits.decision_timeout)
    }

    fn allowed(&self, now: Mono) -> Option<Velocity> {
        let (at, command) = self.command?;
        let fresh = now.since(at) <= self.limits.command_timeout && self.is_fresh(now);
        (fresh && command.is_finite()).then(|| command.scaled(self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> GateLimits {
        let through = |part: f64| Factors {
            linear: part,
            angular: part,
        };
        GateLimits {
            factors: vec![through(1.0), through(0.5), through(0.0)],
            decision_timeout: Duration::from_millis(300),
            command_timeout: Duration::from_millis(500),
            repeat_stop: Duration::from_millis(1000),
            release_after: 1,
        }
    }

    fn ahead(speed: f64) -> Velocity {
        Velocity {
            linear: [speed, 0.0, 0.0],
            angular: [0.0, 0.0, 1.0],
        }
    }

    const T: Mono = Mono(10_000_000_000);

    /// A decision on a trigger that arrived `arrival`; later triggers have later cycles.
    fn on(arrival: Mono, label: u8) -> Verdict {
        Verdict {
            cycle: arrival.0,
            arrival,
            label,
        }
    }

    #[test]
    fn it_is_closed_until_a_decision_opens_it() {
        let mut gate = Gate::new(limits());
        assert_eq!(gate.on_command(T, T, ahead(0.4)), Velocity::ZERO);
        assert_eq!(gate.on_decision(T, on(T, 0)), Some(ahead(0.4)));
        assert_eq!(gate.on_decision(T, on(T, 0)), None, "nothing new to say");
        assert_eq!(gate.on_decision(T, on(T, 2)), Some(Velocity::ZERO));
        assert_eq!(gate.on_command(T, T, ahead(0.4)), Velocity::ZERO);
    }

    #[test]
    fn it_closes_when_decisions_or_commands_stop_coming() {
        let mut gate = Gate::new(limits());
        gate.on_command(T, T, ahead(0.4));
        gate.on_decision(T, on(T, 0));
        assert_eq!(gate.tick(T + Duration::from_millis(300)), None);
        let late = T + Duration::from_millis(301);
        assert_eq!(gate.tick(late), Some(Velocity::ZERO));
        assert_eq!(gate.on_command(late, late, ahead(0.4)), Velocity::ZERO);
        assert_eq!(gate.on_decision(late, on(late, 0)), Some(ahead(0.4)));
        for step in 1..=3 {
            gate.on_decision(
                late + Duration::from_millis(200 * step),
                on(late + Duration::from_millis(200 * step), 0),
            );
        }
        assert_eq!(gate.sent, Velocity::ZERO, "the command is 600 ms old");
    }

    #[test]
    fn nonsense_stops_the_robot() {
        let mut gate = Gate::new(limits());
        gate.on_decision(T, on(T, 0));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(gate.on_command(T, T, ahead(bad)), Velocity::ZERO);
        }
        gate.on_command(T, T, ahead(0.4));
        assert_eq!(
            gate.on_decision(T, on(T, 9)),
            Some(Velocity::ZERO),
            "no such label"
        );
        let mut wrong = limits();
        wrong.factors[0].linear = 1.5;
        let mut gate = Gate::new(wrong);
        gate.on_decision(T, on(T, 0));
        assert_eq!(gate.on_command(T, T, ahead(0.4)).linear[0], 0.0);
    }

    #[test]
    fn it_closes_at_once_and_opens_when_decisions_agree() {
        let mut gate = Gate::new(GateLimits {
            release_after: 3,
            ..limits()
        });
        let mut at = T;
        let mut decide = |gate: &mut Gate, label| {
            at = at + Duration::from_millis(100);
            gate.on_decision(at, on(at, label));
            gate.on_command(at, at, ahead(0.4)).linear[0]
        };
        // Labels 0, 1, 2 let all, half and nothing through.
        assert_eq!([0, 0].map(|label| decide(&mut gate, label)), [0.0, 0.0]);
        assert_eq!(decide(&mut gate, 0), 0.4);
        assert_eq!(decide(&mut gate, 2), 0.0, "a stop is a stop");
        let flicker = [1, 2, 1, 2, 1, 2, 1, 1].map(|label| decide(&mut gate, label));
        assert_eq!(
            flicker, [0.0; 8],
            "a label that flickers never opens the gate"
        );
        assert_eq!(decide(&mut gate, 0), 0.2, "as far as all three allow");
        let through = [0, 0, 0].map(|label| decide(&mut gate, label));
        assert_eq!(through, [0.2, 0.2, 0.4]);
        assert_eq!(decide(&mut gate, 1), 0.2, "less at once");
    }

    #[test]
    fn after_a_pause_everything_is_earned_anew() {
        let mut gate = Gate::new(GateLimits {
            release_after: 2,
            ..limits()
        });
        gate.on_decision(T, on(T, 0));
        gate.on_decision(T, on(T, 0));
        assert_eq!(gate.on_command(T, T, ahead(0.4)).linear[0], 0.4);
        let late = T + Duration::from_millis(400);
        gate.on_decision(late, on(late, 0));
        assert_eq!(gate.on_command(late, late, ahead(0.4)).linear[0], 0.0);
        gate.on_decision(late, on(late, 0));
        assert_eq!(gate.on_command(late, late, ahead(0.4)).linear[0], 0.4);
    }

    #[test]
    fn a_decision_counts_from_its_trigger() {
        let mut gate = Gate::new(limits());
        gate.on_command(T, T, ahead(0.4));
        let trigger = T - Duration::from_millis(250);
        assert_eq!(gate.on_decision(T, on(trigger, 0)), Some(ahead(0.4)));
        let later = T + Duration::from_millis(51);
        assert_eq!(gate.tick(later), Some(Velocity::ZERO));
    }

    #[test]
    fn an_older_cycle_that_comes_last_may_only_close() {
        let mut gate = Gate::new(limits());
        gate.on_command(T, T, ahead(0.4));
        let before = T - Duration::from_millis(100);
        assert_eq!(gate.on_decision(T, on(T, 2)), None, "a stop");
        assert_eq!(gate.on_decision(T, on(before, 0)), None, "the go before it");
        let next = T + Duration::from_millis(10);
        assert_eq!(gate.on_decision(next, on(next, 0)), Some(ahead(0.4)));
        assert_eq!(gate.on_decision(next, on(T, 2)), Some(Velocity::ZERO));
    }

    #[test]
    fn a_stop_is_repeated_for_a_while_and_then_the_topic_is_left_alone() {
        let mut gate = Gate::new(limits());
        gate.on_command(T, T, ahead(0.4));
        gate.on_decision(T, on(T, 0));
        let ticks = (1..200).filter_map(|step| {
            let now = T + Duration::from_millis(20 * step);
            gate.tick(now).map(|out| (20 * step, out))
        });
        let sent: Vec<_> = ticks.collect();
        assert!(sent.iter().all(|(_, out)| *out == Velocity::ZERO));
        let (first, last) = (sent[0].0, sent[sent.len() - 1].0);
        assert_eq!(first, 320, "when the decision is too old");
        assert!((1200..=1320).contains(&last), "{last}");
        assert!((12..=21).contains(&sent.len()), "{}", sent.len());
    }

    proptest! {
        #[test]
        fn it_never_makes_a_command_faster(
            steps in prop::collection::vec((0u8..4, 0u64..700, any::<f64>(), any::<f64>()), 1..60)
        ) {
            let mut gate = Gate::new(limits());
            let mut now = T;
            let mut command = Velocity::ZERO;
            for (what, wait, speed, turn) in steps {
                now = now + Duration::from_millis(wait);
                let out = match what {
                    0 => gate.tick(now),
                    1 | 2 => gate.on_decision(now, on(now, what)),
                    _ => {
                        command = Velocity { linear: [speed, -speed, 0.0], angular: [0.0, 0.0, turn] };
                        Some(gate.on_command(now, now, command))
                    }
                };
                let Some(out) = out else { continue };
                for (out, asked) in out.linear.iter().chain(&out.angular)
                    .zip(command.linear.iter().chain(&command.angular)) {
                    prop_assert!(out.is_finite());
                    let same_way = out.is_sign_positive() == asked.is_sign_positive();
                    prop_assert!(*out == 0.0 || (out.abs() <= asked.abs() && same_way));
                }
            }
        }
    }
}
