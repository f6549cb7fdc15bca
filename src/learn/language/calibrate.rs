//! Temperatures and thresholds by exit, fitted to questions whose answers are labels.

use serde::Serialize;

use super::answers::Answers;
use super::error::LanguageEvalError;
use super::questions::Question;
use crate::language::answer::Calibration;
use crate::language::bundle::Bundle;
use crate::learn::metrics::calibration::{best, probabilities, temperature, thresholds};
use crate::learn::metrics::reliability::Reliability;
use crate::model::Heads;

/// Questions below which nothing is fitted.
const LEAST: usize = 20;

/// Of one exit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FittedExit {
    /// For `calibration` in model.yaml.
    #[serde(flatten)]
    pub calibration: Calibration,
    /// Calibration error as the bundle has it.
    pub ece_before: f64,
    /// Calibration error of either half of the questions with the temperature of the other half.
    pub ece_after: f64,
}

/// Fits every exit; a question whose thought ended before is taken by its last exit.
///
/// # Errors
/// Written answers, or too few questions.
pub fn calibrate(
    bundle: &Bundle,
    labels: &[String],
    questions: &[Question],
    answers: &[Answers],
) -> Result<Vec<FittedExit>, LanguageEvalError> {
    if labels.is_empty() {
        return Err(LanguageEvalError::NoLabels(bundle.manifest.name.clone()));
    }
    let known: Vec<(usize, &Answers)> = questions
        .iter()
        .zip(answers)
        .filter(|(_, answers)| !answers.exits.is_empty())
        .filter_map(|(question, answers)| {
            let truth = question.truth.as_str()?;
            Some((labels.iter().position(|label| label == truth)?, answers))
        })
        .collect();
    if known.len() < LEAST {
        return Err(LanguageEvalError::Few {
            file: bundle.folder.clone(),
            found: known.len(),
            expected: LEAST,
            what: "fit a temperature, each with one of the labels as truth",
        });
    }
    let heads = Heads::new(labels.len(), None);
    let depth = known.iter().map(|(_, a)| a.exits.len()).max().unwrap_or(0);
    let mut fitted = Vec::new();
    let mut calibrated = Vec::new();
    for exit in 0..depth {
        let by = bundle.calibration(exit + 1).temperature;
        // Logits but for a constant: the logarithms of what was divided by the bundle's
        // temperature.
        let logits: Vec<f32> = known
            .iter()
            .filter_map(|(_, a)| a.exits.get(exit).or(a.exits.last()))
            .flat_map(|exit| {
                exit.probabilities
                    .iter()
                    .map(|p| (by * p.max(1e-30).ln()) as f32)
            })
            .collect();
        let truths: Vec<usize> = known.iter().map(|(truth, _)| *truth).collect();
        let whole = temperature(&logits, &truths, &heads);
        let (mut before, mut after) = (Reliability::default(), Reliability::default());
        for half in 0..2 {
            let of = |rows: usize| -> (Vec<f32>, Vec<usize>) {
                let rows = (0..truths.len()).filter(|row| row % 2 == rows);
                let row = |row: usize| &logits[row * labels.len()..(row + 1) * labels.len()];
                let pairs: Vec<(&[f32], usize)> = rows.map(|r| (row(r), truths[r])).collect();
                let logits = pairs.iter().flat_map(|(row, _)| row.iter().copied());
                (
                    logits.collect(),
                    pairs.iter().map(|(_, truth)| *truth).collect(),
                )
            };
            let (learn_logits, learn_truths) = of(half);
            let (logits, truths) = of(1 - half);
            let others = temperature(&learn_logits, &learn_truths, &heads);
            scored(&mut before, &logits, &truths, &heads, by as f32);
            scored(&mut after, &logits, &truths, &heads, others);
        }
        fitted.push(FittedExit {
            calibration: Calibration {
                temperature: f64::from(whole),
                threshold: 0.0,
            },
            ece_before: before.error(),
            ece_after: after.error(),
        });
        calibrated.push(probabilities(&logits, &heads, whole));
    }
    for (exit, threshold) in fitted.iter_mut().zip(thresholds(&calibrated, labels.len())) {
        exit.calibration.threshold = f64::from(threshold);
    }
    Ok(fitted)
}

fn scored(to: &mut Reliability, logits: &[f32], truths: &[usize], heads: &Heads, by: f32) {
    let all = probabilities(logits, heads, by);
    for (row, truth) in all.chunks_exact(heads.labels()).zip(truths) {
        let (label, confidence) = best(row);
        to.add(confidence, label == *truth);
    }
}
