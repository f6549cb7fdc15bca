//! `edge_reasoner plan` as people meet it: wrong input, no network, files it writes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge_reasoner"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn plan(cache: &Path, arguments: &[&str]) -> Output {
    program()
        .arg("plan")
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

const GOAL: [&str; 15] = [
    "--device",
    "x86-nuc",
    "--task",
    "Say whether the way is free.",
    "--ram-free",
    "4GiB",
    "--deadline-ms",
    "4000",
    "--prompt-tokens",
    "200",
    "--answer-tokens",
    "16",
    "--thoughts",
    "24",
    "--json",
];

#[test]
fn a_plan_names_candidates_with_all_that_a_team_asks() {
    let cache = tempfile::tempdir().unwrap();
    let output = plan(cache.path(), &GOAL);
    assert!(output.status.success(), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = json["candidates"].as_array().unwrap();
    assert!((1..=3).contains(&all.len()));
    for one in all {
        assert_eq!(one["formats"].as_array().unwrap().len(), 5);
        for field in [
            "needed_bytes",
            "cache_f16_bytes",
            "prefill_ms",
            "decode_ms",
            "load_s",
            "energy_j",
        ] {
            assert!(one[field].as_f64().unwrap() > 0.0, "{field}: {one}");
        }
    }
    let spanish: Vec<&str> = GOAL[..14].iter().copied().chain(["--lang", "es"]).collect();
    let spanish = said(&plan(cache.path(), &spanish));
    assert!(
        spanish.contains("# ¿Cabe?") && spanish.contains("Licencia"),
        "{spanish}"
    );
}

#[test]
fn it_answers_the_same_where_there_is_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let within = |arguments: &[&str]| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--net"])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("XDG_CACHE_HOME", cache.path())
            .output()
    };
    match within(&["true"]) {
        Ok(output) if output.status.success() => {}
        _ => return eprintln!("skipped: unshare makes no namespace without a network here"),
    }
    let arguments: Vec<&str> = [env!("CARGO_BIN_EXE_edge_reasoner"), "plan"]
        .into_iter()
        .chain(GOAL)
        .collect();
    let alone = within(&arguments).unwrap();
    assert!(alone.status.success(), "{}", said(&alone));
    assert_eq!(said(&alone), said(&plan(cache.path(), &GOAL)));
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_was_expected() {
    let cache = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (
            &["--device", "rasberry-pi-5"][..],
            &["did you mean raspberry-pi-5"][..],
        ),
        (
            &["--device", "x86-nuc", "--model", "smolm2-135m"],
            &["SmolLM2-135M-Instruct", "plan catalogue"],
        ),
        (
            &["--device", "x86-nuc", "--ram-free", "4"],
            &["has no unit", "4GiB"],
        ),
        (
            &["--device", "x86-nuc", "--ram-free", "-4GiB"],
            &["expected a size above zero"],
        ),
        (
            &["--device", "x86-nuc", "--ram-free", "0GB"],
            &["expected a size above zero"],
        ),
        (
            &["--device", "x86-nuc", "--ram-free", "64GiB"],
            &["contradicts the device"],
        ),
        (
            &["--device", "x86-nuc", "--deadline-ms", "0"],
            &["expected 0.1 to 600000 ms"],
        ),
        (
            &["--device", "x86-nuc", "--deadline-ms", "-5"],
            &["expected 0.1 to 600000 ms"],
        ),
        (
            &["--device", "x86-nuc", "--answer-tokens", "0"],
            &["--answer-tokens is 0"],
        ),
        (
            &["--device", "x86-nuc", "--prompt-tokens", "-3"],
            &["--prompt-tokens"],
        ),
        (
            &["--device", "x86-nuc", "--model", "nowhere.gguf"],
            &["nowhere.gguf", "No such file"],
        ),
        (
            &["--device", "x86-nuc", "--params", "x.yaml"],
            &["runs no language model", "--bundle"],
        ),
        (&["--bundle", "x"], &["--model FILE.gguf"]),
    ] {
        let output = plan(cache.path(), arguments);
        let said = said(&output);
        assert!(
            !output.status.success() && !said.contains("panicked"),
            "{arguments:?}: {said}"
        );
        for word in words {
            assert!(said.contains(word), "{arguments:?}: {word}: {said}");
        }
    }
    for good in ["4 GB", "4GiB", "4096M"] {
        let output = plan(
            cache.path(),
            &[
                "--device",
                "x86-nuc",
                "--ram-free",
                good,
                "--deadline-ms",
                "60000",
            ],
        );
        assert!(output.status.success(), "{good}: {}", said(&output));
    }
}

#[test]
fn a_file_that_is_cut_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("cut.gguf");
    std::fs::write(&file, b"GGUF\x03\0\0\0\xff\0\0\0").unwrap();
    for verb in [&["add"][..], &["--device", "x86-nuc", "--model"]] {
        let arguments: Vec<&str> = verb
            .iter()
            .copied()
            .chain([file.to_str().unwrap()])
            .collect();
        let output = plan(cache.path(), &arguments);
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains("cut.gguf"),
            "{said}"
        );
        assert!(
            said.contains("cut") && said.contains("fetch it again"),
            "{said}"
        );
    }
}

#[test]
fn a_classifier_is_planned_and_its_params_are_those_of_a_node() {
    let cache = tempfile::tempdir().unwrap();
    let params = cache.path().join("robot.yaml");
    let arguments = [
        "--device",
        "raspberry-pi-4",
        "--model",
        "models/terrain",
        "--deadline-ms",
        "5",
        "--params",
        params.to_str().unwrap(),
    ];
    let output = plan(cache.path(), &arguments);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("exit 3 of 3 fits 5.00 ms"),
        "{}",
        said(&output)
    );
    let read = program()
        .args(["parameters", "--json", "--params"])
        .arg(&params)
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(json["parameters"]["deadline_ms"]["value"], 5.0, "{json}");
    assert_eq!(json["parameters"]["model"]["value"], "models/terrain");

    let output = plan(
        cache.path(),
        &[
            "--device",
            "microcontroller-256k",
            "--model",
            "terrain",
            "--deadline-ms",
            "50",
            "--ram-free",
            "200KB",
        ],
    );
    assert!(
        said(&output).contains("not edge_reasoner"),
        "{}",
        said(&output)
    );
    // A machine that was not measured is estimated, and the report says how to measure it.
    let output = plan(
        cache.path(),
        &["--model", "models/terrain", "--deadline-ms", "5"],
    );
    assert!(output.status.success(), "{}", said(&output));
    let output = plan(cache.path(), &["--deadline-ms", "60000"]);
    assert!(
        said(&output).contains("plan --measure"),
        "{}",
        said(&output)
    );
    // The verb's own report says what to do instead of a model of language.
    let output = plan(
        cache.path(),
        &["--device", "microcontroller-256k", "--ram-free", "200KB"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("Only a classifier can fit here"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_model_is_added_to_the_catalogue_and_found_there() {
    let cache = tempfile::tempdir().unwrap();
    let config = cache.path().join("config.json");
    std::fs::write(
        &config,
        r#"{"model_type": "llama", "num_hidden_layers": 8, "hidden_size": 512, "intermediate_size": 1536,
            "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 32000, "tie_word_embeddings": true}"#,
    )
    .unwrap();
    let output = plan(
        cache.path(),
        &[
            "add",
            config.to_str().unwrap(),
            "--name",
            "Tiny-One",
            "--licence",
            "MIT",
        ],
    );
    assert!(output.status.success(), "{}", said(&output));
    let listed = said(&plan(cache.path(), &["catalogue"]));
    assert!(
        listed.contains("| Tiny-One | MIT |") && listed.contains("Llama-3.2-1B-Instruct"),
        "{listed}"
    );
    let asked = [
        "--device",
        "x86-nuc",
        "--model",
        "tiny-one",
        "--deadline-ms",
        "5000",
        "--ram-free",
        "1GiB",
    ];
    let output = plan(cache.path(), &asked);
    assert!(
        output.status.success() && said(&output).contains("Tiny-One Q8_0"),
        "{}",
        said(&output)
    );
}
