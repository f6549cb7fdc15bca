//! The engines of this build, by the names that parameters and manifests give them.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, FloatDType};

use super::bundle::error::BundleError;
#[cfg(feature = "wgpu")]
use super::engines::gpu::Gpu;
#[cfg(feature = "wgpu")]
use super::engines::gpu::GpuFloat;
use crate::kernels::Precision;

/// The burn backends of this build: where models are trained, and can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// burn-flex, the default.
    #[default]
    Flex,
    /// burn-ndarray, a second opinion on flex.
    #[cfg(feature = "ndarray")]
    NdArray,
    /// burn-wgpu, on a GPU.
    #[cfg(feature = "wgpu")]
    Wgpu(Gpu, GpuFloat),
}

impl Backend {
    /// The name used in parameters and decisions.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Flex => "flex",
            #[cfg(feature = "ndarray")]
            Backend::NdArray => "ndarray",
            #[cfg(feature = "wgpu")]
            Backend::Wgpu(gpu, float) => gpu.engine(float),
        }
    }

    /// The burn device; an error where there is none. Never `Device::default()`, which an
    /// environment variable can break.
    pub fn device(self) -> Result<Device, BundleError> {
        match self {
            Backend::Flex => Ok(Device::flex()),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)]
            // burn 0.23 drops it; until then it is the second opinion
            Backend::NdArray => Ok(Device::ndarray()),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu(gpu, _) => gpu.device(),
        }
    }

    /// What an engine computes in on it.
    pub(super) fn float(self) -> FloatDType {
        match self {
            #[cfg(feature = "wgpu")]
            Backend::Wgpu(_, GpuFloat::F16) => FloatDType::F16,
            _ => FloatDType::F32,
        }
    }

    /// Whether an exit is read across a bus, which waits for all that was submitted.
    pub(super) fn is_remote(self) -> bool {
        match self {
            Backend::Flex => false,
            #[cfg(feature = "ndarray")]
            Backend::NdArray => false,
            #[cfg(feature = "wgpu")]
            Backend::Wgpu(..) => true,
        }
    }
}

impl FromStr for Backend {
    type Err = BundleError;

    fn from_str(name: &str) -> Result<Backend, BundleError> {
        match EngineKind::from_str(name)? {
            EngineKind::Burn(backend) if backend.float() == FloatDType::F32 => Ok(backend),
            EngineKind::Burn(_) => Err(BundleError::Engine(format!(
                "{name}: models are trained in single precision"
            ))),
            EngineKind::Packed(_) => Err(BundleError::Engine(format!(
                "{name} runs models but cannot train them; choose flex, or ndarray or wgpu where they are built in"
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
    /// All that run on the processor, the fastest first.
    pub const ALL: [EngineKind; 4 + cfg!(feature = "ndarray") as usize] = [
        EngineKind::Packed(Precision::Int8),
        EngineKind::Packed(Precision::Bf16),
        EngineKind::Packed(Precision::F32),
        EngineKind::Burn(Backend::Flex),
        #[cfg(feature = "ndarray")]
        EngineKind::Burn(Backend::NdArray),
    ];

    /// The name used in decisions, manifests and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Packed(precision) => precision.engine(),
            EngineKind::Burn(backend) => backend.name(),
        }
    }

    /// The engine as it runs here (`wgpu` becomes that of the GPU found) and what it will use, as
    /// far as we choose it: instructions (`avx512_bf16`), a GPU. Else why this machine cannot run
    /// it. A GPU's driver may hang in here.
    pub fn found(self) -> Result<(EngineKind, Option<String>), BundleError> {
        match self {
            EngineKind::Packed(precision) => match crate::kernels::path(precision) {
                Ok(path) => Ok((self, Some(path.to_owned()))),
                Err(error) => Err(BundleError::Engine(format!("engine {self}: {error}"))),
            },
            EngineKind::Burn(Backend::Flex) => Ok((self, None)),
            #[cfg(feature = "ndarray")]
            EngineKind::Burn(Backend::NdArray) => Ok((self, None)),
            #[cfg(feature = "wgpu")]
            EngineKind::Burn(Backend::Wgpu(gpu, float)) => {
                let (gpu, words) = gpu.found()?;
                Ok((Backend::Wgpu(gpu, float).into(), Some(words)))
            }
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
        if name == "wgpu" || name.starts_with("wgpu_") {
            #[cfg(feature = "wgpu")]
            return Gpu::of_engine(name).map(|(gpu, float)| Backend::Wgpu(gpu, float).into());
            #[cfg(not(feature = "wgpu"))]
            return Err(BundleError::Engine(format!(
                "engine {name} is not built in; build with the Cargo feature wgpu"
            )));
        }
        #[cfg(not(feature = "ndarray"))]
        if name == "ndarray" {
            return Err(BundleError::Engine(format!(
                "engine {name} is not built in; build with the Cargo feature ndarray"
            )));
        }
        let found = EngineKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            let names = EngineKind::ALL.map(EngineKind::name).join(", ");
            let gpu = if cfg!(feature = "wgpu") { ", wgpu" } else { "" };
            BundleError::Engine(format!(
                "engine {name:?} is unknown; choose one of {names}{gpu}"
            ))
        })
    }
}
