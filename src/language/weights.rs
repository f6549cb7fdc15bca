//! The weights of a decoder as a file has them: which matrices and norms there are, and their sizes
//! checked. Matrices are packed for the kernels, or floats for the burn modules.

use std::cell::RefCell;

use super::architecture::{Architecture, FeedForward};
use super::blocks;
use super::gguf::{Fault, Gguf, GgufError, Tensor, TensorType};
use crate::kernels::buffer::Arena;
use crate::kernels::decode::matrix::Matrix;

/// What becomes of a tensor of two dimensions.
pub trait FromTensor: Sized {
    /// Of its bytes, `outputs` rows of `inputs` numbers; none where the type does not run. `memory`
    /// is where those lie that are read one behind the other.
    fn from_tensor(
        kind: TensorType,
        bytes: &[u8],
        inputs: usize,
        outputs: usize,
        memory: &mut Arena,
    ) -> Option<Self>;
}

impl FromTensor for Matrix {
    fn from_tensor(
        kind: TensorType,
        bytes: &[u8],
        inputs: usize,
        outputs: usize,
        memory: &mut Arena,
    ) -> Option<Self> {
        blocks::pack(kind, bytes, inputs, outputs, memory)
    }
}

/// A matrix in floats, row by row: `[outputs, inputs]`.
pub struct Floats {
    pub inputs: usize,
    pub outputs: usize,
    pub numbers: Vec<f32>,
}

impl FromTensor for Floats {
    fn from_tensor(
        kind: TensorType,
        bytes: &[u8],
        inputs: usize,
        outputs: usize,
        _memory: &mut Arena,
    ) -> Option<Self> {
        let mut numbers = vec![0.0; inputs * outputs];
        blocks::dequantize(kind, bytes, &mut numbers).then_some(Floats {
            inputs,
            outputs,
            numbers,
        })
    }
}

/// A matrix, with a bias where there is one.
pub struct Linear<M = Matrix> {
    pub matrix: M,
    pub bias: Option<Vec<f32>>,
}

/// A norm: a scale, and a shift where it is a layer norm.
pub struct Norm {
    pub weight: Vec<f32>,
    pub shift: Option<Vec<f32>>,
}

/// Queries, keys and values: apart, or one matrix for all.
pub enum Projections<M = Matrix> {
    Apart([Linear<M>; 3]),
    Fused(Linear<M>),
}

/// Up and gate.
pub enum Up<M = Matrix> {
    Gated {
        gate: Linear<M>,
        up: Linear<M>,
    },
    /// One matrix: the gates, then the ups.
    Fused(Linear<M>),
    Plain(Linear<M>),
}

/// One layer.
pub struct Layer<M = Matrix> {
    pub attention_norm: Norm,
    pub projections: Projections<M>,
    /// Norms of each head's queries and keys.
    pub query_norm: Option<Vec<f32>>,
    pub key_norm: Option<Vec<f32>>,
    pub output: Linear<M>,
    /// After the attention, before the sum.
    pub post_attention: Option<Norm>,
    /// None where attention and feed-forward share one norm and run beside each other.
    pub ffn_norm: Option<Norm>,
    pub up: Up<M>,
    pub down: Linear<M>,
    pub post_ffn: Option<Norm>,
}

impl Layer {
    /// Its matrices.
    pub fn matrices(&self) -> impl Iterator<Item = &Linear> {
        let projections: Vec<&Linear> = match &self.projections {
            Projections::Apart(parts) => parts.iter().collect(),
            Projections::Fused(all) => vec![all],
        };
        let up = match &self.up {
            Up::Gated { gate, up } => vec![gate, up],
            Up::Fused(both) | Up::Plain(both) => vec![both],
        };
        projections
            .into_iter()
            .chain([&self.output])
            .chain(up)
            .chain([&self.down])
    }
}

/// All of them.
pub struct Weights<M = Matrix> {
    pub layers: Vec<Layer<M>>,
    pub norm: Norm,
    /// The head; rows are tokens.
    pub head: Linear<M>,
    /// Factors by which RoPE's frequencies are divided (long contexts).
    pub rope_factors: Option<Vec<f32>>,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
}

/// The name of the embedding, which is the head as well where there is no [`HEAD`].
pub const EMBEDDING: &str = "token_embd.weight";
/// The name of a head of its own.
pub const HEAD: &str = "output.weight";

impl<M: FromTensor> Weights<M> {
    /// For a decoder with room for `context` positions.
    pub fn read(
        file: &Gguf,
        architecture: &Architecture,
        context: usize,
    ) -> Result<Weights<M>, GgufError> {
        let read = Reader {
            file,
            memory: RefCell::default(),
        };
        let Architecture {
            width,
            ffn,
            heads,
            kv_heads,
            head,
            ..
        } = *architecture;
        let (queries, keys) = (heads * head, kv_heads * head);
        let embedding = read.tensor(EMBEDDING)?;
        let vocabulary = read.outputs(embedding, width)?;
        let layer = |index: usize| -> Result<Layer<M>, GgufError> {
            let name = |part: &str| format!("blk.{index}.{part}");
            let linear = |part: &str, inputs, outputs| read.linear(&name(part), inputs, outputs);
            let projections = match file.tensor(&name("attn_qkv.weight")) {
                Some(_) => Projections::Fused(linear("attn_qkv", width, queries + 2 * keys)?),
                None => Projections::Apart([
                    linear("attn_q", width, queries)?,
                    linear("attn_k", width, keys)?,
                    linear("attn_v", width, keys)?,
                ]),
            };
            let output = linear("attn_output", queries, width)?;
            let up = if architecture.feed_forward == FeedForward::Gelu {
                Up::Plain(linear("ffn_up", width, ffn)?)
            } else if file.tensor(&name("ffn_gate.weight")).is_none() {
                Up::Fused(linear("ffn_up", width, 2 * ffn)?)
            } else {
                Up::Gated {
                    gate: linear("ffn_gate", width, ffn)?,
                    up: linear("ffn_up", width, ffn)?,
                }
            };
            Ok(Layer {
                attention_norm: read.norm(&name("attn_norm"), width)?,
                projections,
                query_norm: read.optional(&name("attn_q_norm.weight"), head)?,
                key_norm: read.optional(&name("attn_k_norm.weight"), head)?,
                output,
                post_attention: read.optional_norm(&name("post_attention_norm"), width)?,
                ffn_norm: read.optional_norm(&name("ffn_norm"), width)?,
                up,
                down: linear("ffn_down", ffn, width)?,
                post_ffn: read.optional_norm(&name("post_ffw_norm"), width)?,
            })
        };
        Ok(Weights {
            layers: (0..architecture.layers)
                .map(layer)
                .collect::<Result<_, _>>()?,
            norm: read.norm("output_norm", width)?,
            head: match file.tensor(HEAD) {
                Some(_) => read.linear("output", width, vocabulary)?,
                None => Linear {
                    matrix: read.matrix(embedding, width, vocabulary)?,
                    bias: None,
                },
            },
            rope_factors: {
                let name = match context <= architecture.short_context {
                    _ if file.tensor("rope_freqs.weight").is_some() => "rope_freqs.weight",
                    true => "rope_factors_short.weight",
                    false => "rope_factors_long.weight",
                };
                read.optional(name, architecture.rope.size / 2)?
            },
            vocabulary,
        })
    }
}

/// The embedding, where it is not the head as well. Decoders read single rows of it from the file.
pub fn separate_embedding(
    file: &Gguf,
    architecture: &Architecture,
) -> Result<Option<Floats>, GgufError> {
    if file.tensor(HEAD).is_none() {
        return Ok(None);
    }
    let read = Reader {
        file,
        memory: RefCell::default(),
    };
    let (tensor, width) = (read.tensor(EMBEDDING)?, architecture.width);
    let vocabulary = read.outputs(tensor, width)?;
    read.matrix(tensor, width, vocabulary).map(Some)
}

struct Reader<'a> {
    file: &'a Gguf,
    /// Where matrices lie in the order in which a token needs them, which is that of reading.
    memory: RefCell<Arena>,
}

impl Reader<'_> {
    fn wrong(&self, name: &str, what: String) -> GgufError {
        self.file.error(Fault::Tensor {
            name: name.to_owned(),
            what,
        })
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, GgufError> {
        let found = self.file.tensor(name);
        found.ok_or_else(|| {
            self.wrong(
                name,
                String::from("it is not in the file, which is no whole model"),
            )
        })
    }

    fn outputs(&self, tensor: &Tensor, inputs: usize) -> Result<usize, GgufError> {
        match tensor.dimensions[..] {
            [width, outputs] if width == inputs as u64 && outputs < 1 << 24 => Ok(outputs as usize),
            _ => Err(self.wrong(
                &tensor.name,
                format!(
                    "its dimensions are {:?}; expected {inputs} first",
                    tensor.dimensions
                ),
            )),
        }
    }

    fn matrix<M: FromTensor>(
        &self,
        tensor: &Tensor,
        inputs: usize,
        outputs: usize,
    ) -> Result<M, GgufError> {
        if tensor.dimensions != [inputs as u64, outputs as u64] {
            let found = &tensor.dimensions;
            return Err(self.wrong(
                &tensor.name,
                format!("its dimensions are {found:?}; expected {inputs} x {outputs}"),
            ));
        }
        let memory = &mut self.memory.borrow_mut();
        let data = self.file.data(tensor);
        let matrix = M::from_tensor(tensor.kind, data, inputs, outputs, memory);
        self.file.release(tensor);
        matrix.ok_or_else(|| {
            self.wrong(
                &tensor.name,
                format!(
                    "it is of type {}, which does not run here; make the model with F32, F16, BF16, Q8_0, Q4_0, \
                     Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K",
                    tensor.kind
                ),
            )
        })
    }

    fn linear<M: FromTensor>(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear<M>, GgufError> {
        let tensor = self.tensor(&format!("{name}.weight"))?;
        Ok(Linear {
            matrix: self.matrix(tensor, inputs, outputs)?,
            bias: self.optional(&format!("{name}.bias"), outputs)?,
        })
    }

    fn vector(&self, tensor: &Tensor, length: usize) -> Result<Vec<f32>, GgufError> {
        let mut numbers = vec![0.0; length];
        if tensor.elements() != length as u64
            || !blocks::dequantize(tensor.kind, self.file.data(tensor), &mut numbers)
        {
            let found = format!("{:?} of type {}", tensor.dimensions, tensor.kind);
            return Err(self.wrong(
                &tensor.name,
                format!("it is {found}; expected {length} numbers"),
            ));
        }
        Ok(numbers)
    }

    fn optional(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, GgufError> {
        let tensor = self.file.tensor(name);
        tensor.map(|tensor| self.vector(tensor, length)).transpose()
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, GgufError> {
        Ok(Norm {
            weight: self.vector(self.tensor(&format!("{name}.weight"))?, width)?,
            shift: self.optional(&format!("{name}.bias"), width)?,
        })
    }

    fn optional_norm(&self, name: &str, width: usize) -> Result<Option<Norm>, GgufError> {
        match self.file.tensor(&format!("{name}.weight")) {
            Some(_) => self.norm(name, width).map(Some),
            None => Ok(None),
        }
    }
}
