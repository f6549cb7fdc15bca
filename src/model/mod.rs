//! The model: its bundle on disk, the burn modules, and the engines that run it stage by stage.

mod bundle;
mod costs;
mod encoder;
mod engine;
mod fold;
#[cfg(feature = "wgpu")]
mod gpu;
mod heads;
mod macs;
mod manifest;
mod operation;
mod packed;
mod packing;
mod stored;
mod weights;
mod whole;

pub use crate::kernels::Precision;
pub(crate) use bundle::sha256_hex;
pub use bundle::{Bundle, BundleError};
pub use costs::StageCosts;
pub use encoder::Encoder;
pub use engine::{Backend, EngineKind, calibrated};
#[cfg(feature = "wgpu")]
pub use gpu::{Gpu, GpuFloat, GpuKind};
pub use heads::Heads;
pub use manifest::{Architecture, ExitSpec, FORMAT, Manifest, TrainedOn, Training, WeightsSpec};
pub use stored::Stored;
pub use weights::{Values, Weights, WeightsFault, uniform};

#[cfg(test)]
mod tests;
