//! The mounting of a planar laser: position, yaw, and whether it is upside down.

use super::transform::Transform;

/// A laser whose plane is inclined by more than this sees the floor or the ceiling, and ranges
/// along it are not ranges along the ground.
const MOST_TILT: f64 = 10.0 * std::f64::consts::PI / 180.0;

/// The mounting of a laser in the base frame. A beam at `a` in the sensor's frame looks along
/// `yaw + a`, of one that is upside down along `yaw - a`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mount {
    /// Heading of the sensor's x axis, rad, left positive.
    pub yaw: f32,
    /// Whether its z axis points down.
    pub upside_down: bool,
    /// Position of the sensor, m ahead of the base frame's origin.
    pub x: f32,
    /// m to the left of it.
    pub y: f32,
}

/// A laser that does not scan along the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tilt {
    /// Between its plane and the ground, rad.
    pub angle: f32,
}

impl Mount {
    /// From the pose of the sensor in the base frame.
    pub fn of(sensor_in_base: &Transform) -> Result<Mount, Tilt> {
        let up = sensor_in_base.rotate([0.0, 0.0, 1.0]);
        let angle = up[2].abs().min(1.0).acos();
        if angle > MOST_TILT {
            return Err(Tilt {
                angle: angle as f32,
            });
        }
        let ahead = sensor_in_base.rotate([1.0, 0.0, 0.0]);
        let [x, y, _] = sensor_in_base.translation;
        Ok(Mount {
            yaw: ahead[1].atan2(ahead[0]) as f32,
            upside_down: up[2] < 0.0,
            x: x as f32,
            y: y as f32,
        })
    }

    /// What an angle in the sensor's frame is multiplied by before the yaw is added, and the other
    /// way round.
    pub fn sense(&self) -> f64 {
        match self.upside_down {
            true => -1.0,
            false => 1.0,
        }
    }
}

impl std::fmt::Display for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = match self.upside_down {
            true => "upside down",
            false => "upright",
        };
        write!(
            f,
            "yaw {:.3} rad ({:.0}°), {side}, {:.2} m ahead and {:.2} m left of the base",
            // Not -0.
            self.yaw + 0.0,
            self.yaw.to_degrees() + 0.0,
            self.x + 0.0,
            self.y + 0.0
        )
    }
}
