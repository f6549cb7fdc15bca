//! Throttles log lines: one per cause and ten seconds; repetitions are counted, and the count is
//! logged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::time::ShownDuration;

/// A cause that persists is logged again after this time.
const AGAIN: Duration = Duration::from_secs(10);
/// Causes kept apart at once; what comes beyond them counts as one, so that a storm of ever new
/// sentences fills neither memory nor log.
const CAUSES: usize = 64;

/// Severity of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Decisions are not what they should be.
    Error,
}

/// The lines logged lately.
#[derive(Default)]
pub struct LogThrottle {
    told: HashMap<String, LoggedLine>,
}

struct LoggedLine {
    at: Instant,
    /// Not logged since.
    more: u64,
    grave: Severity,
    latest: String,
}

impl LogThrottle {
    /// The sentence, where its cause was not logged lately; else it is counted. Sentences that
    /// differ only in numbers have one cause.
    pub fn say(
        &mut self,
        now: Instant,
        grave: Severity,
        sentence: String,
    ) -> Option<(Severity, String)> {
        let mut cause = cause(&sentence);
        if self.told.len() >= CAUSES && !self.told.contains_key(&cause) {
            cause.clear();
        }
        if let Some(told) = self.told.get_mut(&cause) {
            told.more += 1;
            told.latest = sentence;
            return None;
        }
        let told = LoggedLine {
            at: now,
            more: 0,
            grave,
            latest: String::new(),
        };
        self.told.insert(cause, told);
        Some((grave, sentence))
    }

    /// What went on: the newest sentence of each cause and how many there were, once its time has
    /// passed. A cause that did not come again is forgotten.
    pub fn overdue(&mut self, now: Instant) -> Vec<(Severity, String)> {
        self.take(|told| now.duration_since(told.at) >= AGAIN, now)
    }

    /// The same for all, at the end.
    pub fn rest(&mut self, now: Instant) -> Vec<(Severity, String)> {
        self.take(|_| true, now)
    }

    fn take(&mut self, due: impl Fn(&LoggedLine) -> bool, now: Instant) -> Vec<(Severity, String)> {
        let mut words = Vec::new();
        self.told.retain(|_, told| {
            if !due(told) {
                return true;
            }
            if told.more == 0 {
                return false;
            }
            let span = ShownDuration(now.duration_since(told.at));
            let word = match told.more {
                1 => format!("{} (once more in {span})", told.latest),
                more => format!("{} ({more} times more in {span})", told.latest),
            };
            words.push((told.grave, word));
            told.more = 0;
            told.at = now;
            true
        });
        words
    }
}

/// A count that grows: what is new of it, once in ten seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct GrowingCount {
    told: Option<(Instant, u64)>,
}

impl GrowingCount {
    /// How many are new, where there are any and none was logged lately.
    pub fn news(&mut self, now: Instant, count: u64) -> Option<u64> {
        let (lately, before) = match self.told {
            Some((at, before)) => (now.duration_since(at) < AGAIN, before),
            None => (false, 0),
        };
        if lately || count <= before {
            return None;
        }
        self.told = Some((now, count));
        Some(count - before)
    }
}

/// The sentence without its numbers. Digits in a name (`scan_1`, `/robot1/scan`) are no numbers.
fn cause(sentence: &str) -> String {
    let sentence = sentence.replace("NaN", "0").replace("inf", "0");
    let mut cause = String::with_capacity(sentence.len());
    let mut before = ' ';
    let mut in_number = false;
    for letter in sentence.chars() {
        let digit = letter.is_ascii_digit();
        let begins = !before.is_alphanumeric() && !matches!(before, '_' | '/');
        if digit && (in_number || begins) {
            if !in_number {
                cause.push('#');
            }
            in_number = true;
        } else if !(in_number && letter == '.') {
            in_number = false;
            // The sign belongs to the number that follows.
            if letter != '-' || before.is_alphanumeric() {
                cause.push(letter);
            }
        }
        before = letter;
    }
    cause
}

/// Logs a line.
pub fn log(grave: Severity, line: &str) {
    match grave {
        Severity::Warning => tracing::warn!("{line}"),
        Severity::Error => tracing::error!("{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: Vec<(Severity, String)>) -> Vec<String> {
        lines.into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn one_line_per_cause_and_ten_seconds_with_the_count_of_the_rest() {
        let began = Instant::now();
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let mut lines = LogThrottle::default();
        let mut said = Vec::new();
        // 10 Hz for 25 s, then silence.
        for turn in 0..420 {
            let now = at(f64::from(turn) * 0.1);
            if turn < 250 {
                let word = format!("source scan: stamp {turn}.5 is -{turn} s away");
                said.extend(lines.say(now, Severity::Warning, word));
            }
            said.extend(lines.overdue(now));
        }
        let said = words(said);
        assert_eq!(
            said,
            [
                "source scan: stamp 0.5 is -0 s away",
                "source scan: stamp 100.5 is -100 s away (100 times more in 10 s)",
                "source scan: stamp 200.5 is -200 s away (100 times more in 10 s)",
                "source scan: stamp 249.5 is -249 s away (49 times more in 10 s)",
            ]
        );
        assert!(lines.told.is_empty(), "forgotten once it is over");
    }

    #[test]
    fn another_source_is_another_cause_and_the_end_tells_what_was_kept() {
        let now = Instant::now();
        let mut lines = LogThrottle::default();
        for source in ["scan_1", "scan_2"] {
            let word = || format!("source {source}: 5 bytes");
            assert!(
                lines.say(now, Severity::Error, word()).is_some(),
                "{source}"
            );
            assert!(lines.say(now, Severity::Error, word()).is_none());
        }
        let mut rest = words(lines.rest(now));
        rest.sort();
        assert_eq!(rest[0], "source scan_1: 5 bytes (once more in 0 s)");
        assert_eq!(rest.len(), 2);
    }

    #[test]
    fn numbers_are_told_from_names() {
        assert_eq!(cause("at 0x12 of -3.25 s"), "at #x12 of # s");
        assert_eq!(cause("/r1/scan is 4"), "/r1/scan is #");
        assert_eq!(cause("x is NaN; y"), cause("x is -inf; y"));
        assert_ne!(cause("base_2 moved"), cause("base_3 moved"));
    }

    #[test]
    fn a_storm_of_new_causes_is_bounded() {
        let now = Instant::now();
        let mut lines = LogThrottle::default();
        let said = (0..10 * CAUSES).filter_map(|name| {
            let word = format!("frame base_{name}");
            lines.say(now, Severity::Warning, word)
        });
        assert_eq!(said.count(), CAUSES + 1);
        assert_eq!(lines.told.len(), CAUSES + 1);
        assert_eq!(lines.rest(now).len(), 1);
    }

    #[test]
    fn a_growing_count_is_told_at_once_and_then_every_ten_seconds() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut late = GrowingCount::default();
        assert_eq!(late.news(at(0), 0), None);
        assert_eq!(late.news(at(1), 2), Some(2));
        assert_eq!(late.news(at(2), 7), None);
        assert_eq!(late.news(at(11), 9), Some(7));
        assert_eq!(late.news(at(30), 9), None);
    }
}
