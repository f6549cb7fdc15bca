//! Errors of a sample that was refused, as sentences.

use std::time::Duration;

use super::laser::scan_check::ScanFault;
use crate::messages::MessageType;
use crate::time::Stamp;

/// The reason that decisions give for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// The message was refused; older samples stay until their timeout.
    InvalidInput,
    /// Time or frame started anew; the window was emptied.
    TimeJump,
}

/// Why `Window::push` did not simply take a sample.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum InputFault {
    /// A caller's mistake, not the robot's.
    #[error("input number {id} does not exist: the window has {inputs} inputs")]
    UnknownSource { id: u8, inputs: usize },

    #[error(
        "input `{input}`: got a {found}, expected a {expected}; check the topic and type parameters of this input"
    )]
    WrongType {
        input: String,
        expected: MessageType,
        found: MessageType,
    },

    #[error("input `{input}`: message refused: {what}")]
    Invalid { input: String, what: InvalidSample },

    #[error(
        "input `{input}`: message refused: its header stamp is {:.3} s before the last one's; messages arrive out of order, or the clock was set back: then it is taken after a few messages",
        back.as_secs_f64()
    )]
    OutOfOrder { input: String, back: Duration },

    /// The window was emptied and this sample is the first of the new time.
    #[error("input `{input}`: {cause}; the window starts anew with this message")]
    TimeJump { input: String, cause: JumpCause },
}

impl InputFault {
    /// The reason code that a decision gives for this fault.
    pub fn reason(&self) -> FaultReason {
        match self {
            InputFault::TimeJump { .. } => FaultReason::TimeJump,
            _ => FaultReason::InvalidInput,
        }
    }
}

/// Why a sample is unusable.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum InvalidSample {
    #[error(transparent)]
    Scan(#[from] ScanFault),

    #[error(transparent)]
    Field(#[from] FieldFault),

    #[error("header stamp {stamp} repeats the last one; the sensor or its driver is frozen")]
    Repeated { stamp: Stamp },

    #[error(
        "header stamp {stamp} is {:.1} s away from where the arrival times put it; {needed} messages in a row that agree are taken as a new clock",
        *off_ns as f64 * 1e-9
    )]
    StampLeap {
        stamp: Stamp,
        off_ns: i64,
        needed: u32,
    },

    #[error(
        "messages of two clocks, {:.3} s apart, come in turn: are there two publishers on the topic (ros2 topic info -v)? The clock in use is kept",
        (*off_ns as f64 * 1e-9).abs()
    )]
    TwoClocks { off_ns: i64 },

    #[error(
        "frame_id changed from `{expected}` to `{found}`; it is taken after {needed} messages in a row"
    )]
    Frame {
        expected: String,
        found: String,
        needed: u32,
    },
}

/// Why a named field cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum FieldFault {
    #[error("field `{path}` is {value}; a finite number is needed")]
    NotFinite { path: String, value: f64 },

    #[error("the message has no element `{path}`: the array is shorter")]
    Missing { path: String },

    #[error(
        "the message names no joint for `{path}`, its joints are: {joints}; put the names of this robot's joints into the model.yaml of a copy of the bundle"
    )]
    NoJoint { path: String, joints: String },

    #[error(
        "element {place} was joint `{was}` and is now `{found}`: joints come in another order and cannot be told by their place; name them in the bundle's model.yaml, as in `velocity[{was}]`"
    )]
    OtherJoint {
        place: usize,
        was: String,
        found: String,
    },
}

/// Why the window starts anew.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant has its sentence")]
pub enum JumpCause {
    #[error("time of arrival went back by {:.3} s (a bag that loops, a reset clock)", .0.as_secs_f64())]
    ArrivalBack(Duration),

    #[error("time of arrival leapt ahead by {:.0} s (another recording, a set clock)", .0.as_secs_f64())]
    ArrivalAhead(Duration),

    #[error("the sensor's clock jumped by {:.1} s and stayed there", *.0 as f64 * 1e-9)]
    NewClock(i64),

    #[error("frame_id is now `{0}`")]
    NewFrame(String),
}
