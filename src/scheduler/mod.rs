//! The anytime engine: one trigger in, exactly one decision out, no later than its deadline.
//!
//! A trigger is offered to the [`SchedulerState`] and taken by the worker of the active engine,
//! which makes it a cycle and runs the model stage by stage until the [`Policy`] stops it. The
//! [`Watchdog`] answers in its place when the deadline less the publish margin comes first: by the
//! deepest exit so far, else by the last decision of the model, else by the safe label. Which of
//! the two answers is decided by one compare-and-swap per cycle.
//!
//! [`threaded`] puts threads under it; [`simulated`] runs the same code in simulated time.

/// Target of the spans and events that show where a cycle's time goes, all of level TRACE. A
/// subscriber that does not ask for it costs them one comparison each.
pub const CYCLE: &str = "edge_reasoner::cycle";

mod active_engine;
mod claim;
mod cost_model;
mod counters;
mod decision;
mod engine;
mod engine_slot;
mod handoff;
mod health_check;
mod lane;
mod last_decision;
mod lock;
mod outgoing;
mod policy;
mod publish;
pub mod questions;
mod request;
mod result_cache;
mod saliency;
pub mod simulated;
mod state;
pub mod threaded;
mod watchdog;
mod worker;

pub use cost_model::CostModel;
pub use counters::{CounterValues, Counters};
pub use decision::{
    Decision, DecisionSource, InputStatus, MAX_EXITS, MAX_LABELS, Probabilities, Reason, Trigger,
};
pub use engine::{Engine, EngineFault, FreeWay, time_finish, time_stages};
pub use health_check::HealthCheck;
pub use lane::{Lane, LaneWatchdog, LaneWorker};
pub use outgoing::OutgoingDecision;
pub use policy::{Policy, StageProgress, Step};
pub use publish::{Publish, TICK};
pub use request::{CacheConfig, CycleConfig, Request};
pub use saliency::occlusion;
pub use state::SchedulerState;
pub use watchdog::Watchdog;
pub use worker::{BatchCosts, InferenceWorker, Poll};
