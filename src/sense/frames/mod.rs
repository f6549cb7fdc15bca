//! Where sensors sit on the robot: what tf says of it, what the parameters say, and what holds when
//! both speak or neither does.

mod message;
mod mount;
mod mounting;
mod transform;
mod tree;

#[cfg(test)]
mod tests;

pub use message::{MAX_TRANSFORMS, TRANSFORMS_TYPE, TransformStamped, Transforms};
pub use mount::{Mount, Tilt};
pub use mounting::{Change, Mounting, MountingFault, MountingRemark, SaidMounting};
pub use transform::Transform;
pub use tree::{Links, LookupFault, MAX_FRAMES, Tree};
