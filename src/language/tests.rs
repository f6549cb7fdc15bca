//! The decoder against a forward written out in f64, and against itself.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::decoder::{Abandoned, Decoder};
use super::gguf::Gguf;
use super::summary::Summary;
use super::testing::Writer;
use crate::kernels::decode::paths::present;

const WIDTH: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD: usize = 16;
const FFN: usize = 96;
const LAYERS: usize = 2;
const VOCABULARY: usize = 50;

/// Weights by name, `[output][input]`.
struct Toy(Vec<(String, usize, usize, Vec<f32>)>);

impl Toy {
    fn new(seed: u64) -> Toy {
        let mut state = seed;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
        };
        let mut all = Vec::new();
        let mut matrix = |name: String, inputs: usize, outputs: usize, by: f32| {
            let values = (0..inputs * outputs).map(|_| by * random()).collect();
            all.push((name, inputs, outputs, values));
        };
        matrix("token_embd".into(), WIDTH, VOCABULARY, 1.0);
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}");
            matrix(name("attn_norm"), WIDTH, 1, 1.0);
            matrix(name("attn_q"), WIDTH, HEADS * HEAD, 0.3);
            matrix(name("attn_k"), WIDTH, KV_HEADS * HEAD, 0.3);
            matrix(name("attn_v"), WIDTH, KV_HEADS * HEAD, 0.3);
            matrix(name("attn_output"), HEADS * HEAD, WIDTH, 0.3);
            matrix(name("ffn_norm"), WIDTH, 1, 1.0);
            matrix(name("ffn_gate"), WIDTH, FFN, 0.3);
            matrix(name("ffn_up"), WIDTH, FFN, 0.3);
            matrix(name("ffn_down"), FFN, WIDTH, 0.3);
        }
        matrix("output_norm".into(), WIDTH, 1, 1.0);
        Toy(all)
    }

    fn file(&self) -> Gguf {
        let mut writer = Writer::default();
        writer.text("general.architecture", "llama");
        for (key, number) in [
            ("block_count", LAYERS),
            ("embedding_length", WIDTH),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", KV_HEADS),
            ("feed_forward_length", FFN),
            ("context_length", 256),
        ] {
            writer.number(&format!("llama.{key}"), number as u32);
        }
        for (name, inputs, outputs, values) in &self.0 {
            let dimensions: &[u64] = match outputs {
                1 => &[*inputs as u64],
                _ => &[*inputs as u64, *outputs as u64],
            };
            writer.floats(&format!("{name}.weight"), dimensions, values);
        }
        writer.open()
    }

    fn get(&self, name: &str) -> &[f32] {
        let found = self.0.iter().find(|(of, ..)| of == name);
        &found.unwrap().3
    }

    fn product(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let rows = self.get(name).chunks_exact(x.len());
        rows.map(|row| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum())
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let by = (mean + 1e-5).sqrt();
        let weight = self.get(name).iter();
        weight.zip(x).map(|(w, x)| f64::from(*w) * x / by).collect()
    }

    /// Logits behind the last token, all in f64.
    fn logits(&self, tokens: &[u32]) -> Vec<f64> {
        let embed = |token: u32| {
            let row = &self.get("token_embd")[token as usize * WIDTH..][..WIDTH];
            row.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>()
        };
        let mut stream: Vec<Vec<f64>> = tokens.iter().map(|&token| embed(token)).collect();
        let turn = |x: &mut [f64], position: usize| {
            for head in x.chunks_exact_mut(HEAD) {
                for pair in 0..HEAD / 2 {
                    let frequency = 10_000f64.powf(-2.0 * pair as f64 / HEAD as f64);
                    let (sin, cos) = (position as f64 * frequency).sin_cos();
                    let (a, b) = (head[2 * pair], head[2 * pair + 1]);
                    head[2 * pair] = a * cos - b * sin;
                    head[2 * pair + 1] = a * sin + b * cos;
                }
            }
        };
        for layer in 0..LAYERS {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let mut keys = Vec::new();
            let mut values = Vec::new();
            let mut queries = Vec::new();
            for (position, x) in stream.iter().enumerate() {
                let x = self.norm(&name("attn_norm"), x);
                let mut q = self.product(&name("attn_q"), &x);
                let mut k = self.product(&name("attn_k"), &x);
                turn(&mut q, position);
                turn(&mut k, position);
                queries.push(q);
                keys.push(k);
                values.push(self.product(&name("attn_v"), &x));
            }
            for position in 0..stream.len() {
                let mut attended = vec![0.0; HEADS * HEAD];
                for head in 0..HEADS {
                    let kv = head / (HEADS / KV_HEADS) * HEAD;
                    let q = &queries[position][head * HEAD..][..HEAD];
                    let score = |k: &Vec<f64>| {
                        let dot: f64 = q.iter().zip(&k[kv..]).map(|(q, k)| q * k).sum();
                        (dot / (HEAD as f64).sqrt()).exp()
                    };
                    let scores: Vec<f64> = keys[..=position].iter().map(score).collect();
                    let sum: f64 = scores.iter().sum();
                    for (score, value) in scores.iter().zip(&values) {
                        for i in 0..HEAD {
                            attended[head * HEAD + i] += score / sum * value[kv + i];
                        }
                    }
                }
                let delta = self.product(&name("attn_output"), &attended);
                let x = &mut stream[position];
                x.iter_mut().zip(delta).for_each(|(x, delta)| *x += delta);
                let normed = self.norm(&name("ffn_norm"), x);
                let gate = self.product(&name("ffn_gate"), &normed);
                let up = self.product(&name("ffn_up"), &normed);
                let silu = |g: f64| g / (1.0 + (-g).exp());
                let inner: Vec<f64> = gate.iter().zip(up).map(|(g, u)| silu(*g) * u).collect();
                let delta = self.product(&name("ffn_down"), &inner);
                x.iter_mut().zip(delta).for_each(|(x, delta)| *x += delta);
            }
        }
        let last = self.norm("output_norm", stream.last().unwrap());
        self.product("token_embd", &last)
    }
}

fn take(decoder: &mut Decoder, tokens: &[u32]) {
    decoder.take(tokens, || ControlFlow::Continue(())).unwrap();
}

const TOKENS: [u32; 9] = [3, 17, 42, 0, 49, 8, 8, 21, 30];

#[test]
fn logits_are_those_of_the_reference_on_every_path() {
    let toy = Toy::new(7);
    let expected = toy.logits(&TOKENS);
    for kernels in present() {
        let mut decoder = Decoder::new(toy.file(), 64).unwrap().on(kernels);
        take(&mut decoder, &TOKENS);
        let found = decoder.logits();
        let size = expected.iter().fold(0f64, |size, x| size.max(x.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            // Keys and values lie in f16.
            let apart = (f64::from(*found) - expected).abs();
            assert!(
                apart < 2e-3 * size,
                "{}: {found} for {expected}",
                kernels.name
            );
        }
    }
}

#[test]
fn the_rows_of_some_tokens_are_those_of_all() {
    let mut decoder = Decoder::new(Toy::new(9).file(), 64).unwrap();
    take(&mut decoder, &TOKENS);
    let all = decoder.logits().to_vec();
    let some = [49, 0, 16, 15, 31];
    let mut found = Vec::new();
    decoder.logits_of(&some, &mut found);
    let expected: Vec<f32> = some.iter().map(|&token| all[token as usize]).collect();
    assert_eq!(found, expected);
}

#[test]
fn work_given_up_between_layers_leaves_what_was_there() {
    let mut decoder = Decoder::new(Toy::new(11).file(), 64).unwrap();
    take(&mut decoder, &TOKENS[..4]);
    for layer in 0..LAYERS {
        let mut left = layer;
        let given_up = decoder.take(&TOKENS[4..], || match left {
            0 => ControlFlow::Break(()),
            _ => {
                left -= 1;
                ControlFlow::Continue(())
            }
        });
        assert_eq!(given_up, Err(Abandoned));
        assert_eq!(decoder.filled(), 4);
    }
    take(&mut decoder, &TOKENS[4..]);
    let after = decoder.logits().to_vec();
    let mut fresh = Decoder::new(Toy::new(11).file(), 64).unwrap();
    take(&mut fresh, &TOKENS);
    assert_eq!(fresh.logits(), after);
}

#[test]
fn another_architecture_is_refused_by_name() {
    let mut writer = Writer::default();
    writer.text("general.architecture", "mamba");
    let error = Decoder::new(writer.open(), 64).err().unwrap().to_string();
    assert!(
        error.contains("mamba") && error.contains("llama, qwen2"),
        "{error}"
    );
}

#[test]
fn a_missing_or_misshapen_tensor_is_named() {
    let mut toy = Toy::new(1);
    toy.0.retain(|(name, ..)| name != "blk.1.ffn_down");
    let error = Decoder::new(toy.file(), 64).err().unwrap().to_string();
    assert!(
        error.contains("blk.1.ffn_down.weight: it is not in the file"),
        "{error}"
    );
    let mut toy = Toy::new(1);
    let wrong = toy
        .0
        .iter_mut()
        .find(|(name, ..)| name == "blk.0.attn_k")
        .unwrap();
    wrong.2 /= 2;
    wrong.3.truncate(wrong.1 * wrong.2);
    let error = Decoder::new(toy.file(), 64).err().unwrap().to_string();
    assert!(
        error.contains("blk.0.attn_k.weight") && error.contains("expected 64 x 32"),
        "{error}"
    );
}

#[test]
fn a_summary_counts_what_is_there_and_says_what_does_not_run() {
    let summary = Summary::of(&Toy::new(1).file());
    let matrices =
        VOCABULARY * WIDTH + LAYERS * (WIDTH * (64 + 32 + 32) + 64 * WIDTH + 3 * WIDTH * FFN);
    let norms = (2 * LAYERS + 1) * WIDTH;
    assert_eq!(summary.parameters as usize, matrices + norms);
    assert_eq!(summary.types["F32"].tensors as usize, 2 + 9 * LAYERS);
    let sizes = summary.sizes.as_ref().unwrap();
    assert_eq!(sizes.kv_bytes_per_token, 2 * 2 * LAYERS * KV_HEADS * HEAD);
    let why = summary.does_not_run.as_deref().unwrap_or("");
    assert!(
        why.contains("tokenizer.ggml.model: it is not there"),
        "{summary}"
    );
    let whole = Summary::of(&super::testing::small_model(1).open());
    assert_eq!(whole.does_not_run, None);
    let mut writer = Writer::default();
    writer.text("general.architecture", "mamba");
    let summary = Summary::of(&writer.open());
    assert!(
        summary.to_string().contains("does not run here"),
        "{summary}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However a prompt is cut into batches, and whatever was rewound before.
    #[test]
    fn any_cut_of_a_prompt_gives_the_same_logits(
        tokens in prop::collection::vec(0u32..VOCABULARY as u32, 2..40),
        cut in 0.0..1.0f64, again in 0.0..1.0f64,
    ) {
        let toy = Toy::new(5);
        let mut whole = Decoder::new(toy.file(), 64).unwrap();
        take(&mut whole, &tokens);
        let expected = whole.logits().to_vec();
        let mut parts = Decoder::new(toy.file(), 64).unwrap();
        let cut = (cut * tokens.len() as f64) as usize;
        let back = (again * cut as f64) as usize;
        take(&mut parts, &tokens[..cut]);
        parts.rewind(back);
        for token in &tokens[back..] {
            take(&mut parts, &[*token]);
        }
        prop_assert_eq!(parts.logits(), &expected[..]);
    }
}
