//! The engines there are, and the one that runs a bundle with burn on the processor, one stage at a
//! time.
//!
//! Threads: a stage computes on the calling thread alone. flex hands a matrix product to rayon from
//! about 7 million multiply-adds on (2 million in a batch; the shipped model's largest has 0.13
//! million), and normalisation in chunks of 64 rows; a window of up to 64 frames is one chunk,
//! which rayon runs where it is. The first stage ever run does start rayon's pool, which then
//! sleeps: run one window before deadlines count.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};

use super::bundle::{Bundle, BundleError};
use super::encoder::Encoder;
use crate::kernels::Precision;
use crate::reason::{Engine, EngineFault};

/// The burn backends of this build: where models are trained, and can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// burn-flex, the default.
    #[default]
    Flex,
    /// burn-ndarray.
    NdArray,
}

impl Backend {
    /// The name used in parameters and decisions.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            Backend::NdArray => "ndarray",
        }
    }

    /// The burn device. Never `Device::default()`, which an environment variable can break.
    pub fn device(self) -> Device {
        match self {
            Backend::Flex => Device::flex(),
            #[allow(deprecated)] // burn 0.23 drops it; until then it is the second opinion
            Backend::NdArray => Device::ndarray(),
        }
    }
}

impl FromStr for Backend {
    type Err = BundleError;

    fn from_str(name: &str) -> Result<Backend, BundleError> {
        match EngineKind::from_str(name)? {
            EngineKind::Burn(backend) => Ok(backend),
            EngineKind::Packed(_) => Err(BundleError::Engine(format!(
                "{name} runs models but cannot train them; choose flex or ndarray"
            ))),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What this build can run a model with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Our kernels, with products in this precision.
    Packed(Precision),
    /// The burn modules.
    Burn(Backend),
}

impl EngineKind {
    /// All of them, the fastest first.
    pub const ALL: [EngineKind; 5] = [
        EngineKind::Packed(Precision::Int8),
        EngineKind::Packed(Precision::Bf16),
        EngineKind::Packed(Precision::F32),
        EngineKind::Burn(Backend::Flex),
        EngineKind::Burn(Backend::NdArray),
    ];

    /// The name used in decisions, manifests and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Packed(precision) => precision.engine(),
            EngineKind::Burn(backend) => backend.name(),
        }
    }

    /// The instructions it will use here (`avx512_bf16`), as far as we choose them; else why this
    /// processor cannot run it.
    pub fn available(self) -> Result<Option<&'static str>, BundleError> {
        match self {
            EngineKind::Packed(precision) => match crate::kernels::path(precision) {
                Ok(path) => Ok(Some(path)),
                Err(error) => Err(BundleError::Engine(format!("engine {self}: {error}"))),
            },
            EngineKind::Burn(_) => Ok(None),
        }
    }
}

impl From<Backend> for EngineKind {
    fn from(backend: Backend) -> EngineKind {
        EngineKind::Burn(backend)
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = BundleError;

    fn from_str(name: &str) -> Result<EngineKind, BundleError> {
        let found = EngineKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names = EngineKind::ALL.map(EngineKind::name).join(", ");
            BundleError::Engine(match name {
                "wgpu" => format!("engine wgpu is not built in; choose one of {names}"),
                other => format!("engine {other:?} is unknown; choose one of {names}"),
            })
        })
    }
}

/// A bundle on a burn device.
pub(super) struct BurnEngine {
    backend: Backend,
    device: Device,
    encoder: Encoder,
    window: [usize; 2],
    labels: usize,
    temperatures: Vec<f32>,
    tokens: Option<Tensor<3>>,
    stage: usize,
}

impl BurnEngine {
    /// Puts the weights of a bundle on a device.
    pub(super) fn new(bundle: &Bundle, backend: Backend) -> Result<BurnEngine, BundleError> {
        let device = backend.device();
        let sizes = &bundle.manifest.architecture;
        let labels = bundle.manifest.labels.len();
        let encoder = Encoder::new(sizes, labels, bundle.weights(), &device).map_err(|fault| {
            BundleError::Engine(format!("{}; expected {}", fault.what, fault.expected))
        })?;
        Ok(BurnEngine {
            backend,
            device,
            encoder,
            window: [sizes.frames, sizes.features],
            labels,
            temperatures: bundle
                .manifest
                .exits
                .iter()
                .map(|exit| exit.temperature)
                .collect(),
            tokens: None,
            stage: 0,
        })
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
        self.labels
    }

    fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault> {
        self.tokens = None;
        self.stage = 0;
        let [frames, features] = self.window;
        if window.len() != frames * features {
            return Err(EngineFault(format!(
                "the window has {} values, the model takes {frames} frames of {features}",
                window.len()
            )));
        }
        let data = TensorData::new(window.to_vec(), [1, frames, features]);
        self.tokens = Some(Tensor::from_data(data, &self.device));
        Ok(())
    }

    fn advance(&mut self, probabilities: &mut [f32]) -> Result<(), EngineFault> {
        if probabilities.len() != self.labels {
            return Err(EngineFault(format!(
                "room for {} probabilities, the model has {} labels",
                probabilities.len(),
                self.labels
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
        let tokens = self.encoder.block(self.stage, tokens);
        let logits = self.encoder.exit(self.stage, tokens.clone()).into_data();
        calibrated(
            logits.iter::<f32>(),
            self.temperatures[self.stage],
            probabilities,
        );
        self.stage += 1;
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
}

/// Softmax of `logits / temperature` into `probabilities`; not finite if a logit is not.
pub fn calibrated(
    logits: impl IntoIterator<Item = f32>,
    temperature: f32,
    probabilities: &mut [f32],
) {
    for (slot, logit) in probabilities.iter_mut().zip(logits) {
        *slot = logit / temperature;
    }
    let most = probabilities
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for slot in probabilities.iter_mut() {
        *slot = (*slot - most).exp();
        sum += *slot;
    }
    for slot in probabilities.iter_mut() {
        *slot /= sum;
    }
}
