//! What a decision does once it is made: the messages it becomes, the velocity gate, the speed
//! limit, the call for attention.

pub mod attention;
pub mod diagnostics;
mod earned;
pub mod gate;
pub mod markers;
pub mod outlet;
pub mod speed_limit;
pub mod statistics;
mod verdict;
pub mod wire;

pub use gate::{Gate, GateLimits, Velocity};
pub use verdict::{Basis, Verdict};
pub use wire::Vocabulary;
