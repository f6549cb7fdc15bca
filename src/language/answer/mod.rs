//! What a question may be answered with: a closed set of labels, or texts of a schema or grammar.

pub mod bound;
pub mod calibration;
pub mod labels;
pub mod structured;

pub use calibration::Calibration;
pub use labels::{LabelError, Labels};
pub use structured::{Structured, StructuredError};
