//! A field of a message as a feature: offset, scale and limit.

use super::fields::Field;
use super::window_spec::SpecError;

#[derive(Debug)]
pub(super) struct Scaled {
    pub field: Field,
    pub(super) offset: f64,
    pub(super) scale: f64,
    pub(super) limit: f64,
}

pub(super) fn within(at: &str, found: usize, least: usize, most: usize) -> Result<(), SpecError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(SpecError::Value {
        at: at.to_owned(),
        found: found.to_string(),
        expected: format!("{least} to {most}"),
    })
}
