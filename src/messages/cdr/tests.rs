//! Messages written and read back, cut, and lied about.

use super::*;
use crate::features::testing;
use crate::messages::types::{MultiArrayDimension, MultiArrayLayout};
use crate::time::Stamp;

fn filled() -> Vec<Message> {
    let mut imu = Imu::default();
    imu.header.frame_id = "imu_link".to_owned();
    imu.angular_velocity.z = 0.5;
    imu.linear_acceleration_covariance[8] = 9.0;
    let joints = JointState {
        name: vec!["left".to_owned(), "right_wheel".to_owned()],
        velocity: vec![0.25, -0.5],
        ..JointState::default()
    };
    let dimension = MultiArrayDimension {
        label: "ultrasound".to_owned(),
        ..MultiArrayDimension::default()
    };
    let array = Float32MultiArray {
        layout: MultiArrayLayout {
            dim: vec![dimension],
            data_offset: 0,
        },
        data: vec![1.0, 5.0],
    };
    let mut scan = testing::scan(vec![0.0, 1.5, f32::INFINITY]);
    scan.header.stamp = Stamp(1_700_000_000_123_456_789);
    let mut stamped = TwistStamped::default();
    stamped.twist.angular.z = -1.0;
    let data = "SNOW".to_owned();
    vec![
        Message::LaserScan(scan),
        testing::odometry(0.5, Stamp(1)),
        testing::twist(0.25, 1.0),
        Message::TwistStamped(stamped),
        Message::Imu(imu),
        Message::JointState(joints),
        Message::Float32MultiArray(array),
        Message::String(RosString { data }),
    ]
}

#[test]
fn both_byte_orders_read_back_what_was_written() {
    for message in filled() {
        let little = message.encode().unwrap();
        let big = message.encode_as::<BigEndian>([0, 0, 0, 0]).unwrap();
        assert_ne!(little, big);
        assert_eq!(
            Message::decode(message.kind(), &little),
            Ok(message.clone())
        );
        assert_eq!(Message::decode(message.kind(), &big), Ok(message));
    }
}

#[test]
fn bytes_laid_out_by_hand_are_read_with_their_alignment() {
    let mut bytes = vec![0, 1, 0, 0];
    bytes.extend(7_i32.to_le_bytes());
    bytes.extend(5_u32.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(b"map\0");
    for value in [1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0] {
        bytes.extend(value.to_le_bytes());
    }
    let Ok(Message::TwistStamped(m)) = Message::decode(MessageType::TwistStamped, &bytes) else {
        panic!("refused");
    };
    assert_eq!(m.header.stamp, Stamp(7_000_000_005));
    assert_eq!(m.header.frame_id, "map");
    assert_eq!((m.twist.linear.x, m.twist.angular.z), (1.0, 6.0));
}

#[test]
fn bytes_after_the_payload_are_allowed() {
    for message in filled() {
        let mut bytes = message.encode().unwrap();
        bytes.extend([0, 0, 0, 0xff]);
        assert_eq!(Message::decode(message.kind(), &bytes), Ok(message));
    }
}

#[test]
fn every_cut_is_an_error_that_names_type_and_place() {
    for message in filled() {
        let kind = message.kind();
        let bytes = message.encode().unwrap();
        for length in 0..bytes.len() {
            let text = Message::decode(kind, &bytes[..length])
                .unwrap_err()
                .to_string();
            assert!(text.starts_with(kind.ros_name()), "{text}");
            assert!(
                length < 4 || text.contains(&format!("of {length}:")),
                "{text}"
            );
        }
    }
}

#[test]
fn other_encapsulations_are_named() {
    let mut bytes = testing::twist(1.0, 0.0).encode().unwrap();
    bytes[1] = 7;
    let error = Message::decode(MessageType::Twist, &bytes).unwrap_err();
    assert!(error.to_string().contains("0x0007"), "{error}");
}

#[test]
fn a_length_field_that_the_bytes_cannot_hold_is_an_error_at_once() {
    // The claim is 16 GB; with memory taken on its word this test would not end well.
    let mut bytes = testing::stamped(1.0, Stamp(0)).encode().unwrap();
    let ranges = bytes.len() - 4 - 360 * 4 - 4;
    bytes[ranges..ranges + 4].copy_from_slice(&[0xff; 4]);
    let error = Message::decode(MessageType::LaserScan, &bytes).unwrap_err();
    assert!(
        error.to_string().contains("length field too large"),
        "{error}"
    );
    for length in [0xff, 0x7f] {
        let text = [0, 1, 0, 0, length, 0xff, 0xff, 0xff, b'a', 0];
        assert!(Message::decode(MessageType::String, &text).is_err());
    }
}

#[test]
fn arrays_longer_than_any_sensor_are_refused_even_when_they_are_there() {
    let array = Float32MultiArray {
        data: vec![0.0; MAX_ELEMENTS + 1],
        ..Float32MultiArray::default()
    };
    let bytes = Message::Float32MultiArray(array).encode().unwrap();
    let error = Message::decode(MessageType::Float32MultiArray, &bytes).unwrap_err();
    assert!(error.to_string().contains("more than 1000000"), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    let bytes = [0, 1, 0, 0, 3, 0, 0, 0, 0xc3, 0x28, 0];
    assert!(Message::decode(MessageType::String, &bytes).is_err());
}
