//! Errors of the configuration of a node or a replay.

use std::path::PathBuf;

use crate::features::SpecError;
use crate::model::BundleError;
use crate::params::ParamFaults;
use crate::scheduler::EngineFault;

/// Why a node or a replay could not be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// No such bundle.
    #[error(
        "model {name}: no such bundle; looked for a model.yaml in {}; give the path of a bundle's \
         directory",
        .looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NoBundle {
        /// Name as given.
        name: String,
        /// The folders that were searched.
        looked: Vec<PathBuf>,
    },
    /// The bundle is not sound.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The parameters are not.
    #[error(transparent)]
    Params(#[from] ParamFaults),
    /// The bundle's window cannot be built.
    #[error("the bundle's window: {0}")]
    Window(#[from] SpecError),
    /// The deadline cannot be met.
    #[error(
        "deadline_ms: {0}; or set refuse_impossible_deadline to false and have every decision \
         answered by a fallback"
    )]
    Deadline(String),
    /// An engine cannot run the model at all.
    #[error("engine {engine} cannot run the model: {fault}; name another in the parameter engines")]
    Engine {
        /// Its name.
        engine: String,
        /// Its error.
        fault: EngineFault,
    },
}
