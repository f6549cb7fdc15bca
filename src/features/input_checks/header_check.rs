//! Checks a message's header against the ones before it: its stamp against the time of arrival, and
//! its frame. Only differences count, so sensor clocks hours away from ROS time are fine.

use std::time::Duration;

use crate::features::input_fault::{InvalidSample, JumpCause};
use crate::messages::Header;
use crate::time::Stamp;

/// How far the header's clock may come away from the clock of arrivals between two messages.
/// Wi-Fi and burst delays of a few seconds are real; more is another clock.
const LEAP_NS: i64 = 5_000_000_000;

/// Messages in a row that agree with each other on another clock until it is taken, however far
/// away it is.
const CLOCK_MESSAGES: u32 = 3;

/// The same where they fit between the last two that were taken: they may be late ones.
const LATE_MESSAGES: u32 = 6;

/// A clock that was left and comes back needs twice as many messages every time, this often.
const DOUBLINGS: u32 = 4;

/// A clock that was left is known again for so long after its last message.
const REMEMBERED_NS: i64 = 10_000_000_000;

/// Changes between two clocks until they are called two.
const TURNS: u32 = 3;

/// Messages of the clock in use between two that are a few seconds off, as of a second publisher;
/// rarer ones may just be late.
const BETWEEN: u32 = 3;

/// Messages in a row with the same new frame until it is taken.
const FRAME_MESSAGES: u32 = 3;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::features) enum HeaderStatus {
    Accept,
    /// Take it as the first of a new time.
    Anew(JumpCause),
    Refuse(InvalidSample),
    OutOfOrder(Duration),
}

/// The headers of one source so far.
#[derive(Clone, Debug, Default)]
pub(in crate::features) struct HeaderCheck {
    last: Option<StampPair>,
    /// Stamp of the message that was taken before `last`.
    before: Option<Stamp>,
    /// Messages that do not fit the clock in use, but each other.
    other: Option<ConsistentRun>,
    /// The clock in use before this one.
    left: Option<AbandonedClock>,
    frame: Option<String>,
    new_frame: String,
    new_frame_seen: u32,
}

/// One message on both clocks.
#[derive(Clone, Copy, Debug)]
struct StampPair {
    header: Stamp,
    arrival: Stamp,
}

impl StampPair {
    /// How far the header is from where the arrival puts it, counted from `earlier`.
    fn off(self, earlier: StampPair) -> i64 {
        let header = self.header.delta_ns(earlier.header);
        header.saturating_sub(self.arrival.delta_ns(earlier.arrival))
    }

    /// Whether this may follow `earlier` on one clock, which a message `off_ns` away is not on.
    fn follows(self, earlier: StampPair, off_ns: i64) -> bool {
        // Nearer to each other than to the clock in use, or jitter would pass for a clock.
        let tolerance = LEAP_NS.min(off_ns.saturating_abs() / 2);
        self.header > earlier.header && self.off(earlier).saturating_abs() <= tolerance
    }
}

/// Messages that agree with each other.
#[derive(Clone, Copy, Debug)]
struct ConsistentRun {
    newest: StampPair,
    /// Without one of the clock in use between them.
    in_row: u32,
    /// In a row, until their clock is taken.
    needed: u32,
    /// How often the clock in use came between.
    turns: u32,
    /// Messages of the clock in use since the newest.
    since: u32,
    /// They are of the clock that was left.
    returning: bool,
}

/// A clock that was in use.
#[derive(Clone, Copy, Debug)]
struct AbandonedClock {
    newest: StampPair,
    /// How often it and the one in use have taken each other's place.
    returns: u32,
}

impl HeaderCheck {
    /// Judges a header. A message judged `Anew` is already known as the first of its time.
    pub(in crate::features) fn admit(&mut self, header: &Header, arrival: Stamp) -> HeaderStatus {
        match self.admit_stamp(header.stamp, arrival) {
            HeaderStatus::Accept => self.admit_frame(&header.frame_id),
            HeaderStatus::Anew(cause) => {
                self.set_frame(&header.frame_id);
                HeaderStatus::Anew(cause)
            }
            other => other,
        }
    }

    pub(in crate::features) fn clear(&mut self) {
        self.last = None;
        self.before = None;
        self.other = None;
        self.left = None;
        self.frame = None;
        self.new_frame_seen = 0;
    }

    fn admit_stamp(&mut self, header: Stamp, arrival: Stamp) -> HeaderStatus {
        // Some drivers leave the stamp empty; then the arrival is all there is.
        if header == Stamp(0) {
            return HeaderStatus::Accept;
        }
        let tick = StampPair { header, arrival };
        let Some(last) = self.last else {
            self.last = Some(tick);
            return HeaderStatus::Accept;
        };
        let off_ns = tick.off(last);
        // A step ahead is taken for what was held up on its way, unless it leads back to the clock
        // that was left.
        let left = self.left.filter(|left| tick.follows(left.newest, off_ns));
        if header > last.header && off_ns.saturating_abs() <= LEAP_NS && left.is_none() {
            self.take(tick, last);
            return HeaderStatus::Accept;
        }
        let run = self.run(tick, last, off_ns, left);
        let repeats = |earlier: StampPair| earlier.header == header;
        // On its way, a clock that was set back passes the last stamp of the old one.
        let passes = run.in_row > 1;
        if (repeats(last) && !passes) || self.other.is_some_and(|run| repeats(run.newest)) {
            return HeaderStatus::Refuse(InvalidSample::Repeated { stamp: header });
        }
        self.other = Some(run);
        if let (true, Some(left)) = (run.returning, &mut self.left) {
            left.newest = tick;
        }
        if run.in_row >= run.needed {
            self.change_clock(tick, last, run.returning);
            return HeaderStatus::Anew(JumpCause::NewClock(off_ns));
        }
        let late = run.needed == LATE_MESSAGES;
        if run.returning || (run.turns >= TURNS && !late) {
            return HeaderStatus::Refuse(InvalidSample::TwoClocks { off_ns });
        }
        if off_ns.saturating_abs() > LEAP_NS {
            let stamp = header;
            return HeaderStatus::Refuse(InvalidSample::StampLeap {
                stamp,
                off_ns,
                needed: run.needed,
            });
        }
        HeaderStatus::OutOfOrder(last.header.since(header))
    }

    /// A message of the clock in use.
    fn take(&mut self, tick: StampPair, last: StampPair) {
        self.before = Some(last.header);
        self.last = Some(tick);
        let old = |newest: StampPair| tick.arrival.delta_ns(newest.arrival) > REMEMBERED_NS;
        if self.left.is_some_and(|left| old(left.newest)) {
            self.left = None;
        }
        self.other = self.other.filter(|run| !old(run.newest));
        if let Some(run) = &mut self.other {
            run.in_row = 0;
            run.since = run.since.saturating_add(1);
        }
    }

    /// The run of a clock that is not in use, as this message continues or begins it.
    fn run(
        &self,
        tick: StampPair,
        last: StampPair,
        off_ns: i64,
        left: Option<AbandonedClock>,
    ) -> ConsistentRun {
        let known = self.other;
        let known = known.filter(|run| tick.follows(run.newest, off_ns));
        if let Some(run) = known.filter(|run| run.in_row > 0) {
            return ConsistentRun {
                newest: tick,
                in_row: run.in_row + 1,
                ..run
            };
        }
        let in_turn =
            |run: &ConsistentRun| run.since <= BETWEEN || off_ns.saturating_abs() > LEAP_NS;
        let between = |before: Stamp| before < tick.header && tick.header < last.header;
        ConsistentRun {
            newest: tick,
            in_row: 1,
            needed: match left {
                Some(left) => CLOCK_MESSAGES << (left.returns + 1).min(DOUBLINGS),
                None if self.before.is_some_and(between) => LATE_MESSAGES,
                None => CLOCK_MESSAGES,
            },
            turns: known.filter(in_turn).map_or(0, |run| run.turns + 1),
            since: 0,
            returning: left.is_some(),
        }
    }

    fn change_clock(&mut self, tick: StampPair, last: StampPair, returning: bool) {
        let returns = self.left.filter(|_| returning);
        self.left = Some(AbandonedClock {
            newest: last,
            returns: returns.map_or(0, |left| left.returns + 1),
        });
        self.last = Some(tick);
        self.before = None;
        self.other = None;
    }

    fn set_frame(&mut self, found: &str) {
        let frame = self.frame.get_or_insert_default();
        frame.clear();
        frame.push_str(found);
        self.new_frame_seen = 0;
    }

    fn admit_frame(&mut self, found: &str) -> HeaderStatus {
        let Some(frame) = &self.frame else {
            self.set_frame(found);
            return HeaderStatus::Accept;
        };
        if frame == found {
            self.new_frame_seen = 0;
            return HeaderStatus::Accept;
        }
        if self.new_frame_seen == 0 || self.new_frame != found {
            self.new_frame.clear();
            self.new_frame.push_str(found);
            self.new_frame_seen = 0;
        }
        self.new_frame_seen += 1;
        if self.new_frame_seen >= FRAME_MESSAGES {
            self.set_frame(found);
            return HeaderStatus::Anew(JumpCause::NewFrame(found.to_owned()));
        }
        HeaderStatus::Refuse(InvalidSample::Frame {
            expected: frame.clone(),
            found: found.to_owned(),
            needed: FRAME_MESSAGES,
        })
    }
}

#[cfg(test)]
mod tests;
