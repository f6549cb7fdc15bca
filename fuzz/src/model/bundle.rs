//! The files of `src/model/bundle` that read and write, and a stand-in for its error.

#[path = "../../../src/model/bundle/architecture.rs"]
pub mod architecture;
#[path = "../../../src/model/bundle/heads.rs"]
pub mod heads;
#[path = "../../../src/model/bundle/manifest.rs"]
pub mod manifest;
#[path = "../../../src/model/bundle/quantized_matrix.rs"]
pub mod quantized_matrix;
#[path = "../../../src/model/bundle/stage_costs.rs"]
pub mod stage_costs;
#[path = "../../../src/model/bundle/weight_precision.rs"]
pub mod weight_precision;
#[path = "../../../src/model/bundle/weights.rs"]
pub mod weights;

pub mod error {
    #[derive(Debug, thiserror::Error)]
    pub enum BundleError {
        #[error("{0}")]
        Engine(String),
    }
}
