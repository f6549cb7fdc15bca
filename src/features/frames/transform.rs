//! A rigid transform: the pose of a child frame in its parent.

use crate::messages::{Quaternion, Vector3};

/// Of a unit quaternion the length may be off by this much: drivers round.
const UNIT: f64 = 0.02;

/// Takes a point of the child's frame into the parent's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Position of the child's origin, m.
    pub translation: [f64; 3],
    /// x, y, z, w; of length 1.
    rotation: [f64; 4],
}

impl Transform {
    /// Both frames are one.
    pub const IDENTITY: Transform = Transform {
        translation: [0.0; 3],
        rotation: [0.0, 0.0, 0.0, 1.0],
    };

    /// None where a number is not finite or the rotation is none (tf refuses these too).
    pub fn new(translation: Vector3, rotation: Quaternion) -> Option<Transform> {
        let translation = [translation.x, translation.y, translation.z];
        let rotation = [rotation.x, rotation.y, rotation.z, rotation.w];
        let length = rotation
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        let sound =
            translation.iter().all(|value| value.is_finite()) && (length - 1.0).abs() <= UNIT;
        sound.then(|| Transform {
            translation,
            rotation: rotation.map(|value| value / length),
        })
    }

    /// Turns a vector of the child's frame into the parent's.
    pub fn rotate(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let [a, b, c, w] = self.rotation;
        // v + 2 q × (q × v + w v)
        let inner = [
            b * z - c * y + w * x,
            c * x - a * z + w * y,
            a * y - b * x + w * z,
        ];
        [
            x + 2.0 * (b * inner[2] - c * inner[1]),
            y + 2.0 * (c * inner[0] - a * inner[2]),
            z + 2.0 * (a * inner[1] - b * inner[0]),
        ]
    }

    /// First `inner`, then this one: from the frame of a grandchild.
    pub fn after(&self, inner: &Transform) -> Transform {
        let moved = self.rotate(inner.translation);
        let [a, b, c, w] = self.rotation;
        let [x, y, z, v] = inner.rotation;
        Transform {
            translation: std::array::from_fn(|axis| self.translation[axis] + moved[axis]),
            rotation: [
                w * x + a * v + b * z - c * y,
                w * y - a * z + b * v + c * x,
                w * z + a * y - b * x + c * v,
                w * v - a * x - b * y - c * z,
            ],
        }
    }

    /// From the parent's frame into the child's.
    pub fn inverse(&self) -> Transform {
        let [a, b, c, w] = self.rotation;
        let turned = Transform {
            translation: [0.0; 3],
            rotation: [-a, -b, -c, w],
        };
        let back = turned.rotate(self.translation);
        Transform {
            translation: back.map(|value| -value),
            ..turned
        }
    }
}
