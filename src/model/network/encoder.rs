//! The multi-exit pre-norm encoder as burn modules. One code path trains and infers; only the
//! newest token of the last block is computed, because only that one reaches the last exit.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, FloatDType, Gradients, Tensor, TensorData, activation};

use super::packed_weights::PackedWeights;
use super::packing::sizes as kernel_sizes;
use super::stage_operation;
use crate::kernels::{Precision, Sizes};
use crate::model::bundle::architecture::Architecture;
use crate::model::bundle::error::BundleError;
use crate::model::bundle::weight_precision::WeightPrecision;
use crate::model::bundle::weights::{TensorValues, Weights, WeightsFault};

/// Frames in, logits of every exit out.
#[derive(Module, Debug)]
pub struct Encoder {
    embed: Linear,
    position: Param<Tensor<2>>,
    blocks: Vec<Block>,
    exits: Vec<Exit>,
    packing: PackedWeights,
    #[module(skip)]
    sizes: Sizes,
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    qkv: Linear,
    output: Linear,
    ffn_norm: LayerNorm,
    expand: Linear,
    contract: Linear,
    heads: usize,
    head_width: usize,
}

#[derive(Module, Debug)]
struct Exit {
    norm: LayerNorm,
    head: Linear,
}

impl Encoder {
    /// Builds the modules on a device from weights that fit `sizes`.
    pub fn new(
        sizes: &Architecture,
        labels: usize,
        weights: &Weights,
        device: &Device,
    ) -> Result<Encoder, WeightsFault> {
        weights.check(sizes, labels)?;
        let load = Loader { weights, device };
        let mut blocks = Vec::with_capacity(sizes.depth);
        let mut exits = Vec::with_capacity(sizes.depth);
        for index in 0..sizes.depth {
            let name = |layer: &str| format!("blocks.{index}.{layer}");
            blocks.push(Block {
                attention_norm: load.norm(&name("attention_norm"))?,
                qkv: load.linear(&name("qkv"))?,
                output: load.linear(&name("output"))?,
                ffn_norm: load.norm(&name("ffn_norm"))?,
                expand: load.linear(&name("expand"))?,
                contract: load.linear(&name("contract"))?,
                heads: sizes.heads,
                head_width: sizes.head_width(),
            });
            exits.push(Exit {
                norm: load.norm(&format!("exits.{index}.norm"))?,
                head: load.linear(&format!("exits.{index}.head"))?,
            });
        }
        Ok(Encoder {
            embed: load.linear("embed")?,
            position: load.param("position")?,
            blocks,
            exits,
            packing: PackedWeights::default(),
            sizes: kernel_sizes(sizes, labels),
        })
    }

    /// The same with all numbers in `float`; it takes windows in `float` and answers in it.
    pub fn cast(self, float: FloatDType) -> Encoder {
        self.map(&mut Cast(float))
    }

    /// Blocks, and therefore exits.
    pub fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Window `[batch, frames, features]` to tokens `[batch, frames, width]`.
    pub fn embed(&self, window: Tensor<3>) -> Tensor<3> {
        self.embed.forward(window) + self.position.val().unsqueeze()
    }

    /// Runs block `index`: tokens `[batch, frames, width]` in and out; the last block answers the
    /// newest token only, `[batch, 1, width]`.
    pub fn block(&self, index: usize, tokens: Tensor<3>) -> Tensor<3> {
        self.blocks[index].forward(tokens, index + 1 == self.blocks.len())
    }

    /// Logits `[batch, labels]` of exit `index` from the tokens of its block.
    pub fn exit(&self, index: usize, tokens: Tensor<3>) -> Tensor<2> {
        let exit = &self.exits[index];
        let newest: Tensor<2> = newest(tokens).squeeze_dim(1);
        exit.head.forward(exit.norm.forward(newest))
    }

    /// Runs stage `index`, a block and its exit: tokens `[batch, frames, width]` in, those that
    /// `block` answers and logits `[batch, labels]` out.
    ///
    /// After [`Encoder::pack`], and where tensors are f32 in the processor's memory (flex, ndarray)
    /// and without gradients, this is one operation on the packed weights. Its tokens are then
    /// another constant per frame away from those of `block`, which no stage sees: a norm comes
    /// first. Elsewhere it is `block` and `exit`.
    ///
    /// # Panics
    /// If there is no such stage, or the tokens have other frames or another width.
    pub fn stage(&self, index: usize, tokens: Tensor<3>) -> (Tensor<3>, Tensor<2>) {
        let packed = |tokens: &Tensor<3>| {
            stage_operation::runs_on(tokens) && stage_operation::runs_on(&self.position.val())
        };
        match self.packing.panels() {
            Some(panels) if packed(&tokens) => stage_operation::stage(tokens, panels, index),
            _ => {
                let tokens = self.block(index, tokens);
                let logits = self.exit(index, tokens.clone());
                (tokens, logits)
            }
        }
    }

    /// Logits of every exit for `[batch, frames, features]`, shallow to deep.
    pub fn forward(&self, window: Tensor<3>) -> Vec<Tensor<2>> {
        let mut tokens = self.embed(window);
        (0..self.blocks.len())
            .map(|index| {
                let (after, logits) = self.stage(index, tokens.clone());
                tokens = after;
                logits
            })
            .collect()
    }

    /// The same with its weights packed for the kernels of this processor, which
    /// [`Encoder::stage`] then runs where it can. `stored` is how the bundle holds the weights.
    ///
    /// On one core of an AMD EPYC (Zen 4, 2026-11-21) the shipped clearance model then takes 15 µs
    /// for a window through all exits on flex in INT8 and 25 in f32, instead of 121; in batches of
    /// 64, 9 and 18 instead of 51 each. The engine `packed`, without burn, takes 7.
    ///
    /// What changes parameters (an optimizer's step, a record loaded, [`Encoder::cast`]) takes the
    /// packing away; a clone, `valid` and another device keep it.
    ///
    /// ```
    /// use edge_reasoner::model::{Backend, Bundle, Encoder, Precision};
    ///
    /// let bundle = Bundle::load(std::path::Path::new("models/wall_following"))?;
    /// let (manifest, device) = (&bundle.manifest, Backend::Flex.device()?);
    /// let sizes = &manifest.architecture;
    /// let encoder = Encoder::new(sizes, manifest.labels.len(), bundle.weights(), &device)
    ///     .map_err(|fault| fault.what)?
    ///     .pack(manifest.weights.precision, Precision::Int8)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pack(
        mut self,
        stored: WeightPrecision,
        precision: Precision,
    ) -> Result<Encoder, BundleError> {
        self.packing = PackedWeights::new(&self.weights(), self.sizes, stored, precision)?;
        Ok(self)
    }

    /// The numbers back, by name.
    pub fn weights(&self) -> Weights {
        let mut collect = Collect::default();
        self.visit(&mut collect);
        collect.weights
    }

    /// What a loss rises by per unit of every number, by name; numbers the loss does not depend on
    /// are left out.
    pub(crate) fn gradients(&self, gradients: &Gradients) -> Weights {
        let mut collect = Collect {
            gradients: Some(gradients),
            ..Collect::default()
        };
        self.visit(&mut collect);
        collect.weights
    }
}

impl Block {
    fn forward(&self, tokens: Tensor<3>, last: bool) -> Tensor<3> {
        let [batch, frames, _] = tokens.dims();
        let inner = self.heads * self.head_width;
        let qkv = self
            .qkv
            .forward(self.attention_norm.forward(tokens.clone()));
        let part = |third: usize, from: usize| -> Tensor<4> {
            qkv.clone()
                .slice([0..batch, from..frames, third * inner..(third + 1) * inner])
                .reshape([batch, frames - from, self.heads, self.head_width])
                .swap_dims(1, 2)
        };
        // Keys and values of all frames; in the last block only the newest frame asks.
        let (from, residual) = if last {
            (frames - 1, newest(tokens))
        } else {
            (0, tokens)
        };
        let seen = attention(
            part(0, from),
            part(1, 0),
            part(2, 0),
            None,
            None,
            AttentionModuleOptions::default(),
        )
        .swap_dims(1, 2)
        .reshape([batch, frames - from, inner]);
        let tokens = residual + self.output.forward(seen);
        let hidden = activation::gelu(self.expand.forward(self.ffn_norm.forward(tokens.clone())));
        tokens + self.contract.forward(hidden)
    }
}

fn newest(tokens: Tensor<3>) -> Tensor<3> {
    let [batch, frames, width] = tokens.dims();
    if frames == 1 {
        return tokens;
    }
    tokens.slice([0..batch, frames - 1..frames, 0..width])
}

struct Loader<'a> {
    weights: &'a Weights,
    device: &'a Device,
}

impl Loader<'_> {
    fn param<const D: usize>(&self, name: &str) -> Result<Param<Tensor<D>>, WeightsFault> {
        let values = self.weights.0.get(name).ok_or_else(|| WeightsFault {
            what: format!("tensor {name} is missing"),
            expected: name.into(),
        })?;
        let data = TensorData::new(values.data.clone(), values.shape.clone());
        Ok(Param::from_data(data, self.device))
    }

    fn linear(&self, name: &str) -> Result<Linear, WeightsFault> {
        let weight: Param<Tensor<2>> = self.param(&format!("{name}.weight"))?;
        let [from, to] = weight.dims();
        // The initialiser is lazy: nothing is drawn for parameters that are replaced at once.
        let mut linear = LinearConfig::new(from, to).init(self.device);
        linear.weight = weight;
        linear.bias = Some(self.param(&format!("{name}.bias"))?);
        Ok(linear)
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, WeightsFault> {
        let gamma: Param<Tensor<1>> = self.param(&format!("{name}.gamma"))?;
        let [width] = gamma.dims();
        let mut norm = LayerNormConfig::new(width).init(self.device);
        norm.gamma = gamma;
        norm.beta = Some(self.param(&format!("{name}.beta"))?);
        Ok(norm)
    }
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values.cast(self.0))
    }
}

#[derive(Default)]
struct Collect<'a> {
    path: Vec<String>,
    weights: Weights,
    /// Collect these instead of the values.
    gradients: Option<&'a Gradients>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = match self.gradients {
            None => param.val().inner(),
            Some(gradients) => match param.val().grad(gradients) {
                Some(gradient) => gradient,
                None => return,
            },
        };
        let shape = value.dims().to_vec();
        let data = value.into_data().iter::<f32>().collect();
        self.weights
            .0
            .insert(self.path.join("."), TensorValues { shape, data });
    }
}
