//! Messages and specifications for the tests of this room.

use super::*;
use crate::messages::{
    Float32MultiArray, Header, Imu, JointState, LaserScan, Message, MessageType, Odometry,
    RosString, Twist, TwistStamped, Vector3,
};
use crate::time::Stamp;

pub(crate) const MS: i64 = 1_000_000;
/// When the tests begin, in ROS time.
pub(crate) const START: i64 = 1_000_000_000_000;

pub(crate) fn at(ms: i64) -> Stamp {
    Stamp(START + ms * MS)
}

/// A message of each type with nothing in it.
pub(crate) fn empty(kind: MessageType) -> Message {
    match kind {
        MessageType::LaserScan => Message::LaserScan(LaserScan::default()),
        MessageType::Odometry => Message::Odometry(Odometry::default()),
        MessageType::Twist => Message::Twist(Twist::default()),
        MessageType::TwistStamped => Message::TwistStamped(TwistStamped::default()),
        MessageType::Imu => Message::Imu(Imu::default()),
        MessageType::JointState => Message::JointState(JointState::default()),
        MessageType::Float32MultiArray => Message::Float32MultiArray(Float32MultiArray::default()),
        MessageType::String => Message::String(RosString::default()),
    }
}

/// A full turn from backwards over the right: beam i looks along -180° + i × 360° / n.
pub(crate) fn scan(ranges: Vec<f32>) -> LaserScan {
    let step = std::f32::consts::TAU / ranges.len() as f32;
    LaserScan {
        header: Header {
            stamp: Stamp(0),
            frame_id: "laser".to_owned(),
        },
        angle_min: -std::f32::consts::PI,
        angle_max: -std::f32::consts::PI + step * (ranges.len() as f32 - 1.0),
        angle_increment: step,
        range_min: 0.1,
        range_max: 5.0,
        ranges,
        ..LaserScan::default()
    }
}

/// The beams of such a scan.
pub(crate) fn prepared(ranges: Vec<f32>) -> PreparedScan {
    prepare(&scan(ranges), 0.0)
}

/// The beams of a scan of a sensor turned by `yaw` (rad) that is the first of its source.
pub(crate) fn prepare(scan: &LaserScan, yaw: f32) -> PreparedScan {
    let settings = SourceSettings {
        yaw,
        ..SourceSettings::of(&spec().inputs[0])
    };
    ScanPreparation::new(&settings).prepare(scan, at(0)).clone()
}

/// A scan of 360 beams with the same range everywhere and this header stamp.
pub(crate) fn stamped(range: f32, stamp: Stamp) -> Message {
    let mut scan = scan(vec![range; 360]);
    scan.header.stamp = stamp;
    Message::LaserScan(scan)
}

pub(crate) fn twist(forward: f64, yaw_rate: f64) -> Message {
    Message::Twist(Twist {
        linear: Vector3 {
            x: forward,
            ..Vector3::default()
        },
        angular: Vector3 {
            z: yaw_rate,
            ..Vector3::default()
        },
    })
}

pub(crate) fn odometry(forward: f64, stamp: Stamp) -> Message {
    let mut odometry = Odometry::default();
    odometry.header.stamp = stamp;
    odometry.twist.twist.linear.x = forward;
    Message::Odometry(odometry)
}

/// Odometry at x, y (m) and yaw (rad), at rest as far as its twist goes.
pub(crate) fn posed((x, y, yaw): (f64, f64, f64), stamp: Stamp) -> Message {
    let mut odometry = Odometry::default();
    odometry.header.stamp = stamp;
    let pose = &mut odometry.pose.pose;
    (pose.position.x, pose.position.y) = (x, y);
    (pose.orientation.z, pose.orientation.w) = (yaw / 2.0).sin_cos();
    Message::Odometry(odometry)
}

/// 4 rows, 100 ms apart; scan (required, 8 sectors, 300 ms), odom (500 ms), cmd (1 s).
pub(crate) fn spec() -> WindowSpec {
    let field = |path: &str, scale| FieldSpec {
        path: path.to_owned(),
        offset: 0.0,
        scale,
        limit: 1.0,
    };
    WindowSpec {
        frames: 4,
        period_ms: 100,
        min_frames: 2,
        trigger: "scan".to_owned(),
        every_ms: 0,
        inputs: vec![
            InputSpec {
                source: "scan".to_owned(),
                message: MessageType::LaserScan,
                extractor: ExtractorSpec::Sectors {
                    count: 8,
                    far_m: 4.0,
                },
                required: true,
                timeout_ms: 300,
            },
            InputSpec {
                source: "odom".to_owned(),
                message: MessageType::Odometry,
                extractor: ExtractorSpec::Fields {
                    fields: vec![
                        field("twist.twist.linear.x", 0.5),
                        field("twist.twist.angular.z", 2.0),
                    ],
                },
                required: false,
                timeout_ms: 500,
            },
            InputSpec {
                source: "cmd".to_owned(),
                message: MessageType::Twist,
                extractor: ExtractorSpec::Fields {
                    fields: vec![field("linear.x", 0.5), field("angular.z", 2.0)],
                },
                required: false,
                timeout_ms: 1000,
            },
        ],
        derived: vec![DerivedSpec::ProjectedClearance {
            scan: "scan".to_owned(),
            speeds: vec![
                "odom:twist.twist.linear.x".to_owned(),
                "cmd:linear.x".to_owned(),
            ],
            half_angle_deg: 22.5,
            horizon_s: 1.0,
            far_m: 4.0,
        }],
    }
}

pub(crate) fn settings(spec: &WindowSpec) -> Vec<SourceSettings> {
    spec.inputs.iter().map(SourceSettings::of).collect()
}

pub(crate) fn window(spec: &WindowSpec) -> Window {
    Window::new(spec, &settings(spec)).unwrap()
}

/// The window at a time: its state and its rows.
pub(crate) fn rows(window: &mut Window, now: Stamp) -> (WindowState, Vec<Vec<f32>>) {
    let mut out = vec![f32::NAN; window.frames() * window.features()];
    let state = window.assemble(now, &mut out);
    let rows = out.chunks_exact(window.features()).map(<[f32]>::to_vec);
    (state, rows.collect())
}
