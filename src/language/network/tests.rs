//! The modules against transformers, and the packed decoder against the modules.

use std::ops::ControlFlow;

use burn::tensor::{Int, Tensor, TensorData};
use proptest::prelude::*;

use super::LanguageModel;
use crate::language::architectures::cases;
use crate::language::decoder::Decoder;
use crate::language::gguf::Gguf;
use crate::language::testing::{SMALL_ROOM, small_model};
use crate::model::Backend;

/// Logits by position and token, on the device of the model.
fn logits(model: &LanguageModel, texts: &[&[u32]]) -> Vec<Vec<f32>> {
    let device = model.embedding.val().device();
    let tokens: Vec<i64> = texts
        .concat()
        .iter()
        .map(|token| i64::from(*token))
        .collect();
    let tokens = TensorData::new(tokens, [texts.len(), texts[0].len()]);
    let logits = model.forward(Tensor::<2, Int>::from_data(tokens, &device));
    let [_, _, vocabulary] = logits.dims();
    let all: Vec<f32> = logits.into_data().iter::<f32>().collect();
    all.chunks_exact(vocabulary).map(<[f32]>::to_vec).collect()
}

fn model(file: &Gguf, room: usize) -> LanguageModel {
    on(Backend::Flex, file, room)
}

fn on(backend: Backend, file: &Gguf, room: usize) -> LanguageModel {
    LanguageModel::load(file, room, &backend.device().unwrap()).unwrap()
}

/// The farthest that two lists of logits are apart, as a part of the largest.
fn apart(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().fold(0f64, |size, x| size.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let apart = pairs.map(|(found, expected)| (f64::from(*found) - expected).abs() / size);
    apart.fold(0.0, f64::max)
}

fn are_those_of_transformers(backend: Backend) {
    for case in cases() {
        let model = on(backend, &case.file().open(), case.room());
        let found = logits(&model, &[&case.tokens]);
        for (&position, expected) in case.positions.iter().zip(&case.logits) {
            let apart = apart(&found[position], expected);
            assert!(apart < 1e-4, "{} at {position}: {apart:.1e}", case.name);
        }
    }
}

#[test]
fn logits_are_those_of_transformers() {
    are_those_of_transformers(Backend::Flex);
    #[cfg(feature = "ndarray")]
    are_those_of_transformers(Backend::NdArray);
}

#[cfg(feature = "wgpu")]
#[test]
fn logits_are_those_of_transformers_on_a_gpu() {
    use crate::model::EngineKind;
    let found = crate::model::gpu_here("logits of language models by wgpu");
    if let Some(EngineKind::Burn(backend)) = found {
        are_those_of_transformers(backend);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Keys and values lie in f16 there, and activations of packed matrices are INT8.
    #[test]
    fn the_packed_decoder_computes_the_same(seed in 0u64..1000, tokens in prop::collection::vec(0u32..256, 1..40)) {
        let writer = small_model(seed);
        let found = logits(&model(&writer.open(), SMALL_ROOM), &[&tokens]);
        let mut decoder = Decoder::new(writer.open(), SMALL_ROOM).unwrap();
        for (token, expected) in tokens.iter().zip(&found) {
            decoder.take(&[*token], || ControlFlow::Continue(())).unwrap();
            let expected: Vec<f64> = expected.iter().map(|x| f64::from(*x)).collect();
            let apart = apart(decoder.logits(), &expected);
            prop_assert!(apart < 2e-3, "{apart:.1e}");
        }
    }

    #[test]
    fn a_position_depends_on_those_before_alone_and_texts_not_on_each_other(
        seed in 0u64..1000, one in prop::collection::vec(0u32..256, 8), other in prop::collection::vec(0u32..256, 8),
        from in 1usize..8,
    ) {
        let model = model(&small_model(seed).open(), SMALL_ROOM);
        let alone = logits(&model, &[&one]);
        let changed = [&one[..from], &other[from..]].concat();
        let both = logits(&model, &[&changed, &one]);
        for (position, expected) in alone.iter().enumerate() {
            let expected: Vec<f64> = expected.iter().map(|x| f64::from(*x)).collect();
            prop_assert!(apart(&both[one.len() + position], &expected) < 1e-5);
            if position < from {
                prop_assert!(apart(&both[position], &expected) < 1e-5);
            }
        }
    }
}

#[test]
fn a_loss_reaches_every_number_of_a_model() {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Gradients;

    struct Silent<'a>(&'a Gradients, usize, usize);
    impl ModuleVisitor for Silent<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let moved = param
                .val()
                .grad(self.0)
                .is_some_and(|gradient| gradient.into_data().iter::<f32>().any(|x| x != 0.0));
            self.1 += 1;
            self.2 += usize::from(moved);
        }
    }
    for case in cases() {
        let device = Backend::Flex.device().unwrap().autodiff();
        let model = LanguageModel::load(&case.file().open(), case.room(), &device).unwrap();
        let tokens: Vec<i64> = case.tokens.iter().map(|token| i64::from(*token)).collect();
        let count = tokens.len();
        let tokens = TensorData::new(tokens, [1, count]);
        let logits = model.forward(Tensor::<2, Int>::from_data(tokens, &device));
        let gradients = logits.square().mean().backward();
        let mut silent = Silent(&gradients, 0, 0);
        model.visit(&mut silent);
        assert!(
            silent.1 > 0 && silent.1 == silent.2,
            "{}: {} of {} move",
            case.name,
            silent.2,
            silent.1
        );
    }
}
