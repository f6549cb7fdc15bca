//! The multi-exit encoder: its modules in burn, and one stage of it on packed weights.

pub(super) mod encoder;
pub(super) mod multiply_adds;
pub(super) mod norm_folding;
pub(super) mod packed_weights;
pub(super) mod packing;
pub(super) mod stage_operation;
