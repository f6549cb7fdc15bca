//! A language model behind the scheduler's deliberate lane: one question, one answer by its
//! deadline.
//!
//! [`LanguageReader`] says what a question needs, [`LanguageEngine`] answers it part by part, and
//! [`LanguageLane`] puts both under the scheduler's threads. [`Decision`] is what whoever asked is
//! told.

mod answer;
mod decision;
mod engine;
mod lane;
mod reader;
#[cfg(test)]
mod tests;

pub use answer::{LanguageAnswer, Tokens};
pub use decision::{Decision, SafeAnswer};
pub use engine::LanguageEngine;
pub use lane::LanguageLane;
pub use reader::LanguageReader;
