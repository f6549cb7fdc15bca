//! A snapshot of the active model, for the reporter.

use std::sync::Arc;
use std::time::Duration;

use super::marker_view::MarkerView;
use crate::act::attention::AttentionLimits;
use crate::act::diagnostics::Thresholds;
use crate::params::{GateParams, SourceParams};
use crate::scheduler::threaded::SchedulerThreads;

/// The active model as the reporter sees it; replaced as a whole.
pub struct ModelSnapshot {
    /// The threads and their counts.
    pub live: Arc<SchedulerThreads>,
    /// The bundle's id.
    pub model: String,
    /// Engines in the order of their engine slots.
    pub engines: Vec<String>,
    /// For the markers, where they are on.
    pub view: Option<Arc<MarkerView>>,
    /// From when on diagnostics warn.
    pub thresholds: Thresholds,
    /// The sources.
    pub sources: Vec<SourceParams>,
    /// Which of them triggers.
    pub trigger: String,
    /// The velocity gate, where there is one.
    pub gate: Option<GateParams>,
    /// When somebody is needed.
    pub attention: Option<AttentionLimits>,
    /// Between two reports.
    pub period: Duration,
}
