//! Task files: what is to be decided, from what, and how it is learned.

pub(super) mod augmentation_spec;
pub(super) mod label_rule;
pub(super) mod label_rule_check;
pub(super) mod split_by;
pub(super) mod task_file;
pub(super) mod train_options;
