//! The engines that run a bundle: burn on a processor or a GPU, or the packed kernels.

pub(super) mod burn_engine;
pub(super) mod calibrated;
#[cfg(feature = "wgpu")]
pub(super) mod gpu;
pub(super) mod open;
pub(super) mod packed_engine;
