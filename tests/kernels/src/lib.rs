//! The module `kernels` of edge_reasoner, built alone.

#[path = "../../../src/kernels/mod.rs"]
pub mod kernels;
