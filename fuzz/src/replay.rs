//! Reading recordings.

#[path = "../../src/replay/bag/mod.rs"]
pub mod bag;
