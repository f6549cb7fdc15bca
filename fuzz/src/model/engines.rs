//! What of `src/model/engines` a manifest needs.

#[path = "../../../src/model/engines/calibrated.rs"]
pub mod calibrated;
