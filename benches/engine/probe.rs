//! What one core of this processor can do at most: the denominators of the floor.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds per nanosecond by kind (`int8`, `bf16`, `f32`; missing where there is no
/// instruction), and `read_gb_s`, reading from the second-level cache.
pub fn peaks() -> BTreeMap<&'static str, f64> {
    let mut peaks = BTreeMap::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has the instructions, here and below.
            peaks.insert("int8", fastest(|| unsafe { x86::int8() }, 64));
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
            // SAFETY: as above.
            peaks.insert("bf16", fastest(|| unsafe { x86::bf16() }, 32));
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: as above.
            peaks.insert("f32", fastest(|| unsafe { x86::f32() }, 16));
        }
    }
    peaks.insert("read_gb_s", read());
    peaks
}

const ROUNDS: usize = 2000;
/// More than latency times instructions per cycle on any processor of now.
const CHAINS: usize = 16;

fn fastest(run: impl Fn(), per_instruction: usize) -> f64 {
    let best = (0..3000).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_nanos()
    });
    (ROUNDS * CHAINS * per_instruction) as f64 / best.min().unwrap_or(1) as f64
}

/// Gigabytes per second out of a 512 KiB buffer.
fn read() -> f64 {
    let values = vec![1_u64; 1 << 16];
    let best = (0..2000).map(|_| {
        let start = Instant::now();
        black_box(black_box(&values).iter().fold(0, |sum, x| sum ^ x));
        start.elapsed().as_nanos()
    });
    (values.len() * 8) as f64 / best.min().unwrap_or(1) as f64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, ROUNDS, black_box};
    use std::arch::x86_64::*;

    macro_rules! probe {
        ($name:ident, $features:literal, $zero:expr, $sum:ident => $step:expr) => {
            /// # Safety
            /// The processor has the instructions.
            #[target_feature(enable = $features)]
            pub unsafe fn $name() {
                let mut sums = [$zero; CHAINS];
                for _ in 0..ROUNDS {
                    for $sum in sums.iter_mut() {
                        *$sum = $step;
                    }
                }
                black_box(sums);
            }
        };
    }

    probe!(int8, "avx512f,avx512vnni", _mm512_setzero_si512(), sum => {
        _mm512_dpbusd_epi32(*sum, bytes(), bytes())
    });
    probe!(f32, "avx512f", _mm512_setzero_ps(), sum => {
        _mm512_fmadd_ps(*sum, _mm512_set1_ps(0.999), _mm512_set1_ps(0.999))
    });
    probe!(bf16, "avx512f,avx512bf16", _mm512_setzero_ps(), sum => {
        let ones = _mm512_set1_epi32(0x3f80_3f80);
        // SAFETY: the bits are what both types are.
        let ones = unsafe { std::mem::transmute::<__m512i, __m512bh>(ones) };
        _mm512_dpbf16_ps(*sum, ones, ones)
    });

    #[target_feature(enable = "avx512f")]
    fn bytes() -> __m512i {
        _mm512_set1_epi32(0x0102_0304)
    }
}
