//! The forward pass in plain f64 loops, written from the description and not from the modules.

use crate::model::bundle::bundle_folder::Bundle;

type Rows = Vec<Vec<f64>>;

struct Reference<'a>(&'a Bundle);

impl Reference<'_> {
    fn values(&self, name: &str) -> &[f32] {
        &self.0.weights().0[name].data
    }

    fn linear(&self, name: &str, rows: &Rows) -> Rows {
        let weight = self.values(&format!("{name}.weight"));
        let bias = self.values(&format!("{name}.bias"));
        let each = |row: &Vec<f64>| {
            (0..bias.len())
                .map(|to| {
                    let sum: f64 = (0..row.len())
                        .map(|from| row[from] * f64::from(weight[from * bias.len() + to]))
                        .sum();
                    sum + f64::from(bias[to])
                })
                .collect()
        };
        rows.iter().map(each).collect()
    }

    fn norm(&self, name: &str, rows: &Rows) -> Rows {
        let gamma = self.values(&format!("{name}.gamma"));
        let beta = self.values(&format!("{name}.beta"));
        let each = |row: &Vec<f64>| {
            let count = row.len() as f64;
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            (0..row.len())
                .map(|i| {
                    (row[i] - mean) / (variance + 1e-5).sqrt() * f64::from(gamma[i])
                        + f64::from(beta[i])
                })
                .collect()
        };
        rows.iter().map(each).collect()
    }

    fn attention(&self, qkv: &Rows, per: usize, heads: usize) -> Rows {
        let width = per * heads;
        let mut seen = vec![vec![0.0; width]; qkv.len()];
        for head in 0..heads {
            let at = |row: usize, third: usize, i: usize| qkv[row][third * width + head * per + i];
            for (asking, out) in seen.iter_mut().enumerate() {
                let scores: Vec<f64> = (0..qkv.len())
                    .map(|asked| {
                        let dot: f64 = (0..per).map(|i| at(asking, 0, i) * at(asked, 1, i)).sum();
                        (dot / (per as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in 0..per {
                    out[head * per + i] = (0..qkv.len())
                        .map(|asked| scores[asked] / total * at(asked, 2, i))
                        .sum();
                }
            }
        }
        seen
    }
}

fn add(a: &Rows, b: &Rows) -> Rows {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect())
        .collect()
}

/// Abramowitz and Stegun's series is too coarse here: Taylor series of erf, exact enough for
/// the small arguments of the test.
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..60 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

pub fn forward(bundle: &Bundle, window: &[f32]) -> Vec<Vec<f64>> {
    let sizes = bundle.manifest.architecture;
    let model = Reference(bundle);
    let frames: Rows = window
        .chunks(sizes.features)
        .map(|frame| frame.iter().map(|v| f64::from(*v)).collect())
        .collect();
    let position: Rows = model
        .values("position")
        .chunks(sizes.width)
        .map(|row| row.iter().map(|v| f64::from(*v)).collect())
        .collect();
    let mut tokens = add(&model.linear("embed", &frames), &position);
    let mut answers = Vec::new();
    for block in 0..sizes.depth {
        let name = |layer: &str| format!("blocks.{block}.{layer}");
        let qkv = model.linear(&name("qkv"), &model.norm(&name("attention_norm"), &tokens));
        let seen = model.attention(&qkv, sizes.head_width(), sizes.heads);
        tokens = add(&tokens, &model.linear(&name("output"), &seen));
        let mut hidden = model.linear(&name("expand"), &model.norm(&name("ffn_norm"), &tokens));
        for value in hidden.iter_mut().flatten() {
            *value *= 0.5 * (1.0 + erf(*value / 2f64.sqrt()));
        }
        tokens = add(&tokens, &model.linear(&name("contract"), &hidden));
        let newest = vec![tokens.last().unwrap().clone()];
        let normed = model.norm(&format!("exits.{block}.norm"), &newest);
        let logits = model
            .linear(&format!("exits.{block}.head"), &normed)
            .remove(0);
        let temperature = f64::from(bundle.manifest.exits[block].temperature);
        let powers: Vec<f64> = logits.iter().map(|l| (l / temperature).exp()).collect();
        let total: f64 = powers.iter().sum();
        answers.push(powers.iter().map(|p| p / total).collect());
    }
    answers
}
