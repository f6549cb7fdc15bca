//! What of `src/model/network` integer weights need.

#[path = "../../../src/model/network/norm_folding.rs"]
pub mod norm_folding;
