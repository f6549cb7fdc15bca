//! A bundle on disk: the folder, `model.yaml`, the weights and how precisely they are stored.

pub(super) mod architecture;
pub(super) mod bundle_folder;
pub(super) mod error;
pub(super) mod heads;
pub(super) mod manifest;
pub(super) mod quantized_matrix;
pub(super) mod stage_costs;
pub(super) mod weight_precision;
pub(super) mod weights;
