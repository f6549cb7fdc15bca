//! The model: its bundle on disk, the burn modules, and the engines that run it stage by stage.

mod bundle;
mod engine_kind;
mod engines;
mod network;

pub use crate::kernels::Precision;
pub use bundle::architecture::Architecture;
pub use bundle::bundle_folder::Bundle;
pub(crate) use bundle::bundle_folder::sha256_hex;
pub use bundle::error::BundleError;
pub use bundle::heads::Heads;
pub use bundle::manifest::{ExitSpec, FORMAT, Manifest, TrainedOn, Training, WeightsSpec};
pub use bundle::stage_costs::StageCosts;
pub use bundle::weight_precision::WeightPrecision;
pub use bundle::weights::{TensorValues, Weights, WeightsFault, uniform};
pub use engine_kind::{Backend, EngineKind};
pub use engines::calibrated::calibrated;
#[cfg(feature = "wgpu")]
pub use engines::gpu::Gpu;
#[cfg(feature = "wgpu")]
pub use engines::gpu::GpuFloat;
#[cfg(feature = "wgpu")]
pub use engines::gpu::GpuKind;
pub use network::encoder::Encoder;

#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "wgpu"))]
pub(crate) use tests::gpu::engine_here as gpu_here;
