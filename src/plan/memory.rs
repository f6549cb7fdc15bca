//! What a model takes in memory while an engine runs it.

use serde::Serialize;

use super::engine::Engine;
use super::shape::Shape;
use super::weights::Weights;
use crate::language::decoder::BATCH;
use crate::language::gguf::TensorType;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CacheType {
    F16,
    /// llama.cpp alone: 34 bytes for 32 numbers.
    Q8_0,
}

impl CacheType {
    /// Bytes of 32 numbers.
    pub fn of_32(self) -> u64 {
        match self {
            CacheType::F16 => 64,
            CacheType::Q8_0 => 34,
        }
    }
}

/// Bytes, by what takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MemoryNeed {
    /// The weights as they are multiplied.
    pub weights: u64,
    /// Of the mapped file what is not read again: pages that the system may drop.
    pub mapped_file: u64,
    /// Keys and values of the whole context.
    pub cache: u64,
    /// Scratch of a batch.
    pub buffers: u64,
    /// The vocabulary in memory.
    pub tokenizer: u64,
    /// The program itself.
    pub process: u64,
}

impl MemoryNeed {
    /// What must be free: all but the pages that can be dropped.
    pub fn needed(&self) -> u64 {
        self.weights + self.cache + self.buffers + self.tokenizer + self.process
    }

    /// What tools show as resident where memory is not short.
    pub fn resident(&self) -> u64 {
        self.needed() + self.mapped_file
    }
}

/// Kept free beside what a model needs: a tenth, for what else grows.
pub const MARGIN: f64 = 0.1;

const MIB: u64 = 1 << 20;

/// Of a model with room for `context` tokens.
pub fn need(
    engine: Engine,
    shape: &Shape,
    weights: &Weights,
    context: usize,
    cache: CacheType,
) -> MemoryNeed {
    match engine {
        Engine::Ours => ours(shape, weights, context),
        Engine::LlamaCpp { .. } => llama_cpp(shape, weights, context, cache, false),
        Engine::LlamaCppGpu => llama_cpp(shape, weights, context, cache, true),
    }
}

/// Bytes that a token of the vocabulary takes in our tokenizer: its texts, and what finds them.
/// Measured with SmolLM2 (merged bytes) and Gemma 3 (pieces).
fn tokenizer(shape: &Shape) -> u64 {
    let pieces = shape.vocabulary < 33_000 || shape.architecture.starts_with("gemma");
    shape.vocabulary as u64 * if pieces { 430 } else { 300 }
}

/// The same in llama.cpp, measured with the same two.
const LLAMA_CPP_TOKEN: u64 = 240;

/// As `language::decoder` and `language::weights` take it: a packed copy beside the mapped file,
/// keys and values in f16 of the whole context in every layer, and scratch of one batch.
fn ours(shape: &Shape, weights: &Weights, context: usize) -> MemoryNeed {
    let Shape {
        width,
        ffn,
        heads,
        kv_heads,
        head,
        vocabulary,
        ..
    } = *shape;
    let room = context.next_multiple_of(16);
    let (queries, kv) = (heads * head, kv_heads * head);
    let padded = |outputs: usize| outputs.next_multiple_of(16);
    // Floats, codes, and of each block its scale and sums.
    let activations = |width: usize| BATCH * (5 * width + width / 32 * 16);
    let floats = BATCH
        * (width
            + padded(queries)
            + 2 * padded(kv)
            + padded(2 * ffn)
            + padded(ffn)
            + padded(width)
            + 2 * head)
        + 4 * room
        + padded(vocabulary);
    MemoryNeed {
        // The embedding itself is read from the file.
        weights: weights
            .tensors
            .iter()
            .filter(|tensor| {
                let embedding = tensor.name == crate::language::weights::EMBEDDING;
                !embedding || weights.head().is_some_and(|head| head.name == tensor.name)
            })
            .map(super::weights::Tensor::packed_bytes)
            .sum(),
        // The file is let go once it is packed, but for an embedding that is not the head as well.
        mapped_file: weights.separate_embedding_bytes(),
        cache: shape.kv_bytes(room, CacheType::F16.of_32(), |_| usize::MAX),
        buffers: (4 * floats + activations(width) + activations(queries) + activations(ffn)) as u64,
        tokenizer: tokenizer(shape),
        process: 30 * MIB,
    }
}

/// Tokens that llama.cpp feeds together at most.
const UBATCH: usize = 512;

/// As llama.cpp takes it: the file mapped, blocks that it re-lays a second time, keys and values
/// cleared at start, and a graph of 512 tokens.
fn llama_cpp(
    shape: &Shape,
    weights: &Weights,
    context: usize,
    cache: CacheType,
    gpu: bool,
) -> MemoryNeed {
    let known = |kind| {
        matches!(
            kind,
            TensorType::Q4_0 | TensorType::Q4_K | TensorType::IQ4_NL
        )
    };
    let relaid: u64 = weights
        .body()
        .filter(|tensor| known(tensor.kind) && tensor.outputs.is_multiple_of(8))
        .map(super::weights::Tensor::bytes)
        .sum();
    let room = context.next_multiple_of(256);
    let batch = UBATCH.min(room);
    let Shape {
        width,
        ffn,
        heads,
        head,
        vocabulary,
        ..
    } = *shape;
    let floats =
        batch * (2 * ffn + 4 * width + 2 * heads * head) + batch * room / 2 + 2 * vocabulary;
    MemoryNeed {
        // What is not re-laid is multiplied where it is mapped.
        weights: weights.bytes(),
        mapped_file: if gpu {
            0
        } else {
            relaid + weights.metadata_bytes
        },
        cache: shape.kv_bytes(room, cache.of_32(), |window| {
            (window + UBATCH).next_multiple_of(256)
        }),
        // Twice: what a graph reads and what it writes.
        buffers: 8 * floats as u64,
        tokenizer: vocabulary as u64 * LLAMA_CPP_TOKEN,
        process: if gpu { 300 * MIB } else { 48 * MIB },
    }
}
