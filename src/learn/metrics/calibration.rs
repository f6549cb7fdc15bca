//! Calibration of confidence, and the thresholds at which the policy `fastest` may stop.

use crate::model::Heads;

/// `fastest` may differ from the deepest exit on this share of the validation windows.
pub const DISAGREEMENT: f64 = 0.01;

/// Temperature in 0.05..20 that makes the logits `[rows * outputs]` most likely under the truth.
/// One number per exit cannot overfit; golden section on its logarithm, where the negative
/// log-likelihood has one minimum.
pub fn temperature(logits: &[f32], truths: &[usize], heads: &Heads) -> f32 {
    if truths.is_empty() {
        return 1.0;
    }
    let cost = |log: f64| negative_log_likelihood(logits, truths, heads, log.exp() as f32);
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05f64.ln(), 20f64.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_a, mut at_b) = (cost(a), cost(b));
    for _ in 0..40 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - golden * (high - low);
            at_a = cost(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + golden * (high - low);
            at_b = cost(b);
        }
    }
    ((low + high) / 2.0).exp() as f32
}

fn negative_log_likelihood(
    logits: &[f32],
    truths: &[usize],
    heads: &Heads,
    temperature: f32,
) -> f64 {
    let mut outputs = vec![0.0; heads.outputs()];
    let mut row = vec![0.0; heads.labels()];
    let rows = logits.chunks_exact(heads.outputs()).zip(truths);
    rows.map(|(logits, truth)| {
        heads.read(logits.iter().copied(), temperature, &mut outputs, &mut row);
        -f64::from(row[*truth].max(1e-9)).ln()
    })
    .sum::<f64>()
        / truths.len() as f64
}

/// Calibrated probabilities of the labels, `[rows * labels]`, of logits `[rows * outputs]`.
pub fn probabilities(logits: &[f32], heads: &Heads, temperature: f32) -> Vec<f32> {
    both(logits, heads, temperature).0
}

/// Those of the labels and of the outputs.
pub(in crate::learn) fn both(
    logits: &[f32],
    heads: &Heads,
    temperature: f32,
) -> (Vec<f32>, Vec<f32>) {
    let rows = logits.len() / heads.outputs();
    let mut labels = vec![0.0; rows * heads.labels()];
    let mut outputs = vec![0.0; logits.len()];
    let logits = logits.chunks_exact(heads.outputs());
    let read = labels
        .chunks_exact_mut(heads.labels())
        .zip(outputs.chunks_exact_mut(heads.outputs()));
    for (logits, (labels, outputs)) in logits.zip(read) {
        heads.read(logits.iter().copied(), temperature, outputs, labels);
    }
    (labels, outputs)
}

/// Class and confidence of a row of probabilities; the first of equals.
pub fn best(row: &[f32]) -> (usize, f32) {
    let start = (0, f32::NEG_INFINITY);
    row.iter().copied().enumerate().fold(
        start,
        |best, (class, p)| {
            if p > best.1 { (class, p) } else { best }
        },
    )
}

/// Thresholds per exit such that stopping at the first exit whose confidence reaches its own
/// disagrees with the deepest exit on at most [`DISAGREEMENT`] of the windows; every exit but the
/// deepest gets an equal part of that, and what one leaves over goes to the next. The deepest has
/// no one to ask and gets 0. `exits` are the probabilities `[rows * labels]` of each.
pub fn thresholds(exits: &[Vec<f32>], labels: usize) -> Vec<f32> {
    let Some((deepest, earlier)) = exits.split_last() else {
        return Vec::new();
    };
    let last: Vec<usize> = deepest
        .chunks_exact(labels)
        .map(|row| best(row).0)
        .collect();
    let allowance = last.len() as f64 * DISAGREEMENT;
    let mut open: Vec<usize> = (0..last.len()).collect();
    let mut spent = 0;
    let mut thresholds = Vec::new();
    for (index, exit) in earlier.iter().enumerate() {
        let may = (allowance * (index + 1) as f64 / earlier.len() as f64) as usize;
        let mut sure: Vec<(f32, bool)> = open
            .iter()
            .map(|row| {
                let (class, confidence) = best(&exit[row * labels..(row + 1) * labels]);
                (confidence, class != last[*row])
            })
            .collect();
        sure.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut threshold = 1.0; // never stops, but for utter certainty
        let mut wrong = 0;
        let mut taken = 0;
        let mut from = 0;
        // Windows of equal confidence stop together.
        for group in sure.chunk_by(|a, b| a.0 == b.0) {
            wrong += group.iter().filter(|window| window.1).count();
            from += group.len();
            if spent + wrong > may {
                break;
            }
            (threshold, taken) = (group[0].0, from);
        }
        if taken > 0 {
            let stops = |row: &usize| best(&exit[row * labels..(row + 1) * labels]).1 >= threshold;
            spent += open
                .iter()
                .filter(|row| stops(row))
                .filter(|row| best(&exit[**row * labels..(**row + 1) * labels]).0 != last[**row])
                .count();
            open.retain(|row| !stops(row));
        }
        thresholds.push(threshold);
    }
    thresholds.push(0.0);
    thresholds
}

/// Index of the exit at which `fastest` stops: the first whose confidence reaches its threshold;
/// the deepest, if none does.
pub(in crate::learn) fn stop_when(thresholds: &[f32], confidence: impl Fn(usize) -> f32) -> usize {
    let deepest = thresholds.len().saturating_sub(1);
    let sure = |exit: &usize| confidence(*exit) >= thresholds[*exit];
    (0..deepest).find(sure).unwrap_or(deepest)
}
