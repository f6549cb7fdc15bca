//! Matrix products over packed panels, with what follows each of them done on the tile while it is
//! in registers.
//!
//! A row of activations is a row of 32-bit words: one f32, two BF16 or four INT8 each. A panel
//! holds sixteen outputs: for every word of the input, sixteen words of weights, one cache line.
//! The inner loop is the same in all precisions: broadcast a word of activations, multiply it with
//! a line of weights, add to sixteen sums. A tile is up to eight rows by two panels: two loads and
//! eight broadcasts for sixteen products. Panels go outside, rows inside, so that weights, which
//! are larger than a window's activations, leave the outer caches once.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use std::marker::PhantomData;

use super::lanes::{Lanes, unroll};
use super::math::{gelu_coarse, gelu_fine};
use super::pack::Linear;

/// A product to do: `rows` of `a` with the panels `panels` of `weights`.
pub struct Product<'a> {
    pub weights: &'a Linear,
    /// First and one past the last panel.
    pub panels: (usize, usize),
    pub rows: usize,
    /// Rows of words, `weights.words` long, `a_row` apart.
    pub a: &'a [u32],
    pub a_row: usize,
    /// INT8: the scale of each row; else not looked at.
    pub scales: &'a [f32],
    /// Rows of outputs, the first panel's at 0, `out_row` apart.
    pub out: &'a mut [f32],
    pub out_row: usize,
    /// INT8 GELU: per row sixteen lanes that keep the largest size; else not looked at.
    pub tops: &'a mut [f32],
}

/// How words are multiplied.
pub trait Dot<L: Lanes> {
    type Sum: Copy;
    const INT: bool;
    unsafe fn start(weights: &Linear, panel: usize) -> Self::Sum;
    unsafe fn dot(sum: Self::Sum, a: *const u32, w: *const u32) -> Self::Sum;
    /// The output from the sum, `scale` being the row's.
    unsafe fn finish(sum: Self::Sum, scale: f32, weights: &Linear, panel: usize) -> L::F;
    unsafe fn gelu(x: L::F) -> L::F;
}

pub struct Float;
pub struct Half;
pub struct Int;

impl<L: Lanes> Dot<L> for Float {
    type Sum = L::F;
    const INT: bool = false;
    #[inline(always)]
    unsafe fn start(weights: &Linear, panel: usize) -> L::F {
        L::load(weights.bias.as_ptr().add(16 * panel))
    }
    #[inline(always)]
    unsafe fn dot(sum: L::F, a: *const u32, w: *const u32) -> L::F {
        L::fma(L::splat(f32::from_bits(*a)), L::load(w.cast()), sum)
    }
    #[inline(always)]
    unsafe fn finish(sum: L::F, _: f32, _: &Linear, _: usize) -> L::F {
        sum
    }
    #[inline(always)]
    unsafe fn gelu(x: L::F) -> L::F {
        gelu_fine::<L>(x)
    }
}

impl<L: Lanes> Dot<L> for Half {
    type Sum = L::F;
    const INT: bool = false;
    #[inline(always)]
    unsafe fn start(weights: &Linear, panel: usize) -> L::F {
        L::load(weights.bias.as_ptr().add(16 * panel))
    }
    #[inline(always)]
    unsafe fn dot(sum: L::F, a: *const u32, w: *const u32) -> L::F {
        L::dot_bf16(sum, a, w)
    }
    #[inline(always)]
    unsafe fn finish(sum: L::F, _: f32, _: &Linear, _: usize) -> L::F {
        sum
    }
    #[inline(always)]
    unsafe fn gelu(x: L::F) -> L::F {
        gelu_coarse::<L>(x)
    }
}

impl<L: Lanes> Dot<L> for Int {
    type Sum = L::I;
    const INT: bool = true;
    #[inline(always)]
    unsafe fn start(weights: &Linear, panel: usize) -> L::I {
        if L::OFFSET == 0 {
            L::zero_i()
        } else {
            L::load_i(weights.offset.as_ptr().add(16 * panel))
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: L::I, a: *const u32, w: *const u32) -> L::I {
        L::dot_i8(sum, a, w)
    }
    #[inline(always)]
    unsafe fn finish(sum: L::I, scale: f32, weights: &Linear, panel: usize) -> L::F {
        let by_column = L::load(weights.scale.as_ptr().add(16 * panel));
        let bias = L::load(weights.bias.as_ptr().add(16 * panel));
        L::fma(L::mul(L::to_float(sum), by_column), L::splat(scale), bias)
    }
    #[inline(always)]
    unsafe fn gelu(x: L::F) -> L::F {
        gelu_coarse::<L>(x)
    }
}

/// What is done with a tile's row of outputs.
pub trait Epilogue<L: Lanes, D: Dot<L>> {
    unsafe fn row<const C: usize>(out: *mut f32, x: [L::F; C], top: *mut f32);
    /// Whether `tops` is written.
    const TOPS: bool = false;
}

/// Writes.
pub struct Write;
/// Adds to what is there: the residual stream.
pub struct Add;
/// Writes the GELU; INT8 also keeps the largest size per row, for the quantization that follows.
pub struct Gelu;

impl<L: Lanes, D: Dot<L>> Epilogue<L, D> for Write {
    #[inline(always)]
    unsafe fn row<const C: usize>(out: *mut f32, x: [L::F; C], _: *mut f32) {
        unroll!(c < C, {
            L::store(out.add(16 * c), x[c]);
        });
    }
}

impl<L: Lanes, D: Dot<L>> Epilogue<L, D> for Add {
    #[inline(always)]
    unsafe fn row<const C: usize>(out: *mut f32, x: [L::F; C], _: *mut f32) {
        unroll!(c < C, {
            let out = out.add(16 * c);
            L::store(out, L::add(L::load(out), x[c]));
        });
    }
}

impl<L: Lanes, D: Dot<L>> Epilogue<L, D> for Gelu {
    const TOPS: bool = D::INT;
    #[inline(always)]
    unsafe fn row<const C: usize>(out: *mut f32, x: [L::F; C], top: *mut f32) {
        let mut most = if D::INT { L::load(top) } else { L::splat(0.0) };
        unroll!(c < C, {
            let x = D::gelu(x[c]);
            L::store(out.add(16 * c), x);
            if D::INT {
                most = L::max(most, L::abs(x));
            }
        });
        if D::INT {
            L::store(top, most);
        }
    }
}

/// Does a product.
///
/// # Safety
/// The machine has the path's instructions.
#[inline(always)]
pub unsafe fn product<L: Lanes, D: Dot<L>, A: Epilogue<L, D>>(p: &mut Product) {
    let (first, end) = p.panels;
    let words = p.weights.words;
    // What the pointers below reach, checked once per product.
    assert!(p.rows > 0 && first < end && end <= p.weights.panels());
    assert!((p.rows - 1) * p.a_row + words <= p.a.len());
    assert!((p.rows - 1) * p.out_row + 16 * (end - first) <= p.out.len());
    assert!(!D::INT || p.rows <= p.scales.len());
    assert!(!A::TOPS || 16 * p.rows <= p.tops.len());
    let mut run = Run::<L, D, A>::new(p);
    let mut panel = first;
    if p.rows == 1 {
        // One row has one chain of sums per panel; four at a time hide the latency.
        while panel + 4 <= end {
            run.tile::<1, 4>(0, panel);
            panel += 4;
        }
    }
    if L::WIDE {
        while panel + 2 <= end {
            run.column::<8, 2>(panel);
            panel += 2;
        }
    }
    while panel < end {
        if L::WIDE {
            run.column::<8, 1>(panel);
        } else {
            run.column::<4, 1>(panel);
        }
        panel += 1;
    }
}

struct Run<'a, L, D, A> {
    weights: &'a Linear,
    first: usize,
    rows: usize,
    a: *const u32,
    a_row: usize,
    scales: *const f32,
    out: *mut f32,
    out_row: usize,
    tops: *mut f32,
    kinds: PhantomData<(L, D, A)>,
}

impl<'a, L: Lanes, D: Dot<L>, A: Epilogue<L, D>> Run<'a, L, D, A> {
    #[inline(always)]
    fn new(p: &mut Product<'a>) -> Self {
        Run {
            weights: p.weights,
            first: p.panels.0,
            rows: p.rows,
            a: p.a.as_ptr(),
            a_row: p.a_row,
            scales: p.scales.as_ptr(),
            out: p.out.as_mut_ptr(),
            out_row: p.out_row,
            tops: p.tops.as_mut_ptr(),
            kinds: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn column<const R: usize, const C: usize>(&mut self, panel: usize) {
        let mut row = 0;
        while row + R <= self.rows {
            self.tile::<R, C>(row, panel);
            row += R;
        }
        if R > 4 && row + 4 <= self.rows {
            self.tile::<4, C>(row, panel);
            row += 4;
        }
        if row + 2 <= self.rows {
            self.tile::<2, C>(row, panel);
            row += 2;
        }
        if row < self.rows {
            self.tile::<1, C>(row, panel);
        }
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const C: usize>(&mut self, row: usize, panel: usize) {
        let words = self.weights.words;
        let mut sums = [[D::start(self.weights, panel); C]; R];
        unroll!(c < C, {
            let start = D::start(self.weights, panel + c);
            unroll!(r < R, {
                sums[r][c] = start;
            });
        });
        let mut a: [*const u32; R] = std::array::from_fn(|r| self.a.add((row + r) * self.a_row));
        let lines = self.weights.lines.as_ptr();
        let mut w: [*const u32; C] = std::array::from_fn(|c| lines.add(16 * words * (panel + c)));
        for _ in 0..words {
            unroll!(r < R, {
                unroll!(c < C, {
                    sums[r][c] = D::dot(sums[r][c], a[r], w[c]);
                });
                a[r] = a[r].add(1);
            });
            unroll!(c < C, {
                w[c] = w[c].add(16);
            });
        }
        let out = self.out.add(row * self.out_row + 16 * (panel - self.first));
        unroll!(r < R, {
            let scale = if D::INT {
                *self.scales.add(row + r)
            } else {
                1.0
            };
            let mut x = [L::splat(0.0); C];
            unroll!(c < C, {
                x[c] = D::finish(sums[r][c], scale, self.weights, panel + c);
            });
            let top = if A::TOPS {
                self.tops.add(16 * (row + r))
            } else {
                self.tops
            };
            A::row::<C>(out.add(r * self.out_row), x, top);
        });
    }
}
