//! Language bundles judged on questions whose answers are known: accuracy and calibration by exit,
//! accuracy against the deadline, beside what needs no model; and two of them compared.

mod answers;
mod baselines;
mod calibrate;
mod compare;
mod error;
mod eval;
mod plot;
mod questions;
mod report;
mod scores;
#[cfg(test)]
mod tests;
mod write;

pub use baselines::{Baselines, Exact};
pub use calibrate::FittedExit;
pub use compare::{Agreement, Compared, Comparison, compare};
pub use error::LanguageEvalError;
pub use eval::{DEADLINES_MS, LanguageEvalOptions, eval};
pub use report::{LanguageReport, LanguageScores, Time};
pub use scores::{DeadlineScore, ExitScore, Score};
