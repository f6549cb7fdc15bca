//! What the decoder of language models multiplies with.

#[path = "../../src/kernels/buffer.rs"]
pub(crate) mod buffer;
#[path = "../../src/kernels/decode/mod.rs"]
pub mod decode;
#[path = "../../src/kernels/lanes.rs"]
mod lanes;
#[path = "../../src/kernels/math.rs"]
mod math;
#[cfg(target_arch = "aarch64")]
#[path = "../../src/kernels/neon.rs"]
mod neon;
#[cfg(target_arch = "x86_64")]
#[path = "../../src/kernels/x86.rs"]
mod x86;

/// As in `src/kernels/paths.rs`.
pub(crate) const FORCE: &str = "EDGE_REASONER_KERNELS";
