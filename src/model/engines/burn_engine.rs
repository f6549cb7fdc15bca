//! Runs a bundle with burn on the processor or a GPU, one stage at a time.
//!
//! Threads: a stage computes on the calling thread alone. flex hands a matrix product to rayon from
//! about 7 million multiply-adds on (2 million in a batch; the shipped model's largest has 0.13
//! million), and normalisation in chunks of 64 rows; a window of up to 64 frames is one chunk,
//! which rayon runs where it is. The first stage ever run does start rayon's pool, which then
//! sleeps: run one window before deadlines count.

use std::fmt;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

#[cfg(feature = "wgpu")]
use super::gpu::Gpu;
#[cfg(feature = "wgpu")]
use super::gpu::GpuFloat;
use crate::model::bundle::bundle_folder::Bundle;
use crate::model::bundle::error::BundleError;
use crate::model::bundle::heads::Heads;
use crate::model::engine_kind::Backend;
use crate::model::network::encoder::Encoder;
use crate::scheduler::{Engine, EngineFault, FreeWay};

/// Windows that a burn device is given at once.
const CAPACITY: usize = 64;

/// A bundle on a burn device.
pub(in crate::model) struct BurnEngine {
    backend: Backend,
    device: Device,
    encoder: Encoder,
    window: [usize; 2],
    heads: Heads,
    /// Of the exit last read: `[windows, outputs]`.
    outputs: Vec<f32>,
    temperatures: Vec<f32>,
    /// Windows that go through it together.
    windows: usize,
    tokens: Option<Tensor<3>>,
    stage: usize,
    /// Why the device failed once: it is not used again.
    lost: Option<EngineFault>,
}

impl BurnEngine {
    /// Puts the weights of a bundle on a device.
    pub(in crate::model) fn new(
        bundle: &Bundle,
        backend: Backend,
    ) -> Result<BurnEngine, BundleError> {
        let (device, float) = (backend.device()?, backend.float());
        if !device.supports_dtype(float) {
            return Err(BundleError::Engine(format!(
                "{backend}: the device does not compute in half precision; say wgpu.precision: f32"
            )));
        }
        let sizes = &bundle.manifest.architecture;
        let heads = bundle.manifest.heads();
        let encoder =
            Encoder::new(sizes, heads.outputs(), bundle.weights(), &device).map_err(|fault| {
                BundleError::Engine(format!("{}; expected {}", fault.what, fault.expected))
            })?;
        Ok(BurnEngine {
            backend,
            device,
            encoder: match float {
                FloatDType::F32 => encoder,
                other => encoder.cast(other),
            },
            window: [sizes.frames, sizes.features],
            outputs: vec![0.0; heads.outputs()],
            heads,
            temperatures: bundle
                .manifest
                .exits
                .iter()
                .map(|exit| exit.temperature)
                .collect(),
            windows: 1,
            tokens: None,
            stage: 0,
            lost: None,
        })
    }

    /// Runs the next `stages` stages, and the exit of the last of them.
    fn run(&mut self, stages: usize, probabilities: &mut [f32]) -> Result<(), EngineFault> {
        let (labels, outputs) = (self.heads.labels(), self.heads.outputs());
        if probabilities.len() != labels * self.windows {
            return Err(EngineFault(format!(
                "room for {} probabilities, the model has {} labels and was given {} windows",
                probabilities.len(),
                labels,
                self.windows
            )));
        }
        let Some(mut tokens) = self.tokens.take() else {
            return Err(EngineFault(format!(
                "stage {} asked for without a window or after the last of {}",
                self.stage + 1,
                self.exits()
            )));
        };
        if self.stage == 0 {
            // Part of the first stage, so that its measured cost holds all work up to the exit.
            tokens = self.encoder.embed(tokens);
        }
        let last = self.stage + stages - 1;
        for stage in self.stage..=last {
            tokens = self.encoder.block(stage, tokens);
        }
        let logits = self.encoder.exit(last, tokens.clone()).try_into_data();
        let logits = logits.map_err(|error| self.lose(&error))?;
        // What came may still have to be fetched: this, too, fails where the device was lost.
        let logits = logits.try_into_vec_as::<f32>();
        let logits = logits.map_err(|error| self.lose(&error))?;
        let mut logits = logits.into_iter();
        let rows = probabilities.chunks_exact_mut(labels);
        for (row, all) in rows.zip(self.outputs.chunks_exact_mut(outputs)) {
            let logits = logits.by_ref().take(outputs);
            self.heads.read(logits, self.temperatures[last], all, row);
        }
        self.stage = last + 1;
        if !probabilities.iter().all(|p| p.is_finite()) {
            return Err(EngineFault(format!(
                "exit {} gave values that are not numbers",
                self.stage
            )));
        }
        if self.stage < self.exits() {
            self.tokens = Some(tokens);
        }
        Ok(())
    }

    /// A device that failed once gets no other window: what it still holds may be
    /// anything, and the runtime below does not open it a second time.
    fn lose(&mut self, error: &dyn fmt::Display) -> EngineFault {
        let fault = EngineFault(format!(
            "the device was lost ({error}); start the node anew to have it back"
        ));
        self.lost = Some(fault.clone());
        fault
    }
}

impl Engine for BurnEngine {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn exits(&self) -> usize {
        self.encoder.depth()
    }

    fn labels(&self) -> usize {
        self.heads.labels()
    }

    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault> {
        self.tokens = None;
        self.stage = 0;
        if let Some(fault) = &self.lost {
            return Err(fault.clone());
        }
        let [frames, features] = self.window;
        let windows = window.len() / (frames * features);
        if !window.len().is_multiple_of(frames * features) || !(1..=CAPACITY).contains(&windows) {
            return Err(EngineFault(format!(
                "the window has {} values, the model takes {frames} frames of {features}, up to \
                 {CAPACITY} windows at once",
                window.len()
            )));
        }
        self.windows = windows;
        self.outputs.resize(windows * self.heads.outputs(), 0.0);
        let data = TensorData::new(window.to_vec(), [windows, frames, features]);
        let options = (&self.device, DType::from(self.backend.float()));
        self.tokens = Some(Tensor::from_data(data, options));
        Ok(())
    }

    fn advance(&mut self, probabilities: &mut [f32]) -> Result<(), EngineFault> {
        self.run(1, probabilities)
    }

    fn free_way(&self, window: usize) -> Option<FreeWay<'_>> {
        let count = self.heads.outputs();
        Some(FreeWay {
            bins: self.heads.bins()?,
            probabilities: self.outputs.get(window * count..(window + 1) * count)?,
        })
    }

    fn reads_are_dear(&self) -> bool {
        self.backend.is_remote()
    }

    fn finish(&mut self, probabilities: &mut [f32]) -> Result<(), EngineFault> {
        self.run(
            self.exits().saturating_sub(self.stage).max(1),
            probabilities,
        )
    }
}
