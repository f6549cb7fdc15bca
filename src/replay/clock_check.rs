//! Compares log times with header stamps, so that a recording whose log times are in another unit
//! or of another clock is noticed.

use std::time::Duration;

use crate::messages::MessageType;
use crate::time::Stamp;

/// Pairs of messages and recorded time that a judgement needs.
const PAIRS: u32 = 5;
const SPAN_NS: i128 = 1_000_000_000;
/// Between two messages more is a pause or a set clock, on either clock.
const PAUSE_NS: i64 = 10_000_000_000;
/// Header stamps that go this many times faster than log times: they are in different units.
const UNITS: f64 = 100.0;
/// What differs more than this was played or simulated at another rate, or stamped wrongly.
const RATE: f64 = 1.5;

/// The two clocks of one source, summed over its messages.
#[derive(Clone, Debug)]
pub struct ClockCheck {
    stamped: bool,
    last: Option<(Stamp, Stamp)>,
    headers_ns: i128,
    logs_ns: i128,
    pairs: u32,
}

/// The relation of log times and header stamps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockRelation {
    /// They agree.
    Alike,
    /// Not as one: spans of header stamps and of log times over the same messages.
    Apart(Duration, Duration),
    /// Log times are in another unit.
    OtherUnit(Duration, Duration),
}

impl ClockCheck {
    /// For a source of this type.
    pub fn of(message: &str) -> ClockCheck {
        let unstamped = [
            MessageType::Twist,
            MessageType::Float32MultiArray,
            MessageType::String,
        ];
        let kind = MessageType::from_ros_name(message);
        ClockCheck {
            stamped: kind.is_some_and(|kind| !unstamped.contains(&kind)),
            last: None,
            headers_ns: 0,
            logs_ns: 0,
            pairs: 0,
        }
    }

    /// Notes a message.
    pub fn note(&mut self, cdr: &[u8], log_time: Stamp) {
        let Some(header) = stamp_of(cdr).filter(|_| self.stamped) else {
            return;
        };
        if header == Stamp(0) {
            return;
        }
        if let Some((before, logged)) = self.last.replace((header, log_time)) {
            let (headers, logs) = (header.delta_ns(before), log_time.delta_ns(logged));
            if headers > 0 && headers < PAUSE_NS && (0..PAUSE_NS).contains(&logs) {
                self.headers_ns += i128::from(headers);
                self.logs_ns += i128::from(logs);
                self.pairs += 1;
            }
        }
    }

    /// The result over all messages; none where they are too few or carry no stamp.
    pub fn pace(&self) -> Option<ClockRelation> {
        if self.pairs < PAIRS || self.headers_ns.max(self.logs_ns) < SPAN_NS {
            return None;
        }
        let faster = self.headers_ns as f64 / self.logs_ns.max(1) as f64;
        let span = |ns: i128| Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX));
        let spans = (span(self.headers_ns), span(self.logs_ns));
        Some(if faster >= UNITS {
            ClockRelation::OtherUnit(spans.0, spans.1)
        } else if !(1.0 / RATE..=RATE).contains(&faster) {
            ClockRelation::Apart(spans.0, spans.1)
        } else {
            ClockRelation::Alike
        })
    }
}

/// The stamp at the beginning of a message with a header.
fn stamp_of(cdr: &[u8]) -> Option<Stamp> {
    let big = cdr.get(1)? & 1 == 0;
    let word = |at: usize| -> Option<[u8; 4]> { cdr.get(at..at + 4)?.try_into().ok() };
    let (sec, nanosec) = (word(4)?, word(8)?);
    Some(match big {
        true => Stamp::from_ros(i32::from_be_bytes(sec), u32::from_be_bytes(nanosec)),
        false => Stamp::from_ros(i32::from_le_bytes(sec), u32::from_le_bytes(nanosec)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{LaserScan, Message};

    /// 100 scans at 10 Hz; the log time of each, in ns since the first, from its true one.
    fn pace(logged: impl Fn(i64) -> i64) -> Option<ClockRelation> {
        let mut clocks = ClockCheck::of("sensor_msgs/msg/LaserScan");
        for n in 0..100 {
            let time = 1_700_000_000_000_000_000 + n * 100_000_000;
            let mut scan = LaserScan::default();
            scan.header.stamp = Stamp(time);
            let bytes = Message::LaserScan(scan).encode().unwrap();
            clocks.note(&bytes, Stamp(logged(time)));
        }
        clocks.pace()
    }

    #[test]
    fn another_unit_is_told_from_another_rate() {
        assert_eq!(pace(|time| time), Some(ClockRelation::Alike));
        for unit in [1_000, 1_000_000, 1_000_000_000] {
            let found = pace(|time| time / unit);
            assert!(
                matches!(found, Some(ClockRelation::OtherUnit(..))),
                "{unit}: {found:?}"
            );
        }
        assert!(matches!(pace(|_| 0), Some(ClockRelation::OtherUnit(..))));
        for rate in [2, 5] {
            assert!(matches!(
                pace(|time| time / rate),
                Some(ClockRelation::Apart(..))
            ));
            assert!(matches!(
                pace(|time| time * rate),
                Some(ClockRelation::Apart(..))
            ));
        }
    }

    #[test]
    fn pauses_delays_and_set_clocks_are_no_other_pace() {
        const S: i64 = 1_000_000_000;
        let start = 1_700_000_000 * S;
        let late = |time: i64| {
            if time > start + 5 * S {
                time + 3600 * S
            } else {
                time
            }
        };
        assert_eq!(pace(late), Some(ClockRelation::Alike));
        // All of a second at once.
        assert_eq!(pace(|time| time / S * S), Some(ClockRelation::Alike));
        assert_eq!(ClockCheck::of("geometry_msgs/msg/Twist").pace(), None);
    }
}
