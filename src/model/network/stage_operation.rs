//! One stage of the encoder, block and exit head, as an operation of burn: on the backends that
//! compute on this processor it runs the packed kernels.
//!
//! The trait has no default that composes tensor operations. burn's modules speak `Tensor`, which
//! picks its backend at run time, and a backend's own tensors cannot be lifted to it in code that
//! is generic over the backend; so a default would be the whole block a second time, in other
//! words. Who calls [`Encoder::stage`](super::encoder::Encoder::stage) does not see the difference:
//! it composes wherever [`runs_on`] says no, with gradients and on GPUs too.

#![cfg_attr(feature = "ndarray", allow(deprecated))] // NdArray, as in `engine`: burn 0.23 drops it

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, Dispatch, DispatchTensorKind, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Tensor, TensorData, read_sync};
use rayon::prelude::*;

use crate::kernels::{Forward, Packed, Sizes};

/// Packed weights, and the scratch of those who used them before.
pub struct PackedModel {
    sizes: Sizes,
    model: Arc<Packed>,
    idle: Mutex<Vec<Forward>>,
}

impl PackedModel {
    pub(in crate::model) fn new(sizes: Sizes, model: Packed) -> PackedModel {
        PackedModel {
            sizes,
            model: Arc::new(model),
            idle: Mutex::default(),
        }
    }

    /// Tokens and logits of `rows` windows; they are shared among rayon's threads, one window
    /// stays where it is.
    fn stage(&self, index: usize, tokens: &[f32], rows: usize) -> [Vec<f32>; 2] {
        let Sizes {
            frames,
            width,
            labels,
            ..
        } = self.sizes;
        let left = self.left(index);
        let mut after = vec![0.0; rows * left * width];
        let mut logits = vec![0.0; rows * labels];
        let run = |forward: &mut Forward, from: &[f32], to: &mut [f32], logits: &mut [f32]| {
            forward.resume(index, from);
            forward.advance(logits);
            forward.tokens(to);
        };
        let scratch = || Scratch {
            of: self,
            forward: self.idle().pop(),
        };
        if rows == 1 {
            run(scratch().get(), tokens, &mut after, &mut logits);
        } else {
            tokens
                .par_chunks_exact(frames * width)
                .zip(after.par_chunks_exact_mut(left * width))
                .zip(logits.par_chunks_exact_mut(labels))
                .for_each_init(scratch, |scratch, ((from, to), logits)| {
                    run(scratch.get(), from, to, logits);
                });
        }
        [after, logits]
    }

    /// Frames whose tokens a block answers.
    fn left(&self, index: usize) -> usize {
        let Sizes { frames, depth, .. } = self.sizes;
        if index + 1 == depth { 1 } else { frames }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Forward>> {
        // What lies there is whole, whoever panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Scratch that goes back to where it is kept.
struct Scratch<'a> {
    of: &'a PackedModel,
    forward: Option<Forward>,
}

impl Scratch<'_> {
    fn get(&mut self) -> &mut Forward {
        let model = &self.of.model;
        self.forward
            .get_or_insert_with(|| Forward::new(Arc::clone(model)))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.of.idle().extend(self.forward.take());
    }
}

/// What burn is given beside its own operations.
#[cfg_attr(feature = "ndarray", backend_extension(Flex, NdArray))]
#[cfg_attr(not(feature = "ndarray"), backend_extension(Flex))]
pub(in crate::model) trait StageOps: Backend {
    /// Block `index` and its exit head, as [`super::encoder::Encoder::stage`] has them: tokens
    /// `[batch, frames, width]` in, tokens and logits out.
    fn stage(
        tokens: FloatTensor<Self>,
        panels: Arc<PackedModel>,
        index: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl StageOps for Flex {
    fn stage(
        tokens: FloatTensor<Self>,
        panels: Arc<PackedModel>,
        index: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        in_memory::<Self>(tokens, &panels, index)
    }
}

#[cfg(feature = "ndarray")]
impl StageOps for NdArray {
    fn stage(
        tokens: FloatTensor<Self>,
        panels: Arc<PackedModel>,
        index: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        in_memory::<Self>(tokens, &panels, index)
    }
}

/// For backends whose tensors lie in this processor's memory: reading them waits for nobody.
fn in_memory<B: Backend>(
    tokens: FloatTensor<B>,
    panels: &PackedModel,
    index: usize,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let Sizes {
        frames,
        width,
        labels,
        ..
    } = panels.sizes;
    let (device, shape) = (tokens.device(), tokens.shape());
    let rows = shape[0];
    assert_eq!(shape.as_slice(), [rows, frames, width], "shape of tokens");
    let data = read_sync(B::float_into_data(tokens)).expect("tensors in memory can be read");
    let values = data
        .as_slice::<f32>()
        .expect("`runs_on` saw that it is f32");
    let [after, logits] = panels.stage(index, values, rows);
    let tensor = |values: Vec<f32>, shape: &[usize]| {
        B::float_from_data(TensorData::new(values, shape.to_vec()), &device)
    };
    (
        tensor(after, &[rows, panels.left(index), width]),
        tensor(logits, &[rows, labels]),
    )
}

/// Whether the packed kernels can stand in where this is computed with: f32, in this processor's
/// memory, and nobody asks for gradients.
pub(in crate::model) fn runs_on<const D: usize>(tensor: &Tensor<D>) -> bool {
    let here = match tensor.clone().into_dispatch().kind {
        DispatchTensorKind::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchTensorKind::NdArray(_) => true,
        #[allow(unreachable_patterns)] // what else there is depends on the features
        _ => false,
    };
    here && tensor.dtype() == DType::F32
}

/// See [`super::encoder::Encoder::stage`]; the tokens are such as [`runs_on`] takes.
pub(in crate::model) fn stage(
    tokens: Tensor<3>,
    panels: &Arc<PackedModel>,
    index: usize,
) -> (Tensor<3>, Tensor<2>) {
    let (tokens, logits) = Dispatch::stage(tokens.into_dispatch(), Arc::clone(panels), index);
    (Tensor::from_dispatch(tokens), Tensor::from_dispatch(logits))
}
