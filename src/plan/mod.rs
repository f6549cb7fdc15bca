//! Does a model fit a device: which, how compressed, within the deadline, and what is left of the
//! memory. Without a network.
//!
//! [`shape`] and [`format`] give every tensor's size, [`memory`] what an engine takes besides,
//! [`engine`] and [`time`] how long it takes on a [`device`]; [`candidates`] puts models of the
//! [`catalogue`] in order, [`report`] writes that down. [`classifier`] does it for our own models.

pub mod candidates;
pub mod catalogue;
pub mod classifier;
pub mod device;
pub mod engine;
pub mod format;
pub mod licence;
pub mod memory;
pub mod report;
pub mod request;
pub mod shape;
#[cfg(test)]
mod tests;
pub mod time;
pub mod units;
pub mod weights;
