//! The node itself: its run, lifecycle, bond and log.

pub(super) mod bond;
pub(super) mod lifecycle;
pub(super) mod lifecycle_services;
pub(super) mod log;
pub(super) mod log_throttle;
pub(super) mod session;
