//! Runs a bundle with the packed kernels: no burn, no other thread, no allocation after `new`.
//!
//! Weights are packed once, here. Embedding is part of `begin`, so the time of the first
//! stage counts from there.

use std::sync::Arc;

use crate::kernels::{Forward, Precision};
use crate::model::bundle::bundle_folder::Bundle;
use crate::model::bundle::error::BundleError;
use crate::model::bundle::heads::Heads;
use crate::model::network::packing::{pack, sizes};
use crate::scheduler::{Engine, EngineFault, FreeWay};

/// A bundle packed for this processor.
pub(in crate::model) struct PackedEngine {
    name: &'static str,
    forward: Forward,
    window: [usize; 2],
    temperatures: Vec<f32>,
    heads: Heads,
    logits: Vec<f32>,
    /// Of the exit last read: one per output.
    outputs: Vec<f32>,
    /// Exits read since `begin`; past the last when there is no window.
    stage: usize,
}

impl PackedEngine {
    /// Memory it holds, bytes.
    pub(in crate::model) fn bytes(&self) -> usize {
        self.forward.bytes()
    }

    pub(in crate::model) fn new(
        bundle: &Bundle,
        precision: Precision,
    ) -> Result<PackedEngine, BundleError> {
        let manifest = &bundle.manifest;
        let heads = manifest.heads();
        let sizes = sizes(&manifest.architecture, heads.outputs());
        let stored = manifest.weights.precision;
        let packed = pack(bundle.weights(), &sizes, stored, precision)?;
        Ok(PackedEngine {
            name: precision.engine(),
            forward: Forward::new(Arc::new(packed)),
            window: [sizes.frames, sizes.features],
            temperatures: manifest.exits.iter().map(|exit| exit.temperature).collect(),
            logits: vec![0.0; sizes.labels],
            outputs: vec![0.0; sizes.labels],
            heads,
            stage: sizes.depth,
        })
    }
}

impl Engine for PackedEngine {
    fn name(&self) -> &str {
        self.name
    }

    fn exits(&self) -> usize {
        self.forward.exits()
    }

    fn labels(&self) -> usize {
        self.heads.labels()
    }

    fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault> {
        self.stage = self.exits();
        let [frames, features] = self.window;
        if window.len() != frames * features {
            return Err(EngineFault(format!(
                "the window has {} values, the model takes {frames} frames of {features}",
                window.len()
            )));
        }
        self.forward.begin(window);
        self.stage = 0;
        Ok(())
    }

    fn advance(&mut self, probabilities: &mut [f32]) -> Result<(), EngineFault> {
        if probabilities.len() != self.labels() {
            return Err(EngineFault(format!(
                "room for {} probabilities, the model has {} labels",
                probabilities.len(),
                self.labels()
            )));
        }
        if self.stage == self.exits() {
            return Err(EngineFault(format!(
                "a stage asked for without a window or after the last of {}",
                self.exits()
            )));
        }
        self.forward.advance(&mut self.logits);
        let logits = self.logits.iter().copied();
        let temperature = self.temperatures[self.stage];
        self.heads
            .read(logits, temperature, &mut self.outputs, probabilities);
        self.stage += 1;
        if !probabilities.iter().all(|p| p.is_finite()) {
            let fault = format!("exit {} gave values that are not numbers", self.stage);
            self.stage = self.exits();
            return Err(EngineFault(fault));
        }
        Ok(())
    }

    fn free_way(&self, window: usize) -> Option<FreeWay<'_>> {
        let bins = self.heads.bins().filter(|_| window == 0)?;
        Some(FreeWay {
            bins,
            probabilities: &self.outputs,
        })
    }
}
