//! The tensors of a model, and what they take in a file and, packed, in memory.

use crate::kernels::decode::matrix::Format as Packed;
use crate::language::gguf::{Gguf, TensorType};

/// A tensor by what its size depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    /// Numbers of a row.
    pub inputs: usize,
    /// Rows; 1 of a vector.
    pub outputs: usize,
    pub kind: TensorType,
}

impl Tensor {
    pub fn vector(name: String, length: usize) -> Tensor {
        Tensor {
            name,
            inputs: length,
            outputs: 1,
            kind: TensorType::F32,
        }
    }

    /// Numbers in it.
    pub fn elements(&self) -> u64 {
        (self.inputs * self.outputs) as u64
    }

    /// Bytes in a file.
    pub fn bytes(&self) -> u64 {
        let (numbers, bytes) = self.kind.block();
        self.elements() / numbers * bytes
    }

    /// How our kernels have it; none of a vector, and where it does not run.
    pub fn packed(&self) -> Option<Packed> {
        match self.outputs {
            1 => None,
            _ => packed(self.kind),
        }
    }

    /// Bytes of our packed copy; of a vector its numbers.
    pub fn packed_bytes(&self) -> u64 {
        match self.packed() {
            None => 4 * self.elements(),
            Some(format) => {
                let panels = self.outputs.div_ceil(OUTPUTS);
                (panels * self.inputs / 32 * format.stride()) as u64
            }
        }
    }
}

/// Outputs of a panel of a packed matrix.
const OUTPUTS: usize = 16;

/// How `language::blocks` packs a type.
pub fn packed(kind: TensorType) -> Option<Packed> {
    Some(match kind {
        TensorType::Q4_0 | TensorType::Q4_1 => Packed::Nibbles,
        TensorType::Q5_0 | TensorType::Q8_0 => Packed::Bytes,
        TensorType::Q5_1 => Packed::BytesAndMinimum,
        TensorType::Q4_K => Packed::WideNibbles,
        TensorType::Q5_K => Packed::WideBytes,
        TensorType::Q6_K => Packed::HalfBlocks,
        TensorType::F16 => Packed::F16,
        TensorType::F32 | TensorType::BF16 => Packed::F32,
        _ => return None,
    })
}

/// All tensors of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub tensors: Vec<Tensor>,
    /// Of tokenizer and header in front of them.
    pub metadata_bytes: u64,
}

impl Weights {
    /// As they lie in a file.
    pub fn of_file(file: &Gguf) -> Weights {
        let first = file.tensors().iter().map(|tensor| tensor.offset).min();
        let tensors = file.tensors().iter().map(|tensor| {
            let inputs = tensor.dimensions[0] as usize;
            Tensor {
                name: tensor.name.clone(),
                inputs,
                outputs: (tensor.elements() / inputs as u64) as usize,
                kind: tensor.kind,
            }
        });
        Weights {
            tensors: tensors.collect(),
            metadata_bytes: first.unwrap_or(0),
        }
    }

    /// Numbers in all of them.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(Tensor::elements).sum()
    }

    /// Without tokenizer and header.
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(Tensor::bytes).sum()
    }

    /// Of the whole file; every tensor begins at a multiple of 32.
    pub fn file_bytes(&self) -> u64 {
        let padded = self
            .tensors
            .iter()
            .map(|tensor| tensor.bytes().next_multiple_of(32));
        self.metadata_bytes.next_multiple_of(32) + padded.sum::<u64>()
    }

    /// Matrices of the layers: what every token goes through.
    pub fn body(&self) -> impl Iterator<Item = &Tensor> {
        let matrices = self.tensors.iter().filter(|tensor| tensor.outputs > 1);
        matrices.filter(|tensor| tensor.name.starts_with("blk."))
    }

    /// The head: `output.weight`, or the embedding.
    pub fn head(&self) -> Option<&Tensor> {
        let named = |name: &str| self.tensors.iter().find(|tensor| tensor.name == name);
        named("output.weight").or_else(|| named(crate::language::weights::EMBEDDING))
    }

    /// Of the embedding where it is not the head as well.
    pub fn separate_embedding_bytes(&self) -> u64 {
        let embedding = crate::language::weights::EMBEDDING;
        match self.head() {
            Some(head) if head.name != embedding => {
                let found = self.tensors.iter().find(|tensor| tensor.name == embedding);
                found.map_or(0, Tensor::bytes)
            }
            _ => 0,
        }
    }

    /// The first tensor that our kernels have no code for.
    pub fn does_not_run(&self) -> Option<&Tensor> {
        let matrices = self.tensors.iter().filter(|tensor| tensor.outputs > 1);
        matrices
            .into_iter()
            .find(|tensor| packed(tensor.kind).is_none())
    }

    /// The type of most of the body's bytes.
    pub fn main_type(&self) -> Option<TensorType> {
        let mut by: Vec<(TensorType, u64)> = Vec::new();
        for tensor in self.body() {
            match by.iter_mut().find(|(kind, _)| *kind == tensor.kind) {
                Some((_, bytes)) => *bytes += tensor.bytes(),
                None => by.push((tensor.kind, tensor.bytes())),
            }
        }
        by.into_iter()
            .max_by_key(|(_, bytes)| *bytes)
            .map(|(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::buffer::Arena;
    use crate::language::blocks;

    #[test]
    fn a_packed_matrix_takes_what_is_said_of_it() {
        use TensorType::*;
        for kind in [
            F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K,
        ] {
            let tensor = Tensor {
                name: "m".into(),
                inputs: 512,
                outputs: 40,
                kind,
            };
            let bytes = vec![0u8; tensor.bytes() as usize];
            let mut memory = Arena::default();
            let made = blocks::pack(kind, &bytes, 512, 40, &mut memory).unwrap();
            assert_eq!(made.bytes() as u64, tensor.packed_bytes(), "{kind}");
            assert_eq!(Some(made.format), packed(kind), "{kind}");
        }
        assert_eq!(packed(TensorType::IQ4_NL), None);
    }
}
