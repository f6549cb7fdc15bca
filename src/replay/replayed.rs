//! The result of one replayed recording.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::learn::{BaselineTallies, ConfusionCounts as ScoreTally};
use crate::scheduler::{CounterValues, DecisionSource};
use crate::time::Mono;

/// The result of one recording.
pub struct ReplayedRecording {
    /// Its name.
    pub name: Arc<str>,
    /// Robot its scores count for.
    pub robot: String,
    /// The counters.
    pub tally: CounterValues,
    /// One per decision.
    pub points: Vec<ReplayedDecision>,
    /// Seconds from its first to its last message, on any topic.
    pub seconds: f64,
    /// Decisions that answer the trigger's silence.
    pub silences: u64,
    /// Optional sources that it lacks, and why.
    pub without: BTreeMap<String, String>,
    /// Other notices, in sentences.
    pub notices: Vec<String>,
    /// Messages the window had no use for, and the first such fault.
    pub refused: (u64, Option<String>),
    /// Notices about its messages, none of which was refused for them.
    pub remarks: Vec<String>,
    /// The place and cause of a cut.
    pub cut: Option<String>,
    /// Against the truth, where there is one.
    pub scored: Option<(ScoreTally, BaselineTallies)>,
}

/// One decision, for quantiles, expectations and the picture.
#[derive(Clone, Copy)]
pub struct ReplayedDecision {
    /// Seconds since the recording began.
    pub at: f64,
    /// Arrival to publication.
    pub latency: Duration,
    /// Label index.
    pub label: u8,
    /// Exit, 0: none.
    pub exit: u8,
    /// Where its label comes from.
    pub source: DecisionSource,
    /// The truth, where it is known.
    pub truth: Option<DecisionTruth>,
}

/// The truth that a decision is compared with.
#[derive(Clone, Copy)]
pub struct DecisionTruth {
    /// The class to be decided.
    pub label: usize,
    /// Class of what is seen now.
    pub now: usize,
}

/// Logical time at which a recording begins.
pub const START: Mono = Mono(1_000_000_000);
