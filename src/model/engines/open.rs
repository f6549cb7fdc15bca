//! Opens a bundle as an engine.

use super::burn_engine::BurnEngine;
use super::packed_engine::PackedEngine;
use crate::kernels::Precision;
use crate::model::bundle::bundle_folder::Bundle;
use crate::model::bundle::error::BundleError;
use crate::model::engine_kind::EngineKind;
use crate::scheduler::Engine;

impl Bundle {
    /// An engine of its own for one thread.
    pub fn engine(&self, kind: EngineKind) -> Result<Box<dyn Engine>, BundleError> {
        Ok(match kind {
            EngineKind::Packed(precision) => Box::new(PackedEngine::new(self, precision)?),
            EngineKind::Burn(backend) => Box::new(BurnEngine::new(self, backend)?),
        })
    }
}

impl Bundle {
    /// Memory that the packed engine takes in this precision, bytes: weights and scratch.
    pub fn packed_bytes(&self, precision: Precision) -> Result<usize, BundleError> {
        Ok(PackedEngine::new(self, precision)?.bytes())
    }
}
