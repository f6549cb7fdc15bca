//! Checks of every source's messages: stamps and frames, resent and frozen messages, the order of
//! joints.

pub(super) mod frozen;
pub(super) mod header_check;
pub(super) mod joint_order;
pub(super) mod stamp_lag;
