//! What the node publishes about itself and the graph around it: statistics, diagnostics, markers,
//! attention.

pub(super) mod attention_publisher;
pub(super) mod graph_monitor;
pub(super) mod graph_view;
pub(super) mod marker_publisher;
pub(super) mod marker_view;
pub(super) mod model_snapshot;
pub(super) mod reporter;
pub(super) mod topic_faults;
pub(super) mod topic_query;
