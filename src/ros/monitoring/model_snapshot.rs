//! A snapshot of the active model, for the reporter.

use std::sync::Arc;
use std::time::Duration;

use super::marker_view::MarkerView;
use crate::act::attention::AttentionLimits;
use crate::act::diagnostics::Thresholds;
use crate::params::{GateParams, SourceParams};
use crate::scheduler::threaded::SchedulerThreads;

/// What the reporter reports on; replaced whole.
pub struct ModelSnapshot {
    /// The threads and their counts.
    pub live: Arc<SchedulerThreads>,
    /// The bundle's id.
    pub model: String,
    /// Engines in the order of their engine slots.
    pub engines: Vec<String>,
    /// What showing decisions takes, where they are shown.
    pub view: Option<Arc<MarkerView>>,
    /// From when on diagnostics warn.
    pub thresholds: Thresholds,
    /// The sources.
    pub sources: Vec<SourceParams>,
    /// Which of them triggers.
    pub trigger: String,
    /// The velocity gate, where there is one.
    pub gate: Option<GateParams>,
    /// When attention is asked for.
    pub attention: Option<AttentionLimits>,
    /// Between two reports.
    pub period: Duration,
}
