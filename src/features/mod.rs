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

mod auxiliary_value;
mod chunk;
mod derived;
mod ego_motion;
mod field_noise;
mod fields;
pub mod frames;
mod input_checks;
mod input_fault;
mod laser;
mod layout;
mod mirror;
mod sample_history;
mod scaled_field;
mod sectors;
mod trigger_decimator;
mod window;
mod window_spec;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;

pub use field_noise::FieldNoise;
pub use input_checks::frozen::FrozenDetector;
pub use input_checks::stamp_lag::StampLag;
pub use input_fault::{FaultReason, FieldFault, InputFault, InvalidSample, JumpCause};
pub use laser::scan_check::ScanFault;
pub use laser::{
    Beam, BelowMin, BelowMinStatistics, Footprint, LEAST_AHEAD, PreparedScan, ScanFinding,
    ScanPreparation, Sector, SelfFilter, SpeckFilter, StaticReturn,
};
pub use mirror::Mirror;
pub use sectors::Sectors;
pub use trigger_decimator::TriggerDecimator;
pub use window::{SourceId, Window, WindowState};
pub use window_spec::{
    DerivedSpec, ExtractorSpec, FieldSpec, InputSpec, MotionSpec, Resample, SourceSettings,
    SpecError, Statistic, WindowSpec,
};
