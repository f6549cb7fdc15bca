//! Errors of the live node.

use std::process::ExitCode;

use crate::configure::ConfigureError;

/// Why the node did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The parameters' file.
    #[error(transparent)]
    Values(#[from] crate::params::ValueError),
    /// A parameter that is read before all others.
    #[error(transparent)]
    Params(#[from] crate::params::ParamFaults),
    /// Parameters, bundle or engines.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// ROS refused.
    #[error("ROS: {doing} failed: {cause}")]
    Ros {
        /// What was tried.
        doing: String,
        /// r2r's error.
        cause: String,
    },
    /// The gate would read its own output.
    #[error(
        "act.velocity_gate.in ({input}) and act.velocity_gate.out ({output}) are both {topic} after \
         namespace and remapping; expected two topics, or the gate hears itself"
    )]
    GateHearsItself {
        /// As the parameter says.
        input: String,
        /// As the parameter says.
        output: String,
        /// As ROS resolves both.
        topic: String,
    },
    /// No type support for the speed limit.
    #[error(
        "act.speed_limit.enabled is true, but nav2_msgs/msg/SpeedLimit cannot be had: {0}; install \
         the package nav2_msgs of your ROS and source it, or set act.speed_limit.enabled to false"
    )]
    NoSpeedLimit(String),
    /// A thread that must run ended by a panic.
    #[error(
        "a thread of the node ended by a panic (see above): no decision can be promised any more, \
         the gate is closed; please report it, and let the launch file respawn the node"
    )]
    Fallen,
    /// The system refused.
    #[error("{doing}: {cause}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's error.
        cause: std::io::Error,
    },
}

impl RunError {
    /// 78 (EX_CONFIG of sysexits.h) where parameters, bundle or topics were refused: whoever starts
    /// the node again should know that nothing will have changed. 1 for all else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            RunError::Values(_)
            | RunError::Params(_)
            | RunError::Configure(_)
            | RunError::GateHearsItself { .. }
            | RunError::NoSpeedLimit(_) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }
}

pub(super) fn ros<T, E: std::fmt::Display>(
    doing: impl Into<String>,
    result: Result<T, E>,
) -> Result<T, RunError> {
    result.map_err(|cause| RunError::Ros {
        doing: doing.into(),
        cause: cause.to_string(),
    })
}
