//! Finds and opens GPUs through burn's wgpu backend over Vulkan, and decides which one
//! `wgpu.device` means.
//!
//! A process opens each of them once and keeps it: the runtime below cannot be closed, and one
//! that was lost comes back with a new process only. Nothing here has a time limit of its own; a
//! driver may hang in any of it, so callers run it where it can be abandoned.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use burn::cubecl::config::cache::CacheConfig;
use burn::cubecl::config::streaming::StreamPolicy;
use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use burn::cubecl::future::block_on;
use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{Device, DeviceKind};

use crate::model::bundle::error::BundleError;
use crate::user_cache::user_cache;

/// Which GPU to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gpu {
    /// The best there is: a discrete one, else an integrated, else a virtual one. Never software,
    /// which is slower than the processor it runs on.
    #[default]
    Any,
    /// The first of a kind.
    First(GpuKind),
    /// By its place, from 0, in the list of all that Vulkan shows.
    At(u8),
}

/// What a Vulkan device calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuKind {
    /// With memory of its own.
    Discrete,
    /// On the processor's chip.
    Integrated,
    /// Passed through to a virtual machine.
    Virtual,
    /// No GPU: the processor plays one, such as Mesa's lavapipe.
    Software,
}

/// What a GPU calculates in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GpuFloat {
    /// IEEE single.
    #[default]
    F32,
    /// IEEE half, where the device computes in it.
    F16,
}

/// Names in decisions, in single and in half precision; behind `wgpu_` the first are the words of
/// the parameter `wgpu.device`.
const NAMES: [(&str, &str, Gpu); 13] = [
    ("wgpu", "wgpu_f16", Gpu::Any),
    (
        "wgpu_discrete",
        "wgpu_discrete_f16",
        Gpu::First(GpuKind::Discrete),
    ),
    (
        "wgpu_integrated",
        "wgpu_integrated_f16",
        Gpu::First(GpuKind::Integrated),
    ),
    (
        "wgpu_virtual",
        "wgpu_virtual_f16",
        Gpu::First(GpuKind::Virtual),
    ),
    (
        "wgpu_software",
        "wgpu_software_f16",
        Gpu::First(GpuKind::Software),
    ),
    ("wgpu_0", "wgpu_0_f16", Gpu::At(0)),
    ("wgpu_1", "wgpu_1_f16", Gpu::At(1)),
    ("wgpu_2", "wgpu_2_f16", Gpu::At(2)),
    ("wgpu_3", "wgpu_3_f16", Gpu::At(3)),
    ("wgpu_4", "wgpu_4_f16", Gpu::At(4)),
    ("wgpu_5", "wgpu_5_f16", Gpu::At(5)),
    ("wgpu_6", "wgpu_6_f16", Gpu::At(6)),
    ("wgpu_7", "wgpu_7_f16", Gpu::At(7)),
];

impl Gpu {
    /// The name of the engine that runs on it.
    pub fn engine(self, float: GpuFloat) -> &'static str {
        let found = NAMES.iter().find(|(.., gpu)| *gpu == self);
        found.map_or("wgpu", |(single, half, _)| match float {
            GpuFloat::F32 => single,
            GpuFloat::F16 => half,
        })
    }

    /// The device and precision an engine's name stands for.
    pub fn of_engine(name: &str) -> Result<(Gpu, GpuFloat), BundleError> {
        for (single, half, gpu) in NAMES {
            if name == single {
                return Ok((gpu, GpuFloat::F32));
            }
            if name == half {
                return Ok((gpu, GpuFloat::F16));
            }
        }
        let names = NAMES.map(|(name, ..)| name).join(", ");
        Err(BundleError::Engine(format!(
            "engine {name} is unknown; expected one of {names}, each also with _f16"
        )))
    }

    /// The device as it is here, [`Gpu::Any`] made one of a kind, with its name and driver; else
    /// what is there instead.
    pub fn found(self) -> Result<(Gpu, String), BundleError> {
        let adapters = adapters();
        let at = self.place(adapters)?;
        let exact = match (self, adapters[at].kind) {
            (Gpu::Any, Some(kind)) => Gpu::First(kind),
            _ => self,
        };
        Ok((exact, adapters[at].to_string()))
    }

    /// Opens it, or takes it as it was opened before.
    pub fn device(self) -> Result<Device, BundleError> {
        static OPEN: Mutex<Vec<(DeviceKind, Device)>> = Mutex::new(Vec::new());
        let adapters = adapters();
        let kind = selector(adapters, self.place(adapters)?)?;
        // A panic below leaves the list as it was.
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, device)) = open.iter().find(|(opened, _)| *opened == kind) {
            return Ok(device.clone());
        }
        configure();
        let opened = Device::wgpu_options()
            .graphics_api(WgpuBackend::Vulkan)
            .device_kind(kind.clone())
            .init_with_setup();
        let (device, _setup) =
            opened.map_err(|error| BundleError::Engine(format!("{self}: {error}")))?;
        #[cfg(test)]
        tests::SETUPS.lock().unwrap().push(_setup);
        open.push((kind, device.clone()));
        Ok(device)
    }

    /// Its place among the adapters.
    fn place(self, adapters: &[Adapter]) -> Result<usize, BundleError> {
        let first = |kind| adapters.iter().position(|a| a.kind == Some(kind));
        let place = match self {
            Gpu::Any => [GpuKind::Discrete, GpuKind::Integrated, GpuKind::Virtual]
                .into_iter()
                .find_map(first),
            Gpu::First(kind) => first(kind),
            Gpu::At(place) => Some(usize::from(place)).filter(|place| *place < adapters.len()),
        };
        place.ok_or_else(|| {
            let wanted = match self {
                Gpu::Any => String::from("no GPU"),
                Gpu::First(kind) => format!("no {kind} device"),
                Gpu::At(place) => format!("no device {place}"),
            };
            BundleError::Engine(format!("{self}: {wanted}; {}", list(adapters)))
        })
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.engine(GpuFloat::F32))
    }
}

impl fmt::Display for GpuKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GpuKind::Discrete => "discrete",
            GpuKind::Integrated => "integrated",
            GpuKind::Virtual => "virtual",
            GpuKind::Software => "software",
        })
    }
}

/// One device as Vulkan lists it.
#[derive(Clone, Debug)]
struct Adapter {
    name: String,
    /// None: it does not report its kind, and cannot be chosen by it.
    kind: Option<GpuKind>,
    driver: String,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.name)?;
        match self.kind {
            Some(kind) => write!(f, "{kind}")?,
            None => write!(f, "of no known kind")?,
        }
        write!(f, ", Vulkan driver {})", self.driver)
    }
}

/// Asked once. The Vulkan loader crashes where instances come and go on several threads, so this
/// one stays.
fn adapters() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<(wgpu::Instance, Vec<Adapter>)> = OnceLock::new();
    let (_, adapters) = ADAPTERS.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::VULKAN,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let found = block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
        let adapters = found.iter().map(|adapter| {
            let info = adapter.get_info();
            Adapter {
                name: info.name,
                kind: match info.device_type {
                    wgpu::DeviceType::DiscreteGpu => Some(GpuKind::Discrete),
                    wgpu::DeviceType::IntegratedGpu => Some(GpuKind::Integrated),
                    wgpu::DeviceType::VirtualGpu => Some(GpuKind::Virtual),
                    wgpu::DeviceType::Cpu => Some(GpuKind::Software),
                    wgpu::DeviceType::Other => None,
                },
                driver: format!("{} {}", info.driver, info.driver_info),
            }
        });
        let adapters = adapters.collect();
        (instance, adapters)
    });
    adapters
}

fn list(adapters: &[Adapter]) -> String {
    if adapters.is_empty() {
        return String::from(
            "Vulkan shows no device at all: install the GPU's Vulkan driver, and see that this \
             user may open /dev/dri",
        );
    }
    let lines = adapters.iter().enumerate();
    let lines: Vec<String> = lines.map(|(at, one)| format!("{at}: {one}")).collect();
    format!(
        "Vulkan shows {}; name one of them in wgpu.device",
        lines.join(", ")
    )
}

/// How burn names the adapter at `place`: by its number among those of its kind.
fn selector(adapters: &[Adapter], place: usize) -> Result<DeviceKind, BundleError> {
    let kind = adapters[place].kind;
    let nth = adapters[..place].iter().filter(|a| a.kind == kind).count();
    match (kind, nth) {
        (Some(GpuKind::Discrete), _) => Ok(DeviceKind::DiscreteGpu(nth)),
        (Some(GpuKind::Integrated), _) => Ok(DeviceKind::IntegratedGpu(nth)),
        (Some(GpuKind::Virtual), _) => Ok(DeviceKind::VirtualGpu(nth)),
        (Some(GpuKind::Software), 0) => Ok(DeviceKind::Cpu),
        _ => Err(BundleError::Engine(format!(
            "wgpu_{place}: {} cannot be opened by burn; name another in wgpu.device",
            adapters[place]
        ))),
    }
}

/// Where what was tuned and compiled is kept, and one queue for all threads: a node warms an
/// engine on another thread than it runs it on.
fn configure() {
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    config.streaming.policy = StreamPolicy::Single;
    config.environment.path = match user_cache() {
        Some(cache) => CacheConfig::Directory(cache.join("wgpu")),
        None => CacheConfig::Global,
    };
    // False where something in this process has set it already: then that holds.
    let _ = CubeClRuntimeConfig::try_set(config);
}

#[cfg(test)]
pub(in crate::model) use tests::lose_all;

#[cfg(test)]
mod tests {
    use burn::tensor::wgpu::WgpuSetup;

    use super::*;

    /// What was opened, to be lost.
    pub(super) static SETUPS: Mutex<Vec<WgpuSetup>> = Mutex::new(Vec::new());

    /// As if every device went away.
    pub(in crate::model) fn lose_all() {
        for setup in SETUPS.lock().unwrap().iter() {
            setup.device.destroy();
        }
    }

    fn adapter(kind: Option<GpuKind>) -> Adapter {
        Adapter {
            name: String::from("a card"),
            kind,
            driver: String::from("of somebody"),
        }
    }

    #[test]
    fn the_best_is_taken_and_software_never_unasked() {
        use super::GpuKind::*;
        let many = [Software, Integrated, Discrete, Discrete].map(|kind| adapter(Some(kind)));
        assert_eq!(Gpu::Any.place(&many).unwrap(), 2);
        assert_eq!(Gpu::First(Integrated).place(&many).unwrap(), 1);
        assert_eq!(Gpu::At(3).place(&many).unwrap(), 3);
        assert_eq!(selector(&many, 3).unwrap(), DeviceKind::DiscreteGpu(1));
        let word = Gpu::Any.place(&many[..1]).unwrap_err().to_string();
        assert!(
            word.contains("no GPU; Vulkan shows 0: a card (software"),
            "{word}"
        );
        let word = Gpu::First(Discrete)
            .place(&many[..2])
            .unwrap_err()
            .to_string();
        assert!(word.contains("no discrete device"), "{word}");
        let word = Gpu::At(4).place(&many).unwrap_err().to_string();
        assert!(word.contains("no device 4"), "{word}");
        let word = Gpu::Any.place(&[]).unwrap_err().to_string();
        assert!(word.contains("no device at all"), "{word}");
    }

    #[test]
    fn what_burn_cannot_name_is_refused() {
        let odd = [adapter(None), adapter(Some(GpuKind::Software))];
        assert!(selector(&odd, 0).is_err());
        assert_eq!(selector(&odd, 1).unwrap(), DeviceKind::Cpu);
        let two = [GpuKind::Software; 2].map(|kind| adapter(Some(kind)));
        assert!(selector(&two, 1).is_err());
    }

    #[test]
    fn names_and_devices_are_one_to_one() {
        for (single, half, gpu) in NAMES {
            for (name, float) in [(single, GpuFloat::F32), (half, GpuFloat::F16)] {
                assert_eq!(gpu.engine(float), name);
                assert_eq!(Gpu::of_engine(name).unwrap(), (gpu, float));
            }
        }
        assert!(Gpu::of_engine("wgpu_9").is_err());
    }
}
