//! How many weights the blocks of a model have.

use crate::model::Architecture;

/// Weights in the matrices of all blocks.
pub fn block_weights(sizes: &Architecture) -> usize {
    sizes.depth * sizes.width * (4 * sizes.inner() + 2 * sizes.ffn)
}
