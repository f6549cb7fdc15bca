//! Packs the weights of a bundle for this processor.

use crate::kernels::{Packed, Precision, Residual, Sizes};
use crate::model::bundle::architecture::Architecture;
use crate::model::bundle::error::BundleError;
use crate::model::bundle::weight_precision::WeightPrecision;
use crate::model::bundle::weights::Weights;

/// Weights that fit `sizes` and were held as `stored`, for this processor's kernels.
pub(in crate::model) fn pack(
    weights: &Weights,
    sizes: &Sizes,
    stored: WeightPrecision,
    precision: Precision,
) -> Result<Packed, BundleError> {
    let tensor = |name: &str| weights.0.get(name).map(|tensor| tensor.data.as_slice());
    Packed::new(sizes, tensor, residual(stored, precision), precision)
        .map_err(|error| BundleError::Engine(error.to_string()))
}

/// As the kernels have them.
pub(in crate::model) fn sizes(architecture: &Architecture, labels: usize) -> Sizes {
    Sizes {
        frames: architecture.frames,
        features: architecture.features,
        width: architecture.width,
        heads: architecture.heads,
        head_width: architecture.head_width(),
        depth: architecture.depth,
        ffn: architecture.ffn,
        labels,
    }
}

/// Integers that were stored shall be the integers that are multiplied with.
pub(in crate::model) fn residual(stored: WeightPrecision, precision: Precision) -> Residual {
    match (stored, precision) {
        (WeightPrecision::Int8, Precision::Int8) => Residual::Rounded,
        _ => Residual::Trained,
    }
}
