//! What a question may be answered with: so far a closed set of labels.

pub mod calibration;
pub mod labels;

pub use calibration::Calibration;
pub use labels::{LabelError, Labels};
