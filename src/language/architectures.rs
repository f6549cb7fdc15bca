//! Every architecture against the logits that transformers computes for the same small model:
//! `tests/language/architectures.py` wrote them down and says how they were had.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::architecture::KNOWN;
use super::decoder::Decoder;
use super::testing::Writer;
use crate::kernels::decode::paths::present;

#[derive(Deserialize)]
struct Fixtures {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(super) struct Case {
    pub name: String,
    architecture: String,
    keys: Map<String, Value>,
    /// Name, dimensions, scale of the formula or the numbers themselves, and its offset.
    tensors: Vec<(String, Vec<u64>, Scale, f32)>,
    pub tokens: Vec<u32>,
    pub positions: Vec<usize>,
    /// By position.
    pub logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scale {
    By(f32),
    Numbers(Vec<f32>),
}

/// `offset + scale * r`, r in -1 to 1 from FNV-1a of the name and SplitMix64 of the place.
fn numbers(name: &str, count: u64, scale: f32, offset: f32) -> Vec<f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    let number = |place: u64| {
        let mut z = seed.wrapping_add((place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        offset + scale * ((z >> 40) as f32 / 8_388_608.0 - 1.0)
    };
    (0..count).map(number).collect()
}

impl Case {
    pub fn file(&self) -> Writer {
        let mut writer = Writer::default();
        writer.text("general.architecture", &self.architecture);
        for (key, value) in &self.keys {
            match value {
                Value::String(text) => writer.text(key, text),
                value => match value.as_u64() {
                    Some(number) => writer.number(key, number as u32),
                    None => writer.float(key, value.as_f64().unwrap()),
                },
            };
        }
        for (name, dimensions, scale, offset) in &self.tensors {
            let count = dimensions.iter().product();
            let values = match scale {
                Scale::Numbers(these) => these.clone(),
                Scale::By(scale) => numbers(name, count, *scale, *offset),
            };
            writer.floats(name, dimensions, &values);
        }
        writer
    }

    /// Positions to make room for: where RoPE's factors for short contexts are meant, a short one.
    pub fn room(&self) -> usize {
        let original = format!("{}.rope.scaling.original_context_length", self.architecture);
        let short = self.name.ends_with("short factors");
        let room = self.keys.get(&original).filter(|_| short);
        room.map_or(64, |room| room.as_u64().unwrap() as usize)
    }

    /// How far the decoder is from what is written down, as a part of the largest logit.
    fn apart(&self, decoder: &mut Decoder) -> f64 {
        let mut apart = 0f64;
        for (&position, expected) in self.positions.iter().zip(&self.logits) {
            let from = decoder.filled();
            let more = &self.tokens[from..=position];
            decoder.take(more, || ControlFlow::Continue(())).unwrap();
            let size = expected.iter().fold(0f64, |size, x| size.max(x.abs()));
            let found = decoder.logits();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                apart = apart.max((f64::from(*found) - expected).abs() / size);
            }
        }
        apart
    }
}

pub(super) fn cases() -> Vec<Case> {
    let text = include_str!("../../tests/language/architectures.json");
    serde_json::from_str::<Fixtures>(text).unwrap().cases
}

/// Keys and values lie in f16: that is what is apart.
const APART: f64 = 2e-3;

#[test]
fn logits_are_those_of_transformers_on_every_path() {
    let cases = cases();
    for known in KNOWN {
        assert!(
            cases.iter().any(|case| case.architecture == known),
            "{known}"
        );
    }
    let mut wrong = Vec::new();
    for case in cases {
        let room = case.room();
        for kernels in present() {
            let decoder = Decoder::new(case.file().open(), room);
            let apart = match decoder {
                Ok(decoder) => case.apart(&mut decoder.on(kernels)),
                Err(error) => panic!("{}: {error}", case.name),
            };
            eprintln!("{} on {}: {apart:.1e}", case.name, kernels.name);
            if apart >= APART {
                wrong.push(format!("{} on {}: {apart:.1e}", case.name, kernels.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_way_to_stretch_positions_that_is_not_known_is_refused_by_name() {
    let cases = cases();
    let case = &cases[0];
    for (kind, runs) in [("linear", true), ("none", true), ("yarn", false)] {
        let mut writer = case.file();
        writer.text("llama.rope.scaling.type", kind);
        match Decoder::new(writer.open(), 64) {
            Ok(_) => assert!(runs, "{kind}"),
            Err(error) => {
                let words = error.to_string();
                assert!(
                    !runs && words.contains("llama.rope.scaling.type") && words.contains("yarn"),
                    "{words}"
                );
            }
        }
    }
}
