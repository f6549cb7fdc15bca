//! One block: attention and feed-forward, each with its norms.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear, RmsNorm};
use burn::tensor::{Bool, Tensor, activation};

use super::rotary::Turns;
use crate::language::architecture::{Architecture, FeedForward};

/// A norm over the width, or over a head.
#[derive(Module, Debug)]
pub enum Norm {
    Rms(RmsNorm),
    Layer(LayerNorm),
}

impl Norm {
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Norm::Rms(norm) => norm.forward(x),
            Norm::Layer(norm) => norm.forward(x),
        }
    }
}

/// Queries, keys and values: apart, or one matrix for all.
#[derive(Module, Debug)]
pub struct Projections {
    /// One of all three, or three.
    pub parts: Vec<Linear>,
}

/// Up and gate.
#[derive(Module, Debug)]
pub struct Up {
    /// The gate and the up; or one matrix, of both or of the up alone.
    pub parts: Vec<Linear>,
}

/// One layer. See [`crate::language::weights::Layer`] for which parts a model has.
#[derive(Module, Debug)]
pub struct Layer {
    pub attention_norm: Norm,
    pub projections: Projections,
    pub query_norm: Option<Norm>,
    pub key_norm: Option<Norm>,
    pub output: Linear,
    pub post_attention: Option<Norm>,
    /// None where attention and feed-forward share one norm and run beside each other.
    pub ffn_norm: Option<Norm>,
    pub up: Up,
    pub down: Linear,
    pub post_ffn: Option<Norm>,
}

impl Layer {
    /// The residual stream `[batch, positions, width]`, in and out; `unseen` is true where a
    /// position does not look at another.
    pub fn forward(
        &self,
        stream: Tensor<3>,
        turns: &Turns,
        unseen: Tensor<2, Bool>,
        architecture: &Architecture,
    ) -> Tensor<3> {
        let normed = self.attention_norm.forward(stream.clone());
        let seen = self.attention(normed.clone(), turns, unseen, architecture);
        let stream = stream + optional(&self.post_attention, seen);
        let normed = match &self.ffn_norm {
            Some(norm) => norm.forward(stream.clone()),
            None => normed,
        };
        let inner = self.inner(normed, architecture);
        stream + optional(&self.post_ffn, self.down.forward(inner))
    }

    fn attention(
        &self,
        normed: Tensor<3>,
        turns: &Turns,
        unseen: Tensor<2, Bool>,
        architecture: &Architecture,
    ) -> Tensor<3> {
        let Architecture {
            heads,
            kv_heads,
            head,
            ..
        } = *architecture;
        let [batch, positions, _] = normed.dims();
        let (queries, keys) = (heads * head, kv_heads * head);
        let all: Vec<Tensor<3>> = match &self.projections.parts[..] {
            [one] => {
                let all = one.forward(normed);
                let part = |from, to| all.clone().slice([0..batch, 0..positions, from..to]);
                vec![
                    part(0, queries),
                    part(queries, queries + keys),
                    part(queries + keys, queries + 2 * keys),
                ]
            }
            parts => parts
                .iter()
                .map(|part| part.forward(normed.clone()))
                .collect(),
        };
        // To [batch, heads, positions, numbers of a head].
        let by_head = |index: usize, count: usize, norm: &Option<Norm>| -> Tensor<4> {
            let heads = all[index].clone().reshape([batch, positions, count, head]);
            optional(norm, heads).swap_dims(1, 2)
        };
        let queries = turns.turn(by_head(0, heads, &self.query_norm));
        // Each head of keys and values serves a group of query heads.
        let group = |x: Tensor<4>| -> Tensor<4> {
            let each: Tensor<5> = x.unsqueeze_dim(2);
            each.repeat_dim(2, heads / kv_heads)
                .reshape([batch, heads, positions, head])
        };
        let keys = group(turns.turn(by_head(1, kv_heads, &self.key_norm)));
        let values = group(by_head(2, kv_heads, &None));
        let mut scores = queries.matmul(keys.swap_dims(2, 3)) * architecture.attention_scale;
        let cap = architecture.attention_cap;
        if cap > 0.0 {
            scores = (scores / cap).tanh() * cap;
        }
        let unseen = unseen
            .unsqueeze::<4>()
            .expand([batch, heads, positions, positions]);
        let shares = activation::softmax(scores.mask_fill(unseen, f32::NEG_INFINITY), 3);
        let seen = shares
            .matmul(values)
            .swap_dims(1, 2)
            .reshape([batch, positions, heads * head]);
        self.output.forward(seen)
    }

    /// What the feed-forward part computes before its last matrix.
    fn inner(&self, normed: Tensor<3>, architecture: &Architecture) -> Tensor<3> {
        let (gate, up) = match &self.up.parts[..] {
            [gate, up] => (gate.forward(normed.clone()), Some(up.forward(normed))),
            parts => {
                let both = parts[0].forward(normed);
                let [batch, positions, outputs] = both.dims();
                let part = |from, to| both.clone().slice([0..batch, 0..positions, from..to]);
                let ffn = architecture.ffn;
                (part(0, ffn), (outputs > ffn).then(|| part(ffn, 2 * ffn)))
            }
        };
        let gate = match architecture.feed_forward {
            FeedForward::SwiGlu => activation::silu(gate),
            FeedForward::GeGlu | FeedForward::Gelu => activation::gelu_approximate(gate),
        };
        match up {
            Some(up) => gate * up,
            None => gate,
        }
    }
}

fn optional<const D: usize>(norm: &Option<Norm>, x: Tensor<D>) -> Tensor<D> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
