//! What a decision does once it is made: the messages it becomes, the velocity gate.

pub mod diagnostics;
pub mod gate;
pub mod statistics;
pub mod wire;

pub use gate::{Gate, GateLimits, Velocity};
pub use wire::Vocabulary;
