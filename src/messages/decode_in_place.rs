//! Decodes a message into the memory of the one before it: messages of a known size are decoded
//! without allocation.

use std::fmt;

use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::types::{
    Float32MultiArray, Header, Imu, JointState, LaserScan, MultiArrayLayout, Odometry,
    PoseWithCovariance, Quaternion, RosString, Twist, TwistStamped, TwistWithCovariance, Vector3,
};
use crate::time::Stamp;

/// Elements that an array may keep room for without using it. No planar laser has more beams.
const ROOM: usize = 16_384;

/// Reads what `T::deserialize` reads, field by field in the same order; a message that cannot be
/// read to its end is left half new.
pub(crate) struct InPlace<'a, T>(pub &'a mut T);

/// Messages, by their fields in the order of the wire.
macro_rules! messages {
    ($($message:ident { $($field:ident),* })*) => {$(
        impl<'de> DeserializeSeed<'de> for InPlace<'_, $message> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                const FIELDS: &[&str] = &[$(stringify!($field)),*];
                deserializer.deserialize_struct(stringify!($message), FIELDS, self)
            }
        }

        impl<'de> Visitor<'de> for InPlace<'_, $message> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!("a ", stringify!($message)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
                // Every field, or this does not compile.
                let $message { $($field),* } = self.0;
                $(needed(fields.next_element_seed(InPlace($field))?)?;)*
                Ok(())
            }
        }
    )*};
}

messages! {
    LaserScan {
        header, angle_min, angle_max, angle_increment, time_increment, scan_time, range_min,
        range_max, ranges, intensities
    }
    Odometry { header, child_frame_id, pose, twist }
    TwistStamped { header, twist }
    Imu {
        header, orientation, orientation_covariance, angular_velocity, angular_velocity_covariance,
        linear_acceleration, linear_acceleration_covariance
    }
    JointState { header, name, position, velocity, effort }
    Float32MultiArray { layout, data }
    RosString { data }
}

/// What has no memory of its own.
macro_rules! plain {
    ($($kind:ty),*) => {$(
        impl<'de> DeserializeSeed<'de> for InPlace<'_, $kind> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                *self.0 = <$kind>::deserialize(deserializer)?;
                Ok(())
            }
        }
    )*};
}

// The layout of an array says nothing as a rule; where it does, it takes memory.
plain!(
    f32,
    f64,
    [f64; 9],
    Vector3,
    Quaternion,
    PoseWithCovariance,
    Twist,
    TwistWithCovariance,
    MultiArrayLayout
);

impl<'de> DeserializeSeed<'de> for InPlace<'_, Header> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_struct("Header", &["stamp", "frame_id"], self)
    }
}

impl<'de> Visitor<'de> for InPlace<'_, Header> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Header")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let (sec, nanosec) = needed(fields.next_element::<(i32, u32)>()?)?;
        self.0.stamp = Stamp::from_ros(sec, nanosec);
        needed(fields.next_element_seed(InPlace(&mut self.0.frame_id))?)
    }
}

impl<'de> DeserializeSeed<'de> for InPlace<'_, String> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for InPlace<'_, String> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.clear();
        self.0.push_str(text);
        Ok(())
    }
}

/// Of what has a value before it is read.
macro_rules! sequences {
    ($($kind:ty),*) => {$(
        impl<'de> DeserializeSeed<'de> for InPlace<'_, Vec<$kind>> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_seq(self)
            }
        }

        /// At most `MAX_ELEMENTS`; memory grows with the elements that are there.
        impl<'de> Visitor<'de> for InPlace<'_, Vec<$kind>> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a sequence of at most {MAX_ELEMENTS} elements")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
                read_sequence(self.0, access)
            }
        }
    )*};
}

sequences!(f32, f64, String);

fn read_sequence<'de, T: Default, A: SeqAccess<'de>>(
    items: &mut Vec<T>,
    mut access: A,
) -> Result<(), A::Error>
where
    for<'a> InPlace<'a, T>: DeserializeSeed<'de, Value = ()>,
{
    // One huge message must not hold its memory for good.
    if items.capacity() > ROOM && items.len() < ROOM {
        *items = Vec::new();
    }
    let mut read = 0;
    loop {
        if read == items.len() {
            let mut item = T::default();
            if access.next_element_seed(InPlace(&mut item))?.is_none() {
                return Ok(());
            }
            if read == MAX_ELEMENTS {
                return Err(A::Error::custom(format_args!(
                    "an array has more than {MAX_ELEMENTS} elements"
                )));
            }
            items.push(item);
        } else if access
            .next_element_seed(InPlace(&mut items[read]))?
            .is_none()
        {
            items.truncate(read);
            return Ok(());
        }
        read += 1;
    }
}

fn needed<T, E: Error>(found: Option<T>) -> Result<T, E> {
    found.ok_or_else(|| E::custom("a field is missing"))
}

/// Longest array that is read. Far above any real scan (a 3-D lidar's flattened turn has 100 000
/// beams) and small enough (4 MB of f32) that a crafted message cannot fill the memory.
pub(crate) const MAX_ELEMENTS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing;
    use crate::messages::types::{Message, MessageType};

    /// What is read over another scan is what is read afresh, faults included.
    #[test]
    fn nothing_of_the_scan_before_is_left() {
        let long = testing::scan(vec![2.0; 1000]);
        let mut short = testing::scan(vec![1.0; 7]);
        short.header.frame_id = "another".into();
        short.header.stamp = Stamp(1_700_000_000_123_456_789);
        short.intensities = vec![47.0; 3];
        let good = Message::LaserScan(short).encode().unwrap();
        for length in 0..=good.len() {
            let bytes = &good[..length];
            let mut over = Message::LaserScan(long.clone());
            let read = over.decode_over(MessageType::LaserScan, bytes);
            let afresh = Message::decode(MessageType::LaserScan, bytes);
            assert_eq!(read.map(|()| over), afresh, "{length} bytes");
        }
    }

    /// One of each type, with as many elements in its arrays and letters in its names.
    fn one_of_each(length: usize, stamp: i64) -> Vec<Message> {
        let name = "n".repeat(length);
        let header = Header {
            stamp: Stamp(stamp),
            frame_id: name.clone(),
        };
        let numbers = vec![stamp as f64; length];
        let mut scan = testing::scan(vec![1.0; length]);
        scan.header = header.clone();
        let mut odometry = Odometry {
            header: header.clone(),
            child_frame_id: name.clone(),
            ..Odometry::default()
        };
        odometry.pose.covariance = [stamp as f64; 36];
        odometry.twist.twist.linear.x = stamp as f64;
        vec![
            Message::LaserScan(scan),
            Message::Odometry(odometry),
            Message::Twist(Twist::default()),
            Message::TwistStamped(TwistStamped {
                header: header.clone(),
                twist: Twist::default(),
            }),
            Message::Imu(Imu {
                header: header.clone(),
                orientation_covariance: [stamp as f64; 9],
                ..Imu::default()
            }),
            Message::JointState(JointState {
                header,
                name: vec![name.clone(); length],
                position: numbers.clone(),
                velocity: numbers.clone(),
                effort: numbers,
            }),
            Message::Float32MultiArray(Float32MultiArray {
                data: vec![stamp as f32; length],
                ..Float32MultiArray::default()
            }),
            Message::String(RosString { data: name }),
        ]
    }

    #[test]
    fn every_type_is_read_over_another_of_it_as_it_is_read_afresh() {
        let sizes = [(3, 5), (5, 3), (0, 4), (4, 0)];
        for (before, after) in sizes {
            let pairs = one_of_each(before, 7_000_000_001).into_iter();
            for (old, new) in pairs.zip(one_of_each(after, 9_000_000_002)) {
                let good = new.encode().unwrap();
                for length in 0..=good.len() {
                    let bytes = &good[..length];
                    let mut over = old.clone();
                    let read = over.decode_over(new.kind(), bytes);
                    let afresh = Message::decode(new.kind(), bytes);
                    assert_eq!(read.map(|()| over), afresh, "{length} bytes of {new:?}");
                }
            }
        }
        assert_eq!(one_of_each(1, 1).len(), MessageType::ALL.len());
    }

    #[test]
    fn a_long_scan_does_not_keep_its_memory_for_ever() {
        let long = Message::LaserScan(testing::scan(vec![2.0; MAX_ELEMENTS]));
        let short = Message::LaserScan(testing::scan(vec![2.0; 360]));
        let mut kept = short.clone();
        kept.decode_over(MessageType::LaserScan, &long.encode().unwrap())
            .unwrap();
        for _ in 0..2 {
            kept.decode_over(MessageType::LaserScan, &short.encode().unwrap())
                .unwrap();
        }
        let Message::LaserScan(scan) = kept else {
            panic!("a scan");
        };
        assert!(scan.ranges.capacity() < MAX_ELEMENTS / 2);
    }
}
