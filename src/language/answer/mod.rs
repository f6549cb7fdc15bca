//! What a question may be answered with: a closed set of labels, or texts of a schema or grammar.

pub mod bound;
pub mod calibration;
mod form;
pub mod labels;
mod outcome;
mod pattern;
pub mod structured;

pub use calibration::Calibration;
pub use form::Form;
pub use labels::{LabelError, Labels};
pub use outcome::{Answer, Unfinished};
pub use structured::{Structured, StructuredError};
