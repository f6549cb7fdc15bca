//! Augmentation: copies of a recording as another robot would have made it. The messages are
//! changed, not the features, so that every input and the truth stay consistent.

use rand_chacha::rand_core::Rng;

use crate::features::WindowSpec;
use crate::learn::task::augmentation_spec::AugmentationSpec;
use crate::messages::{LaserScan, Message};
use crate::model::uniform;

/// The differences of one copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Augmentation {
    /// Ranges and speeds are multiplied by this: a larger, faster robot in a larger room.
    pub scale: f32,
    /// Added to the yaw that the window is given, rad; the truth keeps the right one.
    pub yaw_error: f32,
    /// Standard deviation of noise on every range, m.
    pub noise: f32,
    /// Share of the beams that come back with no return, in blocks.
    pub thinned: f32,
    /// Per input: the copy lacks it.
    pub withheld: Vec<bool>,
}

impl Augmentation {
    /// The recording as it is.
    pub fn none(window: &WindowSpec) -> Augmentation {
        Augmentation {
            scale: 1.0,
            yaw_error: 0.0,
            noise: 0.0,
            thinned: 0.0,
            withheld: vec![false; window.inputs.len()],
        }
    }

    /// A random one.
    pub fn draw(
        spec: &AugmentationSpec,
        window: &WindowSpec,
        random: &mut impl Rng,
    ) -> Augmentation {
        let mut between = |most: f32| most * (2.0 * uniform(random) - 1.0);
        let scale = between(spec.scale.ln()).exp();
        let yaw_error = between(spec.yaw_error_deg).to_radians();
        let thinned = spec.thin * uniform(random);
        let mut drop = || uniform(random) < spec.withhold;
        Augmentation {
            scale,
            yaw_error,
            withheld: window
                .inputs
                .iter()
                .map(|i| drop() && !i.required)
                .collect(),
            noise: spec.range_noise_m,
            thinned,
        }
    }

    /// The same without what only blurs.
    pub(in crate::learn) fn clean(&self) -> Augmentation {
        Augmentation {
            noise: 0.0,
            thinned: 0.0,
            ..self.clone()
        }
    }

    /// Changes a message. Angular speeds stay: the scaled world turns as fast.
    pub fn apply(&self, message: &mut Message, random: &mut impl Rng) {
        let scale = f64::from(self.scale);
        match message {
            Message::LaserScan(scan) => self.apply_to_scan(scan, random),
            Message::Odometry(odometry) => {
                odometry.twist.twist.linear.x *= scale;
                let place = &mut odometry.pose.pose.position;
                (place.x, place.y) = (place.x * scale, place.y * scale);
            }
            Message::Twist(twist) => twist.linear.x *= scale,
            Message::TwistStamped(stamped) => stamped.twist.linear.x *= scale,
            _ => {}
        }
    }

    fn apply_to_scan(&self, scan: &mut LaserScan, random: &mut impl Rng) {
        let mut block = 0;
        let mut gone = false;
        for range in &mut scan.ranges {
            if block == 0 {
                // Dark or shiny surfaces take some beams side by side, and others the next time.
                block = 1 + random.next_u32() % 8;
                gone = uniform(random) < self.thinned;
            }
            block -= 1;
            if gone {
                *range = 0.0;
                continue;
            }
            // Codes for "no return" (0, infinity, NaN) and what is out of range stay what they are.
            if range.is_finite() && *range >= scan.range_min && *range <= scan.range_max {
                let noisy = *range + self.noise * normal(random);
                *range = noisy.clamp(scan.range_min, scan.range_max);
            }
            *range *= self.scale;
        }
        scan.range_min *= self.scale;
        scan.range_max *= self.scale;
    }
}

/// Standard normal enough: the sum of four uniforms.
pub(in crate::learn) fn normal(random: &mut impl Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| uniform(random)).sum();
    (sum - 2.0) * 3f32.sqrt()
}
