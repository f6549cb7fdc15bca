//! Where sensors are mounted on the robot: by tf, by parameters, and what holds when both or
//! neither say it.

mod mount;
mod mounting;
mod tf_message;
mod transform;
mod transform_tree;

#[cfg(test)]
mod tests;

pub use mount::{Mount, Tilt};
pub use mounting::{Mounting, MountingChange, MountingFault, MountingNotice, MountingParameters};
pub use tf_message::{MAX_TRANSFORMS, TRANSFORMS_TYPE, TransformStamped, Transforms};
pub use transform::Transform;
pub use transform_tree::{LookupFault, MAX_FRAMES, TransformTopic, TransformTree};
