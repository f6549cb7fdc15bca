//! Reasoning on the vehicle: sensor messages in, deadline-bound decisions out.
//!
//! A message goes [`messages`] (decoded) → [`features`] (into the window) → [`scheduler`] (to a
//! decision, by its deadline) → [`act`]. `ros` (live topics) and [`replay`] (recordings) are two
//! doors into the same rooms; [`configure`] and [`ingest`] are where both doors meet. [`model`]
//! holds bundles and engines, [`learn`] trains them, [`bag`] reads recordings.

pub mod act;
pub mod bag;
pub mod bins;
mod bounded_queue;
pub mod bundle_kind;
pub mod cli;
pub mod configure;
pub mod features;
pub mod ingest;
mod kernels;
#[allow(missing_docs, reason = "public for benches and tests alone")]
pub mod language;
pub mod learn;
pub mod messages;
pub mod model;
pub mod params;
#[allow(missing_docs, reason = "public for tests alone")]
pub mod plan;
mod plotting;
pub mod profile;
pub mod quantiles;
pub mod realtime;
pub mod replay;
#[cfg(feature = "ros")]
pub mod ros;
pub mod scheduler;
pub mod time;
pub mod topic_names;
mod user_cache;
