//! The packed weights of an encoder, as a part of the burn module that knows when they are stale.

use std::fmt;
use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use super::bundle::BundleError;
use super::operation::Panels;
use super::packed::pack;
use super::stored::Stored;
use super::weights::Weights;
use crate::kernels::{Precision, Sizes};

/// Packed weights, or none. It has no parameters of its own.
#[derive(Clone, Default)]
pub(super) struct Packing(Option<Arc<Panels>>);

impl Packing {
    pub(super) fn new(
        weights: &Weights,
        sizes: Sizes,
        stored: Stored,
        precision: Precision,
    ) -> Result<Packing, BundleError> {
        let model = pack(weights, &sizes, stored, precision)?;
        Ok(Packing(Some(Arc::new(Panels::new(sizes, model)))))
    }

    pub(super) fn panels(&self) -> Option<&Arc<Panels>> {
        self.0.as_ref()
    }
}

impl Module for Packing {
    fn visit<V: ModuleVisitor>(&self, _visitor: &mut V) {}

    /// Who maps over a module may change its parameters: none from here on.
    fn map<M: ModuleMapper>(self, _mapper: &mut M) -> Packing {
        Packing::default()
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _device: &Device) -> Packing {
        self
    }

    fn to_device(self, _device: &Device) -> Packing {
        self
    }

    fn train(self) -> Packing {
        self
    }

    fn valid(&self) -> Packing {
        self.clone()
    }

    fn materialize(self) -> Packing {
        self
    }
}

impl fmt::Debug for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "packed" } else { "none" })
    }
}

impl ModuleDisplay for Packing {}

impl ModuleDisplayDefault for Packing {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&format!("{self:?}")).optional()
    }
}
