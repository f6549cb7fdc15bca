//! Detects a frozen sensor, that is a driver that repeats its last measurement under new stamps.

use std::time::Duration;

use crate::time::Mono;

/// Where a message with a header has its frame: behind the encapsulation and the stamp.
const BEHIND_STAMP: usize = 12;

/// Watches one source. Real sensors have noise: two messages in a row are never equal bit by bit.
#[derive(Clone, Debug)]
pub struct FrozenDetector {
    timeout: Duration,
    /// Checksum of the source's message, and since when it is the same.
    since: Option<(u32, Mono)>,
}

impl FrozenDetector {
    /// Frozen after saying the same for longer than `timeout`; zero: never.
    pub fn new(timeout: Duration) -> FrozenDetector {
        FrozenDetector {
            timeout,
            since: None,
        }
    }

    /// Looks at a message's CDR bytes; how long the source has sent just that, if that is too long.
    pub fn look(&mut self, cdr: &[u8], has_header: bool, arrival: Mono) -> Option<Duration> {
        if self.timeout.is_zero() {
            return None;
        }
        let from = if has_header { BEHIND_STAMP } else { 0 };
        let says = crc32fast::hash(cdr.get(from..).unwrap_or_default());
        match self.since {
            Some((said, since)) if said == says => {
                let span = arrival.since(since);
                (span > self.timeout).then_some(span)
            }
            _ => {
                self.since = Some((says, arrival));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_same_under_new_stamps_is_frozen_and_one_new_number_ends_it() {
        let mut frozen = FrozenDetector::new(300 * MS);
        let at = |step: u32| Mono(5_000_000_000) + step * 100 * MS;
        let message =
            |stamp: u8, range: u8| [&[0, 1, 0, 0], &[stamp; 8][..], &[range; 20]].concat();
        let mut look = |step: u32, range| frozen.look(&message(step as u8, range), true, at(step));
        assert!((0..=3).all(|step| look(step, 7).is_none()));
        assert_eq!(look(4, 7), Some(400 * MS));
        assert_eq!(look(5, 8), None);
        assert_eq!(look(6, 8), None);
    }

    #[test]
    fn zero_watches_nothing() {
        let mut frozen = FrozenDetector::new(Duration::ZERO);
        let at = |step: u64| Mono(step * 10_000_000_000);
        assert!((0..9).all(|step| frozen.look(&[1, 2, 3], false, at(step)).is_none()));
    }
}
