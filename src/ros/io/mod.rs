//! Topics: inputs, publishers, and the names and types of both.

pub(super) mod dynamic_type;
pub(super) mod endpoints;
pub(super) mod ingest_thread;
pub(super) mod model_handover;
pub(super) mod names;
pub(super) mod publishers;
pub(super) mod robot;
pub(super) mod robot_inputs;
pub(super) mod speed_limit;
pub(super) mod tf_listener;
pub(super) mod tf_message;
pub(super) mod tf_wait;
