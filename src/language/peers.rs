//! Greedy tokens against llama.cpp's: `tests/language/llama_cpp.py` wrote them down. Where the
//! weights are not on this machine, a test says that it was skipped.
//!
//! At every step ours is fed what llama.cpp chose, so that one close call does not end the
//! comparison.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::answer::Calibration;
use super::bundle::Bundle;
use super::decoder::Decoder;
use super::gguf::Gguf;
use super::tokenizer::Tokenizer;

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
    labels: Vec<Choice>,
}

/// Probabilities of some tokens among one another.
#[derive(Deserialize)]
struct Choice {
    prompt: Vec<u32>,
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    prompt: Vec<u32>,
    /// What llama.cpp chose, and how far it was before the second in logarithms of probabilities.
    steps: Vec<(u32, Option<f32>)>,
}

/// What was seen at most, and a little more.
struct Bounds {
    /// Part of the steps at which another token is chosen.
    others: f64,
    /// How far before llama.cpp's token it then is.
    gap: f32,
    /// How far the distances from the first token to the second are apart on average.
    apart: f64,
    /// How far probabilities of labels are apart.
    labels: f64,
}

fn compare(weights: &Path, table: &str, bounds: &Bounds) {
    let table: Table = serde_json::from_str(table).unwrap();
    let file = Gguf::open(weights).unwrap();
    let tokenizer = Tokenizer::read(&file).unwrap();
    let mut decoder = Decoder::new(file, 1024).unwrap();
    let (mut steps, mut others, mut gap) = (0, 0, 0f32);
    let (mut known, mut apart) = (0, 0.0);
    for row in &table.rows {
        // llama.cpp took control tokens for such, ours are text.
        if !row.text.contains("<|") {
            let mut prompt: Vec<u32> = tokenizer.begin.into_iter().collect();
            prompt.extend(tokenizer.encode(&row.text, true));
            assert_eq!(prompt, row.prompt, "{:?}", row.text);
        }
        decoder.rewind(0);
        let take = |decoder: &mut Decoder, tokens: &[u32]| {
            decoder.take(tokens, || ControlFlow::Continue(())).unwrap();
        };
        take(&mut decoder, &row.prompt);
        for &(token, ahead) in &row.steps {
            let logits = decoder.logits();
            let rest = logits.iter().zip(0u32..).filter(|(_, of)| *of != token);
            let second = rest.fold(f32::NEG_INFINITY, |most, (x, _)| most.max(*x));
            let ours = logits[token as usize] - second;
            steps += 1;
            if ours < 0.0 {
                others += 1;
                gap = gap.max(-ours);
            }
            if let Some(ahead) = ahead {
                known += 1;
                apart += f64::from((ours - ahead).abs());
            }
            take(&mut decoder, &[token]);
        }
    }
    let mut labels = 0f64;
    for choice in &table.labels {
        decoder.rewind(0);
        let all = || ControlFlow::Continue(());
        decoder.take(&choice.prompt, all).unwrap();
        let mut logits = Vec::new();
        decoder.logits_of(&choice.tokens, &mut logits);
        let logs: Vec<f64> = logits.into_iter().map(f64::from).collect();
        let ours = Calibration::default().probabilities(&logs, None);
        for (ours, theirs) in ours.iter().zip(&choice.probabilities) {
            labels = labels.max((ours - theirs).abs());
        }
    }
    let (others, apart) = (
        f64::from(others) / f64::from(steps),
        apart / f64::from(known),
    );
    eprintln!(
        "{}: {steps} steps, {:.1} % with another token, which is {gap:.3} ahead at most; distances \
         {apart:.4} apart on average, probabilities of labels {labels:.4} at most",
        weights.display(),
        1e2 * others
    );
    assert!(others <= bounds.others && gap <= bounds.gap);
    assert!(apart <= bounds.apart && labels <= bounds.labels);
}

/// A file that a variable names.
fn named(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {variable} names no GGUF file");
    }
    path
}

const SMOLLM2: &str = include_str!("../../tests/language/smollm2.json");

/// Q4_1: both round activations to INT8, each in its own order; either is as far from float.
#[test]
fn smollm2_writes_what_llama_cpp_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/assistant-smollm2");
    match Bundle::load(&folder).and_then(|bundle| bundle.weights()) {
        Ok(weights) => {
            let bounds = Bounds {
                others: 0.04,
                gap: 1.0,
                apart: 0.15,
                labels: 0.1,
            };
            compare(&weights, SMOLLM2, &bounds);
        }
        Err(why) => eprintln!("skipped: {why}"),
    }
}

/// What `tests/language/perplexity.py` wrote.
#[derive(Deserialize)]
struct Foreseen {
    perplexity: f64,
    tokens: Vec<u32>,
}

/// How well a text is foreseen: chunks of 512 tokens, the second half of each counts.
#[test]
fn a_text_is_foreseen_as_well_as_by_llama_cpp() {
    const CHUNK: usize = 512;
    let table = include_str!("../../tests/language/perplexity.json");
    let theirs: Foreseen = serde_json::from_str(table).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/assistant-smollm2");
    let weights = match Bundle::load(&folder).and_then(|bundle| bundle.weights()) {
        Ok(weights) => weights,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let file = Gguf::open(&weights).unwrap();
    let text = include_str!("../../tests/language/prose.txt");
    let mut tokens = Tokenizer::read(&file).unwrap().encode(text, true);
    tokens.truncate(theirs.tokens.len());
    assert_eq!(tokens, theirs.tokens);
    let mut decoder = Decoder::new(file, CHUNK).unwrap();
    let (mut sum, mut count) = (0.0, 0);
    for chunk in tokens.chunks_exact(CHUNK) {
        decoder.rewind(0);
        let half = CHUNK / 2;
        decoder
            .take(&chunk[..half], || ControlFlow::Continue(()))
            .unwrap();
        for pair in chunk[half..].windows(2) {
            decoder
                .take(&pair[..1], || ControlFlow::Continue(()))
                .unwrap();
            let logits = decoder.logits();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let all: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
            sum += all.ln() - f64::from(logits[pair[1] as usize] - most);
            count += 1;
        }
    }
    let ours = (sum / f64::from(count)).exp();
    eprintln!("perplexity {ours:.4}, llama.cpp {}", theirs.perplexity);
    assert!((ours / theirs.perplexity - 1.0).abs() <= 0.005);
}

/// The same weights as F32 (`tests/language/as_f32.py`): no rounding but that of keys and values.
#[test]
fn smollm2_in_float_writes_what_llama_cpp_writes() {
    if let Some(weights) = named("EDGE_REASONER_SMOLLM2_F32") {
        let table = include_str!("../../tests/language/smollm2_f32.json");
        let bounds = Bounds {
            others: 0.003,
            gap: 0.02,
            apart: 0.005,
            labels: 0.005,
        };
        compare(&weights, table, &bounds);
    }
}

#[test]
fn gemma3_writes_what_llama_cpp_writes() {
    if let Some(weights) = named("EDGE_REASONER_GEMMA3") {
        let table = include_str!("../../tests/language/gemma3.json");
        let bounds = Bounds {
            others: 0.03,
            gap: 0.6,
            apart: 0.2,
            labels: 0.1,
        };
        compare(&weights, table, &bounds);
    }
}
