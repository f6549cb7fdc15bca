//! Planar velocities and the scaling of commands.

use serde::{Deserialize, Serialize};

use super::motion::PlanarMotion;
use crate::act::asymmetric_debounce::Allowance;
use crate::messages::{Twist, Vector3};

/// `geometry_msgs/msg/Twist`: linear m/s, angular rad/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Velocity {
    /// x ahead, y to the left (holonomic bases), z up.
    pub linear: Vector3,
    /// About x (roll), y (pitch) and z (turning on the spot).
    pub angular: Vector3,
}

/// Which part of a command passes, each within 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of linear x, y and z alike: a robot that may not drive may not slide either.
    pub linear: f64,
    /// Of angular z, and of x and y, which only bases that can tilt obey.
    pub angular: f64,
}

impl Velocity {
    /// Standing still.
    pub const ZERO: Velocity = Velocity {
        linear: Vector3 {
            x: 0.0,
            y: 0.0,
            z: 0.0,
        },
        angular: Vector3 {
            x: 0.0,
            y: 0.0,
            z: 0.0,
        },
    };

    /// linear x, y, z, angular x, y, z.
    pub fn components(&self) -> [f64; 6] {
        let Velocity { linear, angular } = self;
        [
            linear.x, linear.y, linear.z, angular.x, angular.y, angular.z,
        ]
    }

    pub(super) fn is_finite(&self) -> bool {
        self.components().iter().all(|part| part.is_finite())
    }

    /// Along the ground.
    pub fn planar(&self) -> PlanarMotion {
        PlanarMotion {
            forward: self.linear.x,
            left: self.linear.y,
            turn: self.angular.z,
        }
    }

    pub(super) fn scaled(&self, factors: Factors) -> Velocity {
        let Velocity { linear, angular } = self;
        Velocity {
            linear: Vector3 {
                x: linear.x * factors.linear,
                y: linear.y * factors.linear,
                z: linear.z * factors.linear,
            },
            angular: Vector3 {
                x: angular.x * factors.angular,
                y: angular.y * factors.angular,
                z: angular.z * factors.angular,
            },
        }
    }
}

impl From<Twist> for Velocity {
    fn from(twist: Twist) -> Velocity {
        Velocity {
            linear: twist.linear,
            angular: twist.angular,
        }
    }
}

impl Factors {
    /// Nothing passes.
    pub const CLOSED: Factors = Factors {
        linear: 0.0,
        angular: 0.0,
    };

    /// Outside 0..=1 or no number: nothing of it.
    pub(super) fn sound(self) -> Factors {
        let sound = |factor: f64| match (0.0..=1.0).contains(&factor) {
            true => factor,
            false => 0.0,
        };
        Factors {
            linear: sound(self.linear),
            angular: sound(self.angular),
        }
    }
}

impl Allowance for Factors {
    fn at_most(self, other: Factors) -> Factors {
        Factors {
            linear: self.linear.min(other.linear),
            angular: self.angular.min(other.angular),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_is_scaled_by_its_own_factor() {
        let factors = Factors {
            linear: 0.5,
            angular: 0.25,
        };
        // Name, its place among the components, the part that passes.
        for (name, place, part) in [
            ("linear.x", 0, 0.5),
            ("linear.y", 1, 0.5),
            ("linear.z", 2, 0.5),
            ("angular.x", 3, 0.25),
            ("angular.y", 4, 0.25),
            ("angular.z", 5, 0.25),
        ] {
            let mut alone = Velocity::ZERO;
            let component = match name {
                "linear.x" => &mut alone.linear.x,
                "linear.y" => &mut alone.linear.y,
                "linear.z" => &mut alone.linear.z,
                "angular.x" => &mut alone.angular.x,
                "angular.y" => &mut alone.angular.y,
                _ => &mut alone.angular.z,
            };
            *component = -2.0;
            let mut expected = [0.0; 6];
            expected[place] = -2.0 * part;
            assert_eq!(alone.scaled(factors).components(), expected, "{name}");
        }
    }

    #[test]
    fn a_component_that_is_no_number_is_seen_wherever_it_is() {
        for place in 0..6 {
            let mut parts = [1.0; 6];
            parts[place] = f64::NAN;
            let [x, y, z, roll, pitch, yaw] = parts;
            let velocity = Velocity {
                linear: Vector3 { x, y, z },
                angular: Vector3 {
                    x: roll,
                    y: pitch,
                    z: yaw,
                },
            };
            assert!(!velocity.is_finite(), "component {place}");
        }
    }
}
