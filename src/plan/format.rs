//! The formats that weights are compressed to, and which blocks each makes of a tensor.
//!
//! As llama.cpp's `llama-quantize` chooses them: "Q4_K_M" and "Q5_K_M" are mixtures, the head is
//! kept finer in all of them, and rows that are no multiple of 256 fall back to smaller blocks.

use serde::Serialize;

use crate::language::gguf::TensorType;

/// A format by the name that people ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(non_camel_case_types, reason = "the names that people write")]
pub enum Format {
    Q4_0,
    Q4_K_M,
    Q5_K_M,
    Q8_0,
    F16,
}

/// What a matrix is for: mixtures treat some better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The head, or an embedding that is the head as well.
    Head,
    /// An embedding beside a head.
    Embedding,
    /// Queries, keys and values in one.
    Qkv,
    /// Values of a layer.
    Values(usize),
    /// The second matrix of the feed-forward part of a layer.
    Down(usize),
    Other,
}

impl Format {
    /// All, finest first.
    pub const ALL: [Format; 5] = [
        Format::F16,
        Format::Q8_0,
        Format::Q5_K_M,
        Format::Q4_K_M,
        Format::Q4_0,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Format::F16 => "F16",
            Format::Q8_0 => "Q8_0",
            Format::Q5_K_M => "Q5_K_M",
            Format::Q4_K_M => "Q4_K_M",
            Format::Q4_0 => "Q4_0",
        }
    }

    /// What it makes of a matrix with rows of `inputs` numbers, in a model of `layers`.
    pub fn of(self, role: Role, inputs: usize, layers: usize) -> TensorType {
        use TensorType::{F16, Q4_0, Q4_K, Q5_K, Q6_K, Q8_0};
        let base = match self {
            Format::F16 => return F16,
            Format::Q8_0 => return fitting(Q8_0, inputs),
            Format::Q5_K_M => Q5_K,
            Format::Q4_K_M => Q4_K,
            Format::Q4_0 => Q4_0,
        };
        let kind = match (self, role) {
            (_, Role::Head) => Q6_K,
            (Format::Q4_K_M, Role::Qkv) => Q5_K,
            (Format::Q5_K_M, Role::Qkv) => Q6_K,
            (Format::Q4_K_M | Format::Q5_K_M, Role::Values(layer) | Role::Down(layer))
                if more_bits(layer, layers) =>
            {
                Q6_K
            }
            _ => base,
        };
        fitting(kind, inputs)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The layers that a mixture treats better: the first and last eighth, and every third between.
fn more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// The type, or what it falls back to where rows are no multiple of its block.
fn fitting(kind: TensorType, inputs: usize) -> TensorType {
    use TensorType::{F16, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
    let kind = match kind {
        kind if inputs.is_multiple_of(kind.block().0 as usize) => return kind,
        Q4_K => Q5_0,
        Q5_K => Q5_1,
        Q6_K => Q8_0,
        _ => F16,
    };
    if inputs.is_multiple_of(kind.block().0 as usize) {
        kind
    } else {
        F16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_treat_head_values_and_down_better_and_narrow_rows_fall_back() {
        use TensorType::*;
        let of = |format: Format, role, inputs| format.of(role, inputs, 32);
        assert_eq!(of(Format::Q4_K_M, Role::Other, 2048), Q4_K);
        assert_eq!(of(Format::Q4_K_M, Role::Values(0), 2048), Q6_K);
        assert_eq!(of(Format::Q4_K_M, Role::Values(4), 2048), Q4_K);
        assert_eq!(of(Format::Q4_K_M, Role::Down(6), 2048), Q6_K);
        assert_eq!(of(Format::Q4_K_M, Role::Down(28), 2048), Q6_K);
        assert_eq!(of(Format::Q4_K_M, Role::Qkv, 2048), Q5_K);
        assert_eq!(of(Format::Q4_K_M, Role::Other, 576), Q5_0);
        assert_eq!(of(Format::Q5_K_M, Role::Other, 576), Q5_1);
        assert_eq!(of(Format::Q4_0, Role::Head, 576), Q8_0);
        assert_eq!(of(Format::Q4_0, Role::Head, 2048), Q6_K);
        assert_eq!(of(Format::Q4_0, Role::Other, 2048), Q4_0);
        assert_eq!(of(Format::Q8_0, Role::Head, 48), F16);
    }
}
