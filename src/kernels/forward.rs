//! The forward pass of one window through embedding, blocks and exit heads.

mod tokens;

use std::sync::Arc;

use super::attention::{Attention, QUERIES};
use super::buffer::Buffer;
use super::matmul::Product;
use super::pack::{Block, Dense, Layers, Linear, Residual, layers};
use super::paths::{Kernels, choose};
use super::rows::Rows;
use super::sizes::{PackError, Precision, Sizes};

/// Weights packed for this machine.
pub struct Packed {
    pub(super) sizes: Sizes,
    pub(super) precision: Precision,
    kernels: Kernels,
    embed: Linear,
    position: Buffer<f32>,
    blocks: Vec<Block>,
}

impl Packed {
    /// Packs the tensors of a bundle, asked for by their names (`blocks.0.qkv.weight`, ...).
    pub fn new<'a>(
        sizes: &Sizes,
        tensor: impl Fn(&str) -> Option<&'a [f32]>,
        residual: Residual,
        precision: Precision,
    ) -> Result<Packed, PackError> {
        let layers = layers(sizes, tensor, residual)?;
        Ok(Packed::from_layers(
            sizes,
            &layers,
            precision,
            choose(precision)?,
        ))
    }

    fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|block| {
            let Block {
                qkv,
                output,
                expand,
                contract,
                head,
            } = block;
            [qkv, output, expand, contract, head]
        });
        let layers: usize = blocks.chain([&self.embed]).map(Linear::bytes).sum();
        layers + self.position.bytes()
    }

    pub(super) fn from_layers(
        sizes: &Sizes,
        layers: &Layers<Dense>,
        precision: Precision,
        kernels: Kernels,
    ) -> Packed {
        let position: Vec<f32> = layers.position.iter().map(|x| *x as f32).collect();
        let block = |[qkv, output, expand, contract, head]: &[Dense; 5]| Block {
            qkv: Linear::pack(qkv, precision),
            output: Linear::pack(output, precision),
            expand: Linear::pack(expand, precision),
            contract: Linear::pack(contract, precision),
            head: Linear::pack(head, Precision::F32),
        };
        Packed {
            sizes: *sizes,
            precision,
            kernels,
            embed: Linear::pack(&layers.embed, Precision::F32),
            position: Buffer::from(&position),
            blocks: layers.blocks.iter().map(block).collect(),
        }
    }
}

/// One caller's way through a model, with all the memory it needs.
pub struct Forward {
    model: Arc<Packed>,
    stage: usize,
    /// Nil, or not a number if the window holds such: added to every exit, since integers would
    /// swallow it.
    taint: f32,
    /// `[frames, width]`, f32.
    stream: Buffer<f32>,
    /// Input of a product, in the precision's words.
    input: Buffer<u32>,
    scales: Buffer<f32>,
    qkv: Buffer<f32>,
    turned: Buffer<f32>,
    scores: Buffer<f32>,
    context: Buffer<f32>,
    hidden: Buffer<f32>,
    tops: Buffer<f32>,
    logits: Buffer<f32>,
}

impl Forward {
    /// Takes all memory there will be.
    pub fn new(model: Arc<Packed>) -> Forward {
        let Sizes {
            frames,
            width,
            heads,
            depth,
            ffn,
            labels,
            ..
        } = model.sizes;
        let [width, ffn, labels] = [width, ffn, labels].map(|x| x.next_multiple_of(16));
        let split = heads * model.sizes.channels();
        let keys = frames.next_multiple_of(16);
        let words = width.max(split).max(ffn) / model.precision.per_word();
        Forward {
            stage: depth,
            taint: 0.0,
            stream: Buffer::new(frames * width),
            input: Buffer::new(frames * words),
            scales: Buffer::new(frames),
            qkv: Buffer::new(keys * 3 * split),
            turned: Buffer::new(model.sizes.channels() * QUERIES),
            scores: Buffer::new(keys * QUERIES),
            context: Buffer::new(frames * split),
            hidden: Buffer::new(frames * ffn),
            tops: Buffer::new(frames * 16),
            logits: Buffer::new(labels),
            model,
        }
    }

    /// Memory of the weights and of this caller's scratch, bytes.
    pub fn bytes(&self) -> usize {
        let scratch = [
            &self.stream,
            &self.scales,
            &self.qkv,
            &self.turned,
            &self.scores,
            &self.context,
            &self.hidden,
            &self.tops,
            &self.logits,
        ];
        let scratch: usize = scratch.into_iter().map(Buffer::bytes).sum();
        self.model.bytes() + self.input.bytes() + scratch
    }

    /// Exits in all.
    pub fn exits(&self) -> usize {
        self.model.blocks.len()
    }

    /// Takes a window, row-major `[frames, features]`, and forgets the one before.
    ///
    /// # Panics
    /// If the window has another size.
    pub fn begin(&mut self, window: &[f32]) {
        let Forward { model, stream, .. } = self;
        let Sizes {
            frames,
            features,
            width,
            ..
        } = model.sizes;
        assert_eq!(window.len(), frames * features, "values in the window");
        stream.copy_from_slice(&model.position);
        self.taint = taint(window);
        let mut product = Product {
            weights: &model.embed,
            panels: (0, model.embed.panels()),
            rows: frames,
            a: bits(window),
            a_row: features,
            scales: &[],
            out: stream,
            out_row: width.next_multiple_of(16),
            tops: &mut [],
        };
        // SAFETY: `choose` answers only paths this machine has.
        unsafe { (model.kernels.embed)(&mut product) };
        self.stage = 0;
    }

    /// Runs the next block and its exit head, and writes one logit per label.
    ///
    /// # Panics
    /// If there is no window, no stage left, or `logits` has another size.
    pub fn advance(&mut self, logits: &mut [f32]) {
        let model = Arc::clone(&self.model);
        assert!(self.stage < model.blocks.len(), "a stage is left");
        assert_eq!(logits.len(), model.sizes.labels, "room for logits");
        let block = &model.blocks[self.stage];
        self.stage += 1;
        let last = self.stage == model.blocks.len();
        let Sizes { frames, width, .. } = model.sizes;
        let wide = width.next_multiple_of(16);
        // SAFETY: `choose` answers only paths this machine has, here and below.
        unsafe {
            self.attention(&model, block, last);
            // From here on the last block knows its newest frame only.
            let from = if last { frames - 1 } else { 0 };
            self.feed_forward(&model, block, from);
            let newest = &self.stream[(frames - 1) * wide..];
            (model.kernels.head)(newest, width, &block.head, &mut self.logits);
        }
        for (to, from) in logits.iter_mut().zip(self.logits.iter()) {
            *to = from + self.taint;
        }
    }

    /// # Safety
    /// The machine has the instructions of the model's path.
    unsafe fn attention(&mut self, model: &Packed, block: &Block, last: bool) {
        let kernels = &model.kernels;
        let Sizes {
            frames,
            width,
            heads,
            ..
        } = model.sizes;
        let channels = model.sizes.channels();
        let split = heads * channels;
        let wide = width.next_multiple_of(16);
        let words = block.qkv.words;
        // SAFETY: the caller's.
        unsafe {
            (kernels.norm)(&mut Rows {
                rows: frames,
                width: wide,
                from: &self.stream,
                from_row: wide,
                to: &mut self.input,
                to_row: words,
                scales: &mut self.scales,
                tops: None,
                count: width,
            });
            let thirds = split / 16;
            let rest = if last { frames - 1 } else { 0 };
            if last {
                (kernels.write)(&mut Product {
                    weights: &block.qkv,
                    panels: (0, thirds),
                    rows: 1,
                    a: &self.input[rest * words..],
                    a_row: words,
                    scales: &self.scales[rest..],
                    out: &mut self.qkv[rest * 3 * split..],
                    out_row: 3 * split,
                    tops: &mut [],
                });
            }
            let first = if last { thirds } else { 0 };
            (kernels.write)(&mut Product {
                weights: &block.qkv,
                panels: (first, 3 * thirds),
                rows: frames,
                a: &self.input,
                a_row: words,
                scales: &self.scales,
                out: &mut self.qkv[16 * first..],
                out_row: 3 * split,
                tops: &mut [],
            });
            let attend = if last {
                kernels.attend_newest
            } else {
                kernels.attend
            };
            attend(&mut Attention {
                qkv: &self.qkv,
                frames,
                heads,
                channels,
                context: &mut self.context,
                turned: &mut self.turned,
                scores: &mut self.scores,
            });
            // f32 needs no conversion.
            let float = model.precision == Precision::F32;
            if !float {
                (kernels.convert)(&mut Rows {
                    rows: frames - rest,
                    width: split,
                    from: &self.context,
                    from_row: split,
                    to: &mut self.input,
                    to_row: block.output.words,
                    scales: &mut self.scales,
                    tops: None,
                    count: width,
                });
            }
            let input = if float {
                bits(&self.context)
            } else {
                &self.input
            };
            (kernels.add)(&mut Product {
                weights: &block.output,
                panels: (0, wide / 16),
                rows: frames - rest,
                a: input,
                a_row: block.output.words,
                scales: &self.scales,
                out: &mut self.stream[rest * wide..],
                out_row: wide,
                tops: &mut [],
            });
        }
    }

    /// # Safety
    /// The machine has the instructions of the model's path.
    unsafe fn feed_forward(&mut self, model: &Packed, block: &Block, from: usize) {
        let kernels = &model.kernels;
        let Sizes {
            frames, width, ffn, ..
        } = model.sizes;
        let [wide, ffn] = [width, ffn].map(|x| x.next_multiple_of(16));
        let rows = frames - from;
        // SAFETY: the caller's.
        unsafe {
            (kernels.norm)(&mut Rows {
                rows,
                width: wide,
                from: &self.stream[from * wide..],
                from_row: wide,
                to: &mut self.input,
                to_row: block.expand.words,
                scales: &mut self.scales,
                tops: None,
                count: width,
            });
            (kernels.gelu)(&mut Product {
                weights: &block.expand,
                panels: (0, ffn / 16),
                rows,
                a: &self.input,
                a_row: block.expand.words,
                scales: &self.scales,
                out: &mut self.hidden,
                out_row: ffn,
                tops: &mut self.tops,
            });
            // f32 needs no conversion.
            let float = model.precision == Precision::F32;
            if !float {
                (kernels.convert)(&mut Rows {
                    rows,
                    width: ffn,
                    from: &self.hidden,
                    from_row: ffn,
                    to: &mut self.input,
                    to_row: block.contract.words,
                    scales: &mut self.scales,
                    tops: (model.precision == Precision::Int8).then_some(&mut self.tops),
                    count: width,
                });
            }
            let input = if float {
                bits(&self.hidden)
            } else {
                &self.input
            };
            (kernels.add)(&mut Product {
                weights: &block.contract,
                panels: (0, wide / 16),
                rows,
                a: input,
                a_row: block.contract.words,
                scales: &self.scales,
                out: &mut self.stream[from * wide..],
                out_row: wide,
                tops: &mut [],
            });
        }
    }
}

/// The bits of f32 as the words a product takes.
fn bits(x: &[f32]) -> &[u32] {
    // SAFETY: any bits are a u32, which has the size and the alignment of an f32.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// Nil, or not a number if there is such among `values`.
pub(in crate::kernels::forward) fn taint(values: &[f32]) -> f32 {
    // In sixteen chains, since one would wait for itself.
    let (lines, rest) = values.as_chunks::<16>();
    let mut taint = [0.0; 16];
    for line in lines {
        for (taint, x) in taint.iter_mut().zip(line) {
            *taint += x * 0.0;
        }
    }
    taint.iter().sum::<f32>() + rest.iter().map(|x| x * 0.0).sum::<f32>()
}
