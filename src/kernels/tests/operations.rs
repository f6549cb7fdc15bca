//! Single operations: stated errors over the whole range, integers to the bit.

use super::super::attention::QUERIES;
use super::super::buffer::Buffer;
use super::super::math::{EXP2_ERROR, GELU_COARSE_ERROR, GELU_FINE_ERROR};
use super::super::matmul::Product;
use super::super::pack::{Dense, Linear};
use super::super::paths::{Operation, operations, present};
use super::super::reference::gelu;
use super::super::rows::Rows;
use super::Random;
use crate::kernels::sizes::Precision;

/// Every `step`th f32 between two of the same sign, by their bits.
fn each(from: f32, to: f32, step: usize, mut f: impl FnMut(f32)) {
    let (a, b) = (
        from.to_bits().min(to.to_bits()),
        from.to_bits().max(to.to_bits()),
    );
    (a..=b).step_by(step).map(f32::from_bits).for_each(&mut f);
}

fn worst(operation: Operation, ranges: &[(f32, f32)], error: impl Fn(f64, f64) -> f64) -> f64 {
    let step = if cfg!(miri) { 40_000_001 } else { 997 };
    let mut worst = 0.0_f64;
    let mut x = [0.0_f32; 16];
    let mut filled = 0;
    for (from, to) in ranges {
        each(*from, *to, step, |value| {
            x[filled] = value;
            filled += 1;
            if filled == 16 {
                filled = 0;
                let mut y = x;
                // SAFETY: `operations` answers only paths this machine has.
                unsafe { operation(&mut y) };
                for (x, y) in x.iter().zip(y) {
                    worst = worst.max(error(f64::from(*x), f64::from(y)));
                }
            }
        });
    }
    worst
}

#[test]
fn polynomials_keep_their_stated_errors() {
    for (path, [coarse, fine, exp2]) in operations() {
        let near = [(0.0, 6.0), (-0.0, -6.0)];
        let far = [(6.0, 1e30), (-6.0, -1e30)];
        for (operation, stated) in [(coarse, GELU_COARSE_ERROR), (fine, GELU_FINE_ERROR)] {
            let error = worst(operation, &near, |x, y| (y - gelu(x)).abs());
            println!("{path}: {error:e} of {stated:e}");
            assert!(error < stated, "{path}: {error:e} of {stated:e}");
            let error = worst(operation, &far, |x, y| (y - gelu(x)).abs() / x.abs());
            assert!(error < stated, "{path}: {error:e} of {stated:e} far out");
        }
        let error = worst(exp2, &[(-0.0, -126.0)], |x, y| (y / x.exp2() - 1.0).abs());
        println!("{path}: {error:e} of {EXP2_ERROR:e}");
        assert!(error < EXP2_ERROR, "{path}: {error:e} of {EXP2_ERROR:e}");
        let below = worst(exp2, &[(-126.0, f32::NEG_INFINITY)], |_, y| y);
        assert!(
            below < 1.2e-38,
            "{path}: {below:e} for what is out of range"
        );
    }
}

#[test]
fn integer_sums_are_exact_at_the_extremes() {
    let mut random = Random(1);
    let deep = if cfg!(miri) { 16 } else { 1024 };
    for (rows, inputs, outputs) in [(1, 16, 64), (9, 64, 48), (15, deep, 16), (3, 4, 96)] {
        for extreme in [false, true] {
            let mut whole = || match extreme {
                true => [-127, 127, 127][random.bits() as usize % 3],
                false => random.bits() as i64 % 128,
            };
            let a: Vec<i64> = (0..rows * inputs).map(|_| whole()).collect();
            let mut w: Vec<i64> = (0..inputs * outputs).map(|_| whole()).collect();
            w[..outputs].fill(127); // so that the packer's scale is one
            let dense = Dense {
                inputs,
                outputs,
                weight: w.iter().map(|w| *w as f64).collect(),
                bias: vec![0.0; outputs],
            };
            let linear = Linear::pack(&dense, Precision::Int8);
            for (path, kernels) in present(Precision::Int8) {
                let offset = if path.starts_with("avx512") { 128 } else { 0 };
                let mut words = Buffer::<u32>::new(rows * inputs / 4);
                for (word, four) in words.iter_mut().zip(a.chunks(4)) {
                    *word = u32::from_le_bytes(std::array::from_fn(|i| (four[i] + offset) as u8));
                }
                let mut out = Buffer::<f32>::new(rows * outputs);
                let mut product = Product {
                    weights: &linear,
                    panels: (0, outputs / 16),
                    rows,
                    a: &words,
                    a_row: inputs / 4,
                    scales: &vec![1.0; rows],
                    out: &mut out,
                    out_row: outputs,
                    tops: &mut [],
                };
                // SAFETY: `present` answers only paths this machine has.
                unsafe { (kernels.write)(&mut product) };
                for r in 0..rows {
                    for n in 0..outputs {
                        let sum: i64 = (0..inputs)
                            .map(|k| a[r * inputs + k] * w[k * outputs + n])
                            .sum();
                        // Below 2^24 an f32 holds every integer.
                        assert_eq!(
                            out[r * outputs + n],
                            sum as f32,
                            "{path} row {r} output {n}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn integers_of_a_row_are_the_formats() {
    let mut random = Random(2);
    let (rows, width) = (7, 48);
    let from: Vec<f32> = (0..rows * width).map(|_| random.unit()).collect();
    let from = Buffer::from(&from);
    for (path, kernels) in present(Precision::Int8) {
        let offset = if path.starts_with("avx512") { 128 } else { 0 };
        for norm in [false, true] {
            let mut words = Buffer::<u32>::new(rows * width / 4);
            let mut scales = vec![0.0; rows];
            let mut p = Rows {
                rows,
                width,
                from: &from,
                from_row: width,
                to: &mut words,
                to_row: width / 4,
                scales: &mut scales,
                tops: None,
                count: width,
            };
            // SAFETY: `present` answers only paths this machine has.
            unsafe { (if norm { kernels.norm } else { kernels.convert })(&mut p) };
            for r in 0..rows {
                let row = &from[r * width..(r + 1) * width];
                let top = row.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
                let factor = f64::from(127.0 / top);
                for (k, x) in row.iter().enumerate() {
                    let at = r * width + k;
                    let byte = words[at / 4].to_le_bytes()[at % 4];
                    let whole = (f64::from(*x) * factor).round_ties_even() as i32;
                    assert_eq!(byte, (whole + offset) as u8, "{path} row {r} column {k}");
                }
                let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                let by = if norm {
                    1.0 / (square / width as f64 + 1e-5).sqrt()
                } else {
                    1.0
                };
                let scale = f64::from(top) * by / 127.0;
                assert!((f64::from(scales[r]) / scale - 1.0).abs() < 1e-6, "{path}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "p.out.len()")]
fn a_short_output_is_refused() {
    let dense = Dense {
        inputs: 4,
        outputs: 16,
        weight: vec![1.0; 64],
        bias: vec![0.0; 16],
    };
    let linear = Linear::pack(&dense, Precision::F32);
    let mut product = Product {
        weights: &linear,
        panels: (0, 1),
        rows: 2,
        a: &[0; 8],
        a_row: 4,
        scales: &[],
        out: &mut [0.0; QUERIES - 1],
        out_row: 16,
        tops: &mut [],
    };
    // SAFETY: `present` answers only paths this machine has.
    unsafe { (present(Precision::F32)[0].1.write)(&mut product) };
}
