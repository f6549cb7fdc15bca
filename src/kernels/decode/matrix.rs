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
    /// It returns the scale, and the minimum or the scale of the second half. The matrix lies in
    /// `memory`, behind the one before it.
    ///
    /// # Panics
    /// If `inputs` is no multiple of 32.
    pub fn new(
        format: Format,
        inputs: usize,
        outputs: usize,
        memory: &mut Arena,
        block: impl Fn(usize, usize, &mut [u8; 128]) -> (f32, f32),
    ) -> Matrix {
        assert!(inputs.is_multiple_of(BLOCK), "{inputs} inputs");
        let (blocks, panels) = (inputs / BLOCK, outputs.div_ceil(PANEL));
        let stride = format.stride();
        let codes = format.codes();
        let word = codes / PANEL;
        let mut data = memory.take::<u8>(panels * blocks * stride);
        let mut raw = [0u8; 128];
        for output in 0..outputs {
            let (panel, lane) = (output / PANEL, output % PANEL);
            for index in 0..blocks {
                let (scale, other) = block(output, index, &mut raw);
                let to = &mut data[(panel * blocks + index) * stride..][..stride];
                // Words of four bytes: nibbles and bytes; of one number: floats.
                let size = match format {
                    Format::F16 => 2,
                    _ => 4,
                };
                for (j, word) in raw[..word].chunks_exact(size).enumerate() {
                    to[(j * PANEL + lane) * size..][..size].copy_from_slice(word);
                }
                let scales = &mut to[codes..];
                let mut put = |place: usize, value: f32| match format {
                    Format::Nibbles | Format::Bytes | Format::BytesAndMinimum => {
                        let at = 2 * (place * PANEL + lane);
                        let bits = half::f16::from_f32(value).to_bits();
                        scales[at..at + 2].copy_from_slice(&bits.to_le_bytes());
                    }
                    _ => {
                        let at = 4 * (place * PANEL + lane);
                        scales[at..at + 4].copy_from_slice(&value.to_le_bytes());
                    }
                };
                match format {
                    Format::F16 | Format::F32 => {}
                    Format::Bytes => put(0, scale),
                    _ => {
                        put(0, scale);
                        put(1, other);
                    }
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
            let by = [by(0), if self.format.scales() > 2 * PANEL { by(1) } else { 0.0 }];
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
