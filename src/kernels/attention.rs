//! Attention in f32 on one window.
//!
//! `qkv` holds rows of tokens with q, k and v side by side, every head padded to a multiple of
//! sixteen channels. Per head, sixteen or thirty-two queries are transposed into lanes; scores are
//! kept as [key][query], so that maximum and sum over keys are plain vector operations, nothing is
//! ever folded across lanes, and the context reads a probability as a broadcast. The factor
//! 1 / sqrt(channels) and the base change to 2 are in the weights of q (see `pack`).

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`

use super::lanes::{Lanes, unroll};
use super::math::exp2;

/// Queries per step, at most.
pub const QUERIES: usize = 32;

/// One window's attention.
pub struct Attention<'a> {
    /// Rows of `3 * heads * channels`; allocated rows are a multiple of [`QUERIES`].
    pub qkv: &'a [f32],
    pub frames: usize,
    pub heads: usize,
    /// Per head, padded.
    pub channels: usize,
    /// Rows of `heads * channels`.
    pub context: &'a mut [f32],
    /// `channels * QUERIES`.
    pub turned: &'a mut [f32],
    /// `frames * QUERIES`.
    pub scores: &'a mut [f32],
}

/// Every frame asks every frame.
///
/// # Safety
/// The machine has the path's instructions.
#[inline(always)]
pub unsafe fn all<L: Lanes>(p: &mut Attention) {
    let row = check(p);
    assert!(p.qkv.len() >= p.frames.next_multiple_of(16) * 3 * row);
    for head in 0..p.heads {
        let mut query = 0;
        while query < p.frames {
            if query + 16 < p.frames && p.frames.next_multiple_of(16) >= query + 32 {
                some::<L, 2>(p, head, query);
                query += 32;
            } else {
                some::<L, 1>(p, head, query);
                query += 16;
            }
        }
    }
}

/// Only the newest frame asks; its context is the first row.
///
/// # Safety
/// The machine has the path's instructions.
#[inline(always)]
pub unsafe fn newest<L: Lanes>(p: &mut Attention) {
    let row = check(p);
    assert!(p.qkv.len() >= p.frames * 3 * row);
    for head in 0..p.heads {
        let q = p
            .qkv
            .as_ptr()
            .add((p.frames - 1) * 3 * row + head * p.channels);
        let k = p.qkv.as_ptr().add(row + head * p.channels);
        let v = k.add(row);
        let scores = p.scores.as_mut_ptr();
        // Few scores: fold each across lanes, then treat the row of them as lanes.
        let mut most = f32::NEG_INFINITY;
        for key in 0..p.frames {
            let mut sum = L::splat(0.0);
            for c in (0..p.channels).step_by(16) {
                let k = L::load(k.add(key * 3 * row + c));
                sum = L::fma(L::load(q.add(c)), k, sum);
            }
            let score = L::sum(sum);
            *scores.add(key) = score;
            most = if score > most { score } else { most };
        }
        for key in p.frames..p.frames.next_multiple_of(16) {
            *scores.add(key) = f32::NEG_INFINITY;
        }
        let mut total = L::splat(0.0);
        for key in (0..p.frames).step_by(16) {
            let share = exp2::<L>(L::sub(L::load(scores.add(key)), L::splat(most)));
            L::store(scores.add(key), share);
            total = L::add(total, share);
        }
        let by = L::splat(1.0 / L::sum(total));
        for c in (0..p.channels).step_by(16) {
            let mut sum = L::splat(0.0);
            for key in 0..p.frames {
                let share = L::splat(*scores.add(key));
                sum = L::fma(share, L::load(v.add(key * 3 * row + c)), sum);
            }
            let to = p.context.as_mut_ptr().add(head * p.channels + c);
            L::store(to, L::mul(sum, by));
        }
    }
}

fn check(p: &Attention) -> usize {
    let row = p.heads * p.channels;
    assert!(p.frames > 0 && p.channels > 0 && p.channels.is_multiple_of(16));
    assert!(p.context.len() >= p.frames * row);
    assert!(p.turned.len() >= p.channels * QUERIES);
    assert!(p.scores.len() >= p.frames.next_multiple_of(16) * QUERIES);
    row
}

/// `16 * Q` queries from `query` on.
#[inline(always)]
unsafe fn some<L: Lanes, const Q: usize>(p: &mut Attention, head: usize, query: usize) {
    let row = 3 * p.heads * p.channels;
    let q = p.qkv.as_ptr().add(query * row + head * p.channels);
    let k = p.qkv.as_ptr().add((p.heads + head) * p.channels);
    let v = k.add(p.heads * p.channels);
    let turned = p.turned.as_mut_ptr();
    for c in (0..p.channels).step_by(16) {
        for part in 0..Q {
            let to = turned.add(c * QUERIES + 16 * part);
            L::transpose(q.add(16 * part * row + c), row, to, QUERIES);
        }
    }
    let scores = p.scores.as_mut_ptr();
    let mut most = [L::splat(f32::NEG_INFINITY); Q];
    let mut key = 0;
    if L::WIDE {
        while key + 8 <= p.frames {
            score::<L, 8, Q>(k, row, p.channels, turned, scores, key, &mut most);
            key += 8;
        }
    }
    while key + 4 <= p.frames {
        score::<L, 4, Q>(k, row, p.channels, turned, scores, key, &mut most);
        key += 4;
    }
    while key < p.frames {
        score::<L, 1, Q>(k, row, p.channels, turned, scores, key, &mut most);
        key += 1;
    }
    let mut total = [L::splat(0.0); Q];
    for key in 0..p.frames {
        let row = scores.add(key * QUERIES);
        unroll!(part < Q, {
            let at = row.add(16 * part);
            let share = exp2::<L>(L::sub(L::load(at), most[part]));
            L::store(at, share);
            total[part] = L::add(total[part], share);
        });
    }
    // The transposed queries are done with; their place takes the factors.
    unroll!(part < Q, {
        L::store(turned.add(16 * part), L::div(L::splat(1.0), total[part]));
    });
    let end = (query + 16 * Q).min(p.frames);
    let width = p.heads * p.channels;
    let out = p.context.as_mut_ptr().add(head * p.channels);
    let mut c = 0;
    while c < p.channels {
        let wide = L::WIDE && c + 32 <= p.channels;
        let v = v.add(c);
        let mut at = query;
        while at < end {
            let lane = at - query;
            let from = scores.add(lane);
            let by = turned.add(lane);
            let out = out.add(at * width + c);
            let left = end - at;
            at += match (wide, left) {
                (true, 8..) => mix::<L, 8, 2>(from, p.frames, v, row, by, out, width),
                (true, 4..) => mix::<L, 4, 2>(from, p.frames, v, row, by, out, width),
                (true, _) => mix::<L, 1, 2>(from, p.frames, v, row, by, out, width),
                (false, 8..) if L::WIDE => mix::<L, 8, 1>(from, p.frames, v, row, by, out, width),
                (false, 4..) => mix::<L, 4, 1>(from, p.frames, v, row, by, out, width),
                (false, _) => mix::<L, 1, 1>(from, p.frames, v, row, by, out, width),
            };
        }
        c += if wide { 32 } else { 16 };
    }
}

/// Scores of `K` keys from `key` on, and the running maximum.
#[inline(always)]
unsafe fn score<L: Lanes, const K: usize, const Q: usize>(
    k: *const f32,
    row: usize,
    channels: usize,
    turned: *const f32,
    scores: *mut f32,
    key: usize,
    most: &mut [L::F; Q],
) {
    let mut sums = [[L::splat(0.0); Q]; K];
    let k: [*const f32; K] = std::array::from_fn(|i| k.add((key + i) * row));
    for c in 0..channels {
        let mut q = [L::splat(0.0); Q];
        unroll!(part < Q, {
            q[part] = L::load(turned.add(c * QUERIES + 16 * part));
        });
        unroll!(i < K, {
            let k = L::splat(*k[i].add(c));
            unroll!(part < Q, {
                sums[i][part] = L::fma(k, q[part], sums[i][part]);
            });
        });
    }
    let scores = scores.add(key * QUERIES);
    unroll!(i < K, {
        unroll!(part < Q, {
            L::store(scores.add(i * QUERIES + 16 * part), sums[i][part]);
            most[part] = L::max(most[part], sums[i][part]);
        });
    });
}

/// Context of `R` queries on `16 * C` channels; answers `R`.
#[inline(always)]
unsafe fn mix<L: Lanes, const R: usize, const C: usize>(
    scores: *const f32,
    frames: usize,
    v: *const f32,
    row: usize,
    by: *const f32,
    out: *mut f32,
    width: usize,
) -> usize {
    let mut sums = [[L::splat(0.0); C]; R];
    for key in 0..frames {
        let mut line = [L::splat(0.0); C];
        unroll!(c < C, {
            line[c] = L::load(v.add(key * row + 16 * c));
        });
        unroll!(r < R, {
            let share = L::splat(*scores.add(key * QUERIES + r));
            unroll!(c < C, {
                sums[r][c] = L::fma(share, line[c], sums[r][c]);
            });
        });
    }
    unroll!(r < R, {
        let by = L::splat(*by.add(r));
        unroll!(c < C, {
            L::store(out.add(r * width + 16 * c), L::mul(sums[r][c], by));
        });
    });
    R
}
