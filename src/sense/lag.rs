//! Tells what a reliable publisher sends again from what is new.
//!
//! After this process was not run for a while (a stopped process, a suspended vehicle), a reliable
//! publisher sends once more what was lost meanwhile. It arrives like anything new; its stamp alone
//! betrays it. Clocks of sensors may be off by any amount, so a stamp is held against what the
//! source's stamps were before.

use std::time::Duration;

use crate::time::{Mono, Stamp};

/// For so long after a stop messages are doubted; publishers send again within a few heartbeats.
const DOUBT: Duration = Duration::from_secs(5);
/// A source may lag by so much more than usual.
const MARGIN_NS: i64 = 100_000_000;
/// A longer lag counts at once, a shorter one by this part.
const FORGETTING: i64 = 64;

/// How far one source's stamps are behind their arrivals.
#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// In ns; negative where the sensor's clock is ahead.
    usual_ns: Option<i64>,
    doubted_until: Option<Mono>,
}

impl Lag {
    /// This process was not run until `now`.
    pub fn doubt(&mut self, now: Mono) {
        self.doubted_until = Some(now + DOUBT);
    }

    /// Looks at a message's stamp; by how much it lags more than is usual, if that is too much.
    pub fn look(&mut self, stamp: Stamp, arrival_ros: Stamp, arrival: Mono) -> Option<Duration> {
        let lag = arrival_ros.delta_ns(stamp);
        if self.doubted_until.is_some_and(|until| arrival < until)
            && let Some(usual) = self.usual_ns
        {
            let more = lag.saturating_sub(usual);
            if more > MARGIN_NS {
                return Some(Duration::from_nanos(more.unsigned_abs()));
            }
        }
        self.usual_ns = Some(match self.usual_ns {
            Some(usual) if lag < usual => {
                usual.saturating_add(lag.saturating_sub(usual) / FORGETTING)
            }
            _ => lag,
        });
        None
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
    fn look(lag: &mut Lag, at: u32, behind: u32, ahead: u32) -> Option<Duration> {
        let arrival_ros = Stamp(1_700_000_000_000_000_000) + at * MS;
        let stamp = arrival_ros - behind * MS + ahead * MS;
        lag.look(stamp, arrival_ros, mono(at))
    }

    #[test]
    fn after_a_stop_only_what_lags_as_usual_is_new_whatever_the_sensors_clock() {
        for ahead in [0, 10_000] {
            let mut lag = Lag::default();
            for at in (0..1000).step_by(100) {
                assert_eq!(look(&mut lag, at, 20 + at % 3, ahead), None);
            }
            assert_eq!(
                look(&mut lag, 1000, 900, ahead),
                None,
                "nothing was stopped"
            );
            let mut lag = Lag::default();
            for at in (0..1000).step_by(100) {
                look(&mut lag, at, 20, ahead);
            }
            lag.doubt(mono(4000));
            assert_eq!(look(&mut lag, 4010, 2900, ahead), Some(2880 * MS));
            assert_eq!(look(&mut lag, 4020, 25, ahead), None);
            assert_eq!(look(&mut lag, 4200, 200, ahead), Some(175 * MS));
            assert_eq!(look(&mut lag, 9001, 2900, ahead), None, "trusted again");
        }
    }

    #[test]
    fn a_source_never_heard_before_the_stop_is_believed() {
        let mut lag = Lag::default();
        lag.doubt(mono(0));
        assert_eq!(look(&mut lag, 10, 5000, 0), None);
    }

    #[test]
    fn one_long_lag_is_forgotten_in_time() {
        let mut lag = Lag::default();
        look(&mut lag, 0, 2000, 0);
        for at in 0..400 {
            look(&mut lag, 100 * at, 20, 0);
        }
        lag.doubt(mono(50_000));
        assert!(look(&mut lag, 50_010, 1000, 0).is_some());
    }
}
