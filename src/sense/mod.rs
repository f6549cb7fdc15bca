//! From bytes to what the model sees: one decoder for the wire and the bag, extractors that are
//! data (from the bundle) rather than code per topic, and the window that puts sources of several
//! rates on one grid.
//!
//! ```text
//! CDR bytes ─ Message::decode ─▶ Message ─ Window::push ─▶ checked sample ─ Window::assemble ─▶ [T, F]
//! ```
//!
//! Nothing in here panics on bad input: a message that cannot be used is refused with a typed
//! fault that says what was wrong, and the samples before it stay in use until their timeout.

mod arc;
mod blur;
mod chunk;
mod decode;
mod derived;
mod extra;
mod fault;
mod fields;
pub mod frames;
mod frozen;
mod history;
mod joints;
mod lag;
mod laser;
mod layout;
mod message;
mod mirror;
mod reuse;
mod scan;
mod sectors;
mod spec;
mod stamps;
mod thin;
mod travelled;
mod way;
mod window;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

pub use blur::Blur;
pub use decode::{DecodeError, EncodeError};
pub use fault::{FaultReason, FieldFault, InvalidSample, JumpCause, SenseFault};
pub use frozen::Frozen;
pub use lag::Lag;
pub use laser::{
    Beam, BelowMin, Finding, Footprint, LEAST_AHEAD, OwnBody, Prepared, ScanNews, ScanPreparation,
    Sector, SpeckFilter, Standing,
};
pub use message::{
    Float32MultiArray, Header, Imu, JointState, LaserScan, Message, MessageType,
    MultiArrayDimension, MultiArrayLayout, Odometry, Point, Pose, PoseWithCovariance, Quaternion,
    RosString, Twist, TwistStamped, TwistWithCovariance, Vector3,
};
pub use mirror::Mirror;
pub use scan::ScanFault;
pub use sectors::Sectors;
pub use spec::{
    DerivedSpec, ExtractorSpec, FieldSpec, InputSpec, MotionSpec, Resample, SourceSettings,
    SpecError, Statistic, WindowSpec,
};
pub use thin::Thin;
pub use window::{SourceId, Window, WindowState};
