//! Errors of messages that were refused, and notices about those that were taken.

use std::sync::Arc;
use std::time::Duration;

use crate::features::frames::{MountingFault, MountingNotice};
use crate::features::{FaultReason, InputFault, ScanFinding, StaticReturn};
use crate::messages::DecodeError;
use crate::scheduler::Reason;
use crate::time::ShownDuration;

/// Why a message was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestFault {
    /// Its bytes are not what its type promises.
    #[error("source {name}: {fault}")]
    Decode {
        /// The source.
        name: Arc<str>,
        /// What is wrong.
        fault: DecodeError,
    },
    /// It repeats the same measurement, for too long.
    #[error(
        "source {name}: frozen, its messages have been the same for {} under changing stamps; \
         restart the sensor or its driver",
        ShownDuration(*span)
    )]
    Frozen {
        /// The source.
        name: Arc<str>,
        /// For how long.
        span: Duration,
    },
    /// It is older than the source may be, by its own stamp.
    #[error(
        "source {name}: delayed, the header stamp is {} before its arrival, allowed are {} \
         ({name}.stamp_timeout_ms); look at the network and the driver's queue, or at the clocks if \
         they differ",
        ShownDuration(*span), ShownDuration(*allowed)
    )]
    Delayed {
        /// The source.
        name: Arc<str>,
        /// From its stamp to its arrival.
        span: Duration,
        /// The parameter.
        allowed: Duration,
    },
    /// It was sent before this process was not run for a while, and came only now.
    #[error(
        "source {name}: left over from while this process was not run, its stamp lags {} more \
         than is usual; {name}.qos: sensor_data does not have old messages sent again",
        ShownDuration(*more)
    )]
    LeftOver {
        /// The source.
        name: Arc<str>,
        /// More than the usual time from stamp to arrival.
        more: Duration,
    },
    /// The mounting of its laser is not known for sure.
    #[error("source {name}: {fault}")]
    Mounting {
        /// The source.
        name: Arc<str>,
        /// What is wrong.
        fault: Box<MountingFault>,
    },
    /// Ages of inputs cannot be measured.
    #[error(
        "source {name}: its messages come, but ROS time has stood still for {}; see that /clock \
         is published, or set use_sim_time to false where there is no simulation",
        ShownDuration(*span)
    )]
    ClockStopped {
        /// The source.
        name: Arc<str>,
        /// For how long.
        span: Duration,
    },
    /// The window has no use for it.
    #[error(transparent)]
    Input(#[from] InputFault),
}

/// Notices about messages that were taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IngestNotice {
    /// The mounting of a laser.
    #[error(transparent)]
    Mounting(#[from] MountingNotice),
    /// The robot sees itself, most likely.
    #[error(
        "{name}: something stands at {:.0}° to {:.0}° (left positive), {:.2} m from the laser, while the \
         robot drives: part of the robot, most likely; if so, add {:.2}, {:.2} to {name}.ignore, or set \
         footprint (or robot_radius) so that it holds it",
        .standing.from.to_degrees(), .standing.to.to_degrees(), .standing.range,
        .standing.rounded()[0], .standing.rounded()[1]
    )]
    OwnBody {
        /// The source.
        name: Arc<str>,
        /// Where.
        standing: StaticReturn,
    },
}

/// A finding about a source of scans, to be logged once.
#[derive(Clone, Debug, thiserror::Error)]
#[error("source {name}: {news}")]
pub struct SourceFinding {
    /// The source.
    pub name: Arc<str>,
    /// The finding.
    pub news: ScanFinding,
}

pub(super) fn reason_of(fault: &IngestFault) -> Reason {
    match fault {
        IngestFault::Decode { .. } | IngestFault::Mounting { .. } => Reason::InvalidInput,
        IngestFault::Frozen { .. }
        | IngestFault::Delayed { .. }
        | IngestFault::LeftOver { .. }
        | IngestFault::ClockStopped { .. } => Reason::StaleInput,
        IngestFault::Input(fault) => match fault.reason() {
            FaultReason::InvalidInput => Reason::InvalidInput,
            FaultReason::TimeJump => Reason::TimeJump,
        },
    }
}
