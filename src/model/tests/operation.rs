//! The encoder with packed weights answers as without, where it runs the kernels and where it
//! cannot, and knows when they are stale.

use burn::module::{Module, ModuleMapper};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use proptest::prelude::*;

use super::engines::{rounding, tolerance};
use super::*;

fn encoder(bundle: &Bundle, device: &Device) -> Encoder {
    let manifest = &bundle.manifest;
    let sizes = &manifest.architecture;
    Encoder::new(sizes, manifest.labels.len(), bundle.weights(), device).unwrap()
}

fn packed(bundle: &Bundle, device: &Device, precision: Precision) -> Encoder {
    let stored = bundle.manifest.weights.precision;
    encoder(bundle, device).pack(stored, precision).unwrap()
}

fn batch(bundle: &Bundle, rows: u32, device: &Device) -> Tensor<3> {
    let sizes = bundle.manifest.architecture;
    let values: Vec<f32> = (0..rows).flat_map(|row| window(bundle, row)).collect();
    let shape = [rows as usize, sizes.frames, sizes.features];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter().collect()
}

/// Calibrated as engines answer: `[exit][row * labels + class]`.
fn answers(bundle: &Bundle, encoder: &Encoder, window: Tensor<3>) -> Vec<Vec<f32>> {
    let labels = bundle.manifest.labels.len();
    let exits = encoder.forward(window).into_iter();
    exits
        .zip(&bundle.manifest.exits)
        .map(|(logits, exit)| {
            let mut probabilities = values(&logits);
            for row in probabilities.chunks_mut(labels) {
                calibrated(row.to_vec(), exit.temperature, row);
            }
            probabilities
        })
        .collect()
}

fn apart(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(
        a.iter().map(Vec::len).collect::<Vec<_>>(),
        b.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Composed operations answer the same bits as `block`; the packed kernels take the mean out.
fn ran_packed(encoder: &Encoder, window: Tensor<3>) -> bool {
    let tokens = encoder.embed(window);
    let (after, _) = encoder.stage(0, tokens.clone());
    values(&after) != values(&encoder.block(0, tokens))
}

fn devices() -> Vec<Device> {
    let backends = [
        Backend::Flex,
        #[cfg(feature = "ndarray")]
        Backend::NdArray,
    ];
    backends.map(|backend| backend.device().unwrap()).into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..Default::default() })]

    #[test]
    fn packed_in_f32_it_answers_the_same_whatever_the_sizes(
        width in 2_usize..90, head_width in 1_usize..20, heads in 1_usize..5,
        depth in 1_usize..4, ffn in 1_usize..100, rows in 1_u32..5, seed: u64,
    ) {
        let bundle = sized((width, head_width, heads, depth, ffn), seed);
        for device in devices() {
            let windows = batch(&bundle, rows, &device);
            let plain = answers(&bundle, &encoder(&bundle, &device), windows.clone());
            let found = packed(&bundle, &device, Precision::F32);
            let apart = apart(&answers(&bundle, &found, windows), &plain);
            prop_assert!(apart < rounding(width), "{apart}");
        }
    }
}

#[test]
fn packed_it_answers_as_the_engines_do_on_the_shipped_bundles() {
    for (name, bundle) in shipped() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let kind = EngineKind::Packed(precision);
            let mut engine = bundle.engine(kind).unwrap();
            for device in devices() {
                let encoder = packed(&bundle, &device, precision);
                assert!(ran_packed(&encoder, batch(&bundle, 1, &device)));
                let found = answers(&bundle, &encoder, batch(&bundle, 8, &device));
                let labels = bundle.manifest.labels.len();
                for row in 0..8 {
                    let expected = engines::run(engine.as_mut(), &window(&bundle, row));
                    let at = row as usize * labels;
                    let found: Vec<_> = found.iter().map(|e| e[at..at + labels].to_vec()).collect();
                    let apart = f64::from(apart(&found, &expected));
                    assert!(apart < 5.0 * tolerance(kind), "{name} {kind}: {apart}");
                }
            }
        }
    }
}

#[test]
fn where_gradients_are_asked_for_or_half_precision_it_composes() {
    let bundle = Bundle::untrained(manifest(), 5).unwrap();
    let device = Backend::Flex.device().unwrap().autodiff();
    let encoder = packed(&bundle, &device, Precision::Int8);
    let window = batch(&bundle, 2, &device);
    let plain = answers(&bundle, &self::encoder(&bundle, &device), window.clone());
    assert_eq!(answers(&bundle, &encoder, window.clone()), plain);
    let logits = encoder.forward(window.clone()).remove(2);
    let gradients = encoder.gradients(&logits.sum().backward());
    assert_eq!(
        gradients.0.len(),
        bundle.weights().0.len() - 2 * 4,
        "all but two exits"
    );

    // Tokens without gradients, weights with.
    let tokens = encoder.embed(window).inner();
    let (after, _) = encoder.stage(0, tokens.clone());
    assert_eq!(values(&after), values(&encoder.block(0, tokens)));

    let device = Backend::Flex.device().unwrap();
    let half = self::encoder(&bundle, &device).cast(FloatDType::F16);
    let half = half.pack(WeightPrecision::F32, Precision::F32).unwrap();
    let window = batch(&bundle, 1, &device).cast(FloatDType::F16);
    assert!(!ran_packed(&half, window));
}

struct Nothing;
impl ModuleMapper for Nothing {}

#[test]
fn what_changes_parameters_takes_the_packing_away() {
    let bundle = Bundle::untrained(manifest(), 5).unwrap();
    let device = Backend::Flex.device().unwrap();
    let window = batch(&bundle, 2, &device);
    let encoder = packed(&bundle, &device, Precision::F32);
    assert!(ran_packed(&encoder.clone(), window.clone()));
    assert!(ran_packed(
        &encoder.clone().to_device(&device),
        window.clone()
    ));
    let stale: [fn(Encoder) -> Encoder; 3] = [
        |encoder| encoder.map(&mut Nothing),
        |encoder| encoder.cast(FloatDType::F32),
        |encoder| encoder.clone().load_record(encoder.into_record()),
    ];
    for change in stale {
        assert!(!ran_packed(&change(encoder.clone()), window.clone()));
    }
}

#[test]
fn what_is_not_a_number_stays_none() {
    let bundle = Bundle::untrained(manifest(), 5).unwrap();
    let device = Backend::Flex.device().unwrap();
    for precision in [Precision::F32, Precision::Int8] {
        let encoder = packed(&bundle, &device, precision);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut tokens = encoder.embed(batch(&bundle, 1, &device));
            tokens = tokens * bad;
            for index in 0..encoder.depth() {
                let logits;
                (tokens, logits) = encoder.stage(index, tokens);
                assert!(values(&logits).iter().all(|x| !x.is_finite()));
            }
        }
    }
}
