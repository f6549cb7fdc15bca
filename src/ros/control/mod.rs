//! The control plane: parameter services, `load_model`, and the state that services share.

pub(super) mod active_models;
pub(super) mod control_plane;
pub(super) mod load_error;
pub(super) mod load_model;
pub(super) mod node_state;
pub(super) mod parameter_values;
pub(super) mod parameters;
#[cfg(test)]
pub(super) mod params_as_rcl;
