//! The velocity gate: scales or stops velocity commands by the newest decision and by physics.
//!
//! A decision says whether anything is known of what is around the robot, and what its label lets
//! through. Where the outline of the base is known, physics then caps what is left by what the
//! scans show ([`Physics`]); it never lets through more.

mod ages;
mod braking;
mod command;
mod counters;
mod limits;
mod monitor;
mod motion;
mod outline;
mod physics;
mod state_message;
mod surroundings;
mod velocity;

use std::sync::Arc;
use std::time::Duration;

use super::act_input::{ActInput, Basis};
use super::asymmetric_debounce::AsymmetricDebounce;
use crate::messages::MessageType;
use crate::time::{Stamp, When};
use ages::Ages;
pub use braking::Braking;
pub use command::Command;
use counters::TriggerRate;
pub use counters::{GateCounterValues, GateCounters};
pub use limits::GateLimits;
pub use monitor::{GateMonitor, GateNames, GateStatus};
pub use motion::{BasePoint, PlanarMotion};
pub use outline::Outline;
use physics::Environment;
pub use physics::{Cap, LimitedBy, Physics};
pub use state_message::{GateState, HeldBy, STATE_TYPE};
use surroundings::Surroundings;
pub use velocity::{Factors, Velocity};

/// Type of the commands in and out.
pub fn topic_type(stamped: bool) -> MessageType {
    match stamped {
        true => MessageType::TwistStamped,
        false => MessageType::Twist,
    }
}

/// What the robot is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateOutput {
    /// How to move.
    pub velocity: Velocity,
    /// That of the command which passes, or of its arrival where it had none, and never later than
    /// now; a stop is of now.
    pub stamp: Stamp,
}

impl GateOutput {
    /// Stand still.
    pub fn stop(now: Stamp) -> GateOutput {
        GateOutput {
            velocity: Velocity::ZERO,
            stamp: now,
        }
    }
}

/// Holds the newest command, decision and scans. No fresh decision: stop. No fresh command: stop. A
/// laser that fell silent, where physics needs it: stop. A command that is not finite, or whose
/// stamp is of another clock: stop. It never makes a command faster.
///
/// What was once too old stays so, whatever timeouts and clocks do afterwards.
#[derive(Debug)]
pub struct VelocityGate {
    limits: GateLimits,
    ages: Ages,
    command: Option<Command>,
    /// The newest decision.
    decided: Option<ActInput>,
    /// Whether it still counts.
    counts: bool,
    /// What is let through now.
    debounce: AsymmetricDebounce<Factors>,
    sent: Velocity,
    surroundings: Surroundings,
    /// What physics let through of the command as it was then; none where that is to be found anew.
    capped: Option<(Velocity, Cap)>,
    /// Whether physics stopped the base.
    stopped: bool,
    passing: GateState,
    /// When the robot was last told to move, and when the stop after it was last repeated.
    moved: Option<When>,
    repeated: When,
    findings: Arc<GateCounters>,
    pace: TriggerRate,
}

/// A scan whose stamp lies further back than this has a stamp of another clock.
const MOST_LAG: Duration = Duration::from_secs(1);
/// Between two repetitions of a stop.
const REPEAT: Duration = Duration::from_millis(50);

impl VelocityGate {
    /// A closed gate. Factors outside 0..=1 or not finite count as 0.
    pub fn new(limits: GateLimits) -> VelocityGate {
        VelocityGate::with_findings(limits, Arc::default())
    }

    fn with_findings(limits: GateLimits, findings: Arc<GateCounters>) -> VelocityGate {
        VelocityGate {
            ages: Ages::new(limits.sim_time),
            limits: limits.sound(),
            command: None,
            decided: None,
            counts: false,
            debounce: AsymmetricDebounce::new(Factors::CLOSED),
            sent: Velocity::ZERO,
            surroundings: Surroundings::default(),
            capped: None,
            stopped: false,
            passing: GateState::NONE,
            moved: None,
            repeated: When::default(),
            findings,
            pace: TriggerRate::default(),
        }
    }

    /// What keeps commands from passing, for the control plane.
    pub fn findings(&self) -> Arc<GateCounters> {
        Arc::clone(&self.findings)
    }

    /// From here on `limits` hold; those that held come back. What they allow less of is closed
    /// with the next word, what they allow more of is earned by decisions as ever.
    pub fn set_limits(&mut self, limits: GateLimits) -> GateLimits {
        let before = std::mem::replace(&mut self.limits, limits.sound());
        self.capped = None;
        if let Some(act_input) = self.decided {
            self.debounce.tighten(self.wanted(act_input));
        }
        if before.decision_timeout != self.limits.decision_timeout {
            self.pace = TriggerRate::default();
        }
        before
    }

    /// Forgets commands and decisions: as closed as a new one.
    pub fn reset(&mut self) {
        let limits = std::mem::take(&mut self.limits);
        let simulated = self.ages.simulated();
        *self = VelocityGate::with_findings(limits, Arc::clone(&self.findings));
        self.ages = Ages::new(simulated);
    }

    /// A command came; what goes out in its place.
    pub fn on_command(&mut self, now: When, command: Command) -> GateOutput {
        self.look(now);
        let timeout = self.limits.command_timeout;
        if command.behind() > timeout {
            self.findings.old_command(command.behind());
        } else if command.ahead() > timeout {
            self.findings.command_ahead(command.ahead());
        }
        self.command = Some(command);
        self.capped = None;
        self.send(now)
    }

    /// A scan of laser number `source` arrived at `arrival` and shows what was there at `stamp`:
    /// something at these points of the base frame (m); what goes out at once, if it changes what
    /// the robot was last told.
    pub fn on_scan(
        &mut self,
        now: When,
        (arrival, stamp): (When, Stamp),
        source: usize,
        points: impl Iterator<Item = BasePoint>,
    ) -> Option<GateOutput> {
        self.limits.physics.as_ref()?;
        self.look(now);
        let seconds = seconds(&self.ages);
        // A stamp of 0 or of another clock says nothing.
        let lag = arrival.ros.since(stamp);
        let lag_s = if lag <= MOST_LAG {
            lag.as_secs_f64()
        } else {
            0.0
        };
        let came = (arrival, lag_s);
        self.surroundings.scan(came, source, points, seconds);
        self.capped = None;
        self.resend(now)
    }

    /// The base moves like this, says a message that arrived at `arrival`.
    pub fn on_odometry(&mut self, arrival: When, motion: PlanarMotion) {
        if self.limits.physics.is_some() {
            let seconds = seconds(&self.ages);
            self.surroundings.moves(arrival, motion, seconds);
        }
    }

    /// Nothing passes any more, says a stop of `now`.
    pub fn halt(&mut self, now: Stamp) -> GateOutput {
        self.passing = GateState::NONE;
        GateOutput::stop(now)
    }

    /// What passes, and what holds the rest back.
    pub fn passing(&self) -> GateState {
        self.passing
    }

    /// A decision left; what goes out at once, if it changes what the robot was last told.
    /// Decisions come from two threads: one that answers an earlier trigger than the newest may
    /// close the gate further, but not open it and not keep it open.
    pub fn on_decision(&mut self, now: When, act_input: ActInput) -> Option<GateOutput> {
        self.look(now);
        let wanted = self.wanted(act_input);
        match self.decided {
            Some(newest) if act_input.is_before(&newest) => self.debounce.tighten(wanted),
            newest => {
                if let Some(newest) = newest {
                    let gap = self.ages.since(newest.arrival, act_input.arrival);
                    let come = self.pace.next(gap, self.limits.decision_timeout);
                    self.findings.triggers(come);
                }
                // After a pause in the decisions everything is earned anew.
                self.expire(now);
                self.decided = Some(act_input);
                self.counts = true;
                if act_input.free_way_m.is_some() {
                    self.capped = None;
                }
                match act_input.basis {
                    Basis::Held => self.debounce.keep(wanted),
                    Basis::Seen | Basis::Blind => {
                        self.debounce.follow(wanted, self.limits.release_after);
                    }
                }
            }
        }
        self.resend(now)
    }

    fn wanted(&self, act_input: ActInput) -> Factors {
        let factors = self.limits.factors.get(usize::from(act_input.label));
        match (act_input.basis, factors) {
            (Basis::Blind, _) => self.limits.blind,
            (Basis::Seen | Basis::Held, Some(factors)) => *factors,
            (Basis::Seen | Basis::Held, None) => Factors::CLOSED,
        }
    }

    /// Time passed; what goes out if something grew too old, or if a stop is to be repeated.
    pub fn tick(&mut self, now: When) -> Option<GateOutput> {
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
        self.debounce = AsymmetricDebounce::new(Factors::CLOSED);
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
            |newest: ActInput| ages.within(decision_timeout, newest.arrival, Duration::ZERO, now);
        if !self.counts || !self.decided.is_some_and(counts) {
            self.close();
        }
        let ages = &self.ages;
        let old = |command: &mut Command| !command.is_current(command_timeout, ages, now);
        self.command.take_if(old);
    }

    fn repeat_stop(&mut self, now: When) -> Option<GateOutput> {
        let stopped = self.sent == Velocity::ZERO;
        let span = self.limits.repeat_stop;
        let lately = |moved| self.ages.within(span, moved, Duration::ZERO, now);
        let due = self.ages.has_passed(REPEAT, self.repeated, now);
        (stopped && due && self.moved.is_some_and(lately)).then(|| {
            self.repeated = now;
            GateOutput::stop(now.ros)
        })
    }

    fn resend(&mut self, now: When) -> Option<GateOutput> {
        let before = self.sent;
        let after = self.send(now);
        (after.velocity != before).then_some(after)
    }

    fn send(&mut self, now: When) -> GateOutput {
        self.expire(now);
        let order = self.order(now);
        if self.limits.physics.is_some() {
            let told = order.velocity.planar();
            self.surroundings.told(now, told, seconds(&self.ages));
        }
        let before = std::mem::replace(&mut self.sent, order.velocity);
        if before != Velocity::ZERO || order.velocity != Velocity::ZERO {
            self.moved = Some(now);
            self.repeated = now;
        }
        order
    }

    fn order(&mut self, now: When) -> GateOutput {
        let finite = self.command.filter(|c| c.velocity().is_finite());
        let Some(command) = finite else {
            self.passing = GateState::NONE;
            return GateOutput::stop(now.ros);
        };
        let asked = command.velocity();
        let (passed, held_by) = self.through(now, asked);
        self.passing = GateState {
            asked,
            passed,
            held_by,
        };
        match passed == Velocity::ZERO {
            // A stop is of now: one that looks old might not be obeyed.
            true => GateOutput::stop(now.ros),
            false => GateOutput {
                velocity: passed,
                stamp: command.stamp_at(now),
            },
        }
    }

    /// What of a velocity passes, and what holds the rest back.
    fn through(&mut self, now: When, asked: Velocity) -> (Velocity, HeldBy) {
        let allowed = self.debounce.allowed();
        let by_label = asked.scaled(allowed);
        let blind = |decided: ActInput| decided.basis == Basis::Blind;
        if !self.counts || self.decided.is_none_or(blind) {
            return (
                self.capped(now, by_label).unwrap_or(Velocity::ZERO),
                HeldBy::Blind,
            );
        }
        let Some(passed) = self.capped(now, by_label) else {
            return (Velocity::ZERO, HeldBy::Blind);
        };
        let by_physics = self.capped.and_then(|(_, cap)| HeldBy::of(cap));
        let held_by = match by_physics {
            Some(held_by) if passed != by_label => held_by,
            _ if by_label != asked => HeldBy::Label,
            _ => HeldBy::Nothing,
        };
        (passed, held_by)
    }

    /// What physics lets through of a velocity: all where the outline is not known; none where a
    /// laser was never heard or fell silent.
    fn capped(&mut self, now: When, velocity: Velocity) -> Option<Velocity> {
        let Some(physics) = &self.limits.physics else {
            return Some(velocity);
        };
        let timeout = self.limits.decision_timeout;
        let is_heard = |arrival| self.ages.within(timeout, arrival, Duration::ZERO, now);
        if !self.surroundings.are_known(is_heard) {
            return None;
        }
        let cap = match self.capped {
            Some((of, cap)) if of == velocity => cap,
            _ => {
                let motion = velocity.planar();
                let reach_m = physics.reach(motion);
                let speed = self.surroundings.speed();
                let free_way_m = self.free_way_m(now, speed);
                let around = Environment {
                    points: self.surroundings.near(now, reach_m, seconds(&self.ages)),
                    free_way_m,
                    stopped: self.stopped,
                    speed,
                };
                let cap = physics.cap(motion, around);
                let wants = motion.forward != 0.0 || motion.left != 0.0;
                self.stopped = wants && cap.linear == 0.0;
                cap
            }
        };
        self.capped = Some((velocity, cap));
        Some(velocity.scaled(Factors {
            linear: cap.linear,
            angular: cap.turn,
        }))
    }
}

impl VelocityGate {
    /// How far the model expects the way ahead to be free, from where the base is now, m. It was
    /// told of the least distance to come while the base goes on at this speed (m/s): what it will
    /// have gone by then is free too.
    fn free_way_m(&self, now: When, speed: f64) -> Option<f64> {
        let decided = self.decided?;
        let left_s = self.limits.horizon_s? - self.ages.since(decided.arrival, now).as_secs_f64();
        Some(decided.free_way_m? + speed * left_s.max(0.0))
    }
}

/// From one moment to a later one, s.
fn seconds(ages: &Ages) -> impl Fn(When, When) -> f64 + '_ {
    |then, now| ages.since(then, now).as_secs_f64()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
