//! One call of the engine: its inputs and its results.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::decision::{MAX_LABELS, Probabilities};
use super::super::engine::{Engine, EngineFault};
use super::batch_costs::BatchCosts;
use super::served_robot::ServedRobot;
use crate::time::Mono;

/// What the cycles of a call have in common.
pub(super) struct EngineCall {
    /// Windows that went into the engine together.
    pub count: usize,
    /// Exits that are finished.
    pub exit: u8,
    /// The next engine call runs all that is left.
    pub finish: bool,
    pub start: Mono,
    pub fault: Option<EngineFault>,
    /// Memory for several windows, `[count, frames, features]`.
    windows: Box<[f32]>,
    /// The newest exit of each, `[count, labels]`.
    answers: Box<[f32]>,
}

impl EngineCall {
    /// With memory for up to `most` windows of `window` numbers and their answers.
    pub fn new(most: usize, window: usize, labels: usize) -> EngineCall {
        // A single window is read where it is.
        let windows = if most > 1 { most * window } else { 0 };
        EngineCall {
            count: 0,
            exit: 0,
            finish: false,
            start: Mono(0),
            fault: None,
            windows: vec![0.0; windows].into_boxed_slice(),
            answers: vec![0.0; most * labels].into_boxed_slice(),
        }
    }

    /// Runs the next stage or stages of all cycles of the call; an error is kept in `fault`.
    pub fn make(&mut self, robots: &[ServedRobot], engine: &mut dyn Engine) {
        // The engine is not used again after a panic unless its next `begin` succeeds.
        let run = AssertUnwindSafe(|| self.run(robots, engine));
        let outcome =
            catch_unwind(run).unwrap_or_else(|panic| Err(EngineFault(panic_text(panic.as_ref()))));
        self.fault = outcome.err();
    }

    fn run(&mut self, robots: &[ServedRobot], engine: &mut dyn Engine) -> Result<(), EngineFault> {
        let works = || robots.iter().filter_map(|robot| robot.work.as_ref());
        let labels = robots.first().map_or(0, |robot| robot.scheduler.labels);
        let filled = BatchCosts::filled(self.count);
        if self.exit == 0 && self.count == 1 {
            for work in works() {
                engine.begin(&work.request.window)?;
            }
        } else if self.exit == 0 {
            for work in works() {
                let len = work.request.window.len();
                // What the batch is filled up with is the last one again.
                let rows = match work.row + 1 == self.count {
                    true => work.row..filled,
                    false => work.row..work.row + 1,
                };
                for row in rows {
                    self.windows[row * len..][..len].copy_from_slice(&work.request.window);
                }
            }
            let len = works().next().map_or(0, |work| work.request.window.len());
            engine.begin(&self.windows[..filled * len])?;
        }
        let answers = &mut self.answers[..filled * labels];
        match self.finish {
            true => engine.finish(answers)?,
            false => engine.advance(answers)?,
        }
        let mut read = works().map(|work| self.answer(work.row, labels));
        match read.all(|answer| answer.are_probabilities()) {
            true => Ok(()),
            false => Err(EngineFault(String::from("returned no probabilities"))),
        }
    }

    /// The newest exit of the window in row `row`.
    pub fn answer(&self, row: usize, labels: usize) -> Probabilities {
        Probabilities::from_slice(&self.answers[row * labels..][..labels.min(MAX_LABELS)])
    }
}

/// What a panic said, as a sentence about who panicked.
pub(in crate::scheduler) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    match text {
        Some(text) => format!("panicked: {text}"),
        None => String::from("panicked"),
    }
}
