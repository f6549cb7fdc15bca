//! Two kinds of time that must never meet by accident: the monotonic clock, on which deadlines
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
    fn spans_never_go_below_zero() {
        assert_eq!(Mono(5).since(Mono(9)), Duration::ZERO);
        assert_eq!(Mono(5) - Duration::from_secs(1), Mono(0));
        assert_eq!(Stamp(5).since(Stamp(9)), Duration::ZERO);
    }
}
