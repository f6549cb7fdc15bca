//! The two kinds of time, as types that cannot be mixed up: the monotonic clock, on which deadlines
//! run, and ROS time, which simulations and bags may set, stop or turn back.

use std::fmt;
use std::time::{Duration, Instant};

/// A moment on the monotonic clock, in nanoseconds since an origin of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` to `later`; zero if it has passed.
    pub fn until(self, later: Mono) -> Duration {
        later.since(self)
    }
}

impl std::ops::Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(nanos(span)))
    }
}

impl std::ops::Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, span: Duration) -> Mono {
        Mono(self.0.saturating_sub(nanos(span)))
    }
}

/// A moment in ROS time, in nanoseconds. Bags may start near zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The system's clock, as ROS time is without a simulation.
    pub fn wall_clock() -> Stamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since_epoch.map_or(0, |since| since.as_nanos());
        Stamp(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// From the two fields of `builtin_interfaces/Time`.
    pub fn from_ros(sec: i32, nanosec: u32) -> Stamp {
        Stamp(i64::from(sec) * 1_000_000_000 + i64::from(nanosec))
    }

    /// Into the two fields of `builtin_interfaces/Time`; times outside its range are clamped.
    pub fn to_ros(self) -> (i32, u32) {
        let sec = self.0.div_euclid(1_000_000_000);
        match i32::try_from(sec) {
            Ok(sec) => (sec, self.0.rem_euclid(1_000_000_000) as u32),
            Err(_) if sec < 0 => (i32::MIN, 0),
            Err(_) => (i32::MAX, 999_999_999),
        }
    }

    /// `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Signed nanoseconds from `earlier` to `self`.
    pub fn delta_ns(self, earlier: Stamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Stamp {
    type Output = Stamp;
    fn add(self, span: Duration) -> Stamp {
        Stamp(
            self.0
                .saturating_add(nanos(span).min(i64::MAX as u64) as i64),
        )
    }
}

impl std::ops::Sub<Duration> for Stamp {
    type Output = Stamp;
    fn sub(self, span: Duration) -> Stamp {
        Stamp(
            self.0
                .saturating_sub(nanos(span).min(i64::MAX as u64) as i64),
        )
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0.div_euclid(1_000_000_000),
            self.0.rem_euclid(1_000_000_000)
        )
    }
}

/// A duration as people read it: three digits at most, in the unit that fits ("20 ms", "1.23 s").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShownDuration(pub Duration);

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Unit, its length in s, and from how many of it on the next one is taken.
        const UNITS: [(&str, f64, f64); 5] = [
            ("µs", 1e-6, 1e3),
            ("ms", 1e-3, 1e3),
            ("s", 1.0, 120.0),
            ("min", 60.0, 120.0),
            ("h", 3600.0, f64::INFINITY),
        ];
        let seconds = self.0.as_secs_f64();
        if self.0.is_zero() {
            return f.write_str("0 s");
        }
        for (unit, length, next) in UNITS {
            let value = seconds / length;
            let step = match value {
                100.0.. => 1.0,
                10.0.. => 10.0,
                _ => 100.0,
            };
            let rounded = (value * step).round() / step;
            // After rounding: 999.9 ms are 1 s.
            if rounded < next {
                return write!(f, "{rounded} {unit}");
            }
        }
        Ok(())
    }
}

/// In ms, rounded up to a µs: the least that a parameter in ms must be, so that the advice works.
pub fn least_ms(span: Duration) -> f64 {
    span.as_nanos().div_ceil(1000) as f64 / 1e3
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// On the monotonic clock.
    pub mono: Mono,
    /// In ROS time.
    pub ros: Stamp,
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The monotonic clock, so that the scheduler can be driven by a fake one.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Mono;
}

/// The machine's monotonic clock (CLOCK_MONOTONIC).
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Starts at 1 s, so that "before the start" stays representable.
    pub fn new() -> Self {
        SystemClock {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Mono {
        Mono(1_000_000_000) + self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ros_time_survives_the_round_trip_and_is_clamped_outside() {
        for stamp in [Stamp(0), Stamp(1_700_000_000_123_456_789), Stamp(-5)] {
            let (sec, nanosec) = stamp.to_ros();
            assert_eq!(Stamp::from_ros(sec, nanosec), stamp);
        }
        assert_eq!(Stamp(i64::MAX).to_ros(), (i32::MAX, 999_999_999));
    }

    #[test]
    fn a_duration_is_said_in_three_digits_and_the_unit_that_fits() {
        for (seconds, said) in [
            (0.0, "0 s"),
            (0.000_000_4, "0.4 µs"),
            (0.000_017_26, "17.3 µs"),
            (0.001, "1 ms"),
            (0.020_000_001, "20 ms"),
            (0.033_333, "33.3 ms"),
            (0.999_96, "1 s"),
            (1.234_567_8, "1.23 s"),
            (30.0, "30 s"),
            (119.7, "2 min"),
            (754.0, "12.6 min"),
            (86_400.0, "24 h"),
        ] {
            let span = ShownDuration(Duration::from_secs_f64(seconds));
            assert_eq!(span.to_string(), said, "{seconds} s");
        }
        assert!(ShownDuration(Duration::MAX).to_string().ends_with(" h"));
        assert_eq!(least_ms(Duration::from_nanos(132_900)), 0.133);
        assert_eq!(least_ms(Duration::from_micros(500)), 0.5);
    }

    #[test]
    fn spans_never_go_below_zero() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Mono(5) - Duration::from_secs(1), Mono(0));
        assert_eq!(Stamp(5).since(Stamp(9)), Duration::ZERO);
    }
}
