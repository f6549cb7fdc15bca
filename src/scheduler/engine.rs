//! The trait of what runs the model, one stage at a time.

use std::time::{Duration, Instant};

use crate::bins::Bins;

/// Runs a multi-exit model stage by stage, so that the worker can stop after any exit.
///
/// An engine may block, fail, panic or return nonsense: the worker and the watchdog are built for
/// that. It must not publish, log or keep the window it was given.
pub trait Engine: Send {
    /// The name used in parameters and decisions, such as `flex`.
    fn name(&self) -> &str;

    /// Stages of the model; every stage ends in an exit.
    fn exits(&self) -> usize;

    /// Classes each exit tells apart.
    fn labels(&self) -> usize;

    /// Windows it can take at once.
    fn capacity(&self) -> usize {
        1
    }

    /// Takes a new window, row-major `[frames, features]`, and forgets the one before; several of
    /// them one behind the other, up to [`Engine::capacity`].
    fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault>;

    /// Runs the next stage with its exit head and writes the calibrated probabilities of its exit,
    /// one per label; those of several windows one behind the other.
    fn advance(&mut self, probabilities: &mut [f32]) -> Result<(), EngineFault>;

    /// How far the way of a window (0-based) is free, as the exit last read says; none where the
    /// model does not tell.
    fn free_way(&self, _window: usize) -> Option<FreeWay<'_>> {
        None
    }

    /// Whether an exit costs much to read, whatever it took to compute: one that waits for a GPU
    /// does. Only then is [`Engine::finish`] called.
    fn reads_are_dear(&self) -> bool {
        false
    }

    /// Runs every stage that is left in one go and writes the probabilities of the last exit; the
    /// exits on the way are not read.
    fn finish(&mut self, _probabilities: &mut [f32]) -> Result<(), EngineFault> {
        Err(EngineFault(String::from("this engine goes stage by stage")))
    }
}

/// A distribution of the free way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FreeWay<'a> {
    /// Its bins.
    pub bins: &'a Bins,
    /// Of every bin.
    pub probabilities: &'a [f32],
}

impl FreeWay<'_> {
    /// The distance, m, that it falls short of with the probability `q`; none where that lies in
    /// the last bin, which has no end.
    pub fn quantile_m(&self, q: f32) -> Option<f32> {
        let metres = self.bins.quantile_m(self.probabilities, q);
        let last = self.bins.start_m(self.bins.count() - 1);
        (metres < last).then_some(metres)
    }
}

/// Runs one window through every stage and tells what each (0-based) took; taking the window
/// counts to the first.
pub fn time_stages(
    engine: &mut dyn Engine,
    window: &[f32],
    probabilities: &mut [f32],
    mut tell: impl FnMut(usize, Duration),
) -> Result<(), EngineFault> {
    let mut start = Instant::now();
    engine.begin(window)?;
    for stage in 0..engine.exits() {
        engine.advance(probabilities)?;
        let end = Instant::now();
        tell(stage, end.duration_since(start));
        start = end;
    }
    Ok(())
}

/// Runs one window through `stages` stages and the rest in one go, and tells what the rest took;
/// taking the window counts to it where `stages` is 0.
pub fn time_finish(
    engine: &mut dyn Engine,
    window: &[f32],
    probabilities: &mut [f32],
    stages: usize,
) -> Result<Duration, EngineFault> {
    let mut start = Instant::now();
    engine.begin(window)?;
    for _ in 0..stages {
        engine.advance(probabilities)?;
        start = Instant::now();
    }
    engine.finish(probabilities)?;
    Ok(start.elapsed())
}

/// Why an engine could not run a stage, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineFault(pub String);
