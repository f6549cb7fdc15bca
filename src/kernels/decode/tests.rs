//! Every path against an f64 reference, and against the others to the bit.

use proptest::prelude::*;

use super::activations::Activations;
use super::attention::{Cached, PANEL, Query};
use super::matrix::{Format, Matrix};
use super::paths::{Kernels, named, present};
use crate::kernels::buffer::{Arena, Buffer};

const FORMATS: [Format; 8] = [
    Format::Nibbles,
    Format::Bytes,
    Format::BytesAndMinimum,
    Format::WideNibbles,
    Format::WideBytes,
    Format::HalfBlocks,
    Format::F16,
    Format::F32,
];

/// A small generator, so that Miri need not run one of a library.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// -1..1.
    fn unit(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }
}

fn f16(x: f32) -> f32 {
    half::f16::from_f32(x).to_f32()
}

/// A matrix with the values it stands for, `[output][input]`.
fn matrix(
    format: Format,
    inputs: usize,
    outputs: usize,
    random: &mut Random,
) -> (Matrix, Vec<f32>) {
    let blocks = inputs / 32;
    let mut raw = Vec::new();
    let mut values = vec![0.0; inputs * outputs];
    for output in 0..outputs {
        for block in 0..blocks {
            let scales = match format {
                Format::WideNibbles | Format::WideBytes | Format::HalfBlocks => {
                    (0.02 * random.unit(), 0.02 * random.unit())
                }
                _ => (f16(0.02 * random.unit()), f16(0.02 * random.unit())),
            };
            let mut codes = [0u8; 128];
            codes
                .iter_mut()
                .for_each(|code| *code = random.next() as u8);
            let value = &mut values[output * inputs + 32 * block..][..32];
            for (i, value) in value.iter_mut().enumerate() {
                let nibble = f32::from(if i < 16 {
                    codes[i] & 15
                } else {
                    codes[i - 16] >> 4
                });
                let byte = f32::from(codes[i] as i8);
                *value = match format {
                    Format::Nibbles | Format::WideNibbles => nibble * scales.0 + scales.1,
                    Format::Bytes => byte * scales.0,
                    Format::BytesAndMinimum | Format::WideBytes => byte * scales.0 + scales.1,
                    Format::HalfBlocks => byte * if i < 16 { scales.0 } else { scales.1 },
                    Format::F16 => {
                        let bits = half::f16::from_f32(random.unit());
                        codes[2 * i..2 * i + 2].copy_from_slice(&bits.to_le_bytes());
                        bits.to_f32()
                    }
                    Format::F32 => {
                        let x = random.unit();
                        codes[4 * i..4 * i + 4].copy_from_slice(&x.to_le_bytes());
                        x
                    }
                };
            }
            raw.push((codes, scales));
        }
    }
    let made = Matrix::new(
        format,
        inputs,
        outputs,
        &mut Arena::default(),
        |output, index, to| {
            let (codes, (scale, other)) = raw[output * blocks + index];
            *to = codes;
            let bits = |x: f32| match format {
                Format::WideNibbles | Format::WideBytes | Format::HalfBlocks => x.to_bits(),
                _ => half::f16::from_f32(x).to_bits().into(),
            };
            (bits(scale), bits(other))
        },
    );
    (made, values)
}

fn rows(width: usize, count: usize, random: &mut Random, kernels: Kernels) -> Activations {
    let mut a = Activations::new(width, count);
    a.floats.iter_mut().for_each(|x| *x = 3.0 * random.unit());
    for row in 0..count {
        // SAFETY: `present` lists only paths that this machine has.
        unsafe { (kernels.code)(&mut a, row) };
    }
    a
}

fn product(kernels: Kernels, matrix: &Matrix, a: &Activations, count: usize) -> Vec<f32> {
    let mut out = Buffer::new(count * matrix.panels() * 16);
    // SAFETY: as above.
    unsafe { (kernels.product)(matrix, a, count, 0..matrix.panels(), &mut out) };
    out.to_vec()
}

fn agree_with_the_reference(
    format: Format,
    blocks: usize,
    outputs: usize,
    count: usize,
    seed: u64,
) {
    let mut random = Random(seed);
    let inputs = 32 * blocks;
    let (matrix, values) = matrix(format, inputs, outputs, &mut random);
    let mut numbers = vec![0.0; inputs];
    for output in 0..outputs {
        matrix.output(output, &mut numbers);
        assert_eq!(
            numbers,
            values[output * inputs..][..inputs],
            "{format:?} {output}"
        );
    }
    let a = rows(inputs, count, &mut random, *present().last().unwrap());
    let mut first: Option<Vec<f32>> = None;
    for kernels in present() {
        let found = product(kernels, &matrix, &a, count);
        for row in 0..count {
            for output in 0..outputs {
                let mut sum = 0.0;
                let mut size = 0.0;
                for i in 0..inputs {
                    let x = match format {
                        Format::F16 | Format::F32 => f64::from(a.floats[row * inputs + i]),
                        _ => {
                            f64::from(a.codes[row * inputs + i])
                                * f64::from(a.scales[row * blocks + i / 32])
                        }
                    };
                    let term = x * f64::from(values[output * inputs + i]);
                    sum += term;
                    size += term.abs();
                }
                let found = f64::from(found[row * matrix.panels() * 16 + output]);
                let (path, bound) = (kernels.name, 1e-5 * size + 1e-6);
                assert!(
                    (found - sum).abs() <= bound,
                    "{path} {format:?} {row} {output}: {found} for {sum}"
                );
            }
        }
        let same = first.get_or_insert_with(|| found.clone());
        assert_eq!(
            &found, same,
            "{} {format:?}: not the bits of the other paths",
            kernels.name
        );
    }
}

#[test]
fn a_path_is_had_by_its_name_and_no_other_is() {
    for path in present() {
        assert_eq!(named(Some(path.name)).map(|path| path.name), Ok(path.name));
    }
    assert_eq!(named(None).map(|path| path.name), Ok(present()[0].name));
    let why = named(Some("sse9")).err().unwrap();
    assert!(why.contains("sse9") && why.contains("scalar"), "{why}");
}

#[test]
fn products_are_those_of_the_reference() {
    let sizes: &[(usize, usize, usize)] = match cfg!(miri) {
        true => &[(1, 17, 3)],
        false => &[(1, 16, 1), (2, 17, 2), (3, 5, 5), (5, 48, 13), (18, 33, 16)],
    };
    for format in FORMATS {
        for &(blocks, outputs, count) in sizes {
            agree_with_the_reference(format, blocks, outputs, count, 7 + blocks as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
    #[test]
    fn any_size_is_that_of_the_reference(format in 0usize..8, blocks in 1usize..6, outputs in 1usize..50, count in 1usize..20, seed: u64) {
        agree_with_the_reference(FORMATS[format], blocks, outputs, count, seed);
    }

    /// A row's product does not depend on the rows beside it.
    #[test]
    fn rows_are_multiplied_alike_alone_and_together(format in 0usize..8, count in 2usize..20, seed: u64) {
        let mut random = Random(seed);
        let (matrix, _) = matrix(FORMATS[format], 96, 32, &mut random);
        for kernels in present() {
            let all = rows(96, count, &mut random, kernels);
            let together = product(kernels, &matrix, &all, count);
            for row in 0..count {
                let mut one = Activations::new(96, 1);
                one.floats.copy_from_slice(&all.floats[row * 96..][..96]);
                // SAFETY: `present` lists only paths that this machine has.
                unsafe { (kernels.code)(&mut one, 0) };
                prop_assert_eq!(&product(kernels, &matrix, &one, 1)[..], &together[row * 32..][..32]);
            }
        }
    }

    #[test]
    fn codes_are_within_half_a_step(seed: u64, exponent in -20i32..20) {
        for kernels in present() {
            let mut a = Activations::new(64, 2);
            let mut random = Random(seed);
            a.floats.iter_mut().for_each(|x| *x = random.unit() * (exponent as f32).exp2());
            a.floats[..32].fill(0.0);
            for row in 0..2 {
                // SAFETY: as above.
                unsafe { (kernels.code)(&mut a, row) };
            }
            for (i, x) in a.floats.iter().enumerate() {
                let scale = a.scales[i / 32];
                let coded = f32::from(a.codes[i]) * scale;
                prop_assert!((coded - x).abs() <= 0.5001 * scale, "{}: {coded} for {x}", kernels.name);
            }
            for (half, sum) in a.sums.iter().enumerate() {
                let codes = &a.codes[16 * half..][..16];
                prop_assert_eq!(*sum, codes.iter().map(|&code| i32::from(code)).sum::<i32>());
            }
        }
    }

    #[test]
    fn attention_is_that_of_the_reference(
        heads in 1usize..3, group in 1usize..6, vectors in 1usize..7, to in 1usize..70, window in prop_oneof![Just(None), (1usize..40).prop_map(Some)],
        cap in prop_oneof![Just(0.0f32), Just(5.0f32)], seed: u64,
    ) {
        let size = 16 * vectors;
        let room = 80usize.next_multiple_of(PANEL);
        let mut random = Random(seed);
        let kv: Vec<Vec<f32>> = (0..2 * to).map(|_| (0..heads * size).map(|_| 2.0 * random.unit()).collect()).collect();
        let queries: Vec<f32> = (0..heads * group * size).map(|_| random.unit()).collect();
        let from = window.map_or(0, |window| to.saturating_sub(window));
        let scale = (size as f32).sqrt().recip();
        let mut first: Option<Vec<f32>> = None;
        for kernels in present() {
            let mut keys = Buffer::new(heads * size * room);
            let mut values = Buffer::new(heads * size * room);
            for position in 0..to {
                let (key, value) = (&kv[2 * position], &kv[2 * position + 1]);
                // SAFETY: `present` lists only paths that this machine has.
                unsafe { (kernels.remember)(&mut keys, &mut values, (heads, size, room), position, key, value) };
            }
            let mut scores = Buffer::new(4 * room);
            let mut out = Buffer::new(heads * group * size);
            let cached = Cached { keys: &keys, values: &values, heads, size, room };
            let mut query = Query { queries: &queries, group, from, to, scale, soft_cap: cap, scores: &mut scores, out: &mut out };
            // SAFETY: as above.
            unsafe { (kernels.attend)(&cached, &mut query) };
            for head in 0..heads * group {
                let q = &queries[head * size..][..size];
                let part = |position: usize, which: usize, i: usize| f64::from(f16(kv[2 * position + which][head / group * size + i]));
                let score = |position: usize| {
                    let dot: f64 = (0..size).map(|i| f64::from(q[i]) * part(position, 0, i)).sum();
                    let score = dot * f64::from(scale);
                    if cap > 0.0 { f64::from(cap) * (score / f64::from(cap)).tanh() } else { score }
                };
                let scores: Vec<f64> = (from..to).map(score).collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
                for i in 0..size {
                    let expected: f64 = (from..to).zip(&scores).map(|(position, score)| (score - top).exp() / sum * part(position, 1, i)).sum();
                    let found = f64::from(out[head * size + i]);
                    prop_assert!((found - expected).abs() < 2e-5, "{} head {head}: {found} for {expected}", kernels.name);
                }
            }
            let found = out.to_vec();
            let same = first.get_or_insert_with(|| found.clone());
            prop_assert_eq!(&found, same, "{}: not the bits of the other paths", kernels.name);
        }
    }

    #[test]
    fn norms_and_gates_are_those_of_the_reference(vectors in 1usize..8, seed: u64, size in -8.0..8.0f32) {
        let width = 16 * vectors;
        let mut random = Random(seed);
        let mut some = |by: f32| -> Vec<f32> { (0..width).map(|_| by * random.unit()).collect() };
        let (x, weight, up) = (some(size), some(1.0), some(2.0));
        for kernels in present() {
            let mut out = Buffer::new(width);
            // SAFETY: `present` lists only paths that this machine has.
            unsafe { (kernels.rms_norm)(&x, &weight, 1e-5, &mut out) };
            let mean = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / width as f64;
            for i in 0..width {
                let expected = f64::from(x[i]) / (mean + 1e-5).sqrt() * f64::from(weight[i]);
                prop_assert!((f64::from(out[i]) - expected).abs() < 1e-5, "{}", kernels.name);
            }
            // SAFETY: as above.
            unsafe { (kernels.swiglu)(&x, &up, &mut out) };
            for i in 0..width {
                let g = f64::from(x[i]);
                let expected = g / (1.0 + (-g).exp()) * f64::from(up[i]);
                prop_assert!((f64::from(out[i]) - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{} silu {g}: {} for {expected}", kernels.name, out[i]);
            }
            // SAFETY: as above.
            unsafe { (kernels.geglu)(&x, &up, &mut out) };
            for i in 0..width {
                let g = f64::from(x[i]);
                let gelu = 0.5 * g * (1.0 + (0.797_884_560_802_865 * (g + 0.044_715 * g * g * g)).tanh());
                let expected = gelu * f64::from(up[i]);
                prop_assert!((f64::from(out[i]) - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{} gelu {g}: {} for {expected}", kernels.name, out[i]);
            }
        }
    }
}
