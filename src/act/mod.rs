//! Acts, that is what a decision does once it is made: messages, velocity gate, speed limit,
//! attention, markers, diagnostics.

mod act_input;
mod asymmetric_debounce;
pub mod attention;
mod diagnostic_level;
pub mod diagnostics;
pub mod encode;
pub mod markers;
pub mod output;
pub mod speed_limit;
pub mod statistics;
pub mod velocity_gate;

pub use act_input::{ActInput, Basis};
pub use encode::DecisionNames;
pub use velocity_gate::{GateLimits, Velocity, VelocityGate};
