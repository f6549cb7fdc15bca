//! Reasoning on the vehicle: sensor messages in, deadline-bound decisions out.
//!
//! Data walks `sense` → window → `reason` → `act`. `ros` (live topics) and `replay` (recordings)
//! are two doors into the same rooms.

pub mod reason;
pub mod time;
