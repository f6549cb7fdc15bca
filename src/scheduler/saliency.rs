//! Saliency by occlusion: which parts of a window a decision rests on.

use super::engine::{Engine, EngineFault};

/// Occlusion sensitivity (Zeiler and Fergus, "Visualizing and Understanding Convolutional
/// Networks", 2014): by how much the probability of `label` at `exit` (1-based) falls when a part
/// of the window is hidden, part by part, 0..1; 0 where it rises. Costs one forward per part and
/// one more. `hide` takes a part out of the window.
///
/// It shows what the decision depends on, not that the decision is right.
pub fn occlusion(
    engine: &mut dyn Engine,
    window: &[f32],
    (exit, label): (u8, u8),
    parts: usize,
    hide: impl Fn(&mut [f32], usize),
) -> Result<Vec<f32>, EngineFault> {
    let mut probabilities = vec![0.0; engine.labels()];
    let mut probability = |window: &[f32]| {
        engine.begin(window)?;
        for _ in 0..exit {
            engine.advance(&mut probabilities)?;
        }
        let found = probabilities.get(usize::from(label)).copied();
        found.ok_or_else(|| EngineFault(format!("the model has no label {label}")))
    };
    let whole = probability(window)?;
    let mut hidden = window.to_vec();
    let mut falls = Vec::with_capacity(parts);
    for part in 0..parts {
        hidden.copy_from_slice(window);
        hide(&mut hidden, part);
        falls.push((whole - probability(&hidden)?).max(0.0));
    }
    Ok(falls)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says the mean of the window's first two numbers, at the first exit; half of it at the
    /// second.
    struct Mean(f32);

    impl Engine for Mean {
        fn name(&self) -> &str {
            "mean"
        }
        fn exits(&self) -> usize {
            2
        }
        fn labels(&self) -> usize {
            2
        }
        fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault> {
            self.0 = window[0] + window[1];
            Ok(())
        }
        fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
            self.0 /= 2.0;
            out.copy_from_slice(&[self.0, 1.0 - self.0]);
            Ok(())
        }
    }

    #[test]
    fn what_the_label_rests_on_weighs_and_the_rest_does_not() {
        let zero = |window: &mut [f32], part: usize| window[part] = 0.0;
        let window = [1.0, 0.5, 0.9];
        let falls = occlusion(&mut Mean(0.0), &window, (1, 0), 3, zero).unwrap();
        assert_eq!(falls, [0.5, 0.25, 0.0]);
        let falls = occlusion(&mut Mean(0.0), &window, (2, 0), 3, zero).unwrap();
        assert_eq!(falls, [0.25, 0.125, 0.0]);
        let falls = occlusion(&mut Mean(0.0), &window, (1, 1), 3, zero).unwrap();
        assert_eq!(falls, [0.0; 3], "what speaks against it");
        assert!(occlusion(&mut Mean(0.0), &window, (1, 7), 3, zero).is_err());
    }
}
