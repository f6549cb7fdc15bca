//! Compression of a bundle: pruning, quantization, and the table of what each step cost.

pub(super) mod compress;
pub(super) mod pruning;
pub(super) mod variants;
