//! A language model's forward: tokens in, logits out, over a cache of keys and values.

use std::ops::ControlFlow;

use super::architecture::{Architecture, FeedForward, Pairs, Rope};
use super::blocks;
use super::gguf::{Fault, Gguf, GgufError};
use super::weights::{EMBEDDING, HEAD, Layer, Linear, Norm, Projections, Up, Weights};
use crate::kernels::buffer::Buffer;
use crate::kernels::decode::activations::Activations;
use crate::kernels::decode::attention::{Cached, PANEL, Query};
use crate::kernels::decode::paths::{Kernels, choose};

/// Tokens that go through a layer together at most.
pub const BATCH: usize = 64;
/// Outputs of a panel of a matrix.
const OUTPUTS: usize = 16;

/// A model ready to run; memory is fixed when it is made.
pub struct Decoder {
    /// Where the rows of the embedding are read, where it is not the head as well.
    embedding: Option<Gguf>,
    pub architecture: Architecture,
    pub weights: Weights,
    kernels: Kernels,
    cache: Cache,
    scratch: Scratch,
}

/// Keys and values of all positions so far, in f16.
struct Cache {
    /// By layer.
    keys: Vec<Buffer<u16>>,
    values: Vec<Buffer<u16>>,
    /// Positions there is room for, and those that are filled.
    room: usize,
    filled: usize,
}

struct Scratch {
    /// The residual stream of the batch.
    stream: Vec<f32>,
    normed: Activations,
    qkv: Vec<f32>,
    attended: Activations,
    up: Vec<f32>,
    gate: Vec<f32>,
    inner: Activations,
    delta: Vec<f32>,
    scores: Vec<f32>,
    /// Cosine and sine by token of the batch and pair.
    turns: Vec<[f32; 2]>,
    turns_windowed: Vec<[f32; 2]>,
    logits: Vec<f32>,
}

/// What one token reads, in bytes: the matrices of the layers, the head, keys and values; and what
/// it multiplies in the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenWork {
    pub body_bytes: usize,
    pub head_bytes: usize,
    pub cache_bytes: usize,
    pub body_products: usize,
}

/// The work was given up between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

impl Decoder {
    /// Packs the weights of a file, with room for `context` positions.
    pub fn new(file: Gguf, context: usize) -> Result<Decoder, GgufError> {
        let architecture = Architecture::read(&file)?;
        let weights = Weights::read(&file, &architecture, context)?;
        let Architecture {
            layers,
            width,
            ffn,
            heads,
            kv_heads,
            head,
            ..
        } = architecture;
        let room = context.next_multiple_of(PANEL);
        let kv = kv_heads * head;
        let padded = |outputs: usize| outputs.next_multiple_of(OUTPUTS);
        let vocabulary = padded(weights.vocabulary);
        Ok(Decoder {
            kernels: choose().map_err(|why| file.error(Fault::Kernels(why)))?,
            cache: Cache {
                keys: (0..layers).map(|_| Buffer::new(kv * room)).collect(),
                values: (0..layers).map(|_| Buffer::new(kv * room)).collect(),
                room,
                filled: 0,
            },
            scratch: Scratch {
                stream: vec![0.0; BATCH * width],
                normed: Activations::new(width, BATCH),
                qkv: vec![0.0; BATCH * (padded(heads * head) + 2 * padded(kv))],
                attended: Activations::new(heads * head, BATCH),
                up: vec![0.0; BATCH * padded(2 * ffn)],
                gate: vec![0.0; BATCH * padded(ffn)],
                inner: Activations::new(ffn, BATCH),
                delta: vec![0.0; BATCH * padded(width)],
                scores: vec![0.0; 4 * room],
                turns: vec![[1.0, 0.0]; BATCH * head / 2],
                turns_windowed: vec![[1.0, 0.0]; BATCH * head / 2],
                logits: vec![0.0; vocabulary],
            },
            // Else nothing of the file is needed any more.
            embedding: file.tensor(HEAD).is_some().then_some(file),
            architecture,
            weights,
        })
    }

    /// Runs on another path.
    pub fn on(mut self, kernels: Kernels) -> Decoder {
        self.kernels = kernels;
        self
    }

    /// The path it runs on, such as `avx512`.
    pub fn path(&self) -> &'static str {
        self.kernels.name
    }

    /// What one token behind `depth` others takes at least.
    pub fn work_of_a_token(&self, depth: usize) -> TokenWork {
        let Architecture { kv_heads, head, .. } = self.architecture;
        let seen = |window: &Option<usize>| window.map_or(depth, |window| depth.min(window));
        let positions: usize = self.architecture.windows.iter().map(seen).sum();
        let body = || self.weights.layers.iter().flat_map(Layer::matrices);
        TokenWork {
            body_bytes: body().map(|linear| linear.matrix.bytes()).sum(),
            head_bytes: self.weights.head.matrix.bytes(),
            cache_bytes: positions * kv_heads * head * 2 * size_of::<u16>(),
            body_products: body()
                .map(|linear| linear.matrix.inputs * linear.matrix.outputs)
                .sum(),
        }
    }

    /// Positions that are filled.
    pub fn filled(&self) -> usize {
        self.cache.filled
    }

    /// Positions that there is room for.
    pub fn room(&self) -> usize {
        self.cache.room
    }

    /// Forgets the positions from `filled` on.
    pub fn rewind(&mut self, filled: usize) {
        self.cache.filled = self.cache.filled.min(filled);
    }

    /// Takes positions for filled whatever lies there: to measure what a step costs at a depth.
    pub(super) fn suppose(&mut self, filled: usize) {
        self.cache.filled = filled.min(self.cache.room);
    }

    /// Keys and values of the first positions, by layer and head, to [`Decoder::hold`] again.
    pub(super) fn cached(&self, positions: usize) -> Vec<u16> {
        let (part, whole) = self.of_head(positions.min(self.cache.filled));
        let layers = self.cache.keys.iter().zip(&self.cache.values);
        let buffers = layers.flat_map(|(keys, values)| [keys, values]);
        let heads = buffers.flat_map(|buffer| buffer.chunks_exact(whole));
        heads.flat_map(|head| &head[..part]).copied().collect()
    }

    /// Holds what [`Decoder::cached`] gave as if it had been taken in; says whether it fits. Logits
    /// are there once a token was taken in behind it.
    pub(super) fn hold(&mut self, positions: usize, cached: &[u16]) -> bool {
        let (part, whole) = self.of_head(positions);
        let heads = 2 * self.architecture.layers * self.architecture.kv_heads;
        if positions > self.cache.room || cached.len() != heads * part {
            return false;
        }
        let layers = self.cache.keys.iter_mut().zip(&mut self.cache.values);
        let buffers = layers.flat_map(|(keys, values)| [keys, values]);
        let heads = buffers.flat_map(|buffer| buffer.chunks_exact_mut(whole));
        for (head, saved) in heads.zip(cached.chunks_exact(part.max(1))) {
            head[..part].copy_from_slice(saved);
        }
        self.cache.filled = positions;
        true
    }

    /// Numbers of a head's keys, or values, for so many positions in whole panels, and for all.
    fn of_head(&self, positions: usize) -> (usize, usize) {
        let size = self.architecture.head;
        let panels = positions.next_multiple_of(PANEL).min(self.cache.room);
        (panels * size, self.cache.room * size)
    }

    /// Takes in tokens behind those so far, up to [`BATCH`] at a time. `between` is asked before
    /// every layer; where it breaks, the batch in hand is forgotten.
    ///
    /// # Panics
    /// If there is no room for them, or a token is beyond the vocabulary: callers count.
    pub fn take(
        &mut self,
        tokens: &[u32],
        mut between: impl FnMut() -> ControlFlow<()>,
    ) -> Result<(), Abandoned> {
        assert!(
            self.cache.filled + tokens.len() <= self.cache.room,
            "the cache is full"
        );
        for batch in tokens.chunks(BATCH) {
            self.batch(batch, &mut between)?;
        }
        Ok(())
    }

    /// Logits of what follows the last token taken; of all tokens of the vocabulary.
    pub fn logits(&mut self) -> &[f32] {
        let panels = self.weights.head.matrix.panels();
        self.head(0..panels);
        &self.scratch.logits[..self.weights.vocabulary]
    }

    /// Logits of these tokens alone, written to `out`: only their rows of the head are computed,
    /// sixteen at a time.
    pub fn logits_of(&mut self, tokens: &[u32], out: &mut Vec<f32>) {
        out.clear();
        let mut done = usize::MAX;
        for &token in tokens {
            let panel = token as usize / OUTPUTS;
            if panel != done {
                self.head(panel..panel + 1);
                done = panel;
            }
            out.push(self.scratch.logits[token as usize]);
        }
    }

    fn head(&mut self, panels: std::ops::Range<usize>) {
        let scratch = &mut self.scratch;
        let range = panels.start * OUTPUTS..panels.end * OUTPUTS;
        // SAFETY: the kernels are of a path that this machine has; they check their bounds.
        unsafe {
            (self.kernels.product)(
                &self.weights.head.matrix,
                &scratch.normed,
                1,
                panels,
                &mut scratch.logits,
            )
        };
        let logits = &mut scratch.logits[range.clone()];
        if let Some(bias) = &self.weights.head.bias {
            logits
                .iter_mut()
                .zip(&bias[range.start..])
                .for_each(|(logit, bias)| *logit += bias);
        }
        let cap = self.architecture.logit_cap;
        if cap > 0.0 {
            logits
                .iter_mut()
                .for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
    }

    fn batch(
        &mut self,
        tokens: &[u32],
        between: &mut impl FnMut() -> ControlFlow<()>,
    ) -> Result<(), Abandoned> {
        let Decoder {
            embedding,
            architecture,
            weights,
            kernels,
            cache,
            scratch,
        } = self;
        let rows = tokens.len();
        let width = architecture.width;
        let first = cache.filled;
        let file = embedding.as_ref();
        let apart = file.and_then(|file| Some((file, file.tensor(EMBEDDING)?)));
        for (row, &token) in scratch.stream.chunks_exact_mut(width).zip(tokens) {
            match apart {
                None => weights.head.matrix.output(token as usize, row),
                Some((file, tensor)) => {
                    let bytes = (tensor.size / weights.vocabulary as u64) as usize;
                    let data = &file.data(tensor)[token as usize * bytes..][..bytes];
                    blocks::dequantize(tensor.kind, data, row);
                }
            }
            if architecture.embedding_scale != 1.0 {
                let scale = architecture.embedding_scale;
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
        let factors = weights.rope_factors.as_deref();
        turns(&architecture.rope, factors, first, rows, &mut scratch.turns);
        if let Some(rope) = &architecture.rope_windowed {
            turns(rope, None, first, rows, &mut scratch.turns_windowed);
        }
        for index in 0..architecture.layers {
            if between().is_break() {
                return Err(Abandoned);
            }
            layer(architecture, weights, *kernels, cache, scratch, index, rows);
        }
        cache.filled += rows;
        // What follows the last token.
        let last = &scratch.stream[(rows - 1) * width..rows * width];
        let to = &mut scratch.normed.floats[..width];
        norm(*kernels, &weights.norm, architecture.eps, last, to);
        // SAFETY: as above.
        unsafe { (kernels.code)(&mut scratch.normed, 0) };
        Ok(())
    }
}

/// Cosines and sines of the positions from `first` on.
fn turns(rope: &Rope, factors: Option<&[f32]>, first: usize, rows: usize, out: &mut [[f32; 2]]) {
    let pairs = rope.size / 2;
    for row in 0..rows {
        for pair in 0..pairs {
            let frequency = rope.base.powf(-2.0 * pair as f64 / rope.size as f64);
            let factor = factors.map_or(1.0, |factors| f64::from(factors[pair]));
            let (sin, cos) = ((first + row) as f64 * rope.scale * frequency / factor).sin_cos();
            out[row * pairs + pair] =
                [(cos * rope.amplitude) as f32, (sin * rope.amplitude) as f32];
        }
    }
}

/// Turns the heads of one row.
fn rotate(rope: &Rope, turns: &[[f32; 2]], head: usize, row: &mut [f32]) {
    let half = rope.size / 2;
    for head in row.chunks_exact_mut(head) {
        for (pair, [cos, sin]) in turns[..half].iter().enumerate() {
            let (one, two) = match rope.pairs {
                Pairs::Neighbours => (2 * pair, 2 * pair + 1),
                Pairs::Halves => (pair, pair + half),
            };
            let (x, y) = (head[one], head[two]);
            head[one] = x * cos - y * sin;
            head[two] = x * sin + y * cos;
        }
    }
}

fn norm(kernels: Kernels, norm: &Norm, eps: f32, x: &[f32], out: &mut [f32]) {
    match &norm.shift {
        // SAFETY: the kernels are of a path that this machine has; they check their bounds.
        None => unsafe { (kernels.rms_norm)(x, &norm.weight, eps, out) },
        Some(shift) => {
            let mean = x.iter().sum::<f32>() / x.len() as f32;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
            let by = (variance + eps).sqrt().recip();
            for (i, out) in out.iter_mut().enumerate() {
                *out = (x[i] - mean) * by * norm.weight[i] + shift[i];
            }
        }
    }
}

/// The product of one matrix, with its bias; rows of `out` are padded to whole panels.
fn linear(kernels: Kernels, linear: &Linear, a: &Activations, rows: usize, out: &mut [f32]) {
    let panels = linear.matrix.panels();
    // SAFETY: as above.
    unsafe { (kernels.product)(&linear.matrix, a, rows, 0..panels, out) };
    if let Some(bias) = &linear.bias {
        for row in out.chunks_exact_mut(panels * OUTPUTS).take(rows) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

fn layer(
    architecture: &Architecture,
    weights: &Weights,
    kernels: Kernels,
    cache: &mut Cache,
    scratch: &mut Scratch,
    index: usize,
    rows: usize,
) {
    let Architecture {
        width,
        ffn,
        heads,
        kv_heads,
        head,
        eps,
        ..
    } = *architecture;
    let layer = &weights.layers[index];
    let window = architecture.windows[index];
    let first = cache.filled;
    let (queries, kv) = (heads * head, kv_heads * head);
    for row in 0..rows {
        let x = &scratch.stream[row * width..(row + 1) * width];
        norm(
            kernels,
            &layer.attention_norm,
            eps,
            x,
            &mut scratch.normed.floats[row * width..(row + 1) * width],
        );
        // SAFETY: the kernels are of a path that this machine has; they check their bounds.
        unsafe { (kernels.code)(&mut scratch.normed, row) };
    }
    // Rows of queries, keys and values, wherever they lie.
    let [q_at, k_at, v_at] = match &layer.projections {
        Projections::Fused(all) => {
            linear(kernels, all, &scratch.normed, rows, &mut scratch.qkv);
            let row = all.matrix.panels() * OUTPUTS;
            [(0, row), (queries, row), (queries + kv, row)]
        }
        Projections::Apart(parts) => {
            let mut from = 0;
            parts.each_ref().map(|part| {
                let row = part.matrix.panels() * OUTPUTS;
                linear(
                    kernels,
                    part,
                    &scratch.normed,
                    rows,
                    &mut scratch.qkv[from..from + rows * row],
                );
                let at = (from, row);
                from += rows * row;
                at
            })
        }
    };
    let (rope, turns) = match (&architecture.rope_windowed, window) {
        (Some(rope), Some(_)) => (rope, &scratch.turns_windowed),
        _ => (&architecture.rope, &scratch.turns),
    };
    for row in 0..rows {
        let turns = &turns[row * rope.size / 2..];
        let mut turn = |(from, stride): (usize, usize), length: usize, norm: &Option<Vec<f32>>| {
            let part = &mut scratch.qkv[from + row * stride..][..length];
            if let Some(weight) = norm {
                let mut one = [0.0; 1024];
                for part in part.chunks_exact_mut(head) {
                    one[..head].copy_from_slice(part);
                    // SAFETY: as above.
                    unsafe { (kernels.rms_norm)(&one[..head], weight, eps, part) };
                }
            }
            rotate(rope, turns, head, part);
        };
        turn(q_at, queries, &layer.query_norm);
        turn(k_at, kv, &layer.key_norm);
        let key = &scratch.qkv[k_at.0 + row * k_at.1..][..kv];
        let value = &scratch.qkv[v_at.0 + row * v_at.1..][..kv];
        let (keys, values) = (&mut cache.keys[index], &mut cache.values[index]);
        // SAFETY: as above.
        unsafe {
            (kernels.remember)(
                keys,
                values,
                (kv_heads, head, cache.room),
                first + row,
                key,
                value,
            )
        };
    }
    let cached = Cached {
        keys: &cache.keys[index],
        values: &cache.values[index],
        heads: kv_heads,
        size: head,
        room: cache.room,
    };
    for row in 0..rows {
        let to = first + row + 1;
        let mut query = Query {
            queries: &scratch.qkv[q_at.0 + row * q_at.1..][..queries],
            group: heads / kv_heads,
            from: window.map_or(0, |window| to.saturating_sub(window)),
            to,
            scale: architecture.attention_scale,
            soft_cap: architecture.attention_cap,
            scores: &mut scratch.scores,
            out: &mut scratch.attended.floats[row * queries..(row + 1) * queries],
        };
        // SAFETY: as above.
        unsafe {
            (kernels.attend)(&cached, &mut query);
            (kernels.code)(&mut scratch.attended, row);
        }
    }
    linear(
        kernels,
        &layer.output,
        &scratch.attended,
        rows,
        &mut scratch.delta,
    );
    let padded = width.next_multiple_of(OUTPUTS);
    add_to_stream(
        kernels,
        &layer.post_attention,
        eps,
        width,
        padded,
        rows,
        scratch,
    );
    if let Some(ffn_norm) = &layer.ffn_norm {
        for row in 0..rows {
            let x = &scratch.stream[row * width..(row + 1) * width];
            norm(
                kernels,
                ffn_norm,
                eps,
                x,
                &mut scratch.normed.floats[row * width..(row + 1) * width],
            );
            // SAFETY: as above.
            unsafe { (kernels.code)(&mut scratch.normed, row) };
        }
    }
    let gate_is = match &layer.up {
        Up::Gated { gate, up } => {
            linear(kernels, gate, &scratch.normed, rows, &mut scratch.gate);
            linear(kernels, up, &scratch.normed, rows, &mut scratch.up);
            false
        }
        Up::Fused(both) | Up::Plain(both) => {
            linear(kernels, both, &scratch.normed, rows, &mut scratch.up);
            true
        }
    };
    for row in 0..rows {
        let to = &mut scratch.inner.floats[row * ffn..(row + 1) * ffn];
        let (gate, up): (&[f32], &[f32]) = match (&layer.up, gate_is) {
            (Up::Fused(both), _) => {
                let row = &scratch.up[row * both.matrix.panels() * OUTPUTS..];
                (&row[..ffn], &row[ffn..2 * ffn])
            }
            (Up::Plain(plain), _) => {
                let row = &scratch.up[row * plain.matrix.panels() * OUTPUTS..];
                (&row[..ffn], &row[..0])
            }
            (Up::Gated { gate, up }, _) => (
                &scratch.gate[row * gate.matrix.panels() * OUTPUTS..][..ffn],
                &scratch.up[row * up.matrix.panels() * OUTPUTS..][..ffn],
            ),
        };
        match architecture.feed_forward {
            // SAFETY: as above.
            FeedForward::SwiGlu => unsafe { (kernels.swiglu)(gate, up, to) },
            // SAFETY: as above.
            FeedForward::GeGlu => unsafe { (kernels.geglu)(gate, up, to) },
            FeedForward::Gelu => {
                for (to, x) in to.iter_mut().zip(gate) {
                    *to = 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh());
                }
            }
        }
        // SAFETY: as above.
        unsafe { (kernels.code)(&mut scratch.inner, row) };
    }
    linear(
        kernels,
        &layer.down,
        &scratch.inner,
        rows,
        &mut scratch.delta,
    );
    add_to_stream(kernels, &layer.post_ffn, eps, width, padded, rows, scratch);
}

fn add_to_stream(
    kernels: Kernels,
    post: &Option<Norm>,
    eps: f32,
    width: usize,
    padded: usize,
    rows: usize,
    scratch: &mut Scratch,
) {
    for row in 0..rows {
        let delta = &scratch.delta[row * padded..][..width];
        let to = &mut scratch.stream[row * width..(row + 1) * width];
        match post {
            None => {
                // SAFETY: the kernels are of a path that this machine has; they check their bounds.
                unsafe { (kernels.add)(to, delta) };
            }
            Some(post) => {
                let normed = &mut scratch.up[..width];
                norm(kernels, post, eps, delta, normed);
                // SAFETY: as above.
                unsafe { (kernels.add)(to, normed) };
            }
        }
    }
}
