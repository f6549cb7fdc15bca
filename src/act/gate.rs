//! The velocity gate: commands pass as far as the newest decision lets them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::earned::{Allowance, Earned};
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

impl Allowance for Factors {
    fn at_most(self, other: Factors) -> Factors {
        Factors {
            linear: self.linear.min(other.linear),
            angular: self.angular.min(other.angular),
        }
    }
}

/// What the gate is told.
#[derive(Clone, Debug, Default, PartialEq)]
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

impl GateLimits {
    fn sound(mut self) -> GateLimits {
        for factors in &mut self.factors {
            for factor in [&mut factors.linear, &mut factors.angular] {
                if !(0.0..=1.0).contains(factor) {
                    *factor = 0.0;
                }
            }
        }
        self
    }
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
    /// The newest decision.
    decided: Option<Verdict>,
    /// What is let through now.
    earned: Earned<Factors>,
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
    pub fn new(limits: GateLimits) -> Gate {
        Gate {
            limits: limits.sound(),
            command: None,
            decided: None,
            earned: Earned::new(CLOSED),
            sent: Velocity::ZERO,
            moved: None,
            repeated: Mono(0),
        }
    }

    /// From here on `limits` hold; those that held come back. What they allow less of is closed with
    /// the next word, what they allow more of is earned by decisions as ever.
    pub fn set_limits(&mut self, limits: GateLimits) -> GateLimits {
        let before = std::mem::replace(&mut self.limits, limits.sound());
        if let Some(verdict) = self.decided {
            self.earned.tighten(self.wanted(verdict));
        }
        before
    }

    /// Forgets commands and decisions: as closed as a new one.
    pub fn reset(&mut self) {
        let limits = std::mem::take(&mut self.limits);
        *self = Gate::new(limits);
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
        let wanted = self.wanted(verdict);
        if self
            .decided
            .is_some_and(|newest| verdict.cycle < newest.cycle)
        {
            self.earned.tighten(wanted);
        } else {
            if !self.is_fresh(now) {
                // After a pause in the decisions everything is earned anew.
                self.earned = Earned::new(CLOSED);
            }
            self.decided = Some(verdict);
            self.earned.follow(wanted, self.limits.release_after);
        }
        self.resend(now)
    }

    fn wanted(&self, verdict: Verdict) -> Factors {
        let factors = self.limits.factors.get(usize::from(verdict.label));
        factors.copied().unwrap_or(CLOSED)
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

    fn is_fresh(&self, now: Mono) -> bool {
        self.decided
            .is_some_and(|newest| now.since(newest.arrival) <= self.limits.decision_timeout)
    }

    fn allowed(&self, now: Mono) -> Option<Velocity> {
        let (at, command) = self.command?;
        let fresh = now.since(at) <= self.limits.command_timeout && self.is_fresh(now);
        (fresh && command.is_finite()).then(|| command.scaled(self.earned.allowed()))
    }
}

#[cfg(test)]
mod tests;
