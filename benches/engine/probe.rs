//! What one core of this processor can do at most: the denominators of the floor.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// Multiply-adds per nanosecond by kind (`int8`, `bf16`, `f32`; missing where there is no
/// instruction), and `read_gb_s`, reading from the second-level cache.
pub fn peaks() -> BTreeMap<&'static str, f64> {
    let mut peaks = processor();
    peaks.insert("read_gb_s", read());
    peaks
}

#[cfg(target_arch = "x86_64")]
fn processor() -> BTreeMap<&'static str, f64> {
    let mut peaks = BTreeMap::new();
    let wide = is_x86_feature_detected!("avx512f");
    let narrow = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    if wide && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the processor has the instructions.
        peaks.insert("int8", fastest(|| unsafe { x86::int8() }, 64));
    } else if narrow && is_x86_feature_detected!("avxvnni") {
        // SAFETY: the processor has the instructions.
        peaks.insert("int8", fastest(|| unsafe { x86::int8_avxvnni() }, 32));
    } else if narrow {
        // SAFETY: the processor has the instructions.
        peaks.insert("int8", fastest(|| unsafe { x86::int8_avx2() }, 32));
    }
    if wide && is_x86_feature_detected!("avx512bf16") {
        // SAFETY: the processor has the instructions.
        peaks.insert("bf16", fastest(|| unsafe { x86::bf16() }, 32));
    }
    if wide {
        // SAFETY: the processor has the instructions.
        peaks.insert("f32", fastest(|| unsafe { x86::f32() }, 16));
    } else if narrow {
        // SAFETY: the processor has the instructions.
        peaks.insert("f32", fastest(|| unsafe { x86::f32_avx2() }, 8));
    }
    peaks
}

#[cfg(target_arch = "aarch64")]
fn processor() -> BTreeMap<&'static str, f64> {
    let mut peaks = BTreeMap::from([("f32", fastest(arm::f32, 4))]);
    if std::arch::is_aarch64_feature_detected!("dotprod") {
        // SAFETY: the processor has the instruction.
        peaks.insert("int8", fastest(|| unsafe { arm::int8() }, 16));
    }
    peaks
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor() -> BTreeMap<&'static str, f64> {
    BTreeMap::new()
}

const ROUNDS: usize = 2000;
/// More than latency times instructions per cycle on any processor of now.
const CHAINS: usize = 12;

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

    probe!(int8_avxvnni, "avx2,avxvnni", _mm256_setzero_si256(), sum => {
        _mm256_dpbusd_avx_epi32(*sum, half_bytes(), half_bytes())
    });
    // What takes the place of one such instruction without VNNI: products in pairs, pairs of pairs,
    // and the sum. Products of the sum itself, so that none is computed once for all rounds.
    probe!(int8_avx2, "avx2", _mm256_setzero_si256(), sum => {
        let pairs = _mm256_maddubs_epi16(*sum, half_bytes());
        _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    });
    probe!(f32_avx2, "avx2,fma", _mm256_setzero_ps(), sum => {
        _mm256_fmadd_ps(*sum, _mm256_set1_ps(0.999), _mm256_set1_ps(0.999))
    });

    #[target_feature(enable = "avx2")]
    fn half_bytes() -> __m256i {
        _mm256_set1_epi32(0x0102_0304)
    }

    #[target_feature(enable = "avx512f")]
    fn bytes() -> __m512i {
        _mm512_set1_epi32(0x0102_0304)
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::{CHAINS, ROUNDS, black_box};
    use std::arch::aarch64::*;
    use std::arch::asm;

    pub fn f32() {
        // SAFETY: every aarch64 has NEON.
        unsafe {
            let mut sums = [vdupq_n_f32(0.0); CHAINS];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = vfmaq_f32(*sum, vdupq_n_f32(0.999), vdupq_n_f32(0.999));
                }
            }
            black_box(sums);
        }
    }

    /// # Safety
    /// The processor has dot products.
    pub unsafe fn int8() {
        // SAFETY: the caller's promise; registers only.
        unsafe {
            let (mut sums, ones) = ([vdupq_n_s32(0); CHAINS], vdupq_n_s8(1));
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    asm!(
                        ".arch_extension dotprod",
                        "sdot {sum:v}.4s, {ones:v}.16b, {ones:v}.16b",
                        sum = inout(vreg) *sum,
                        ones = in(vreg) ones,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
            }
            black_box(sums);
        }
    }
}
