//! The multi-exit encoder as a fused forward over packed weights: batch 1, one thread, no
//! allocation after construction.
//!
//! [`Packed`] holds the weights for this machine, [`Forward`] the scratch of one caller.
//! `begin` takes a window, each `advance` runs one block and its exit head. Kernels are written
//! once over sixteen lanes (`lanes`) and compiled per path (`paths`): AVX-512 with VNNI, with or
//! without BF16, AVX2, NEON with dot products, and portable scalar code. F32 and INT8 answer the
//! same bits on every path.
//!
//! Way of a block: `rows` normalizes and converts, `matmul` multiplies (one qkv), `attention`,
//! `rows` converts, `matmul` adds to the f32 residual stream; the same again for the FFN with GELU
//! in the first product's epilogue. The last block answers its newest frame only.
//!
//! Why not a library: the fastest peer measured takes 4.2, 2.3, 1.9 and 1.4 times as long on the
//! four sizes of `make bench-engine` and 8 to 11 times on the shipped models, where overhead is
//! most of its time (one core of an AMD EPYC of family 25, Zen 4, 2026-11-21; OpenVINO in INT8 or
//! f32, ONNX Runtime, rten and tract behind it). INT8 takes 1.5, 1.3, 1.25 and 1.3 times what the
//! multiply-adds alone take there; what is left is GELU (8 cycles per sixteen values, bound by its
//! multiply-adds), attention in f32, and the reductions of norms and quantization.

mod attention;
pub(crate) mod buffer;
pub mod decode;
mod forward;
mod lanes;
mod math;
mod matmul;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod paths;
#[cfg(test)]
mod reference;
mod rows;
mod sizes;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use forward::{Forward, Packed};
pub use pack::Residual;
pub use paths::FORCE;
pub use sizes::{PackError, Precision, Sizes};

/// The path [`Packed`] takes on this machine, such as `avx512_bf16`.
pub fn path(precision: Precision) -> Result<&'static str, PackError> {
    Ok(paths::choose(precision)?.path)
}

/// The integers that INT8 multiplies with, `[block][qkv, output, expand, contract]`, each row-major
/// `[inputs, outputs]` with the padding of `pack`.
#[cfg(test)]
pub(crate) fn integers<'a>(
    sizes: &Sizes,
    tensor: impl Fn(&str) -> Option<&'a [f32]>,
    residual: Residual,
) -> Result<Vec<[Vec<i8>; 4]>, PackError> {
    let layers = pack::layers(sizes, tensor, residual)?;
    let of = |dense: &pack::Dense| {
        let packed = pack::Linear::pack(dense, Precision::Int8);
        let places = (0..dense.inputs).flat_map(|k| (0..dense.outputs).map(move |n| (k, n)));
        let integer = |(k, n): (usize, usize)| {
            let word: u32 = packed.lines[(n / 16 * packed.words + k / 4) * 16 + n % 16];
            word.to_le_bytes()[k % 4] as i8
        };
        places.map(integer).collect()
    };
    let block = |[qkv, output, expand, contract, _]: &[pack::Dense; 5]| {
        [of(qkv), of(output), of(expand), of(contract)]
    };
    Ok(layers.blocks.iter().map(block).collect())
}
