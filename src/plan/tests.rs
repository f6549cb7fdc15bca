//! Plans as a whole, and sizes against files that other programs wrote.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::candidates::{Plan, Why, plan};
use super::catalogue::{self, Model};
use super::device::{self, find};
use super::engine::Engine;
use super::format::Format;
use super::licence::Products;
use super::memory::{CacheType, need};
use super::report::{Lang, bundle, markdown, steps};
use super::request::Request;
use super::shape::Shape;
use super::time::Question;
use super::units;
use super::weights::Weights;
use crate::language::decoder::Decoder;
use crate::language::testing::{SMALL_ROOM, small_model};

/// What `tests/plan/sizes.py` wrote down of the files that it made.
#[derive(Deserialize)]
struct Made {
    arch: String,
    format: String,
    layers: usize,
    width: usize,
    ffn: usize,
    heads: usize,
    kv: usize,
    head: usize,
    vocab: usize,
    tensor_bytes: u64,
    file_bytes: u64,
}

#[test]
fn sizes_are_those_of_files_made_in_every_format_and_architecture() {
    let made: Vec<Made> =
        serde_json::from_str(include_str!("../../tests/plan/sizes.json")).unwrap();
    let mut seen = BTreeSet::new();
    for one in &made {
        let shape = Shape {
            architecture: one.arch.clone(),
            layers: one.layers,
            width: one.width,
            ffn: one.ffn,
            heads: one.heads,
            kv_heads: one.kv,
            head: one.head,
            vocabulary: one.vocab,
            context: 2048,
            tied: !matches!(one.arch.as_str(), "phi2" | "phi3"),
            window: None,
        };
        let format = Format::ALL
            .into_iter()
            .find(|format| format.name() == one.format)
            .unwrap();
        let weights = shape.weights(format, one.file_bytes - one.tensor_bytes);
        let what = format!("{} {} of width {}", one.arch, one.format, one.width);
        assert_eq!(weights.bytes(), one.tensor_bytes, "{what}");
        let apart = weights.file_bytes() as f64 / one.file_bytes as f64 - 1.0;
        assert!(apart.abs() < 0.01, "{what}: {apart}");
        seen.insert((one.arch.as_str(), one.format.as_str()));
    }
    assert_eq!(
        seen.len(),
        crate::language::architecture::KNOWN.len() * Format::ALL.len()
    );
}

/// The weights of the language bundle that ships.
fn smollm2() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/assistant-smollm2");
    crate::language::bundle::Bundle::load(&folder)
        .ok()?
        .weights()
        .ok()
}

#[test]
fn sizes_are_those_of_real_files() {
    let gemma = std::env::var_os("EDGE_REASONER_GEMMA3").map(PathBuf::from);
    if gemma.is_none() {
        eprintln!("skipped: EDGE_REASONER_GEMMA3 names no GGUF file");
    }
    match smollm2() {
        None => eprintln!("skipped: the weights of assistant-smollm2 are not here"),
        Some(path) => {
            let model = Model::of_file(&path).unwrap();
            let (_, weights) = model.file.as_ref().unwrap();
            assert_eq!(weights.file_bytes(), path.metadata().unwrap().len());
            let known = catalogue::all(None).unwrap();
            let same = catalogue::find(&known, "SmolLM2-135M-Instruct").unwrap();
            assert_eq!(same.shape, model.shape);
        }
    }
    if let Some(path) = gemma {
        let model = Model::of_file(&path).unwrap();
        // The file is a Q4_K_M: as the mixture's rules make it, to the byte.
        let made = model.shape.weights(Format::Q4_K_M, model.metadata_bytes);
        assert_eq!(made.file_bytes(), path.metadata().unwrap().len());
    }
}

#[test]
fn a_decoder_takes_the_memory_that_was_said() {
    let file = small_model(1).open();
    let (shape, weights) = (Shape::of_file(&file).unwrap(), Weights::of_file(&file));
    let said = need(Engine::Ours, &shape, &weights, SMALL_ROOM, CacheType::F16);
    let decoder = Decoder::new(file, SMALL_ROOM).unwrap();
    let head = weights.head().unwrap();
    assert_eq!(
        decoder.weights.head.matrix.bytes() as u64,
        head.packed_bytes()
    );
    let down = weights
        .tensors
        .iter()
        .find(|tensor| tensor.name == "blk.0.ffn_down.weight")
        .unwrap();
    assert_eq!(
        decoder.weights.layers[0].down.matrix.bytes() as u64,
        down.packed_bytes()
    );
    assert_eq!(
        said.cache,
        (2 * 2 * shape.layers * shape.kv_heads * shape.head * SMALL_ROOM) as u64
    );
    // All tensors are floats here, and each is packed once.
    let apart = said.weights as f64 / weights.bytes() as f64 - 1.0;
    assert!((0.0..0.1).contains(&apart), "{apart}");
}

fn request(device: &str, ram: &str, deadline_ms: u64) -> Request {
    Request {
        device: find(device).unwrap(),
        task: None,
        ram_free: units::bytes(ram).unwrap(),
        deadline: Duration::from_millis(deadline_ms),
        question: Question {
            cached: 0,
            prompt: 200,
            answer: 16,
            thoughts: 24,
            chunk: 8,
        },
        offline_only: false,
    }
}

fn planned(request: &Request) -> Plan {
    plan(request, &catalogue::all(None).unwrap(), false)
}

#[test]
fn candidates_fit_and_are_in_the_order_that_is_stated() {
    for device in device::names() {
        for (ram, deadline) in [
            ("3GiB", 800),
            ("2GiB", 20_000),
            ("6GB", 300_000),
            ("400M", 3_000),
        ] {
            let mut request = request(device, ram, deadline);
            request.ram_free = request.ram_free.min(request.device.memory_bytes());
            let plan = planned(&request);
            assert!(plan.candidates.len() <= 3);
            let models: BTreeSet<_> = plan.candidates.iter().map(|one| &one.model).collect();
            assert_eq!(models.len(), plan.candidates.len(), "{device}");
            for one in &plan.candidates {
                assert!(
                    one.needed_with_margin_bytes <= request.ram_free,
                    "{device} {}",
                    one.model
                );
                assert!(
                    one.verdict.mandatory_bound_ms <= deadline as f64,
                    "{device} {}",
                    one.model
                );
                assert!(one.verdict.expected_ms <= one.verdict.bound_ms);
                let whole = one.verdict.is_full();
                assert!(
                    !whole || one.verdict.bound_ms <= deadline as f64,
                    "{device} {}",
                    one.model
                );
            }
            for pair in plan.candidates.windows(2) {
                let rank = |one: &super::candidates::Candidate| {
                    (
                        one.products != Products::Forbidden,
                        one.verdict.is_full(),
                        one.parameters,
                    )
                };
                assert!(rank(&pair[0]) >= rank(&pair[1]), "{device}");
            }
        }
    }
    // More memory and time never make less of it.
    let few = planned(&request("x86-nuc", "1GiB", 2_000)).candidates.len();
    assert!(
        few >= 1
            && planned(&request("x86-nuc", "8GiB", 60_000))
                .candidates
                .len()
                >= few
    );
}

#[test]
fn what_would_make_it_viable_does() {
    for (device, ram, deadline) in [
        ("raspberry-pi-5", "4GiB", 300),
        ("raspberry-pi-4", "2GiB", 50),
        ("x86-nuc", "20MiB", 60_000),
        ("jetson-orin-nano", "30MB", 10),
    ] {
        let mut request = request(device, ram, deadline);
        let first = planned(&request);
        assert!(first.candidates.is_empty(), "{device}");
        let text = markdown(&first, &request.device, Lang::En);
        assert!(
            text.contains("not viable: SmolLM2-135M-Instruct, because ")
                && text.contains("It would be with `--"),
            "{text}"
        );
        let would = first.would_be.unwrap();
        if let Some(ms) = would.deadline_ms {
            request.deadline = Duration::from_secs_f64(ms / 1e3);
        }
        if let Some(bytes) = would.ram_free_bytes {
            request.ram_free = bytes.div_ceil(1 << 20) << 20;
        }
        let then = planned(&request);
        assert!(
            then.candidates.iter().any(|one| one.model == would.model),
            "{device}: {would:?}"
        );
        assert_ne!(then.candidates[0].products, Products::Forbidden, "{device}");
    }
}

#[test]
fn a_microcontroller_is_told_that_only_a_classifier_can_fit() {
    let request = request("microcontroller-256k", "200KB", 60_000);
    let plan = planned(&request);
    assert!(plan.candidates.is_empty() && plan.would_be.is_none());
    assert!(
        plan.refused
            .iter()
            .all(|refused| matches!(refused.why, Why::NoEngine { .. }))
    );
    assert!(markdown(&plan, &request.device, Lang::En).contains("Only a classifier can fit here"));
    assert!(markdown(&plan, &request.device, Lang::Es).contains("solo cabe un clasificador"));
}

#[test]
fn a_report_says_the_same_in_both_languages_and_its_steps_begin_with_commands() {
    let request = request("x86-nuc", "4GiB", 5_000);
    let plan = planned(&request);
    let (english, spanish) = (
        markdown(&plan, &request.device, Lang::En),
        markdown(&plan, &request.device, Lang::Es),
    );
    let heads = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    let items = |text: &str| {
        text.lines()
            .filter(|line| line.trim_start().starts_with("- "))
            .count()
    };
    assert_eq!(
        (heads(&english), items(&english)),
        (heads(&spanish), items(&spanish))
    );
    let numbers = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .filter(|word| word.len() > 3)
            .map(str::to_owned)
            .collect()
    };
    let all: BTreeSet<String> = numbers(&spanish).into_iter().collect();
    let missing: Vec<String> = numbers(&english)
        .into_iter()
        .filter(|number| !all.contains(number))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for word in [
        "Deadline:",
        "Memory:",
        "Licence:",
        "Engine:",
        "Load:",
        "Energy:",
        "Heat:",
        "Steps:",
        "Q5_K_M",
    ] {
        assert!(english.contains(word), "{word}: {english}");
    }
    for one in &plan.candidates {
        for step in steps(one, 5_000.0, Lang::En) {
            let program = step.command.split(' ').next().unwrap();
            let known = [
                "hf",
                "python",
                "llama-quantize",
                "llama-bench",
                "llama-server",
                "edge_reasoner",
            ];
            assert!(known.contains(&program), "{}", step.command);
        }
    }
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["candidates"][0]["model"], plan.candidates[0].model);
}

#[test]
fn licences_that_do_not_allow_products_are_warned_of() {
    let request = request("x86-nuc", "4GiB", 60_000);
    let models = catalogue::all(None).unwrap();
    let one = catalogue::find(&models, "MobileLLM-125M").unwrap();
    let answer = plan(&request, &[one], true);
    let text = markdown(&answer, &request.device, Lang::En);
    assert!(
        text.contains("warning: it does not allow products"),
        "{text}"
    );
    let formats: Vec<&str> = answer
        .candidates
        .iter()
        .map(|one| one.format.as_str())
        .collect();
    assert_eq!(formats, ["Q8_0", "Q5_K_M", "Q4_K_M"]);
}

#[test]
fn demands_that_contradict_are_refused_by_name() {
    let mut wrong = request("raspberry-pi-5", "8GiB", 800);
    wrong.ram_free = 9 << 30;
    assert!(
        wrong
            .fault()
            .unwrap()
            .contains("--ram-free 9.00 GiB contradicts the device")
    );
    let mut none = request("raspberry-pi-5", "4GiB", 800);
    none.question.answer = 0;
    assert!(none.fault().unwrap().contains("--answer-tokens is 0"));
    none.question.answer = 16;
    none.question.prompt = 0;
    assert!(none.fault().unwrap().contains("--prompt-tokens is 0"));
    let mut long = request("x86-nuc", "8GiB", 600_000);
    long.question.prompt = 3_000;
    let refused = planned(&long).refused;
    let phi = refused
        .iter()
        .find(|refused| refused.model == "Phi-2")
        .unwrap();
    assert!(matches!(phi.why, Why::Context { has: 2048, .. }), "{phi:?}");
    let mut offline = request("x86-nuc", "8GiB", 60_000);
    offline.offline_only = true;
    let plan = planned(&offline);
    assert!(
        plan.candidates.is_empty()
            && plan
                .refused
                .iter()
                .all(|refused| refused.why == Why::NotHere)
    );
}

#[test]
fn a_bundle_that_is_written_is_one_that_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let question = Question {
        cached: 0,
        prompt: 200,
        answer: 16,
        thoughts: 24,
        chunk: 8,
    };
    let text = bundle(
        "A Model: v1.0",
        "",
        Path::new("/x/a b.gguf"),
        Some("Say \"stop\": or\ngo."),
        &question,
    )
    .unwrap();
    std::fs::write(folder.path().join("model.yaml"), text).unwrap();
    let read = crate::language::bundle::Bundle::load(folder.path()).unwrap();
    assert_eq!(read.manifest.thoughts.chunks, 3);
    assert_eq!(read.manifest.prompt.system, "Say \"stop\": or\ngo.");
}
