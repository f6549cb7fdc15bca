//! Whether a message's header fits the ones before it: its stamp against the time of arrival, and
//! its frame. Only differences count, so sensor clocks hours away from ROS time are fine.

use std::time::Duration;

use super::fault::{InvalidSample, JumpCause};
use super::message::Header;
use crate::time::Stamp;

/// How far the header's clock may come away from the clock of arrivals between two messages.
/// Wi-Fi and burst delays of a few seconds are real; more is another clock.
const LEAP_NS: i64 = 5_000_000_000;

/// Messages in a row with the same new frame until it is taken.
const FRAME_MESSAGES: u32 = 3;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Accept,
    /// Take it as the first of a new time.
    Anew(JumpCause),
    Refuse(InvalidSample),
    OutOfOrder(Duration),
}

/// The headers of one source so far.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderCheck {
    last: Option<Tick>,
    /// A leap that waits for a second message to confirm it.
    leapt: Option<Tick>,
    frame: Option<String>,
    new_frame: String,
    new_frame_seen: u32,
}

/// One message on both clocks.
#[derive(Clone, Copy, Debug)]
struct Tick {
    header: Stamp,
    arrival: Stamp,
}

impl Tick {
    /// How far the header is from where the arrival puts it, counted from `earlier`.
    fn off(self, earlier: Tick) -> i64 {
        let header = self.header.delta_ns(earlier.header);
        header.saturating_sub(self.arrival.delta_ns(earlier.arrival))
    }
}

impl HeaderCheck {
    /// Judges a header. After `Anew`, call `clear` and admit the message again: it is then the
    /// first of its time.
    pub(super) fn admit(&mut self, header: &Header, arrival: Stamp) -> Verdict {
        match self.admit_stamp(header.stamp, arrival) {
            Verdict::Accept => self.admit_frame(&header.frame_id),
            other => other,
        }
    }

    pub(super) fn clear(&mut self) {
        self.last = None;
        self.leapt = None;
        self.frame = None;
        self.new_frame_seen = 0;
    }

    fn admit_stamp(&mut self, header: Stamp, arrival: Stamp) -> Verdict {
        // Some drivers leave the stamp empty; then the arrival is all there is.
        if header == Stamp(0) {
            return Verdict::Accept;
        }
        let tick = Tick { header, arrival };
        let Some(last) = self.last else {
            self.last = Some(tick);
            return Verdict::Accept;
        };
        let repeats = |earlier: Tick| earlier.header == header;
        if repeats(last) || self.leapt.is_some_and(repeats) {
            return Verdict::Refuse(InvalidSample::Repeated { stamp: header });
        }
        let off_ns = tick.off(last);
        if off_ns.saturating_abs() > LEAP_NS {
            let confirmed = self
                .leapt
                .is_some_and(|leapt| tick.off(leapt).saturating_abs() <= LEAP_NS);
            self.leapt = Some(tick);
            return if confirmed {
                Verdict::Anew(JumpCause::NewClock(off_ns))
            } else {
                Verdict::Refuse(InvalidSample::StampLeap {
                    stamp: header,
                    off_ns,
                })
            };
        }
        self.leapt = None;
        if header < last.header {
            return Verdict::OutOfOrder(last.header.since(header));
        }
        self.last = Some(tick);
        Verdict::Accept
    }

    fn admit_frame(&mut self, found: &str) -> Verdict {
        let Some(frame) = &self.frame else {
            self.frame = Some(found.to_owned());
            return Verdict::Accept;
        };
        if frame == found {
            self.new_frame_seen = 0;
            return Verdict::Accept;
        }
        if self.new_frame_seen == 0 || self.new_frame != found {
            self.new_frame.clear();
            self.new_frame.push_str(found);
            self.new_frame_seen = 0;
        }
        self.new_frame_seen += 1;
        if self.new_frame_seen >= FRAME_MESSAGES {
            return Verdict::Anew(JumpCause::NewFrame(found.to_owned()));
        }
        Verdict::Refuse(InvalidSample::Frame {
            expected: frame.clone(),
            found: found.to_owned(),
            needed: FRAME_MESSAGES,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::testing::{START, at};

    /// Feeds (header ms, arrival ms) and gives the verdicts; after `Anew` as `Window` does.
    fn verdicts(ticks: &[(i64, i64)]) -> Vec<Verdict> {
        let mut check = HeaderCheck::default();
        let feed = |&(header, arrival): &(i64, i64)| {
            let header = Header {
                stamp: Stamp(header * 1_000_000),
                frame_id: "laser".to_owned(),
            };
            let verdict = check.admit(&header, at(arrival));
            if matches!(verdict, Verdict::Anew(_)) {
                check.clear();
                assert_eq!(check.admit(&header, at(arrival)), Verdict::Accept);
            }
            verdict
        };
        ticks.iter().map(feed).collect()
    }

    fn letters(ticks: &[(i64, i64)]) -> String {
        let letter = |verdict: &Verdict| match verdict {
            Verdict::Accept => 'a',
            Verdict::Anew(_) => 'n',
            Verdict::Refuse(InvalidSample::Repeated { .. }) => 'r',
            Verdict::Refuse(_) => 'x',
            Verdict::OutOfOrder(_) => 'o',
        };
        verdicts(ticks).iter().map(letter).collect()
    }

    #[test]
    fn a_sensor_clock_hours_away_is_fine() {
        assert_eq!(letters(&[(5, 0), (105, 100), (205, 200)]), "aaa");
        let far = START / 1_000_000 * 3;
        assert_eq!(letters(&[(far, 0), (far + 100, 100)]), "aa");
    }

    #[test]
    fn bursts_and_delays_of_seconds_are_fine() {
        // 3 s of silence on the network, then everything at once.
        assert_eq!(
            letters(&[(1000, 0), (1200, 3200), (1400, 3201), (4200, 3202)]),
            "aaaa"
        );
    }

    #[test]
    fn zero_stamps_count_for_nothing() {
        assert_eq!(
            letters(&[(0, 0), (0, 100), (7000, 200), (0, 300), (7200, 400)]),
            "aaaaa"
        );
    }

    #[test]
    fn a_frozen_stamp_is_refused_until_it_moves_again() {
        assert_eq!(
            letters(&[(1000, 0), (1000, 100), (1000, 9000), (10100, 9100)]),
            "arra"
        );
    }

    #[test]
    fn a_small_step_back_is_out_of_order() {
        assert_eq!(
            letters(&[(1000, 0), (1200, 100), (1100, 200), (1300, 300)]),
            "aaoa"
        );
        let back = verdicts(&[(1000, 0), (900, 100)]).pop().unwrap();
        assert_eq!(back, Verdict::OutOfOrder(Duration::from_millis(100)));
    }

    #[test]
    fn one_odd_stamp_is_refused_and_the_next_good_one_taken() {
        for odd in [1_000_000_000, -1_000_000_000, 20_000] {
            assert_eq!(
                letters(&[(1000, 0), (odd, 100), (1200, 200), (1300, 300)]),
                "axaa"
            );
        }
    }

    #[test]
    fn two_that_agree_are_a_new_clock() {
        for new in [1_000_000_000, 50_000, -1_000_000_000] {
            let ticks = [(1000, 0), (new, 100), (new + 100, 200), (new + 200, 300)];
            assert_eq!(letters(&ticks), "axna", "{new}");
        }
    }

    #[test]
    fn leaps_that_do_not_agree_or_do_not_move_are_no_clock() {
        let wild = [
            (1000, 0),
            (100_000, 100),
            (900_000, 200),
            (100_000, 300),
            (1400, 400),
        ];
        assert_eq!(letters(&wild), "axxxa");
        assert_eq!(
            letters(&[(1000, 0), (90_000, 100), (90_000, 200), (1300, 300)]),
            "axra"
        );
    }

    #[test]
    fn odd_stamps_with_good_ones_between_are_no_clock() {
        let ticks = [
            (1000, 0),
            (90_000, 100),
            (1200, 200),
            (90_200, 300),
            (1400, 400),
        ];
        assert_eq!(letters(&ticks), "axaxa");
    }

    #[test]
    fn extreme_stamps_do_not_overflow() {
        let max = i64::MAX / 1_000_000;
        assert_eq!(letters(&[(max, 0), (-max, 100), (max - 1, 200)]), "axo");
    }

    #[test]
    fn a_new_frame_is_taken_at_its_third_message_in_a_row() {
        let mut check = HeaderCheck::default();
        let mut feed = |frame: &str| {
            let header = Header {
                stamp: Stamp(0),
                frame_id: frame.to_owned(),
            };
            let verdict = check.admit(&header, at(0));
            if matches!(verdict, Verdict::Anew(_)) {
                check.clear();
                check.admit(&header, at(0));
            }
            verdict
        };
        let new = Verdict::Anew(JumpCause::NewFrame("b".to_owned()));
        assert_eq!(feed("a"), Verdict::Accept);
        for frame in ["b", "b", "a", "b", "c", "b", "b"] {
            assert_eq!(feed(frame) == Verdict::Accept, frame == "a", "{frame}");
        }
        assert_eq!(feed("b"), new);
        assert_eq!(feed("b"), Verdict::Accept);
        assert!(matches!(feed("a"), Verdict::Refuse(_)));
    }
}
