//! Device files: what a computer that a model may run on can do, with the source of every figure.

mod list;
pub mod measure;
mod shipped;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::units;
pub use list::find;
pub use shipped::names;

/// The only form this build reads.
pub const FORMAT: u32 = 1;

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Always [`FORMAT`].
    pub format: u32,
    /// Letters, digits and `-`.
    pub name: String,
    /// For people.
    pub title: String,
    pub runs: Runs,
    pub cpu: Cpu,
    pub memory: Memory,
    /// What our kernels reach, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Kernels>,
    /// What llama.cpp reaches on one thread, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llama_cpp: Option<LlamaCpp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub npu: Option<Npu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
}

/// How a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Measured,
    DataSheet,
    Estimated,
}

/// What programs it can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// Linux on x86-64 or aarch64: this program too.
    Linux,
    /// A phone: llama.cpp and the makers' engines, not this program.
    Phone,
    /// No operating system that starts programs.
    Microcontroller,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    pub how: How,
    /// Title of a data sheet or page, or how it was measured.
    pub from: String,
    pub name: String,
    pub isa: Isa,
    pub cores: usize,
    /// GHz for some seconds, and for hours.
    pub clock_ghz: f64,
    pub sustained_clock_ghz: f64,
    /// KiB; 0: none. Of a core, of a core, of all.
    pub l1_kib: u64,
    pub l2_kib: u64,
    pub l3_kib: u64,
}

/// Instructions that decide how fast INT8 products are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isa {
    Avx512Vnni,
    Avx2,
    /// ARMv8.2 with dot products, and with matrix products besides.
    NeonDotprod,
    NeonI8mm,
    /// ARMv8.0: Cortex-A53, A72.
    Neon,
    /// Cortex-M and their like.
    Scalar,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    pub how: How,
    pub from: String,
    /// With its unit: 8GiB.
    pub total: String,
    /// GB/s read, by threads.
    pub read_gb_s: BTreeMap<usize, f64>,
}

/// Of our kernels, one thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernels {
    pub how: How,
    pub from: String,
    /// Of the path: avx512, avx2, neon, scalar.
    pub path: String,
    /// GB/s of packed weights times one row, by packed format and MiB of all weights.
    pub one_row_gb_s: BTreeMap<String, BTreeMap<u64, f64>>,
    /// Thousand millions of multiply-adds a second times 64 rows, by packed format.
    pub many_rows_gmac_s: BTreeMap<String, f64>,
    /// The same of attention over 512 tokens.
    pub attention_gmac_s: f64,
    /// GB/s of a file's weights packed.
    pub pack_gb_s: f64,
}

/// Of llama.cpp, one thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlamaCpp {
    pub how: How,
    pub from: String,
    /// GB/s of a file's weights times one row, by type of block.
    pub one_row_gb_s: BTreeMap<String, f64>,
    /// Thousand millions of multiply-adds a second of a long prompt.
    pub many_rows_gmac_s: BTreeMap<String, f64>,
    pub attention_gmac_s: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    pub how: How,
    pub from: String,
    pub name: String,
    /// cuda, vulkan, opencl, metal.
    pub api: String,
    /// GB/s; of the memory shared with the CPU where it has none of its own.
    pub memory_gb_s: f64,
    pub fp16_tflops: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Npu {
    pub how: How,
    pub from: String,
    pub name: String,
    pub int8_tops: f64,
    /// What runs a language model on it.
    pub engine: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    pub how: How,
    pub from: String,
    pub name: String,
    pub read_mb_s: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    pub how: How,
    pub from: String,
    /// W of the board: idle, one core busy, all cores busy, GPU busy.
    pub idle_w: f64,
    pub one_core_w: f64,
    pub all_cores_w: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_w: Option<f64>,
}

/// A device file that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DeviceError {
    #[error("{}: {what}", path.display())]
    File { path: PathBuf, what: String },
    #[error(
        "device {name:?} is not known{}; known are {}; a file of your own is named by its path \
         (edge_reasoner plan --measure FILE writes one)",
        if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) },
        known.join(", ")
    )]
    Unknown {
        name: String,
        near: Vec<String>,
        known: Vec<String>,
    },
}

impl Device {
    /// Reads and checks a device file.
    ///
    /// # Errors
    /// A file that is not there, no such yaml, or a figure that cannot be.
    pub fn load(path: &Path) -> Result<Device, DeviceError> {
        let wrong = |what: String| DeviceError::File {
            path: path.to_owned(),
            what,
        };
        let text = std::fs::read_to_string(path).map_err(|cause| {
            wrong(format!(
                "{cause}; name a device file, or one of {}",
                names().join(", ")
            ))
        })?;
        Device::parse(&text).map_err(wrong)
    }

    /// Of a device file's text.
    ///
    /// # Errors
    /// In a sentence, with the field.
    pub fn parse(text: &str) -> Result<Device, String> {
        let device: Device = serde_yaml::from_str(text).map_err(|cause| {
            format!(
                "{cause}; docs/plan.md lists the fields of a device file, devices/ has examples"
            )
        })?;
        device.fault().map_or(Ok(device), Err)
    }

    /// The first figure that cannot be, and what was expected.
    fn fault(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!(
                "format is {}; this build reads {FORMAT}",
                self.format
            ));
        }
        let name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(name) {
            return Some(format!(
                "name is {:?}; expected letters, digits and -",
                self.name
            ));
        }
        if let Err(what) = units::bytes(&self.memory.total) {
            return Some(format!("memory.total: {what}"));
        }
        if !(1..=1024).contains(&self.cpu.cores) {
            return Some(format!(
                "cpu.cores is {}; expected 1 to 1024",
                self.cpu.cores
            ));
        }
        if !self.memory.read_gb_s.contains_key(&1) {
            return Some(String::from(
                "memory.read_gb_s has nothing for 1 thread; expected {1: GB/s, ...}",
            ));
        }
        if self.cpu.sustained_clock_ghz > self.cpu.clock_ghz {
            return Some(format!(
                "cpu.sustained_clock_ghz is {}, above clock_ghz {}; expected at most that",
                self.cpu.sustained_clock_ghz, self.cpu.clock_ghz
            ));
        }
        let (cpu, kernels) = (&self.cpu, self.kernels.as_ref());
        let mut figures = vec![
            ("cpu.clock_ghz", cpu.clock_ghz),
            ("cpu.sustained_clock_ghz", cpu.sustained_clock_ghz),
        ];
        figures.extend(
            self.memory
                .read_gb_s
                .values()
                .map(|x| ("memory.read_gb_s", *x)),
        );
        if let Some(kernels) = kernels {
            figures.extend([
                ("kernels.attention_gmac_s", kernels.attention_gmac_s),
                ("kernels.pack_gb_s", kernels.pack_gb_s),
            ]);
            let rates = kernels.one_row_gb_s.values().flat_map(|by| by.values());
            figures.extend(rates.map(|x| ("kernels.one_row_gb_s", *x)));
            let rates = kernels.many_rows_gmac_s.values();
            figures.extend(rates.map(|x| ("kernels.many_rows_gmac_s", *x)));
        }
        if let Some(llama) = &self.llama_cpp {
            figures.push(("llama_cpp.attention_gmac_s", llama.attention_gmac_s));
            let rates = llama
                .one_row_gb_s
                .values()
                .chain(llama.many_rows_gmac_s.values());
            figures.extend(rates.map(|x| ("llama_cpp", *x)));
        }
        if let Some(gpu) = &self.gpu {
            figures.extend([
                ("gpu.memory_gb_s", gpu.memory_gb_s),
                ("gpu.fp16_tflops", gpu.fp16_tflops),
            ]);
        }
        if let Some(storage) = &self.storage {
            figures.push(("storage.read_mb_s", storage.read_mb_s));
        }
        if let Some(power) = &self.power {
            figures.extend([
                ("power.one_core_w", power.one_core_w),
                ("power.all_cores_w", power.all_cores_w),
            ]);
        }
        let wrong = figures
            .into_iter()
            .find(|(_, x)| !x.is_finite() || *x <= 0.0 || *x > 1e6);
        wrong.map(|(field, x)| format!("{field} is {x}; expected a number above 0"))
    }

    /// Bytes of all its memory.
    pub fn memory_bytes(&self) -> u64 {
        units::bytes(&self.memory.total).unwrap_or(0)
    }

    /// GB/s that so many threads read together: of the most that is known and not more.
    pub fn read_gb_s(&self, threads: usize) -> f64 {
        let known = &self.memory.read_gb_s;
        let below = known
            .range(..=threads)
            .next_back()
            .or_else(|| known.iter().next());
        below.map_or(1.0, |(_, rate)| *rate)
    }

    /// How much slower it is for hours than for seconds.
    pub fn sustained_share(&self) -> f64 {
        self.cpu.sustained_clock_ghz / self.cpu.clock_ghz
    }
}
