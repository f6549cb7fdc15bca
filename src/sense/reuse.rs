//! Reading a scan into the memory of the one before: the trigger of a laser robot is decoded without
//! taking any.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::decode::MAX_ELEMENTS;
use super::message::{Header, LaserScan};
use crate::time::Stamp;

/// Elements that an array may keep room for without using it. No planar laser has more beams.
const ROOM: usize = 16_384;

/// Reads what `LaserScan::deserialize` reads, field by field in the same order; a scan that cannot
/// be read to its end is left half new.
pub(super) struct InPlace<'a, T>(pub &'a mut T);

impl<'de> DeserializeSeed<'de> for InPlace<'_, LaserScan> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        const FIELDS: &[&str] = &[
            "header",
            "angle_min",
            "angle_max",
            "angle_increment",
            "time_increment",
            "scan_time",
            "range_min",
            "range_max",
            "ranges",
            "intensities",
        ];
        deserializer.deserialize_struct("LaserScan", FIELDS, self)
    }
}

impl<'de> Visitor<'de> for InPlace<'_, LaserScan> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a LaserScan")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let scan = self.0;
        needed(fields.next_element_seed(InPlace(&mut scan.header))?)?;
        for number in [
            &mut scan.angle_min,
            &mut scan.angle_max,
            &mut scan.angle_increment,
            &mut scan.time_increment,
            &mut scan.scan_time,
            &mut scan.range_min,
            &mut scan.range_max,
        ] {
            *number = needed(fields.next_element()?)?;
        }
        needed(fields.next_element_seed(InPlace(&mut scan.ranges))?)?;
        needed(fields.next_element_seed(InPlace(&mut scan.intensities))?)
    }
}

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

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for InPlace<'_, Vec<T>> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

/// At most `MAX_ELEMENTS`; memory grows with the elements that are there.
impl<'de, T: Deserialize<'de>> Visitor<'de> for InPlace<'_, Vec<T>> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sequence of at most {MAX_ELEMENTS} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        // One huge message must not hold its memory for good.
        if self.0.capacity() > ROOM && self.0.len() < ROOM {
            *self.0 = Vec::new();
        }
        self.0.clear();
        while let Some(item) = access.next_element()? {
            if self.0.len() == MAX_ELEMENTS {
                return Err(A::Error::custom(format_args!(
                    "an array has more than {MAX_ELEMENTS} elements"
                )));
            }
            self.0.push(item);
        }
        Ok(())
    }
}

fn needed<T, E: Error>(found: Option<T>) -> Result<T, E> {
    found.ok_or_else(|| E::custom("a field is missing"))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::super::{Message, MessageType};
    use super::*;

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
