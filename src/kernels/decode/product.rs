//! Products of a matrix with rows of activations, panel by panel.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use std::ops::Range;

use super::activations::Activations;
use super::codes::{BLOCK, Codes, PANEL};
use super::matrix::{Format, Matrix};

/// Bytes ahead of the weights that are asked for, where one row waits for memory.
const AHEAD: usize = 16384;

/// Writes `rows` x `outputs` to `out`, of the panels given; what lies in `out` between them stays.
/// The outputs of `out` are rounded up to whole panels.
#[inline(always)]
pub unsafe fn product<L: Codes>(
    matrix: &Matrix,
    a: &Activations,
    rows: usize,
    panels: Range<usize>,
    out: &mut [f32],
) {
    assert!(a.width == matrix.inputs && rows <= a.room);
    assert!(out.len() >= rows * matrix.panels() * PANEL && panels.end <= matrix.panels());
    assert!(matrix.data.len() >= matrix.panels() * matrix.blocks() * matrix.format.stride());
    match matrix.format {
        Format::Nibbles => tiles::<L, Nibbles>(matrix, a, rows, panels, out),
        Format::Bytes => tiles::<L, Bytes>(matrix, a, rows, panels, out),
        Format::BytesAndMinimum => tiles::<L, BytesAndMinimum>(matrix, a, rows, panels, out),
        Format::WideNibbles => tiles::<L, WideNibbles>(matrix, a, rows, panels, out),
        Format::WideBytes => tiles::<L, WideBytes>(matrix, a, rows, panels, out),
        Format::HalfBlocks => tiles::<L, HalfBlocks>(matrix, a, rows, panels, out),
        Format::F16 => tiles::<L, Half>(matrix, a, rows, panels, out),
        Format::F32 => tiles::<L, Float>(matrix, a, rows, panels, out),
    }
}

/// A block of one format times `T` rows, added to their totals.
trait Multiply<L: Codes> {
    const STRIDE: usize;
    unsafe fn block<const T: usize>(
        weights: *const u8,
        rows: &RowsAt,
        block: usize,
        totals: &mut [L::F; T],
    );
}

/// Where the rows of a tile begin.
struct RowsAt {
    floats: *const f32,
    codes: *const i8,
    scales: *const f32,
    sums: *const i32,
    scaled_sums: *const f32,
    width: usize,
    blocks: usize,
}

impl RowsAt {
    #[inline(always)]
    unsafe fn sums<const T: usize>(&self, block: usize) -> [[i32; 2]; T] {
        std::array::from_fn(|t| {
            self.sums
                .add(2 * (t * self.blocks + block))
                .cast::<[i32; 2]>()
                .read()
        })
    }
}

macro_rules! coded {
    ($name:ident, $nibbles:literal, $load:ident as $number:ty, $minimum:literal) => {
        struct $name;
        impl<L: Codes> Multiply<L> for $name {
            const STRIDE: usize = Format::$name.stride();
            #[inline(always)]
            unsafe fn block<const T: usize>(
                weights: *const u8,
                rows: &RowsAt,
                block: usize,
                totals: &mut [L::F; T],
            ) {
                let at = rows.codes.add(block * BLOCK);
                let dots = if $nibbles {
                    L::dot_nibbles::<T>(weights, at, rows.width)
                } else {
                    let sums = rows.sums::<T>(block).map(|[one, two]| one + two);
                    L::dot_bytes::<T>(weights, at, rows.width, 0..8, sums)
                };
                let scales = weights.add(Format::$name.codes()).cast::<$number>();
                let scale = L::$load(scales);
                for t in 0..T {
                    let by = L::mul(scale, L::splat(*rows.scales.add(t * rows.blocks + block)));
                    totals[t] = L::fma(L::to_float(dots[t]), by, totals[t]);
                }
                if $minimum {
                    let least = L::$load(scales.add(PANEL));
                    for t in 0..T {
                        let sum = L::splat(*rows.scaled_sums.add(t * rows.blocks + block));
                        totals[t] = L::fma(least, sum, totals[t]);
                    }
                }
            }
        }
    };
}

coded!(Nibbles, true, load_f16 as u16, true);
coded!(Bytes, false, load_f16 as u16, false);
coded!(BytesAndMinimum, false, load_f16 as u16, true);
coded!(WideNibbles, true, load as f32, true);
coded!(WideBytes, false, load as f32, true);

struct HalfBlocks;
impl<L: Codes> Multiply<L> for HalfBlocks {
    const STRIDE: usize = Format::HalfBlocks.stride();
    #[inline(always)]
    unsafe fn block<const T: usize>(
        weights: *const u8,
        rows: &RowsAt,
        block: usize,
        totals: &mut [L::F; T],
    ) {
        let at = rows.codes.add(block * BLOCK);
        let scales = weights.add(Format::HalfBlocks.codes()).cast::<f32>();
        let sums = rows.sums::<T>(block);
        for half in 0..2 {
            let vectors = 4 * half..4 * half + 4;
            let dots = L::dot_bytes::<T>(
                weights,
                at,
                rows.width,
                vectors,
                sums.map(|sums| sums[half]),
            );
            let scale = L::load(scales.add(half * PANEL));
            for t in 0..T {
                let by = L::mul(scale, L::splat(*rows.scales.add(t * rows.blocks + block)));
                totals[t] = L::fma(L::to_float(dots[t]), by, totals[t]);
            }
        }
    }
}

macro_rules! floats {
    ($name:ident, $format:ident, $load:ident as $number:ty) => {
        struct $name;
        impl<L: Codes> Multiply<L> for $name {
            const STRIDE: usize = Format::$format.stride();
            #[inline(always)]
            unsafe fn block<const T: usize>(
                weights: *const u8,
                rows: &RowsAt,
                block: usize,
                totals: &mut [L::F; T],
            ) {
                let at = rows.floats.add(block * BLOCK);
                for i in 0..BLOCK {
                    let weight = L::$load(weights.cast::<$number>().add(i * PANEL));
                    for t in 0..T {
                        totals[t] =
                            L::fma(weight, L::splat(*at.add(t * rows.width + i)), totals[t]);
                    }
                }
            }
        }
    };
}
floats!(Half, F16, load_f16 as u16);
floats!(Float, F32, load as f32);

#[inline(always)]
unsafe fn tiles<L: Codes, M: Multiply<L>>(
    matrix: &Matrix,
    a: &Activations,
    rows: usize,
    panels: Range<usize>,
    out: &mut [f32],
) {
    for panel in panels {
        let mut row = 0;
        while row < rows {
            row += match rows - row {
                left if L::WIDE && left >= 8 => tile::<L, M, 8>(matrix, a, panel, row, out),
                left if left >= 4 => tile::<L, M, 4>(matrix, a, panel, row, out),
                left if left >= 2 => tile::<L, M, 2>(matrix, a, panel, row, out),
                _ => tile::<L, M, 1>(matrix, a, panel, row, out),
            };
        }
    }
}

#[inline(always)]
unsafe fn tile<L: Codes, M: Multiply<L>, const T: usize>(
    matrix: &Matrix,
    a: &Activations,
    panel: usize,
    row: usize,
    out: &mut [f32],
) -> usize {
    let blocks = matrix.blocks();
    let rows = RowsAt {
        floats: a.floats.as_ptr().wrapping_add(row * a.width),
        codes: a.codes.as_ptr().add(row * a.width),
        scales: a.scales.as_ptr().add(row * blocks),
        sums: a.sums.as_ptr().add(2 * row * blocks),
        scaled_sums: a.scaled_sums.as_ptr().add(row * blocks),
        width: a.width,
        blocks,
    };
    let mut weights = matrix.data.as_ptr().add(panel * blocks * M::STRIDE);
    let mut totals = [L::splat(0.0); T];
    for block in 0..blocks {
        if T == 1 {
            for line in 0..M::STRIDE / 64 {
                L::prefetch(weights.wrapping_add(AHEAD + 64 * line));
            }
        }
        M::block::<T>(weights, &rows, block, &mut totals);
        weights = weights.add(M::STRIDE);
    }
    let width = matrix.panels() * PANEL;
    for (t, total) in totals.into_iter().enumerate() {
        L::store(
            out.as_mut_ptr().add((row + t) * width + panel * PANEL),
            total,
        );
    }
    T
}
