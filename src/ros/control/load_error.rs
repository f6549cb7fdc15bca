//! Errors of `~/load_model` and `~/rollback`.

use crate::configure::ConfigureError;
use crate::params::ChangeRefused;
use crate::scheduler::EngineFault;

/// Why no other model took over; the one that decides goes on deciding.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nothing is loaded.
    #[error(
        "the node is not configured, so there is no model to replace; set the parameter model and \
         configure it"
    )]
    Unconfigured,
    /// The node was cleaned up while the bundle was loaded.
    #[error("the node was cleaned up meanwhile; configure it and try again")]
    Gone,
    /// Bundle or engines.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// The bundle is for other work.
    #[error(
        "{model} has {differences} other than {present}, so it cannot take over on the same inputs \
         for the same acts; {advice}"
    )]
    Different {
        /// Id of the bundle that was to be loaded.
        model: String,
        /// Id of the active one.
        present: String,
        /// What differs.
        differences: String,
        /// How to change to it all the same.
        advice: String,
    },
    /// The parameters do not fit it.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// It failed on a present window.
    #[error("{model} failed on a window that came while it was tried: {fault}; train it anew")]
    Fails {
        /// The bundle.
        model: String,
        /// What went wrong.
        fault: EngineFault,
    },
    /// Nothing was loaded before.
    #[error("no model was replaced since the node was configured; there is nothing to go back to")]
    NothingBefore,
    /// The system refused threads.
    #[error("starting the threads of the model: {0}")]
    System(#[from] std::io::Error),
    /// A bug.
    #[error("loading panicked (see the log); please report it with the bundle")]
    Panicked,
}
