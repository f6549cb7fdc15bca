//! Stages run one by one, with the tokens handed over in between.

use super::*;

/// Logits of every exit, each stage run by a forward that knows nothing but the tokens before it,
/// to which a number per frame was added.
fn handed_over(by: &mut Forward, to: &mut Forward, sizes: &Sizes, window: &[f32]) -> Vec<f32> {
    let Sizes { frames, width, .. } = *sizes;
    let mut answers = Vec::new();
    let mut logits = vec![0.0; sizes.labels];
    by.begin(window);
    for stage in 0..by.exits() {
        // Whole cache lines, so that the last values border on the untouchable page.
        let mut memory = Buffer::<f32>::new((frames * width).next_multiple_of(16));
        let first = memory.len() - frames * width;
        by.tokens(&mut memory[first..]);
        for (frame, row) in memory[first..].chunks_mut(width).enumerate() {
            row.iter_mut().for_each(|x| *x += frame as f32 - 1.0);
        }
        to.resume(stage, &memory[first..]);
        to.advance(&mut logits);
        answers.extend_from_slice(&logits);
        by.advance(&mut logits);
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 24 }))]

    #[test]
    fn stages_may_be_run_one_by_one(
        frames in 1..=most(40), features in 1..=most(20), width in 2..=most(70),
        heads in 1..=most(3), head_width in 1..=most(20), depth in 1..=most(3),
        ffn in 1..=most(70), labels in 1..=most(9), seed: u64,
    ) {
        let sizes = Sizes { frames, features, width, heads, head_width, depth, ffn, labels };
        let (tensors, window) = (tensors(&sizes, seed), window(&sizes, seed));
        // On a few values a norm may divide by next to nothing: see `check`.
        let rounded = if width < 16 { f32::INFINITY } else { 0.3 };
        for (precision, most) in [(Precision::F32, 1e-3), (Precision::Int8, rounded)] {
            let mut others = forwards(&sizes, &tensors, precision);
            for ((path, by), (_, to)) in
                forwards(&sizes, &tensors, precision).iter_mut().zip(&mut others)
            {
                let found = handed_over(by, to, &sizes, &window);
                for (found, whole) in found.iter().zip(run(by, labels, &window)) {
                    let apart = (found - whole).abs();
                    prop_assert!(apart <= most, "{path} {precision:?} {sizes:?}: {apart}");
                }
            }
        }
    }
}

#[test]
fn after_the_last_block_there_is_one_frame_without_a_mean() {
    let sizes = Sizes {
        frames: 3,
        features: 2,
        width: 20,
        heads: 2,
        head_width: 10,
        depth: 1,
        ffn: 24,
        labels: 3,
    };
    let tensors = tensors(&sizes, 1);
    for (path, mut forward) in forwards(&sizes, &tensors, Precision::F32) {
        forward.begin(&window(&sizes, 1));
        forward.advance(&mut [0.0; 3]);
        let mut newest = [0.0; 20];
        forward.tokens(&mut newest);
        assert!(newest.iter().any(|x| x.abs() > 0.1), "{path}");
        assert!(newest.iter().sum::<f32>().abs() < 1e-4, "{path}");
        let more = std::panic::AssertUnwindSafe(|| forward.tokens(&mut [0.0; 40]));
        assert!(std::panic::catch_unwind(more).is_err(), "{path}");
    }
}

#[test]
fn tokens_that_are_not_numbers_give_none() {
    let sizes = Sizes {
        frames: 2,
        features: 2,
        width: 16,
        heads: 1,
        head_width: 16,
        depth: 2,
        ffn: 16,
        labels: 3,
    };
    let tensors = tensors(&sizes, 1);
    for precision in [Precision::F32, Precision::Int8, Precision::Bf16] {
        for (path, mut forward) in forwards(&sizes, &tensors, precision) {
            let mut tokens = [0.5; 32];
            tokens[1] = f32::INFINITY;
            forward.resume(0, &tokens);
            let mut logits = [0.0; 3];
            forward.advance(&mut logits);
            assert!(logits.iter().all(|x| x.is_nan()), "{path} {precision:?}");
            forward.tokens(&mut tokens);
            assert!(tokens.iter().all(|x| x.is_nan()), "{path} {precision:?}");
        }
    }
}
