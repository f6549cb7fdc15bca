//! The anytime engine: one trigger in, exactly one decision out, no later than its deadline.
//!
//! A trigger is offered to the [`Desk`] and taken by the reasoner of the active engine, which
//! makes it a cycle and runs the model stage by stage until the [`Policy`] stops it. The
//! [`Guard`] answers in its place when the deadline less the publish margin comes first: by the
//! deepest exit so far, else by the last decision of the model, else by the safe label. Which of
//! the two answers is decided by one compare-and-swap per cycle.
//!
//! [`live`] puts threads under it; [`logical`] runs the same code in logical time.

/// Target of the spans and events that show where a cycle's time goes, all of level TRACE. A
/// subscriber that does not ask for it costs them one comparison each.
pub const CYCLE: &str = "edge_reasoner::cycle";

mod checkup;
mod cost;
mod counts;
mod decision;
mod decision_cache;
mod desk;
mod engine;
mod guard;
mod hold;
pub mod live;
pub mod logical;
mod outgoing;
mod policy;
mod reasoner;
mod request;
mod saliency;
mod station;

pub use checkup::Checkup;
pub use cost::CostModel;
pub use counts::{Counts, Tally};
pub use decision::{
    Decision, MAX_EXITS, MAX_LABELS, Probabilities, Reason, Source, Trigger, Verdict,
};
pub use desk::{Desk, Publish, TICK};
pub use engine::{Engine, EngineFault, FreeWay, time_finish, time_stages};
pub use guard::Guard;
pub use outgoing::Outgoing;
pub use policy::{Policy, Progress, Step};
pub use reasoner::{Batches, Poll, Reasoner};
pub use request::{Request, Reuse, Terms};
pub use saliency::occlusion;
