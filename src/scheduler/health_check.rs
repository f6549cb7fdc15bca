//! The health check that an engine must pass after a fault or stall before it is used again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::decision::MAX_LABELS;
use super::engine::{Engine, EngineFault};
use crate::time::ShownDuration;

/// Windows in a row that an engine must answer right and in time.
const WINDOWS: usize = 16;
/// How far a probability may be from the engine's answer when it was sound. Sums in another order
/// stay far below it.
const TOLERANCE: f32 = 1e-3;
/// From a fault to the first try; every later one waits twice as long, until the engine was sound
/// for [`SOUND`].
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// An engine that works for so long after it came back has recovered: its next fault is a first
/// one.
const SOUND: Duration = Duration::from_secs(60);

/// A window with what a sound engine answered at every exit.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    window: Vec<f32>,
    answers: Vec<[f32; MAX_LABELS]>,
}

impl HealthCheck {
    /// Asks an engine that is known to be sound.
    pub fn of(engine: &mut dyn Engine, window: Vec<f32>) -> Result<HealthCheck, EngineFault> {
        let answers = answers(engine, &window)?;
        Ok(HealthCheck { window, answers })
    }

    /// Whether the engine gives the same answers again, several times, each within `limit`.
    pub(super) fn pass(&self, engine: &mut dyn Engine, limit: Duration) -> Result<(), EngineFault> {
        for _ in 0..WINDOWS {
            let began = Instant::now();
            let found = catch_unwind(AssertUnwindSafe(|| answers(engine, &self.window)));
            let found = found.unwrap_or_else(|_| Err(EngineFault(String::from("panicked"))))?;
            if began.elapsed() >= limit {
                return Err(EngineFault(format!(
                    "took longer than {}",
                    ShownDuration(limit)
                )));
            }
            let pairs = found.iter().flatten().zip(self.answers.iter().flatten());
            // Not "any pair apart": a value that is no number is apart from everything.
            if !pairs.clone().all(|(a, b)| (a - b).abs() <= TOLERANCE) {
                return Err(EngineFault(String::from("answers otherwise than before")));
            }
        }
        Ok(())
    }
}

fn answers(engine: &mut dyn Engine, window: &[f32]) -> Result<Vec<[f32; MAX_LABELS]>, EngineFault> {
    engine.begin(window)?;
    let labels = engine.labels().min(MAX_LABELS);
    (0..engine.exits())
        .map(|_| {
            let mut row = [0.0; MAX_LABELS];
            engine.advance(&mut row[..labels])?;
            Ok(row)
        })
        .collect()
}

/// When an engine that was passed by is looked at next.
#[derive(Debug)]
pub(super) struct RetrySchedule {
    wait: Duration,
    next: Option<Instant>,
    /// When it came back, until it fails again.
    back: Option<Instant>,
}

impl RetrySchedule {
    pub fn new() -> RetrySchedule {
        RetrySchedule {
            wait: FIRST_WAIT,
            next: None,
            back: None,
        }
    }

    /// Whether it is time; the first call after a fault only sets the alarm.
    pub fn due(&mut self, now: Instant) -> bool {
        match self.next {
            Some(next) => now >= next,
            None => {
                let back = self.back.take();
                if back.is_some_and(|back| now.duration_since(back) >= SOUND) {
                    self.wait = FIRST_WAIT;
                }
                self.next = Some(now + self.wait);
                false
            }
        }
    }

    /// It was looked at, and passed or not. One that comes back only to fail again is asked ever
    /// less often.
    pub fn done(&mut self, passed: bool, now: Instant) {
        self.next = None;
        self.back = passed.then_some(now);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers `value`, or fails where it is set to.
    struct Patient {
        value: f32,
        fails: bool,
    }

    impl Engine for Patient {
        fn name(&self) -> &str {
            "patient"
        }
        fn exits(&self) -> usize {
            2
        }
        fn labels(&self) -> usize {
            2
        }
        fn begin(&mut self, _: &[f32]) -> Result<(), EngineFault> {
            Ok(())
        }
        fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
            assert!(self.value != 9.0, "scripted");
            out.copy_from_slice(&[self.value, 1.0 - self.value]);
            match self.fails {
                true => Err(EngineFault(String::from("lost"))),
                false => Ok(()),
            }
        }
    }

    #[test]
    fn only_the_same_answers_in_time_are_health() {
        let mut patient = Patient {
            value: 0.7,
            fails: false,
        };
        let health_check = HealthCheck::of(&mut patient, vec![0.5; 4]).unwrap();
        let pass = |value, fails, limit| {
            let mut patient = Patient { value, fails };
            health_check
                .pass(&mut patient, limit)
                .map_err(|fault| fault.0)
        };
        let long = Duration::from_secs(60);
        assert_eq!(pass(0.7, false, long), Ok(()));
        for (value, fails, limit, word) in [
            (0.6, false, long, "otherwise"),
            (f32::NAN, false, long, "otherwise"),
            (0.7, true, long, "lost"),
            (9.0, false, long, "panicked"),
            (0.7, false, Duration::ZERO, "longer"),
        ] {
            let fault = pass(value, fails, limit).unwrap_err();
            assert!(fault.contains(word), "{fault}");
        }
    }

    #[test]
    fn rounds_come_ever_less_often() {
        let mut rounds = RetrySchedule::new();
        let start = Instant::now();
        assert!(!rounds.due(start), "just failed");
        assert!(!rounds.due(start + FIRST_WAIT / 2));
        assert!(rounds.due(start + FIRST_WAIT));
        rounds.done(false, start);
        assert!(!rounds.due(start), "failed again");
        assert!(!rounds.due(start + FIRST_WAIT));
        assert!(rounds.due(start + FIRST_WAIT * 2));
        for _ in 0..20 {
            rounds.done(false, start);
        }
        assert!(!rounds.due(start));
        assert!(!rounds.due(start + LONGEST_WAIT / 2));
        assert!(rounds.due(start + LONGEST_WAIT));
    }

    #[test]
    fn an_engine_that_was_sound_for_a_while_begins_anew_and_one_that_was_not_does_not() {
        let start = Instant::now();
        let after = |sound: Duration| {
            let mut rounds = RetrySchedule::new();
            rounds.done(false, start);
            rounds.done(true, start);
            let failed = start + sound;
            assert!(!rounds.due(failed), "just failed");
            rounds.due(failed + FIRST_WAIT)
        };
        assert!(after(SOUND));
        assert!(!after(SOUND / 2));
    }
}
