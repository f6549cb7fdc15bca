//! The packed weights of an encoder, as a field of the burn module that knows when they are stale.

use std::fmt;
use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use super::packing::pack;
use super::stage_operation::PackedModel;
use crate::kernels::{Precision, Sizes};
use crate::model::bundle::error::BundleError;
use crate::model::bundle::weight_precision::WeightPrecision;
use crate::model::bundle::weights::Weights;

/// Packed weights, or none. It has no parameters of its own.
#[derive(Clone, Default)]
pub(in crate::model) struct PackedWeights(Option<Arc<PackedModel>>);

impl PackedWeights {
    pub(in crate::model) fn new(
        weights: &Weights,
        sizes: Sizes,
        stored: WeightPrecision,
        precision: Precision,
    ) -> Result<PackedWeights, BundleError> {
        let model = pack(weights, &sizes, stored, precision)?;
        Ok(PackedWeights(Some(Arc::new(PackedModel::new(
            sizes, model,
        )))))
    }

    pub(in crate::model) fn panels(&self) -> Option<&Arc<PackedModel>> {
        self.0.as_ref()
    }
}

impl Module for PackedWeights {
    fn visit<V: ModuleVisitor>(&self, _visitor: &mut V) {}

    /// Who maps over a module may change its parameters: none from here on.
    fn map<M: ModuleMapper>(self, _mapper: &mut M) -> PackedWeights {
        PackedWeights::default()
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _device: &Device) -> PackedWeights {
        self
    }

    fn to_device(self, _device: &Device) -> PackedWeights {
        self
    }

    fn train(self) -> PackedWeights {
        self
    }

    fn valid(&self) -> PackedWeights {
        self.clone()
    }

    fn materialize(self) -> PackedWeights {
        self
    }
}

impl fmt::Debug for PackedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "packed" } else { "none" })
    }
}

impl ModuleDisplay for PackedWeights {}

impl ModuleDisplayDefault for PackedWeights {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("{self:?}")).optional()
    }
}
