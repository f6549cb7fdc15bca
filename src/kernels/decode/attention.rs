//! Attention of one token over the cached keys and values of one layer, in f32 on f16 memory.
//!
//! Keys lie in panels of sixteen positions, so that a score is a lane and needs no sum over lanes:
//! `[head][panel][dimension][position of the panel]`. Values lie position by position:
//! `[head][position][dimension]`. The query heads of one key head share every load.

#![allow(unsafe_op_in_unsafe_fn)] // see `lanes`
// Rows, heads and vectors of a tile are counted alike in all arrays and pointers.
#![allow(clippy::needless_range_loop)]

use std::f32::consts::LOG2_E;

use super::codes::Codes;
use crate::kernels::math::exp2;

/// Positions of a panel of keys.
pub const PANEL: usize = 16;
/// Bytes ahead of keys and values that are asked for.
const AHEAD: usize = 4096;
/// Most query heads of one key head that are worked on at a time.
const GROUP: usize = 4;

/// Keys and values of one layer.
pub struct Cached<'a> {
    pub keys: &'a [u16],
    pub values: &'a [u16],
    /// Key heads.
    pub heads: usize,
    /// Numbers of a head; a multiple of 16.
    pub size: usize,
    /// Positions that there is room for, a multiple of 16.
    pub room: usize,
}

/// What attends: the queries of one token, all heads.
pub struct Query<'a> {
    /// `[query head][size]`.
    pub queries: &'a [f32],
    /// Query heads of one key head.
    pub group: usize,
    /// First position that is seen, and the one behind the last.
    pub from: usize,
    pub to: usize,
    /// Of the scores.
    pub scale: f32,
    /// Cap of the scores: cap x tanh(score / cap); 0: none.
    pub soft_cap: f32,
    /// At least `GROUP` x room.
    pub scores: &'a mut [f32],
    /// `[query head][size]`.
    pub out: &'a mut [f32],
}

/// Writes keys and values of one position.
#[inline(always)]
pub unsafe fn remember<L: Codes>(
    keys: &mut [u16],
    values: &mut [u16],
    (heads, size, room): (usize, usize, usize),
    position: usize,
    k: &[f32],
    v: &[f32],
) {
    assert!(
        position < room
            && size.is_multiple_of(16)
            && k.len() >= heads * size
            && v.len() >= heads * size
    );
    assert!(keys.len() >= heads * size * room && values.len() >= heads * size * room);
    let mut row = [0u16; 16];
    for head in 0..heads {
        for at in (0..size).step_by(16) {
            let from = head * size + at;
            L::store_f16(row.as_mut_ptr(), L::load(k.as_ptr().add(from)));
            let panel = (head * room + position / PANEL * PANEL) * size;
            for (i, key) in row.into_iter().enumerate() {
                keys[panel + (at + i) * PANEL + position % PANEL] = key;
            }
            let to = values
                .as_mut_ptr()
                .add((head * room + position) * size + at);
            L::store_f16(to, L::load(v.as_ptr().add(from)));
        }
    }
}

#[inline(always)]
pub unsafe fn attend<L: Codes>(cached: &Cached, query: &mut Query) {
    let Cached {
        heads, size, room, ..
    } = *cached;
    assert!(
        size.is_multiple_of(16)
            && room.is_multiple_of(PANEL)
            && query.from < query.to
            && query.to <= room
    );
    assert!(cached.keys.len() >= heads * size * room && cached.values.len() >= heads * size * room);
    assert!(
        query.queries.len() >= heads * query.group * size
            && query.out.len() >= heads * query.group * size
    );
    assert!(query.scores.len() >= GROUP * room);
    for head in 0..heads {
        let mut done = 0;
        while done < query.group {
            let first = head * query.group + done;
            done += match query.group - done {
                left if left >= 4 => some::<L, 4>(cached, query, head, first),
                3 => some::<L, 3>(cached, query, head, first),
                2 => some::<L, 2>(cached, query, head, first),
                _ => some::<L, 1>(cached, query, head, first),
            };
        }
    }
}

/// `G` query heads from `first` on, of one key head.
#[inline(always)]
unsafe fn some<L: Codes, const G: usize>(
    cached: &Cached,
    query: &mut Query,
    head: usize,
    first: usize,
) -> usize {
    let Cached { size, room, .. } = *cached;
    let q = query.queries.as_ptr().add(first * size);
    let panels = query.from / PANEL..query.to.div_ceil(PANEL);
    let mut top = [f32::NEG_INFINITY; G];
    let mut panel = panels.start;
    while panel < panels.end {
        // Two at a time: sums of one alone wait for one another.
        panel += match panels.end - panel {
            1 => scores_of::<L, G, 1>(cached, query, head, q, panel, &mut top),
            _ => scores_of::<L, G, 2>(cached, query, head, q, panel, &mut top),
        };
    }
    let mut by = [0.0; G];
    for g in 0..G {
        let mut sum = L::splat(0.0);
        let top = L::splat(top[g]);
        for panel in panels.clone() {
            let at = query.scores.as_mut_ptr().add(g * room + panel * PANEL);
            let x = L::mul(L::sub(L::load(at), top), L::splat(LOG2_E));
            let e = exp2::<L>(x);
            L::store(at, e);
            sum = L::add(sum, e);
        }
        // What is masked came out as 2^-126 each: nothing beside the top's 1.
        by[g] = L::sum(sum).recip();
    }
    let mut at = 0;
    while at < size {
        at += match size - at {
            left if left >= 64 => values::<L, G, 4>(cached, query, head, first, at, &by),
            left if left >= 32 => values::<L, G, 2>(cached, query, head, first, at, &by),
            _ => values::<L, G, 1>(cached, query, head, first, at, &by),
        };
    }
    G
}

/// The scores of `P` panels of keys, masked and capped.
#[inline(always)]
unsafe fn scores_of<L: Codes, const G: usize, const P: usize>(
    cached: &Cached,
    query: &mut Query,
    head: usize,
    q: *const f32,
    panel: usize,
    top: &mut [f32; G],
) -> usize {
    let Cached { size, room, .. } = *cached;
    let keys = cached
        .keys
        .as_ptr()
        .add((head * room + panel * PANEL) * size);
    let mut sums = [[L::splat(0.0); G]; P];
    for i in 0..size {
        for p in 0..P {
            let key = keys.add(p * PANEL * size + i * PANEL);
            if i % 2 == 0 {
                L::prefetch(key.cast::<u8>().wrapping_add(AHEAD));
            }
            let key = L::load_f16(key);
            for g in 0..G {
                sums[p][g] = L::fma(key, L::splat(*q.add(g * size + i)), sums[p][g]);
            }
        }
    }
    for p in 0..P {
        let first = (panel + p) * PANEL;
        let whole = first >= query.from && first + PANEL <= query.to && query.soft_cap == 0.0;
        for g in 0..G {
            let to = query.scores.as_mut_ptr().add(g * room + first);
            let scores = L::mul(sums[p][g], L::splat(query.scale));
            L::store(to, scores);
            if whole {
                top[g] = top[g].max(L::top(scores));
                continue;
            }
            for i in 0..PANEL {
                let score = &mut *to.add(i);
                if first + i < query.from || first + i >= query.to {
                    *score = f32::NEG_INFINITY;
                } else if query.soft_cap > 0.0 {
                    *score = query.soft_cap * (*score / query.soft_cap).tanh();
                }
            }
            top[g] = top[g].max(L::top(L::load(to)));
        }
    }
    P
}

/// `N` vectors of the dimensions from `at` on.
#[inline(always)]
unsafe fn values<L: Codes, const G: usize, const N: usize>(
    cached: &Cached,
    query: &mut Query,
    head: usize,
    first: usize,
    at: usize,
    by: &[f32; G],
) -> usize {
    let Cached { size, room, .. } = *cached;
    let mut sums = [[L::splat(0.0); N]; G];
    for position in query.from..query.to {
        let value = cached
            .values
            .as_ptr()
            .add((head * room + position) * size + at);
        for line in 0..N.div_ceil(2) {
            L::prefetch(value.cast::<u8>().wrapping_add(AHEAD + 64 * line));
        }
        // SAFETY: the caller's: `at` and the 16 N numbers behind it lie within the position.
        let values: [L::F; N] = std::array::from_fn(|n| unsafe { L::load_f16(value.add(16 * n)) });
        for (g, sums) in sums.iter_mut().enumerate() {
            let share = L::splat(*query.scores.as_ptr().add(g * room + position));
            for n in 0..N {
                sums[n] = L::fma(values[n], share, sums[n]);
            }
        }
    }
    for g in 0..G {
        for n in 0..N {
            let to = query.out.as_mut_ptr().add((first + g) * size + at + 16 * n);
            L::store(to, L::mul(sums[g][n], L::splat(by[g])));
        }
    }
    16 * N
}
