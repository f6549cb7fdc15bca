//! ROS messages as plain structs, and their CDR bytes.

pub(crate) mod cdr;
pub(crate) mod decode_in_place;
pub(crate) mod types;

pub use cdr::{DecodeError, EncodeError};
pub use types::{
    Float32MultiArray, Header, Imu, JointState, LaserScan, Message, MessageType,
    MultiArrayDimension, MultiArrayLayout, Odometry, Point, Pose, PoseWithCovariance, Quaternion,
    RosString, Twist, TwistStamped, TwistWithCovariance, Vector3,
};
