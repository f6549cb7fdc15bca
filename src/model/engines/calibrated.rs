//! Calibrated probabilities from logits.

/// Softmax of `logits / temperature` into `probabilities`; not finite if a logit is not.
pub fn calibrated(
    logits: impl IntoIterator<Item = f32>,
    temperature: f32,
    probabilities: &mut [f32],
) {
    for (slot, logit) in probabilities.iter_mut().zip(logits) {
        *slot = logit / temperature;
    }
    let most = probabilities
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for slot in probabilities.iter_mut() {
        *slot = (*slot - most).exp();
        sum += *slot;
    }
    for slot in probabilities.iter_mut() {
        *slot /= sum;
    }
}
