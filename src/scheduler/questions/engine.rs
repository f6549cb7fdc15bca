//! The traits of what reads questions and of what answers them, part by part.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::scheduler::engine::EngineFault;

/// What an engine answers with.
pub trait Answer: Clone + Send + Sync + 'static {
    /// Why it is none, such as probabilities that are no numbers. An engine that gives such an
    /// answer has failed.
    fn fault(&self) -> Option<String>;
}

/// Upper bounds of a part, known before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// All of it.
    pub whole: Duration,
    /// From one look at clock and claim to the next, or to its end.
    pub step: Duration,
}

impl Part {
    /// What must be left so that it is begun. The part is given up where the next look could come
    /// too late, so one step more than it takes.
    pub fn needs(&self) -> Duration {
        self.whole + self.step
    }
}

/// A question as an engine would take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// New tokens of its prompt.
    pub new: usize,
    /// The answer without a thought.
    pub mandatory: Part,
}

/// A deadline within which not even the mandatory part fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// From the question to its answer.
    pub deadline: Duration,
    /// Left of it for the mandatory part.
    pub budget: Duration,
    /// What a deadline needs beside the mandatory part.
    pub beside: Duration,
}

/// Reads questions for an engine while that works: what any thread may ask.
pub trait QuestionReader: Send + Sync {
    /// What a question needs, with nothing cached but what always is.
    ///
    /// # Errors
    /// Why it is no question, as a sentence.
    fn read(&self, question: &str) -> Result<Reading, String>;

    /// What would fit, as a sentence.
    fn advice(&self, reading: &Reading, short: &TooShort) -> String;
}

/// Answers one question at a time, part by part: first without a thought, then after each further
/// chunk of thought.
///
/// An engine may block, fail, panic or return nonsense: worker and watchdog are built for that.
pub trait QuestionEngine<A>: Send {
    /// The name used in answers.
    fn name(&self) -> &str;

    /// Takes a question, and forgets the one before, also one that was given up or panicked in; the
    /// bounds of its mandatory part. Nothing is computed yet.
    ///
    /// # Errors
    /// Where it is none to this engine, or this engine is none.
    fn take(&mut self, question: &str) -> Result<Part, TakeFault>;

    /// Bounds of the next part after an exit; `None`: there is no more.
    fn next_part(&self) -> Option<Part>;

    /// Runs the next part up to its exit; `None` where there was nothing more to think. `look` is
    /// asked before every layer, and where it breaks the part is given up.
    ///
    /// # Errors
    /// Where it was given up, there is no answer, or the engine failed.
    fn advance(
        &mut self,
        look: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Exit<A>>, PartFault>;

    /// Whether it answers a question of its own as it did when it was sound.
    ///
    /// # Errors
    /// Why not.
    fn check(&mut self, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), EngineFault>;
}

/// An answer to be had now.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit<A> {
    /// With all that was thought so far.
    pub answer: A,
    /// Calibrated probability of it.
    pub confidence: f32,
    /// Confidence at which `fastest` stops here.
    pub threshold: f32,
    /// Whether the last thoughts changed nothing.
    pub unchanged: bool,
}

/// Why a question was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeFault {
    /// It is no question.
    Unusable(String),
    /// The engine failed.
    Engine(EngineFault),
}

/// Why a part came to no exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartFault {
    /// It was given up at a look.
    GivenUp,
    /// There is no answer to this question here, though the engine is sound: a grammar's own limits.
    NoAnswer(String),
    /// The engine failed.
    Engine(EngineFault),
}
