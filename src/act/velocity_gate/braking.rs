//! Braking law: the largest part of a command from which the base still stops in time.

use super::motion::PlanarMotion;

/// How the base stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Braking {
    /// From a command's leaving to the base's first slowing, s.
    pub latency_s: f64,
    /// m/s²
    pub deceleration: f64,
    /// rad/s²
    pub turn_deceleration: f64,
}

impl Braking {
    /// Seconds from the whole motion to rest, without the latency.
    fn stopping_s(&self, motion: PlanarMotion) -> f64 {
        let drive = motion.speed() / self.deceleration;
        drive.max(motion.turn.abs() / self.turn_deceleration)
    }

    /// A contact later than this, at the whole motion, holds nothing back.
    pub fn horizon_s(&self, motion: PlanarMotion) -> f64 {
        self.latency_s + self.stopping_s(motion) / 2.0
    }

    /// The part of the motion, 0 to 1, with which the base comes to rest just before a contact that
    /// the whole motion would make after `contact_s`. Slower along the same arc by a part p, the
    /// base goes p of the way until it begins to brake and p² of the braking way: p latency + p²
    /// stopping / 2 = contact.
    pub fn part(&self, motion: PlanarMotion, contact_s: f64) -> f64 {
        if contact_s >= self.horizon_s(motion) {
            return 1.0;
        }
        if contact_s <= 0.0 {
            return 0.0;
        }
        let (latency, stopping) = (self.latency_s, self.stopping_s(motion));
        // The root without cancellation; stopping may be 0.
        let root = (latency * latency + 2.0 * stopping * contact_s).sqrt();
        (2.0 * contact_s / (latency + root)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_base_rests_just_before_the_contact(
            latency_s in 0.0..0.5f64, deceleration in 0.1..3.0f64, forward in -2.0..2.0f64,
            turn in -2.0..2.0f64, contact_s in 0.0..5.0f64,
        ) {
            let braking = Braking { latency_s, deceleration, turn_deceleration: 2.0 };
            let motion = PlanarMotion { forward, left: 0.0, turn };
            let part = braking.part(motion, contact_s);
            prop_assert!((0.0..=1.0).contains(&part));
            let way = |part: f64| part * latency_s + part * part * braking.stopping_s(motion) / 2.0;
            prop_assert!(way(part) <= contact_s + 1e-9, "{} of {contact_s}", way(part));
            // And it is the largest: a little more would not do.
            prop_assert!(part == 1.0 || way(part + 1e-3) > contact_s);
        }
    }
}
