//! The model: its bundle on disk, the burn modules, and the engine that runs them stage by stage.

mod bundle;
mod encoder;
mod engine;
mod manifest;
mod weights;

pub(crate) use bundle::sha256_hex;
pub use bundle::{Bundle, BundleError};
pub use encoder::Encoder;
pub use engine::{BurnEngine, EngineKind, calibrated};
pub use manifest::{Architecture, ExitSpec, FORMAT, Manifest, TrainedOn, Training, WeightsSpec};
pub use weights::{Values, Weights, WeightsFault, uniform};

#[cfg(test)]
mod tests;
