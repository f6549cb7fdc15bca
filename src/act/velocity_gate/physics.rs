//! The cap by physics: the largest part of a command with which the base still stops in time before
//! everything that scans show.
//!
//! The outline is swept along the commanded motion. What of the command passes keeps the margin to
//! everything, by the law of [`Braking`]. Where something is within the margin already, nothing
//! passes that leads towards it, and all that leads away or along (up to [`ALONG`] of the speed
//! towards it, slower the nearer it is), so that nobody is wedged.
//!
//! What the base passes by, it may pass nearer than the margin, and slower the nearer it is: see
//! [`Physics::margin_at`].

use super::braking::Braking;
use super::motion::{BasePoint, PlanarMotion};
use super::outline::Outline;

/// Within the margin, a motion is along a thing and not towards it where no more than this part of
/// it leads there: an angle of 17°.
const ALONG: f64 = 0.3;
/// And then what is left of the margin lasts for at least this time, s: it shrinks ever slower.
const LASTS_S: f64 = 0.3;
/// Of what is left of the margin, this part is kept in any case.
const KEPT: f64 = 0.8;
/// Nearer than this (m) only what leads away passes.
const LEAST_M: f64 = 0.02;
/// A base that physics stopped goes on when its way to the margin of what is ahead is at least so
/// long again, m. Ranges of a lidar vary by one or two centimetres; without this it would creep and
/// halt by turns.
const RELEASE_M: f64 = 0.03;
/// Slower than this (m/s) is standing.
const STANDING: f64 = 0.01;
/// What the model expects slows a base to this and no further, m/s: at a creep, scans alone see in
/// time, and a model that is wrong wedges nobody.
const CREEP: f64 = 0.1;
/// Past what is nearer than the margin a base goes at one of so many speeds.
const PASSING_SPEEDS: u32 = 3;
/// So much wider (m) is the gap through which a base goes on that physics stopped: of a lidar's
/// noise, twice its usual size.
const PASSING_RELEASE_M: f64 = 0.01;
/// Nearer to a margin than this a thing lies within it, m: whether it begins there or ends there is
/// decided by rounding, and a contact that rounding puts into the past would count as never.
const TOUCHES_M: f64 = 1e-6;
/// Slower than this (m/s) a base that is told to stand does so within a centimetre or two.
const ROLLS_OUT: f64 = 0.05;
/// How often a slower and so tighter arc is checked again before the whole motion is slowed.
const ROUNDS: usize = 4;
/// A part so close to 1 is the whole.
const WHOLE: f64 = 0.999;

/// What physics needs to know of a base.
#[derive(Clone, Debug, PartialEq)]
pub struct Physics {
    /// Where it is.
    pub outline: Outline,
    /// How it stops.
    pub braking: Braking,
    /// What is kept free around it, m.
    pub margin_m: f64,
    /// What is kept free at a creep beside what it only passes, m; at most `margin_m`.
    pub creep_margin_m: f64,
    /// Whether the turn passes only together with the speed: for bases that cannot turn on the
    /// spot.
    pub keeps_arc: bool,
}

/// What passes, and what holds the rest back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cap {
    /// Of the speed, 0 to 1.
    pub linear: f64,
    /// Of the turn, 0 to 1.
    pub turn: f64,
    /// What holds the rest back.
    pub holds: Option<LimitedBy>,
}

/// What holds a command back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LimitedBy {
    /// Something that a scan shows, at this point of the base frame and this far from the outline,
    /// m.
    Seen {
        /// Where.
        point: BasePoint,
        /// From the outline, m.
        distance_m: f64,
    },
    /// What the model expects ahead, this far from the base frame's origin, m.
    Expected {
        /// From the base frame's origin, m.
        free_way_m: f64,
    },
}

impl Cap {
    /// Nothing is held back.
    pub const OPEN: Cap = Cap {
        linear: 1.0,
        turn: 1.0,
        holds: None,
    };
}

/// How much of one motion passes.
#[derive(Clone, Copy)]
struct PassedPart {
    part: f64,
    holds: Option<LimitedBy>,
}

impl PassedPart {
    /// Nothing is held back.
    const WHOLE: PassedPart = PassedPart {
        part: 1.0,
        holds: None,
    };

    fn at_most(&mut self, part: f64, holds: impl FnOnce() -> LimitedBy) {
        if part < self.part {
            (self.part, self.holds) = (part, Some(holds()));
        }
    }
}

/// What is around the base.
#[derive(Clone, Copy)]
pub(super) struct Environment<'a> {
    /// Points of the base frame, m.
    pub points: &'a [BasePoint],
    /// How far the model expects the way ahead to be free, from the base frame's origin, m.
    pub free_way_m: Option<f64>,
    /// Whether physics stopped the base.
    pub stopped: bool,
    /// How fast it is all the same, m/s.
    pub speed: f64,
}

impl Physics {
    /// What is kept free beside what the base passes at this speed (m/s), m. At a creep it is
    /// what laser and outline are wrong by. Above that a place is wrong by what the base goes in
    /// the time that nobody knows exactly, and that is at most the latency: the age of the scan,
    /// and when the base answers.
    fn margin_at(&self, speed: f64) -> f64 {
        let by_time = (speed - CREEP).max(0.0) * self.braking.latency_s;
        (self.creep_margin_m + by_time).min(self.margin_m)
    }

    /// Farther from the origin than this nothing matters for a motion, m.
    pub(super) fn reach(&self, motion: PlanarMotion) -> f64 {
        let margin = self.margin_m + RELEASE_M;
        self.outline.reach() + margin + motion.speed() * self.braking.horizon_s(motion)
    }

    /// What of this motion passes.
    pub(super) fn cap(&self, motion: PlanarMotion, around: Environment<'_>) -> Cap {
        let distances = around
            .points
            .iter()
            .map(|point| self.outline.distance(*point));
        let gap = distances.fold(f64::INFINITY, f64::min);
        match self.may_turn_by_itself(motion) {
            true => self.turning_freely(motion, around, gap),
            false => self.along_arc(motion, around, gap),
        }
    }

    /// Whether a base that brakes and goes on turning stays near the arc that was looked at: the
    /// turn bends its braking way aside by speed x turn x time² / 6 (the integral of a speed that
    /// falls evenly to 0). Where that is a quarter of the margin or more, speed and turn are slowed
    /// together.
    fn may_turn_by_itself(&self, motion: PlanarMotion) -> bool {
        let brakes_s = motion.speed() / self.braking.deceleration;
        let aside = motion.speed() * motion.turn.abs() * brakes_s * brakes_s / 6.0;
        !self.keeps_arc && self.outline.is_round() && aside < self.margin_m / 4.0
    }

    /// Speed and turn are slowed together, so that the base keeps to the arc that was looked at.
    /// One that stands may turn on the spot, but not before: turning bends the way on which it
    /// brakes.
    fn along_arc(&self, motion: PlanarMotion, around: Environment<'_>, gap: f64) -> Cap {
        let PassedPart { part, holds } = self.part(motion, around, gap);
        let linear = self.or_standing(part, motion);
        let stands = linear == 0.0 && around.speed < ROLLS_OUT;
        let turn = match stands && !self.keeps_arc {
            true => self.part(motion.scaled(0.0, 1.0), around, gap).part,
            false => linear,
        };
        Cap {
            linear,
            turn,
            holds,
        }
    }

    /// A round base: the turn passes, and the speed as far as the tighter arc that comes of it is
    /// free.
    fn turning_freely(&self, motion: PlanarMotion, around: Environment<'_>, gap: f64) -> Cap {
        let mut linear = 1.0;
        let mut holds = None;
        for round in 1..=ROUNDS {
            let next = self.part(motion.scaled(linear, 1.0), around, gap);
            if next.part >= WHOLE {
                break;
            }
            holds = next.holds;
            if round == ROUNDS {
                // Along this arc, which is known to be free so far.
                return Cap {
                    linear: self.or_standing(linear * next.part, motion),
                    turn: next.part,
                    holds,
                };
            }
            linear = self.or_standing(linear * next.part, motion);
            if linear == 0.0 {
                break;
            }
        }
        Cap {
            linear,
            turn: 1.0,
            holds,
        }
    }

    fn or_standing(&self, part: f64, motion: PlanarMotion) -> f64 {
        let stands = part * motion.speed() < STANDING && motion.speed() >= STANDING;
        if stands { 0.0 } else { part }
    }

    /// How much of a motion passes along its arc.
    fn part(&self, motion: PlanarMotion, around: Environment<'_>, gap: f64) -> PassedPart {
        let along = |gap| self.leave_or_pass_along(motion, around.points, gap);
        let mut part = if gap <= self.margin_m {
            along(gap.max(0.0))
        } else if gap <= self.margin_m + RELEASE_M {
            // What may pass along just inside the margin may pass just outside it as well.
            let (kept, along) = (self.keep_margin(motion, around), along(self.margin_m));
            if kept.part > along.part { kept } else { along }
        } else {
            self.keep_margin(motion, around)
        };
        self.pass_by(motion, around, &mut part);
        if let Some(free_way_m) = around.free_way_m
            && motion.forward > 0.0
        {
            let gap = free_way_m - self.outline.front() - self.margin_m;
            let passes = self.braking.part(motion, gap / motion.forward);
            let passes = passes.max((CREEP / motion.speed()).min(1.0));
            part.at_most(passes, || LimitedBy::Expected { free_way_m });
        }
        part
    }

    fn keep_margin(&self, motion: PlanarMotion, around: Environment<'_>) -> PassedPart {
        let mut part = PassedPart::WHOLE;
        for &point in around.points {
            let contact_s = self.outline.contact_s(self.margin_m, motion, point);
            let passes = match around.stopped && contact_s * motion.speed() < RELEASE_M {
                true => 0.0,
                false => self.braking.part(motion, contact_s),
            };
            part.at_most(passes, || self.seen(point));
        }
        part
    }

    /// Lets through what passes by everything, at the margin of its speed. What the way leads to
    /// within the braking way of the whole motion is not passed by, and keeps the full margin.
    fn pass_by(&self, motion: PlanarMotion, around: Environment<'_>, part: &mut PassedPart) {
        // Of the part of the outline that moves fastest.
        let speed = match self.outline.is_round() {
            true => motion.speed(),
            false => motion.speed() + motion.turn.abs() * self.outline.reach(),
        };
        // The speed at which the margin is whole.
        let spare = self.margin_m - self.creep_margin_m;
        let full = match spare > 0.0 && self.braking.latency_s > 0.0 {
            true => CREEP + spare / self.braking.latency_s,
            false => CREEP,
        };
        let noise = if around.stopped {
            PASSING_RELEASE_M
        } else {
            0.0
        };
        for step in (0..PASSING_SPEEDS).rev() {
            let slow = CREEP + (full - CREEP) * f64::from(step) / f64::from(PASSING_SPEEDS);
            let passes = (slow / speed).min(1.0);
            if passes <= part.part {
                // Slower ones give no more.
                return;
            }
            let margin = self.margin_at(slow) + noise;
            if margin < self.margin_m && self.passes_by(motion, margin, around.points) {
                // What held the rest back still does, or nothing is held back.
                part.part = passes;
                if passes >= 1.0 {
                    part.holds = None;
                }
                return;
            }
        }
    }

    fn passes_by(&self, motion: PlanarMotion, margin: f64, points: &[BasePoint]) -> bool {
        let horizon_s = self.braking.horizon_s(motion);
        points.iter().all(
            |&point| match self.outline.distance(point) > margin + TOUCHES_M {
                true => self.outline.contact_s(margin, motion, point) >= horizon_s,
                false => self.outline.approach(motion, point) <= 0.0,
            },
        )
    }

    /// With something nearer than the margin, at `gap` (m, 0 where it is inside the outline).
    fn leave_or_pass_along(
        &self,
        motion: PlanarMotion,
        points: &[BasePoint],
        gap: f64,
    ) -> PassedPart {
        let mut part = PassedPart::WHOLE;
        let horizon_s = self.braking.horizon_s(motion);
        let way = (motion.speed() + motion.turn.abs() * self.outline.reach()) * horizon_s;
        // What is kept at least, of what there is.
        let least = LEAST_M.min(self.margin_m / 2.0);
        let margin = (gap - ALONG * way).max(KEPT * gap).max(least);
        for &point in points {
            if self.outline.distance(point) <= margin {
                if self.outline.approach(motion, point) > 0.0 {
                    part.at_most(0.0, || self.seen(point));
                }
            } else if self.outline.contact_s(margin, motion, point) < horizon_s {
                part.at_most(0.0, || self.seen(point));
            } else if self.outline.approach(motion, point) > 0.0 {
                let distance = self.outline.distance(point);
                let fastest = distance / LASTS_S / ALONG;
                let [x, y] = motion.of_point(point);
                part.at_most((fastest / x.hypot(y)).min(1.0), || self.seen(point));
            }
        }
        part
    }

    fn seen(&self, point: BasePoint) -> LimitedBy {
        LimitedBy::Seen {
            point,
            distance_m: self.outline.distance(point),
        }
    }
}

#[cfg(test)]
mod tests;
