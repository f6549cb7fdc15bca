//! From the model's probabilities of labels to those that are answered with.

use serde::{Deserialize, Serialize};

/// Of one exit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Logarithms of probabilities are divided by it; above 1 makes less sure.
    pub temperature: f64,
    /// `fastest` stops where the best label's probability reaches it.
    pub threshold: f64,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration {
            temperature: 1.0,
            threshold: 0.9,
        }
    }
}

impl Calibration {
    /// Probabilities from logarithms. `prior`: logarithms that the model gives to a question
    /// without content, and how much of it is taken out, 0 to 1: a label that it favours whatever
    /// is asked is favoured no more.
    pub fn probabilities(&self, logs: &[f64], prior: Option<(&[f64], f64)>) -> Vec<f64> {
        let mut out: Vec<f64> = logs.to_vec();
        if let Some((prior, strength)) = prior {
            for (log, prior) in out.iter_mut().zip(prior) {
                *log -= strength * prior;
            }
        }
        let by = |log: &f64| log / self.temperature;
        let most = out.iter().map(by).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = out.iter().map(|log| (by(log) - most).exp()).sum();
        out.iter_mut()
            .for_each(|log| *log = (by(log) - most).exp() / sum);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_flattens_and_the_prior_is_taken_out() {
        let logs = [0.7f64.ln(), 0.2f64.ln(), 0.1f64.ln()];
        let plain = Calibration::default().probabilities(&logs, None);
        assert!((plain[0] - 0.7).abs() < 1e-12);
        let warm = Calibration {
            temperature: 4.0,
            ..Calibration::default()
        };
        let flat = warm.probabilities(&logs, None);
        assert!(flat[0] < 0.5 && flat[0] > flat[1] && flat[1] > flat[2]);
        assert!((flat.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // What is favoured as much without a question says nothing.
        let even = Calibration::default().probabilities(&logs, Some((&logs, 1.0)));
        assert!(even.iter().all(|p| (p - 1.0 / 3.0).abs() < 1e-12));
    }
}
