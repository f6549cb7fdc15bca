//! The forward against its references, on every path this machine has. Buffers end at untouchable
//! pages in tests (see `buffer`), so every test here is also one for reads past an end.

mod operations;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::buffer::Buffer;
use super::pack::{Residual, layers};
use super::paths::{FORCE, choose, present};
use super::sizes::{Precision, Sizes};
use super::{Forward, Packed, integers, reference};

/// A small generator: tests must not depend on a crate's stream of numbers.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

pub type Tensors = BTreeMap<String, Vec<f32>>;

pub fn tensors(sizes: &Sizes, seed: u64) -> Tensors {
    let Sizes {
        frames,
        features,
        width,
        heads,
        head_width,
        depth,
        ffn,
        labels,
    } = *sizes;
    let inner = heads * head_width;
    let mut random = Random(seed);
    let mut tensors = Tensors::new();
    let mut put = |name: String, count: usize, middle: f32, reach: f32| {
        let values = (0..count).map(|_| middle + reach * random.unit()).collect();
        tensors.insert(name, values);
    };
    let reach = |inputs: usize| (3.0 / inputs as f32).sqrt();
    let mut linear = |name: String, from: usize, to: usize| {
        put(format!("{name}.weight"), from * to, 0.0, reach(from));
        put(format!("{name}.bias"), to, 0.0, 0.3);
    };
    linear("embed".into(), features, width);
    for block in 0..depth {
        linear(format!("blocks.{block}.qkv"), width, 3 * inner);
        linear(format!("blocks.{block}.output"), inner, width);
        linear(format!("blocks.{block}.expand"), width, ffn);
        linear(format!("blocks.{block}.contract"), ffn, width);
        linear(format!("exits.{block}.head"), width, labels);
    }
    put("position".into(), frames * width, 0.1, 0.5);
    for block in 0..depth {
        for norm in ["attention_norm", "ffn_norm"] {
            put(format!("blocks.{block}.{norm}.gamma"), width, 1.0, 0.4);
            put(format!("blocks.{block}.{norm}.beta"), width, 0.0, 0.2);
        }
        put(format!("exits.{block}.norm.gamma"), width, 1.0, 0.4);
        put(format!("exits.{block}.norm.beta"), width, 0.0, 0.2);
    }
    tensors
}

fn window(sizes: &Sizes, seed: u64) -> Vec<f32> {
    let mut random = Random(seed ^ 0x5eed);
    let count = sizes.frames * sizes.features;
    (0..count).map(|_| 2.0 * random.unit()).collect()
}

fn forwards(sizes: &Sizes, tensors: &Tensors, precision: Precision) -> Vec<(String, Forward)> {
    let tensor = |name: &str| tensors.get(name).map(Vec::as_slice);
    let layers = layers(sizes, tensor, Residual::Trained).unwrap();
    (present(precision).into_iter())
        .map(|(name, kernels)| {
            let packed = Packed::from_layers(sizes, &layers, precision, kernels);
            (name.to_owned(), Forward::new(Arc::new(packed)))
        })
        .collect()
}

fn run(forward: &mut Forward, labels: usize, window: &[f32]) -> Vec<f32> {
    let mut answers = Vec::new();
    forward.begin(window);
    for _ in 0..forward.exits() {
        let mut logits = vec![0.0; labels];
        forward.advance(&mut logits);
        answers.extend(logits);
    }
    answers
}

/// Root mean square of the differences, and of the second.
fn distance(a: &[f32], b: &[Vec<f64>]) -> (f64, f64) {
    let b: Vec<f64> = b.iter().flatten().copied().collect();
    assert_eq!(a.len(), b.len());
    let mean = |sum: f64| (sum / b.len() as f64).sqrt();
    let apart = a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - b).powi(2));
    (mean(apart.sum()), mean(b.iter().map(|b| b * b).sum()))
}

fn check(sizes: &Sizes, seed: u64) {
    let tensors = tensors(sizes, seed);
    let tensor = |name: &str| tensors.get(name).map(Vec::as_slice);
    let layers = layers(sizes, tensor, Residual::Trained).unwrap();
    let window = window(sizes, seed);
    let plain = reference::plain(sizes, |name| &tensors[name], &window);
    let exact = reference::folded(sizes, &layers, Precision::F32, &window);
    let flat: Vec<f32> = exact.iter().flatten().map(|x| *x as f32).collect();
    let (apart, _) = distance(&flat, &plain);
    assert!(apart < 1e-5, "the algebra of packing is off by {apart}");
    let whole = reference::folded(sizes, &layers, Precision::Int8, &window);
    // On a stream of a few values a norm divides what may be next to nothing: any rounding can then
    // turn the answer, and only f32 is held to one.
    let conditioned = sizes.width >= 16;
    for (precision, expected, tolerance) in [
        (Precision::F32, &plain, 2e-4),
        // A rounding that falls the other way moves one integer by one: 7e-3 in 4000 runs.
        (Precision::Int8, &whole, 2e-2),
        (Precision::Bf16, &plain, 5e-2),
    ] {
        let mut first: Option<Vec<u32>> = None;
        for (path, mut forward) in forwards(sizes, &tensors, precision) {
            let answers = run(&mut forward, sizes.labels, &window);
            let (apart, size) = distance(&answers, expected);
            let (from_plain, _) = distance(&answers, &plain);
            let size = size.max(1.0);
            let held = conditioned || precision == Precision::F32;
            assert!(
                !held || apart < tolerance * size,
                "{path} {precision:?} {sizes:?}: {apart} of {size}"
            );
            assert!(
                !held || from_plain < 0.15 * size,
                "{path} {precision:?} {sizes:?}: {from_plain} of {size} from the f32 model"
            );
            assert!(
                answers.iter().all(|x| x.is_finite()),
                "{path} {precision:?}"
            );
            // The same window again, after another one, gives the same bits.
            let other: Vec<f32> = window.iter().map(|x| 3.0 - x).collect();
            forward.begin(&other);
            forward.advance(&mut vec![0.0; sizes.labels]);
            let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let answers = bits(answers);
            assert_eq!(answers, bits(run(&mut forward, sizes.labels, &window)));
            if precision != Precision::Bf16 {
                let first = first.get_or_insert_with(|| answers.clone());
                assert_eq!(
                    *first, answers,
                    "{path} {precision:?} differs from the best path"
                );
            }
        }
    }
}

/// Miri takes seconds for what takes microseconds.
fn most(size: usize) -> usize {
    if cfg!(miri) { size.min(5) } else { size }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]

    #[test]
    fn any_size(
        frames in 1..=most(69), features in 1..=most(74), width in 1..=most(159),
        heads in 1..=most(5), head_width in 1..=most(39), depth in 1..=most(3),
        ffn in 1..=most(199), labels in 1..=most(19),
        seed: u64,
    ) {
        check(&Sizes { frames, features, width, heads, head_width, depth, ffn, labels }, seed);
    }
}

#[test]
#[cfg_attr(miri, ignore = "hours")]
fn usual_sizes() {
    for (frames, features, width, depth) in [(8, 70, 64, 4), (16, 32, 64, 4), (32, 64, 128, 2)] {
        let ffn = 4 * width;
        check(
            &Sizes {
                frames,
                features,
                width,
                heads: 4,
                head_width: width / 4,
                depth,
                ffn,
                labels: 8,
            },
            7,
        );
    }
}

#[test]
fn window_and_logits_at_the_end_of_memory() {
    let sizes = Sizes {
        frames: 5,
        features: 7,
        width: 20,
        heads: 2,
        head_width: 10,
        depth: 2,
        ffn: 36,
        labels: 3,
    };
    let tensors = tensors(&sizes, 3);
    for precision in [Precision::F32, Precision::Int8, Precision::Bf16] {
        for (_, mut forward) in forwards(&sizes, &tensors, precision) {
            // 48 f32 are whole cache lines, so the last ones border on the untouchable page.
            let mut memory = Buffer::<f32>::new(48);
            memory[48 - 35..].fill(0.5);
            forward.begin(&memory[48 - 35..]);
            forward.advance(&mut memory[45..]);
            forward.advance(&mut memory[45..]);
            assert!(memory[45..].iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_window_that_is_not_numbers_gives_none() {
    let sizes = Sizes {
        frames: 4,
        features: 3,
        width: 16,
        heads: 2,
        head_width: 8,
        depth: 2,
        ffn: 16,
        labels: 3,
    };
    let tensors = tensors(&sizes, 5);
    for precision in [Precision::F32, Precision::Int8, Precision::Bf16] {
        for (path, mut forward) in forwards(&sizes, &tensors, precision) {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut window = window(&sizes, 1);
                window[2] = bad;
                let answers = run(&mut forward, 3, &window);
                assert!(answers.iter().all(|x| x.is_nan()), "{path} {precision:?}");
            }
            let answers = run(&mut forward, 3, &window(&sizes, 1));
            assert!(answers.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn silence_is_answered() {
    // A window of zeros without positions: rows of zeros, which have no scale.
    let sizes = Sizes {
        frames: 3,
        features: 3,
        width: 16,
        heads: 1,
        head_width: 16,
        depth: 2,
        ffn: 16,
        labels: 2,
    };
    let mut tensors = tensors(&sizes, 5);
    for (name, values) in &mut tensors {
        if name.ends_with("bias") || name.ends_with("beta") || name == "position" {
            values.fill(0.0);
        }
    }
    for precision in [Precision::F32, Precision::Int8, Precision::Bf16] {
        for (_, mut forward) in forwards(&sizes, &tensors, precision) {
            assert_eq!(run(&mut forward, 2, &[0.0; 9]), [0.0; 4]);
        }
    }
}

#[test]
fn wrong_tensors_are_refused() {
    let sizes = Sizes {
        frames: 2,
        features: 3,
        width: 8,
        heads: 2,
        head_width: 4,
        depth: 1,
        ffn: 8,
        labels: 2,
    };
    let tensors = tensors(&sizes, 1);
    let pack = |sizes: &Sizes, tensors: &Tensors| {
        let tensor = |name: &str| tensors.get(name).map(Vec::as_slice);
        Packed::new(sizes, tensor, Residual::Trained, Precision::Int8).map(|_| ())
    };
    assert!(pack(&sizes, &tensors).is_ok());
    assert!(pack(&Sizes { heads: 3, ..sizes }, &tensors).is_err());
    assert!(pack(&Sizes { depth: 0, ..sizes }, &tensors).is_err());
    assert!(pack(&Sizes { ffn: 9, ..sizes }, &tensors).is_err());
    let mut missing = tensors.clone();
    missing.remove("exits.0.head.bias");
    assert!(
        pack(&sizes, &missing)
            .unwrap_err()
            .0
            .contains("exits.0.head.bias")
    );
    let mut broken = tensors;
    broken.get_mut("position").unwrap()[1] = f32::NAN;
    assert!(pack(&sizes, &broken).unwrap_err().0.contains("not finite"));
}

#[test]
fn rounded_weights_keep_their_integers() {
    let sizes = Sizes {
        frames: 2,
        features: 3,
        width: 16,
        heads: 1,
        head_width: 16,
        depth: 1,
        ffn: 16,
        labels: 2,
    };
    let mut tensors = tensors(&sizes, 1);
    // Rows that are far from having no mean, columns that reach 127.
    let whole: Vec<i8> = (0..256)
        .map(|i| if i < 16 { 127 } else { i as u8 as i8 / 2 })
        .collect();
    let weight = whole.iter().map(|q| f32::from(*q) * 0.25).collect();
    tensors.insert("blocks.0.output.weight".into(), weight);
    let output = |residual| {
        let tensor = |name: &str| tensors.get(name).map(Vec::as_slice);
        integers(&sizes, tensor, residual).unwrap()[0][1].clone()
    };
    assert_eq!(output(Residual::Rounded), whole);
    assert_ne!(output(Residual::Trained), whole);
}

/// Runs itself once per path: the variable is read by the process that has it.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_path_can_be_forced() {
    if let Ok(forced) = std::env::var(FORCE) {
        match choose(Precision::Int8) {
            Ok(kernels) => assert_eq!(kernels.path, forced),
            Err(error) => assert!(forced == "abacus" && error.0.contains("scalar"), "{error}"),
        }
        return;
    }
    let paths = present(Precision::Int8);
    for name in paths.iter().map(|(name, _)| *name).chain(["abacus"]) {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["a_path_can_be_forced", "--nocapture"])
            .env(FORCE, name)
            .output();
        let child = match child {
            // An emulator runs this test, and the system knows nothing of it.
            Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
                eprintln!("{name}: skipped, this test cannot start itself: {error}");
                continue;
            }
            child => child.unwrap(),
        };
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{name}: {said}"
        );
    }
}
