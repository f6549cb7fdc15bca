//! Data: from recordings to windows with labels. Decoding, labels, augmentation, corruptions, data
//! sets, export.

pub(super) mod augmentation;
pub(super) mod corruptions;
pub(super) mod csv_table;
pub(super) mod dataset;
pub(super) mod export;
pub(super) mod external_labels;
pub(super) mod folds;
pub(super) mod labels;
pub(super) mod link_impairments;
pub(super) mod partitions;
pub(super) mod recording_decoder;
pub(super) mod recordings;
pub(super) mod shuffle;
pub(super) mod truth;
