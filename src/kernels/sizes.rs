//! Configuration of the kernels: sizes of the encoder, precision of its products.

/// What weights and activations of the products are; the residual stream, attention, embedding
/// and exit heads are f32 throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    F32,
    /// Weights symmetric per output, activations symmetric per frame, sums exact in i32; the
    /// default.
    #[default]
    Int8,
    /// BF16 with f32 sums.
    Bf16,
}

impl Precision {
    /// The name of the engine that computes in it.
    pub fn engine(self) -> &'static str {
        match self {
            Precision::F32 => "packed_f32",
            Precision::Int8 => "packed_int8",
            Precision::Bf16 => "packed_bf16",
        }
    }

    pub(super) fn per_word(self) -> usize {
        match self {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
            Precision::Int8 => 4,
        }
    }
}

/// Sizes of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Frames of a window.
    pub frames: usize,
    /// Features of a frame.
    pub features: usize,
    /// Of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Channels of a head.
    pub head_width: usize,
    /// Blocks, and therefore exits.
    pub depth: usize,
    /// Width inside the FFN.
    pub ffn: usize,
    /// Classes.
    pub labels: usize,
}

impl Sizes {
    /// Channels of a head, padded to whole vectors.
    pub(super) fn channels(&self) -> usize {
        self.head_width.next_multiple_of(16)
    }
}

/// Why weights could not be packed, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackError(pub String);
