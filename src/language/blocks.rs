//! The blocks of GGUF tensors: what their bytes mean, and how a matrix of them is packed.
//!
//! Sources: ggml's `ggml-common.h` (layouts) and `ggml-quants.c` (dequantization).

// Codes are written by the place they have in their block.
#![allow(clippy::needless_range_loop)]

use half::{bf16, f16};

use super::gguf::TensorType;
use crate::kernels::buffer::Arena;
use crate::kernels::decode::matrix::{Format, Matrix};

fn f16_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// Whether matrices of this type can be run.
pub fn runs(kind: TensorType) -> bool {
    use TensorType::*;
    matches!(
        kind,
        F32 | F16 | BF16 | Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q4_K | Q5_K | Q6_K
    )
}

/// The 6-bit scale and minimum of sub-block `j` of a Q4_K or Q5_K block.
fn scale_and_minimum(scales: &[u8], j: usize) -> (f32, f32) {
    let (scale, minimum) = match j < 4 {
        true => (scales[j] & 63, scales[j + 4] & 63),
        false => (
            (scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4,
            (scales[j + 4] >> 4) | (scales[j] >> 6) << 4,
        ),
    };
    (f32::from(scale), f32::from(minimum))
}

/// What a block's codes and the bits of its scale and minimum are, by output and number of the block
/// in its row.
type Block<'a> = dyn Fn(usize, usize, &mut [u8; 128]) -> (u32, u32) + 'a;

/// The bits of an f16, as they stand.
fn half_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Packs a matrix of `outputs` rows of `inputs` numbers each, a multiple of 32, into `memory`.
pub fn pack(
    kind: TensorType,
    bytes: &[u8],
    inputs: usize,
    outputs: usize,
    memory: &mut Arena,
) -> Option<Matrix> {
    let (block, size) = kind.block();
    let row = inputs / block as usize * size as usize;
    let at = |output: usize, index: usize| {
        &bytes[output * row + index * size as usize..][..size as usize]
    };
    let mut new =
        |format, block: &Block<'_>| Some(Matrix::new(format, inputs, outputs, memory, block));
    match kind {
        TensorType::Q4_0 => new(Format::Nibbles, &|output, index, codes| {
            let from = at(output, index);
            codes[..16].copy_from_slice(&from[2..18]);
            let minimum = f16::from_f32(-8.0 * f16_at(from, 0));
            (half_at(from, 0), minimum.to_bits().into())
        }),
        TensorType::Q4_1 => new(Format::Nibbles, &|output, index, codes| {
            let from = at(output, index);
            codes[..16].copy_from_slice(&from[4..20]);
            (half_at(from, 0), half_at(from, 2))
        }),
        TensorType::Q5_0 => new(Format::Bytes, &|output, index, codes| {
            let from = at(output, index);
            fives(&from[2..6], &from[6..22], codes);
            codes[..32]
                .iter_mut()
                .for_each(|code| *code = code.wrapping_sub(16));
            (half_at(from, 0), 0)
        }),
        TensorType::Q5_1 => new(Format::BytesAndMinimum, &|output, index, codes| {
            let from = at(output, index);
            fives(&from[4..8], &from[8..24], codes);
            (half_at(from, 0), half_at(from, 2))
        }),
        TensorType::Q8_0 => new(Format::Bytes, &|output, index, codes| {
            let from = at(output, index);
            codes[..32].copy_from_slice(&from[2..34]);
            (half_at(from, 0), 0)
        }),
        TensorType::Q4_K => new(Format::WideNibbles, &|output, index, codes| {
            let from = at(output, index / 8);
            let j = index % 8;
            // 32 bytes hold two sub-blocks: the even one low, the odd one high.
            let pair = &from[16 + 32 * (j / 2)..][..32];
            let code = |i: usize| match j % 2 {
                0 => pair[i] & 15,
                _ => pair[i] >> 4,
            };
            for i in 0..16 {
                codes[i] = code(i) | code(16 + i) << 4;
            }
            let (scale, minimum) = scale_and_minimum(&from[4..16], j);
            let (scale, minimum) = (f16_at(from, 0) * scale, -f16_at(from, 2) * minimum);
            (scale.to_bits(), minimum.to_bits())
        }),
        TensorType::Q5_K => new(Format::WideBytes, &|output, index, codes| {
            let from = at(output, index / 8);
            let j = index % 8;
            let (high, pair) = (&from[16..48], &from[48 + 32 * (j / 2)..][..32]);
            for i in 0..32 {
                let low = match j % 2 {
                    0 => pair[i] & 15,
                    _ => pair[i] >> 4,
                };
                codes[i] = low | (high[i] >> j & 1) << 4;
            }
            let (scale, minimum) = scale_and_minimum(&from[4..16], j);
            let (scale, minimum) = (f16_at(from, 0) * scale, -f16_at(from, 2) * minimum);
            (scale.to_bits(), minimum.to_bits())
        }),
        TensorType::Q6_K => new(Format::HalfBlocks, &|output, index, codes| {
            let from = at(output, index / 8);
            let (half, quarter) = (index % 8 / 4, index % 4);
            let low = &from[64 * half..][..64];
            let high = &from[128 + 32 * half..][..32];
            for i in 0..32 {
                let byte = low[32 * (quarter % 2) + i];
                let nibble = if quarter < 2 { byte & 15 } else { byte >> 4 };
                let code = nibble | (high[i] >> (2 * quarter) & 3) << 4;
                codes[i] = code.wrapping_sub(32);
            }
            let scale = |i: usize| f32::from(from[192 + 8 * half + 2 * quarter + i] as i8);
            let d = f16_at(from, 208);
            ((d * scale(0)).to_bits(), (d * scale(1)).to_bits())
        }),
        TensorType::F16 => new(Format::F16, &|output, index, codes| {
            codes[..64].copy_from_slice(&bytes[output * row + 64 * index..][..64]);
            (0, 0)
        }),
        TensorType::F32 => new(Format::F32, &|output, index, codes| {
            codes.copy_from_slice(&bytes[output * row + 128 * index..][..128]);
            (0, 0)
        }),
        TensorType::BF16 => new(Format::F32, &|output, index, codes| {
            let from = &bytes[output * row + 64 * index..][..64];
            for (to, from) in codes.chunks_exact_mut(4).zip(from.chunks_exact(2)) {
                to.copy_from_slice(
                    &bf16::from_le_bytes([from[0], from[1]])
                        .to_f32()
                        .to_le_bytes(),
                );
            }
            (0, 0)
        }),
        _ => None,
    }
}

/// Low nibbles and fifth bits to bytes.
fn fives(high: &[u8], low: &[u8], codes: &mut [u8; 128]) {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    for i in 0..16 {
        codes[i] = (low[i] & 15) | (((high >> i) & 1) as u8 * 16);
        codes[16 + i] = (low[i] >> 4) | (((high >> (16 + i)) & 1) as u8 * 16);
    }
}

/// Writes the numbers of whole blocks to `out`, by the formulas of the format: the reference that
/// packing is tested against, and how single rows and vectors are read.
pub fn dequantize(kind: TensorType, bytes: &[u8], out: &mut [f32]) -> bool {
    let (numbers, size) = kind.block();
    for (out, from) in out
        .chunks_exact_mut(numbers as usize)
        .zip(bytes.chunks_exact(size as usize))
    {
        match kind {
            TensorType::F32 => out[0] = f32::from_le_bytes([from[0], from[1], from[2], from[3]]),
            TensorType::F16 => out[0] = f16_at(from, 0),
            TensorType::BF16 => out[0] = bf16::from_le_bytes([from[0], from[1]]).to_f32(),
            TensorType::Q8_0 => {
                for i in 0..32 {
                    out[i] = f16_at(from, 0) * f32::from(from[2 + i] as i8);
                }
            }
            TensorType::Q4_0 => {
                for i in 0..16 {
                    out[i] = f16_at(from, 0) * (f32::from(from[2 + i] & 15) - 8.0);
                    out[16 + i] = f16_at(from, 0) * (f32::from(from[2 + i] >> 4) - 8.0);
                }
            }
            TensorType::Q4_1 => {
                for i in 0..16 {
                    out[i] = f16_at(from, 0) * f32::from(from[4 + i] & 15) + f16_at(from, 2);
                    out[16 + i] = f16_at(from, 0) * f32::from(from[4 + i] >> 4) + f16_at(from, 2);
                }
            }
            TensorType::Q5_0 | TensorType::Q5_1 => {
                let skip = if kind == TensorType::Q5_0 { 2 } else { 4 };
                let mut codes = [0; 128];
                fives(&from[skip..skip + 4], &from[skip + 4..], &mut codes);
                for (out, code) in out.iter_mut().zip(codes) {
                    let code = f32::from(code);
                    *out = match kind {
                        TensorType::Q5_0 => f16_at(from, 0) * (code - 16.0),
                        _ => f16_at(from, 0) * code + f16_at(from, 2),
                    };
                }
            }
            TensorType::Q4_K | TensorType::Q5_K => {
                for (i, out) in out.iter_mut().enumerate() {
                    let j = i / 32;
                    let quants = if kind == TensorType::Q4_K { 16 } else { 48 };
                    let byte = from[quants + 32 * (j / 2) + i % 32];
                    let low = if j % 2 == 0 { byte & 15 } else { byte >> 4 };
                    let high = match kind {
                        TensorType::Q5_K => (from[16 + i % 32] >> j & 1) << 4,
                        _ => 0,
                    };
                    let (scale, minimum) = scale_and_minimum(&from[4..16], j);
                    let code = f32::from(low | high);
                    *out = f16_at(from, 0) * scale * code - f16_at(from, 2) * minimum;
                }
            }
            TensorType::Q6_K => {
                for (i, out) in out.iter_mut().enumerate() {
                    let (half, quarter, within) = (i / 128, i % 128 / 32, i % 32);
                    let byte = from[64 * half + 32 * (quarter % 2) + within];
                    let low = if quarter < 2 { byte & 15 } else { byte >> 4 };
                    let high = from[128 + 32 * half + within] >> (2 * quarter) & 3;
                    let code = i32::from(low | high << 4) - 32;
                    let scale = f32::from(from[192 + 8 * half + 2 * quarter + within / 16] as i8);
                    *out = f16_at(from, 208) * scale * code as f32;
                }
            }
            _ => return false,
        }
    }
    true
}
