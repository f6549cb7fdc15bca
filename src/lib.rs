//! Reasoning on the vehicle: sensor messages in, deadline-bound decisions out.
//!
//! Data walks [`sense`] → window → [`reason`] → [`act`]. `ros` (live topics) and [`replay`]
//! (recordings) are two doors into the same rooms; [`configure`] and [`ingest`] are where both
//! doors meet. [`model`] is what is reasoned with, [`learn`] how it comes to be.

pub mod act;
pub mod bins;
mod cache;
mod chart;
pub mod cli;
pub mod configure;
pub mod ingest;
mod kernels;
pub mod language;
pub mod learn;
pub mod model;
pub mod params;
pub mod profile;
pub mod quantiles;
pub mod realtime;
pub mod reason;
pub mod replay;
mod ring;
#[cfg(feature = "ros")]
pub mod ros;
pub mod sense;
pub mod time;
pub mod topic_names;
