//! The velocity gate: commands pass as far as the newest decision lets them.

mod ages;
mod command;
mod findings;
mod limits;
mod velocity;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use super::earned::Earned;
use super::verdict::{Basis, Verdict};
use crate::sense::MessageType;
use crate::time::{Stamp, When};
use ages::Ages;
pub use command::Command;
use findings::Pace;
pub use findings::{Findings, Found};
pub use limits::GateLimits;
pub use velocity::{Factors, Velocity};
pub use watch::{Setting, State, Watch};

/// Type of the commands in and out.
pub fn topic_type(stamped: bool) -> MessageType {
    match stamped {
        true => MessageType::TwistStamped,
        false => MessageType::Twist,
    }
}

/// What the robot is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// How to move.
    pub velocity: Velocity,
    /// That of the command which passes, or of its arrival where it had none, and never later than
    /// now; a stop is of now.
    pub stamp: Stamp,
}

impl Order {
    /// Stand still.
    pub fn stop(now: Stamp) -> Order {
        Order {
            velocity: Velocity::ZERO,
            stamp: now,
        }
    }
}

/// Holds the newest command and decision. No fresh decision: stop. No fresh command: stop. A command
/// that is not finite, or whose stamp is of another clock: stop. It never makes a command faster.
///
/// What was once too old stays so, whatever timeouts and clocks do afterwards.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    ages: Ages,
    command: Option<Command>,
    /// The newest decision.
    decided: Option<Verdict>,
    /// Whether it still counts.
    counts: bool,
    /// What is let through now.
    earned: Earned<Factors>,
    sent: Velocity,
    /// When the robot was last told to move, and when the stop after it was last repeated.
    moved: Option<When>,
    repeated: When,
    findings: Arc<Findings>,
    pace: Pace,
}

/// Between two repetitions of a stop.
const REPEAT: Duration = Duration::from_millis(50);

impl Gate {
    /// A closed gate. Factors outside 0..=1 or not finite count as 0.
    pub fn new(limits: GateLimits) -> Gate {
        Gate::with_findings(limits, Arc::default())
    }

    fn with_findings(limits: GateLimits, findings: Arc<Findings>) -> Gate {
        Gate {
            ages: Ages::new(limits.sim_time),
            limits: limits.sound(),
            command: None,
            decided: None,
            counts: false,
            earned: Earned::new(Factors::CLOSED),
            sent: Velocity::ZERO,
            moved: None,
            repeated: When::default(),
            findings,
            pace: Pace::default(),
        }
    }

    /// What keeps commands from passing, for the cold side.
    pub fn findings(&self) -> Arc<Findings> {
        Arc::clone(&self.findings)
    }

    /// From here on `limits` hold; those that held come back. What they allow less of is closed with
    /// the next word, what they allow more of is earned by decisions as ever.
    pub fn set_limits(&mut self, limits: GateLimits) -> GateLimits {
        let before = std::mem::replace(&mut self.limits, limits.sound());
        if let Some(verdict) = self.decided {
            self.earned.tighten(self.wanted(verdict));
        }
        if before.decision_timeout != self.limits.decision_timeout {
            self.pace = Pace::default();
        }
        before
    }

    /// Forgets commands and decisions: as closed as a new one.
    pub fn reset(&mut self) {
        let limits = std::mem::take(&mut self.limits);
        let simulated = self.ages.simulated();
        *self = Gate::with_findings(limits, Arc::clone(&self.findings));
        self.ages = Ages::new(simulated);
    }

    /// A command came; what goes out in its place.
    pub fn on_command(&mut self, now: When, command: Command) -> Order {
        self.look(now);
        let timeout = self.limits.command_timeout;
        if command.behind() > timeout {
            self.findings.old_command(command.behind());
        } else if command.ahead() > timeout {
            self.findings.command_ahead(command.ahead());
        }
        self.command = Some(command);
        self.send(now)
    }

    /// A decision left; what goes out at once, if it changes what the robot was last told.
    /// Decisions come from two threads: one that answers an earlier trigger than the newest may
    /// close the gate further, but not open it and not keep it open.
    pub fn on_decision(&mut self, now: When, verdict: Verdict) -> Option<Order> {
        self.look(now);
        let wanted = self.wanted(verdict);
        match self.decided {
            Some(newest) if verdict.is_before(&newest) => self.earned.tighten(wanted),
            newest => {
                if let Some(newest) = newest {
                    let gap = self.ages.since(newest.arrival, verdict.arrival);
                    let come = self.pace.next(gap, self.limits.decision_timeout);
                    self.findings.triggers(come);
                }
                // After a pause in the decisions everything is earned anew.
                self.expire(now);
                self.decided = Some(verdict);
                self.counts = true;
                match verdict.basis {
                    Basis::Held => self.earned.keep(wanted),
                    Basis::Seen | Basis::Blind => {
                        self.earned.follow(wanted, self.limits.release_after);
                    }
                }
            }
        }
        self.resend(now)
    }

    fn wanted(&self, verdict: Verdict) -> Factors {
        let factors = self.limits.factors.get(usize::from(verdict.label));
        match (verdict.basis, factors) {
            (Basis::Blind, _) => self.limits.blind,
            (Basis::Seen | Basis::Held, Some(factors)) => *factors,
            (Basis::Seen | Basis::Held, None) => Factors::CLOSED,
        }
    }

    /// Time passed; what goes out if something grew too old, or if a stop is to be repeated.
    pub fn tick(&mut self, now: When) -> Option<Order> {
        self.look(now);
        self.resend(now).or_else(|| self.repeat_stop(now))
    }

    /// Where ROS time went back nobody knows how old anything is.
    fn look(&mut self, now: When) {
        if self.ages.look(now) {
            self.command = None;
            self.close();
            self.moved = self.moved.map(|_| now);
            self.repeated = now;
        }
    }

    fn close(&mut self) {
        self.counts = false;
        self.earned = Earned::new(Factors::CLOSED);
    }

    /// Lets go of what is too old.
    fn expire(&mut self, now: When) {
        let GateLimits {
            decision_timeout,
            command_timeout,
            ..
        } = self.limits;
        let ages = &self.ages;
        let counts =
            |newest: Verdict| ages.within(decision_timeout, newest.arrival, Duration::ZERO, now);
        if !self.counts || !self.decided.is_some_and(counts) {
            self.close();
        }
        let ages = &self.ages;
        let old = |command: &mut Command| !command.is_current(command_timeout, ages, now);
        self.command.take_if(old);
    }

    fn repeat_stop(&mut self, now: When) -> Option<Order> {
        let stopped = self.sent == Velocity::ZERO;
        let span = self.limits.repeat_stop;
        let lately = |moved| self.ages.within(span, moved, Duration::ZERO, now);
        let due = self.ages.has_passed(REPEAT, self.repeated, now);
        (stopped && due && self.moved.is_some_and(lately)).then(|| {
            self.repeated = now;
            Order::stop(now.ros)
        })
    }

    fn resend(&mut self, now: When) -> Option<Order> {
        let before = self.sent;
        let after = self.send(now);
        (after.velocity != before).then_some(after)
    }

    fn send(&mut self, now: When) -> Order {
        self.expire(now);
        let order = self.order(now);
        let before = std::mem::replace(&mut self.sent, order.velocity);
        if before != Velocity::ZERO || order.velocity != Velocity::ZERO {
            self.moved = Some(now);
            self.repeated = now;
        }
        order
    }

    fn order(&self, now: When) -> Order {
        let finite = self.command.filter(|c| c.velocity().is_finite());
        let through = finite.map(|command| Order {
            velocity: command.velocity().scaled(self.earned.allowed()),
            stamp: command.stamp_at(now),
        });
        // A stop is of now: one that looks old might not be obeyed.
        let moving = through.filter(|order| order.velocity != Velocity::ZERO);
        moving.unwrap_or(Order::stop(now.ros))
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
