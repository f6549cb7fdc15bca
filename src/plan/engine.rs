//! The engines that may run a model on a device, and how fast each multiplies there.
//!
//! Where a device file holds what was measured, that is taken; else what an instruction set was
//! seen to reach per cycle elsewhere, times the clock, but no more than memory gives.

use serde::Serialize;

use super::device::{Device, How, Isa, Runs};
use super::weights::Tensor;
use crate::kernels::decode::matrix::Format as Packed;
use crate::language::gguf::TensorType;

/// What runs a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// This program: one thread, a bound on time.
    Ours,
    /// llama.cpp on the processor, on this many threads.
    LlamaCpp { threads: usize },
    /// llama.cpp on the GPU.
    LlamaCppGpu,
}

impl Engine {
    /// Those that may run on a device.
    pub fn of(device: &Device) -> Vec<Engine> {
        let mut all = match device.runs {
            Runs::Microcontroller => return Vec::new(),
            Runs::Phone => Vec::new(),
            Runs::Linux => vec![Engine::Ours],
        };
        let most = device.memory.read_gb_s.keys().copied().max().unwrap_or(1);
        all.push(Engine::LlamaCpp {
            threads: most.min(device.cpu.cores),
        });
        if device.gpu.is_some() {
            all.push(Engine::LlamaCppGpu);
        }
        all
    }

    pub fn name(self) -> String {
        match self {
            Engine::Ours => String::from("edge_reasoner, 1 thread"),
            Engine::LlamaCpp { threads: 1 } => String::from("llama.cpp, 1 thread"),
            Engine::LlamaCpp { threads } => format!("llama.cpp, {threads} threads"),
            Engine::LlamaCppGpu => String::from("llama.cpp on the GPU"),
        }
    }
}

/// How fast an engine multiplies on a device.
#[derive(Clone, Debug)]
pub struct Rates<'a> {
    engine: Engine,
    device: &'a Device,
    /// How well its figures are known.
    pub how: How,
}

/// Multiply-adds per cycle that one core was seen to reach.
struct PerCycle {
    one: f64,
    many: f64,
    attention: f64,
}

/// Multiply-adds per cycle of our classifiers' engine, many rows at a time.
pub fn classifier_macs_per_cycle(isa: Isa) -> f64 {
    // Small matrices: what surrounds the products counts as well.
    ours(isa).many * 0.6
}

/// Of our kernels: measured for AVX-512 VNNI and AVX2, estimated from the width of the
/// instructions for the others.
fn ours(isa: Isa) -> PerCycle {
    let of = |one, many, attention| PerCycle {
        one,
        many,
        attention,
    };
    match isa {
        Isa::Avx512Vnni => of(20.0, 75.0, 11.0),
        Isa::Avx2 => of(15.0, 20.0, 4.0),
        // Our kernels have no matrix products of i8mm.
        Isa::NeonDotprod | Isa::NeonI8mm => of(6.0, 11.0, 2.0),
        // Without dot products they are plain code.
        Isa::Neon | Isa::Scalar => of(0.4, 0.5, 0.4),
    }
}

/// Of llama.cpp's with blocks of Q4_0, which it re-lays in groups of rows.
fn llama_cpp(isa: Isa) -> PerCycle {
    let of = |one, many, attention| PerCycle {
        one,
        many,
        attention,
    };
    match isa {
        Isa::Avx512Vnni => of(5.0, 14.0, 7.5),
        Isa::Avx2 => of(5.0, 8.0, 4.8),
        Isa::NeonI8mm => of(7.0, 16.0, 6.0),
        Isa::NeonDotprod => of(5.0, 7.0, 4.0),
        Isa::Neon => of(2.2, 2.5, 2.4),
        Isa::Scalar => of(0.3, 0.3, 0.3),
    }
}

/// How fast other blocks are in llama.cpp, beside Q4_0: one row, many. Measured where
/// `devices/xeon-amx-server.yaml` was.
fn beside_q4_0(kind: TensorType) -> (f64, f64) {
    match kind {
        TensorType::Q4_0 | TensorType::Q4_K => (1.0, 1.0),
        TensorType::Q8_0 => (1.2, 0.6),
        TensorType::F16 | TensorType::BF16 | TensorType::F32 => (0.5, 0.3),
        _ => (0.6, 0.4),
    }
}

/// Of memory's rate, what a product reads of it.
const OF_MEMORY: f64 = 0.9;
/// Of the memory's and the arithmetic peak of a GPU.
const OF_GPU_MEMORY: f64 = 0.55;
const OF_GPU_PEAK: f64 = 0.25;
/// Of llama.cpp's rate of attention over a prompt, that of one token alone.
const OF_ONE_TOKEN: f64 = 0.25;
/// Of each further thread.
const OF_A_THREAD: f64 = 0.85;

/// The name that a device file has a packed format under.
fn packed_name(format: Packed) -> &'static str {
    let found = super::device::measure::FORMATS
        .iter()
        .find(|(_, known)| *known == format);
    found.map_or("", |(name, _)| name)
}

impl<'a> Rates<'a> {
    pub fn new(engine: Engine, device: &'a Device) -> Rates<'a> {
        let how = match engine {
            Engine::Ours => device
                .kernels
                .as_ref()
                .map_or(How::Estimated, |kernels| kernels.how),
            Engine::LlamaCpp { .. } => device
                .llama_cpp
                .as_ref()
                .map_or(How::Estimated, |llama| llama.how),
            Engine::LlamaCppGpu => How::Estimated,
        };
        Rates {
            engine,
            device,
            how,
        }
    }

    fn per_cycle(&self) -> PerCycle {
        match self.engine {
            Engine::Ours => ours(self.device.cpu.isa),
            _ => llama_cpp(self.device.cpu.isa),
        }
    }

    fn threads(&self) -> f64 {
        match self.engine {
            Engine::LlamaCpp { threads } => 1.0 + (threads as f64 - 1.0) * OF_A_THREAD,
            _ => 1.0,
        }
    }

    fn clock(&self) -> f64 {
        self.device.cpu.clock_ghz * 1e9
    }

    /// Seconds of one row by a matrix of a model whose weights take so many bytes in all.
    pub fn one_row_s(&self, tensor: &Tensor, all_bytes: u64) -> f64 {
        let macs = tensor.elements() as f64;
        let by_cycles = |one: f64| macs / (one * self.clock() * self.threads());
        match self.engine {
            Engine::Ours => {
                let bytes = tensor.packed_bytes() as f64;
                let name = tensor.packed().map_or("f32", packed_name);
                let measured = self
                    .device
                    .kernels
                    .as_ref()
                    .and_then(|k| k.one_row_gb_s.get(name));
                if let Some(rate) = measured.and_then(|by| at(by, all_bytes)) {
                    return bytes / (rate * 1e9);
                }
                let memory = bytes / (self.device.read_gb_s(1) * 1e9 * OF_MEMORY);
                let floats = matches!(name, "f16" | "f32");
                let one = self.per_cycle().one * if floats { 0.5 } else { 1.0 };
                memory.max(by_cycles(one))
            }
            Engine::LlamaCpp { threads } => {
                let bytes = tensor.bytes() as f64;
                let llama = self.device.llama_cpp.as_ref();
                let measured = llama.and_then(|llama| nearest(&llama.one_row_gb_s, tensor.kind));
                let memory = bytes / (self.device.read_gb_s(threads) * 1e9 * OF_MEMORY);
                let compute = match measured {
                    Some(rate) => bytes / (rate * 1e9 * self.threads()),
                    None => by_cycles(self.per_cycle().one * beside_q4_0(tensor.kind).0),
                };
                memory.max(compute)
            }
            Engine::LlamaCppGpu => {
                let rate = self.device.gpu.as_ref().map_or(1.0, |gpu| gpu.memory_gb_s);
                tensor.bytes() as f64 / (rate * 1e9 * OF_GPU_MEMORY)
            }
        }
    }

    /// Seconds of several rows by a matrix.
    pub fn rows_s(&self, tensor: &Tensor, rows: usize, all_bytes: u64) -> f64 {
        let one = self.one_row_s(tensor, all_bytes);
        if rows <= 1 {
            return one;
        }
        let macs = tensor.elements() as f64 * rows as f64;
        let rate = match self.engine {
            Engine::Ours => {
                let name = tensor.packed().map_or("f32", packed_name);
                let measured = self
                    .device
                    .kernels
                    .as_ref()
                    .and_then(|k| k.many_rows_gmac_s.get(name));
                measured.map_or_else(|| self.per_cycle().many * self.clock(), |rate| rate * 1e9)
            }
            Engine::LlamaCpp { .. } => {
                let llama = self.device.llama_cpp.as_ref();
                let measured =
                    llama.and_then(|llama| nearest(&llama.many_rows_gmac_s, tensor.kind));
                let of_one = measured.map_or_else(
                    || self.per_cycle().many * self.clock() * beside_q4_0(tensor.kind).1,
                    |rate| rate * 1e9,
                );
                of_one * self.threads()
            }
            Engine::LlamaCppGpu => {
                let peak = self.device.gpu.as_ref().map_or(0.1, |gpu| gpu.fp16_tflops);
                peak * 1e12 / 2.0 * OF_GPU_PEAK
            }
        };
        // A few rows fill the registers badly.
        let full = (rows as f64 / (rows as f64 + 1.0)).min(1.0);
        let multiplied = macs / (rate * full);
        match self.engine {
            // Weights come from memory once for a batch, and nothing is multiplied meanwhile.
            Engine::Ours => one + multiplied,
            _ => one.max(multiplied),
        }
    }

    /// Seconds of attention of so many tokens that multiplies so much, over keys and values of so
    /// many bytes.
    pub fn attention_s(&self, macs: u64, cache_bytes: u64, tokens: usize) -> f64 {
        let memory = match self.engine {
            Engine::Ours => self.device.read_gb_s(1),
            Engine::LlamaCpp { threads } => self.device.read_gb_s(threads),
            Engine::LlamaCppGpu => self.device.gpu.as_ref().map_or(1.0, |gpu| gpu.memory_gb_s),
        };
        self.multiplied_s(macs, tokens)
            .max(cache_bytes as f64 / (memory * 1e9))
    }

    fn multiplied_s(&self, macs: u64, tokens: usize) -> f64 {
        let cycles = self.per_cycle().attention * self.clock();
        let rate = match self.engine {
            Engine::Ours => self
                .device
                .kernels
                .as_ref()
                .map_or(cycles, |k| k.attention_gmac_s * 1e9),
            Engine::LlamaCpp { .. } => {
                let llama = self.device.llama_cpp.as_ref();
                let many =
                    llama.map_or(cycles, |llama| llama.attention_gmac_s * 1e9) * self.threads();
                if tokens == 1 {
                    many * OF_ONE_TOKEN
                } else {
                    many
                }
            }
            // Two bytes read for every multiply-add, by all heads of a group at once.
            Engine::LlamaCppGpu => {
                self.device.gpu.as_ref().map_or(1.0, |gpu| gpu.memory_gb_s) * 1e9 * 0.5
            }
        };
        macs as f64 / rate
    }

    /// Seconds of what a token takes besides in so many layers of a width: norms, rotations, gates;
    /// on a GPU the starts of its kernels.
    pub fn beside_s(&self, layers: usize, width: usize, ffn: usize, rows: usize) -> f64 {
        let cycles = match self.engine {
            Engine::LlamaCppGpu => return layers as f64 * 60e-6,
            // Threads wait for one another after every operation.
            Engine::LlamaCpp { threads } => {
                let wait = if threads > 1 { 30_000.0 } else { 6_000.0 };
                layers as f64 * (wait + rows as f64 * (1.5 * (6 * width + 3 * ffn) as f64))
            }
            Engine::Ours => {
                layers as f64 * rows as f64 * (1_500.0 + 1.2 * (6 * width + 2 * ffn) as f64)
            }
        };
        cycles / self.clock()
    }
}

/// Of rates by MiB, that of a model of so many bytes: between two that were measured, by the
/// logarithm; beyond them the nearest.
fn at(by: &std::collections::BTreeMap<u64, f64>, bytes: u64) -> Option<f64> {
    let mib = (bytes as f64 / f64::from(1 << 20)).max(1.0);
    let below = by.iter().rev().find(|(size, _)| **size as f64 <= mib);
    let above = by.iter().find(|(size, _)| **size as f64 >= mib);
    match (below, above) {
        (Some((a, x)), Some((b, y))) if a < b => {
            let share = (mib / *a as f64).ln() / (*b as f64 / *a as f64).ln();
            Some(x + (y - x) * share)
        }
        (Some((_, x)), _) | (None, Some((_, x))) => Some(*x),
        (None, None) => None,
    }
}

/// Of rates by type, that of the type, or of `other`.
fn nearest(by: &std::collections::BTreeMap<String, f64>, kind: TensorType) -> Option<f64> {
    by.get(kind.name()).or_else(|| by.get("other")).copied()
}
