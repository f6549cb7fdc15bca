//! Distinguishes messages that a reliable publisher sends again from new ones, by their stamps.
//!
//! After this process was not run for a while (a stopped process, a suspended vehicle), a reliable
//! publisher sends once more what was lost meanwhile. It arrives like a new message and differs by
//! its stamp alone. Clocks of sensors may be off by any amount, so a stamp is compared with the
//! source's stamps before.

use std::time::Duration;

use crate::time::{Mono, Stamp};

/// For so long after a stop messages are doubted; publishers send again within a few heartbeats.
const DOUBT: Duration = Duration::from_secs(5);
/// A source may lag by so much more than usual.
const MARGIN_NS: i64 = 100_000_000;
/// A longer lag counts at once, a shorter one by this part.
const FORGETTING: i64 = 64;
/// So many shorter lags in a row are another clock: the longest of them is usual.
const SHORTER: u32 = 20;
/// What lags alike for so long, in step with its stamps, is not sent again: its clock was set back.
const IN_STEP: Duration = Duration::from_millis(150);

/// How far one source's stamps are behind their arrivals.
#[derive(Clone, Debug, Default)]
pub struct StampLag {
    /// In ns; negative where the sensor's clock is ahead.
    usual_ns: Option<i64>,
    doubted_until: Option<Mono>,
    /// The longest of the shorter lags in a row, and how many.
    shorter: Option<(i64, u32)>,
    doubted: Option<LateRun>,
}

/// Messages that lag too much, each in step with the one before.
#[derive(Clone, Copy, Debug)]
struct LateRun {
    since: Mono,
    stamp: Stamp,
    arrival: Mono,
}

impl StampLag {
    /// This process was not run until `now`.
    pub fn doubt(&mut self, now: Mono) {
        self.doubted_until = Some(now + DOUBT);
    }

    /// The source has another clock from its next message on.
    pub fn forget(&mut self) {
        (self.usual_ns, self.shorter, self.doubted) = (None, None, None);
    }

    /// Looks at a message's stamp; by how much it lags more than is usual, if that is too much.
    pub fn look(&mut self, stamp: Stamp, arrival_ros: Stamp, arrival: Mono) -> Option<Duration> {
        let stamp_lag = arrival_ros.delta_ns(stamp);
        if self.doubted_until.is_some_and(|until| arrival < until)
            && let Some(usual) = self.usual_ns
        {
            let more = stamp_lag.saturating_sub(usual);
            if more > MARGIN_NS && !self.is_in_step(stamp, arrival) {
                return Some(Duration::from_nanos(more.unsigned_abs()));
            }
        }
        self.doubted = None;
        self.usual_ns = Some(match self.usual_ns {
            Some(usual) if stamp_lag < usual => self.follow(usual, stamp_lag),
            _ => {
                self.shorter = None;
                stamp_lag
            }
        });
        None
    }

    /// The usual lag after a shorter one.
    fn follow(&mut self, usual: i64, stamp_lag: i64) -> i64 {
        let slowly = usual.saturating_add(stamp_lag.saturating_sub(usual) / FORGETTING);
        if usual.saturating_sub(stamp_lag) <= MARGIN_NS {
            self.shorter = None;
            return slowly;
        }
        let (longest, count) = self.shorter.unwrap_or((stamp_lag, 0));
        self.shorter = Some((longest.max(stamp_lag), count + 1));
        match self.shorter {
            Some((longest, count)) if count >= SHORTER => {
                self.shorter = None;
                longest
            }
            _ => slowly,
        }
    }

    /// Whether messages have come at the pace of their stamps for a while: what is sent again comes
    /// all at once.
    fn is_in_step(&mut self, stamp: Stamp, arrival: Mono) -> bool {
        let before = self.doubted;
        let goes_on = before.filter(|before| {
            let stamps = stamp.delta_ns(before.stamp);
            let arrivals = i64::try_from(arrival.since(before.arrival).as_nanos());
            let off = stamps.saturating_sub(arrivals.unwrap_or(i64::MAX));
            stamps > 0 && off.saturating_abs() <= stamps / 2
        });
        let since = goes_on.map_or(arrival, |before| before.since);
        self.doubted = Some(LateRun {
            since,
            stamp,
            arrival,
        });
        arrival.since(since) >= IN_STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn mono(ms: u32) -> Mono {
        Mono(1_000_000_000) + ms * MS
    }

    /// `behind` ms before its arrival by a clock that is `ahead` ms ahead.
    fn look(stamp_lag: &mut StampLag, at: u32, behind: u32, ahead: u32) -> Option<Duration> {
        let arrival_ros = Stamp(1_700_000_000_000_000_000) + at * MS;
        let stamp = arrival_ros - behind * MS + ahead * MS;
        stamp_lag.look(stamp, arrival_ros, mono(at))
    }

    #[test]
    fn after_a_stop_only_what_lags_as_usual_is_new_whatever_the_sensors_clock() {
        for ahead in [0, 10_000] {
            let mut stamp_lag = StampLag::default();
            for at in (0..1000).step_by(100) {
                assert_eq!(look(&mut stamp_lag, at, 20 + at % 3, ahead), None);
            }
            assert_eq!(
                look(&mut stamp_lag, 1000, 900, ahead),
                None,
                "nothing was stopped"
            );
            let mut stamp_lag = StampLag::default();
            for at in (0..1000).step_by(100) {
                look(&mut stamp_lag, at, 20, ahead);
            }
            stamp_lag.doubt(mono(4000));
            assert_eq!(look(&mut stamp_lag, 4010, 2900, ahead), Some(2880 * MS));
            assert_eq!(look(&mut stamp_lag, 4020, 25, ahead), None);
            assert_eq!(look(&mut stamp_lag, 4200, 200, ahead), Some(175 * MS));
            assert_eq!(
                look(&mut stamp_lag, 9001, 2900, ahead),
                None,
                "trusted again"
            );
        }
    }

    #[test]
    fn a_source_never_heard_before_the_stop_is_believed() {
        let mut stamp_lag = StampLag::default();
        stamp_lag.doubt(mono(0));
        assert_eq!(look(&mut stamp_lag, 10, 5000, 0), None);
    }

    #[test]
    fn one_long_lag_is_forgotten_in_time() {
        let mut stamp_lag = StampLag::default();
        look(&mut stamp_lag, 0, 2000, 0);
        for at in 0..400 {
            look(&mut stamp_lag, 100 * at, 20, 0);
        }
        stamp_lag.doubt(mono(50_000));
        assert!(look(&mut stamp_lag, 50_010, 1000, 0).is_some());
    }

    #[test]
    fn a_clock_set_back_while_this_process_was_stopped_is_soon_believed() {
        let mut stamp_lag = StampLag::default();
        for at in (0..1000).step_by(100) {
            look(&mut stamp_lag, at, 20, 0);
        }
        stamp_lag.doubt(mono(4000));
        let refused = (0..10).filter(|n| look(&mut stamp_lag, 4010 + 100 * n, 3020, 0).is_some());
        assert_eq!(refused.count(), 2);
        // What is sent again comes all at once, older and younger.
        let mut stamp_lag = StampLag::default();
        look(&mut stamp_lag, 0, 20, 0);
        stamp_lag.doubt(mono(4000));
        let refused =
            (0..30).filter(|n| look(&mut stamp_lag, 4010 + n, 3000 - 90 * n, 0).is_some());
        assert_eq!(refused.count(), 30);
    }

    #[test]
    fn a_clock_set_ahead_is_followed_within_twenty_messages() {
        for told in [false, true] {
            let mut stamp_lag = StampLag::default();
            look(&mut stamp_lag, 0, 3020, 0);
            if told {
                stamp_lag.forget();
            }
            for n in 1..=if told { 1 } else { 20 } {
                look(&mut stamp_lag, 100 * n, 20, 0);
            }
            stamp_lag.doubt(mono(5000));
            assert!(look(&mut stamp_lag, 5010, 1000, 0).is_some(), "{told}");
        }
    }
}
