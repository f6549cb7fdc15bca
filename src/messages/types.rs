//! The message types the node understands, as plain structs.
//!
//! The fields stand in the order of the ROS definitions: serde's derive reads them from CDR in
//! the order of declaration, so moving a field changes the wire format.

#![allow(missing_docs, reason = "as in the ROS definitions")]

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cdr::wire;
use crate::time::Stamp;

/// The types that can be an input. In YAML they are written as their ROS names,
/// for example `sensor_msgs/msg/LaserScan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum MessageType {
    LaserScan,
    Odometry,
    Twist,
    TwistStamped,
    Imu,
    JointState,
    Float32MultiArray,
    String,
}

impl MessageType {
    /// Every type, for tables and error messages.
    pub const ALL: [MessageType; 8] = [
        MessageType::LaserScan,
        MessageType::Odometry,
        MessageType::Twist,
        MessageType::TwistStamped,
        MessageType::Imu,
        MessageType::JointState,
        MessageType::Float32MultiArray,
        MessageType::String,
    ];

    /// The type with this ROS 2 name (`package/msg/Name`), if it is one of ours.
    pub fn from_ros_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.ros_name() == name)
    }

    /// `package/msg/Name`.
    pub fn ros_name(self) -> &'static str {
        match self {
            MessageType::LaserScan => "sensor_msgs/msg/LaserScan",
            MessageType::Odometry => "nav_msgs/msg/Odometry",
            MessageType::Twist => "geometry_msgs/msg/Twist",
            MessageType::TwistStamped => "geometry_msgs/msg/TwistStamped",
            MessageType::Imu => "sensor_msgs/msg/Imu",
            MessageType::JointState => "sensor_msgs/msg/JointState",
            MessageType::Float32MultiArray => "std_msgs/msg/Float32MultiArray",
            MessageType::String => "std_msgs/msg/String",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ros_name())
    }
}

impl From<MessageType> for &'static str {
    fn from(kind: MessageType) -> Self {
        kind.ros_name()
    }
}

impl TryFrom<String> for MessageType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        MessageType::from_ros_name(&name).ok_or_else(|| {
            let known = MessageType::ALL.map(MessageType::ros_name).join(", ");
            format!("unknown message type `{name}`; known are {known}")
        })
    }
}

/// One decoded message.
#[expect(
    clippy::large_enum_variant,
    reason = "messages are passed by reference and not stored; a box would cost an allocation each"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    LaserScan(LaserScan),
    Odometry(Odometry),
    Twist(Twist),
    TwistStamped(TwistStamped),
    Imu(Imu),
    JointState(JointState),
    Float32MultiArray(Float32MultiArray),
    String(RosString),
}

impl Message {
    /// Which of the known types this is.
    pub fn kind(&self) -> MessageType {
        match self {
            Message::LaserScan(_) => MessageType::LaserScan,
            Message::Odometry(_) => MessageType::Odometry,
            Message::Twist(_) => MessageType::Twist,
            Message::TwistStamped(_) => MessageType::TwistStamped,
            Message::Imu(_) => MessageType::Imu,
            Message::JointState(_) => MessageType::JointState,
            Message::Float32MultiArray(_) => MessageType::Float32MultiArray,
            Message::String(_) => MessageType::String,
        }
    }

    /// The header, of the types that have one.
    pub fn header(&self) -> Option<&Header> {
        match self {
            Message::LaserScan(m) => Some(&m.header),
            Message::Odometry(m) => Some(&m.header),
            Message::TwistStamped(m) => Some(&m.header),
            Message::Imu(m) => Some(&m.header),
            Message::JointState(m) => Some(&m.header),
            Message::Twist(_) | Message::Float32MultiArray(_) | Message::String(_) => None,
        }
    }
}

/// `std_msgs/msg/Header`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Time of the measurement by the sensor; zero where the driver does not set it.
    #[serde(with = "wire::stamp")]
    pub stamp: Stamp,
    pub frame_id: String,
}

/// `sensor_msgs/msg/LaserScan`: angles in rad, ranges in m, times in s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaserScan {
    pub header: Header,
    pub angle_min: f32,
    pub angle_max: f32,
    pub angle_increment: f32,
    pub time_increment: f32,
    pub scan_time: f32,
    pub range_min: f32,
    pub range_max: f32,
    /// Beam i looks along `angle_min + i * angle_increment` in the sensor's frame.
    #[serde(deserialize_with = "wire::sequence")]
    pub ranges: Vec<f32>,
    #[serde(deserialize_with = "wire::sequence")]
    pub intensities: Vec<f32>,
}

/// `geometry_msgs/msg/Vector3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vector3 {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

/// `geometry_msgs/msg/Point`.
pub type Point = Vector3;

/// `geometry_msgs/msg/Quaternion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quaternion {
    pub x: f64,
    pub y: f64,
    pub z: f64,
    pub w: f64,
}

/// `geometry_msgs/msg/Pose`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    pub position: Point,
    pub orientation: Quaternion,
}

/// `geometry_msgs/msg/PoseWithCovariance`; the covariance is 6 × 6, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoseWithCovariance {
    pub pose: Pose,
    #[serde(with = "wire::array36")]
    pub covariance: [f64; 36],
}

impl Default for PoseWithCovariance {
    fn default() -> Self {
        PoseWithCovariance {
            pose: Pose::default(),
            covariance: [0.0; 36],
        }
    }
}

/// `geometry_msgs/msg/Twist`: m/s and rad/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Twist {
    pub linear: Vector3,
    pub angular: Vector3,
}

/// `geometry_msgs/msg/TwistWithCovariance`; the covariance is 6 × 6, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwistWithCovariance {
    pub twist: Twist,
    #[serde(with = "wire::array36")]
    pub covariance: [f64; 36],
}

impl Default for TwistWithCovariance {
    fn default() -> Self {
        TwistWithCovariance {
            twist: Twist::default(),
            covariance: [0.0; 36],
        }
    }
}

/// `nav_msgs/msg/Odometry`: pose in the header's frame, twist in `child_frame_id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Odometry {
    pub header: Header,
    pub child_frame_id: String,
    pub pose: PoseWithCovariance,
    pub twist: TwistWithCovariance,
}

/// `geometry_msgs/msg/TwistStamped`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TwistStamped {
    pub header: Header,
    pub twist: Twist,
}

/// `sensor_msgs/msg/Imu`: rad/s and m/s²; covariances 3 × 3, row-major, first element -1 where
/// the quantity is not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Imu {
    pub header: Header,
    pub orientation: Quaternion,
    pub orientation_covariance: [f64; 9],
    pub angular_velocity: Vector3,
    pub angular_velocity_covariance: [f64; 9],
    pub linear_acceleration: Vector3,
    pub linear_acceleration_covariance: [f64; 9],
}

/// `sensor_msgs/msg/JointState`: each array is either empty or as long as `name`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JointState {
    pub header: Header,
    #[serde(deserialize_with = "wire::sequence")]
    pub name: Vec<String>,
    #[serde(deserialize_with = "wire::sequence")]
    pub position: Vec<f64>,
    #[serde(deserialize_with = "wire::sequence")]
    pub velocity: Vec<f64>,
    #[serde(deserialize_with = "wire::sequence")]
    pub effort: Vec<f64>,
}

/// `std_msgs/msg/MultiArrayDimension`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MultiArrayDimension {
    pub label: String,
    pub size: u32,
    pub stride: u32,
}

/// `std_msgs/msg/MultiArrayLayout`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MultiArrayLayout {
    #[serde(deserialize_with = "wire::sequence")]
    pub dim: Vec<MultiArrayDimension>,
    pub data_offset: u32,
}

/// `std_msgs/msg/Float32MultiArray`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Float32MultiArray {
    pub layout: MultiArrayLayout,
    #[serde(deserialize_with = "wire::sequence")]
    pub data: Vec<f32>,
}

/// `std_msgs/msg/String`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RosString {
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_ros_name_and_travels_through_yaml() {
        for kind in MessageType::ALL {
            assert_eq!(MessageType::from_ros_name(kind.ros_name()), Some(kind));
            let text = serde_yaml::to_string(&kind).unwrap();
            assert_eq!(text.trim(), kind.ros_name());
            assert_eq!(serde_yaml::from_str::<MessageType>(&text).unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_type_is_refused_with_the_known_ones() {
        assert_eq!(
            MessageType::from_ros_name("neato2_interfaces/msg/Bump"),
            None
        );
        let error = serde_yaml::from_str::<MessageType>("sensor_msgs/msg/PointCloud2")
            .unwrap_err()
            .to_string();
        assert!(error.contains("PointCloud2") && error.contains("sensor_msgs/msg/LaserScan"));
    }
}
