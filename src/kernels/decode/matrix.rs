//! A matrix re-laid for the products: panels of sixteen outputs, block by block of 32 inputs, each
//! block's codes followed by its scales. The values are exactly those of the file's blocks.

use super::codes::{BLOCK, BYTES, NIBBLES, PANEL};
use crate::kernels::buffer::{Arena, Buffer};

/// How the blocks of a matrix are coded. value = code x scale (+ minimum).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Unsigned nibbles with a minimum, f16: Q4_0 and Q4_1.
    Nibbles,
    /// Signed bytes, f16: Q8_0 and Q5_0.
    Bytes,
    /// Bytes with a minimum, f16: Q5_1.
    BytesAndMinimum,
    /// Unsigned nibbles with a minimum, f32: Q4_K.
    WideNibbles,
    /// Bytes with a minimum, f32: Q5_K.
    WideBytes,
    /// Signed bytes with a scale for each half of the block, f32: Q6_K.
    HalfBlocks,
    /// No blocks: f16.
    F16,
    /// No blocks: f32.
    F32,
}

impl Format {
    /// Bytes of the codes of a panel's block.
    pub const fn codes(self) -> usize {
        match self {
            Format::Nibbles | Format::WideNibbles => NIBBLES,
            Format::Bytes | Format::BytesAndMinimum | Format::WideBytes | Format::HalfBlocks => {
                BYTES
            }
            Format::F16 => 2 * PANEL * BLOCK,
            Format::F32 => 4 * PANEL * BLOCK,
        }
    }

    /// Bytes of the scales and minima behind the codes: two numbers an output, or one.
    const fn scales(self) -> usize {
        PANEL
            * match self {
                Format::Nibbles | Format::BytesAndMinimum => 2 * 2,
                Format::Bytes => 2,
                Format::WideNibbles | Format::WideBytes | Format::HalfBlocks => 2 * 4,
                Format::F16 | Format::F32 => 0,
            }
    }

    /// Bytes of a panel's block.
    pub const fn stride(self) -> usize {
        self.codes() + self.scales()
    }
}

/// A matrix of `outputs` x `inputs`.
pub struct Matrix {
    pub format: Format,
    pub inputs: usize,
    pub outputs: usize,
    pub(super) data: Buffer<u8>,
}

impl Matrix {
    /// Lays out what `block(output, index, codes)` writes for the 32 inputs of a block: 16 bytes of
    /// nibbles as ggml has them (input i low, 16 + i high), 32 bytes, or 32 numbers of the format.
    /// It returns the bits of the scale, and of the minimum or the scale of the second half: f16 or
    /// f32, as the format has them. The matrix lies in `memory`, behind the one before it.
    ///
    /// # Panics
    /// If `inputs` is no multiple of 32.
    pub fn new(
        format: Format,
        inputs: usize,
        outputs: usize,
        memory: &mut Arena,
        block: impl Fn(usize, usize, &mut [u8; 128]) -> (u32, u32),
    ) -> Matrix {
        assert!(inputs.is_multiple_of(BLOCK), "{inputs} inputs");
        let (blocks, panels) = (inputs / BLOCK, outputs.div_ceil(PANEL));
        let (stride, codes) = (format.stride(), format.codes());
        let mut data = memory.take::<u8>(panels * blocks * stride);
        let mut raw = [0u8; 128];
        for (at, to) in data.chunks_exact_mut(stride).enumerate() {
            let (panel, index) = (at / blocks, at % blocks);
            let (to, scales) = to.split_at_mut(codes);
            let lanes = PANEL.min(outputs - panel * PANEL);
            for lane in 0..lanes {
                let (scale, other) = block(panel * PANEL + lane, index, &mut raw);
                let raw = &raw[..codes / PANEL];
                match format {
                    Format::F16 => spread::<2>(raw, lane, to),
                    // Words of four codes or pairs of them, or a number.
                    _ => spread::<4>(raw, lane, to),
                }
                let places = [scale, other].into_iter().zip(0..);
                match format {
                    Format::F16 | Format::F32 => {}
                    Format::Nibbles | Format::Bytes | Format::BytesAndMinimum => {
                        let places = places.take(scales.len() / (2 * PANEL));
                        let half = |bits: u32| (bits as u16).to_le_bytes();
                        places.for_each(|(bits, place)| put(half(bits), place, lane, scales));
                    }
                    _ => places
                        .for_each(|(bits, place)| put(bits.to_le_bytes(), place, lane, scales)),
                }
            }
        }
        Matrix {
            format,
            inputs,
            outputs,
            data,
        }
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        self.data.bytes()
    }

    /// Writes the numbers of one output, exactly those of the file's blocks.
    pub fn output(&self, output: usize, out: &mut [f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let stride = self.format.stride();
        let from = &self.data[panel * self.blocks() * stride..][..self.blocks() * stride];
        for (out, block) in out.chunks_exact_mut(BLOCK).zip(from.chunks_exact(stride)) {
            let (codes, scales) = block.split_at(self.format.codes());
            let half = |at: usize| half::f16::from_le_bytes([scales[at], scales[at + 1]]).to_f32();
            let float = |at: usize| f32::from_le_bytes(std::array::from_fn(|i| scales[at + i]));
            // The first and the second number behind the codes.
            let by = |place: usize| match self.format {
                Format::F16 | Format::F32 => 1.0,
                Format::Nibbles | Format::Bytes | Format::BytesAndMinimum => {
                    half(2 * (place * PANEL + lane))
                }
                _ => float(4 * (place * PANEL + lane)),
            };
            let by = [
                by(0),
                if self.format.scales() > 2 * PANEL {
                    by(1)
                } else {
                    0.0
                },
            ];
            let byte = |i: usize| codes[(i / 4 * PANEL + lane) * 4 + i % 4];
            for (i, out) in out.iter_mut().enumerate() {
                *out = match self.format {
                    Format::Nibbles | Format::WideNibbles => {
                        let code = byte(i % 16) >> (i / 16 * 4) & 15;
                        f32::from(code) * by[0] + by[1]
                    }
                    Format::Bytes => f32::from(byte(i) as i8) * by[0],
                    Format::BytesAndMinimum | Format::WideBytes => {
                        f32::from(byte(i) as i8) * by[0] + by[1]
                    }
                    Format::HalfBlocks => f32::from(byte(i) as i8) * by[i / 16],
                    Format::F16 => {
                        let at = 2 * (i * PANEL + lane);
                        half::f16::from_le_bytes([codes[at], codes[at + 1]]).to_f32()
                    }
                    Format::F32 => {
                        let at = 4 * (i * PANEL + lane);
                        f32::from_le_bytes(std::array::from_fn(|k| codes[at + k]))
                    }
                };
            }
        }
    }

    pub fn blocks(&self) -> usize {
        self.inputs / BLOCK
    }

    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }
}

/// Writes words of `N` bytes to a lane's places.
fn spread<const N: usize>(words: &[u8], lane: usize, to: &mut [u8]) {
    let (words, _) = words.as_chunks::<N>();
    let (to, _) = to.as_chunks_mut::<N>();
    for (word, to) in words.iter().zip(to.chunks_exact_mut(PANEL)) {
        to[lane] = *word;
    }
}

fn put<const N: usize>(number: [u8; N], place: usize, lane: usize, scales: &mut [u8]) {
    scales.as_chunks_mut::<N>().0[place * PANEL + lane] = number;
}
