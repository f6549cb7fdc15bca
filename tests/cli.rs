//! The command line as people and scripts meet it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn edge_reasoner(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edge_reasoner"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn every_verb_helps_with_an_example() {
    for verb in [
        "run", "replay", "train", "compress", "eval", "compare", "profile", "inspect", "reason",
        "fetch",
    ] {
        let output = edge_reasoner(&[verb, "--help"]);
        assert!(output.status.success(), "{verb}");
        assert!(said(&output).contains("Example"), "{verb}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_fault() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_edge_reasoner"))
        .arg("parameters")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
}

#[test]
fn the_shipped_bundle_says_what_it_is() {
    let output = edge_reasoner(&["inspect", "models/clearance", "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        facts["manifest"]["labels"],
        serde_json::json!(["go", "slow", "stop"])
    );
    assert_eq!(facts["manifest"]["safe_label"], "stop");
    // What ships learned only from what may be shipped.
    let recordings = facts["manifest"]["training"]["recordings"]
        .as_array()
        .unwrap();
    assert!(!recordings.is_empty());
    for recording in recordings {
        let licence = recording["licence"].as_str().unwrap();
        let allowed = ["apache", "mit-packagexml", "bsd", "cc0", "cc-by", "own"];
        assert!(allowed.contains(&licence), "{recording}");
    }
}

/// A copy of the shipped bundle with something wrong.
fn broken_bundle(break_it: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clearance");
    for file in ["model.yaml", "weights.safetensors"] {
        fs::copy(shipped.join(file), folder.path().join(file)).unwrap();
    }
    break_it(folder.path());
    let output = edge_reasoner(&["inspect", folder.path().to_str().unwrap()]);
    assert!(!output.status.success());
    let said = said(&output);
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_broken_bundle_is_refused_with_what_is_wrong() {
    let missing = broken_bundle(|at| fs::remove_file(at.join("weights.safetensors")).unwrap());
    assert!(missing.contains("weights.safetensors"), "{missing}");

    let flipped = broken_bundle(|at| {
        let file = at.join("weights.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    });
    assert!(flipped.contains("sha256"), "{flipped}");

    let unknown = broken_bundle(|at| {
        let file = at.join("model.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("safe_label:", "save_label:")).unwrap();
    });
    assert!(unknown.contains("save_label"), "{unknown}");
}

#[test]
fn a_profile_says_what_fits_and_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.json");
    let arguments = ["profile", "--model", "models/clearance", "--runs", "20"];
    let more = ["--engines", "flex", "--deadline-ms", "0.001,60000", "--out"];
    let output = edge_reasoner(&[&arguments[..], &more, &[file.to_str().unwrap()]].concat());
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("flex: nothing fits 0.001 ms"), "{said}");
    assert!(said.contains("the full depth from 60000 ms on"), "{said}");
    let profile: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let exits = profile["engines"][0]["warm"]["to_exit"].as_array().unwrap();
    let costs: Vec<f64> = exits
        .iter()
        .map(|e| e["p50_us"].as_f64().unwrap())
        .collect();
    assert!(costs.is_sorted() && costs[0] > 0.0, "{costs:?}");
}

#[test]
fn the_example_of_expectations_is_one_and_a_wrong_one_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let expect = |file: &str| {
        let (bag, out) = (path("none.mcap"), path("out"));
        fs::write(&bag, b"\x89MCAP0\r\n").unwrap();
        let arguments = [
            "replay",
            &bag,
            "--out",
            &out,
            "--expect",
            file,
            "--junit",
            &path("j.xml"),
        ];
        edge_reasoner(&arguments)
    };
    let example = expect("tests/expectations.yaml");
    assert_eq!(
        example.status.code(),
        Some(1),
        "nothing decided is not what was expected"
    );
    let junit = fs::read_to_string(path("j.xml")).unwrap();
    assert!(junit.contains("failures=\"2\""), "{junit}");
    fs::write(
        path("wrong.yaml"),
        "expectations: [{name: a, expect: {sped: {max: 1}}}]",
    )
    .unwrap();
    let wrong = expect(&path("wrong.yaml"));
    assert!(said(&wrong).contains("sped"), "{}", said(&wrong));
}

#[test]
fn parameters_in_front_of_ros_args_are_shown_their_place() {
    let output = edge_reasoner(&["run", "-p", "deadline_ms:=5.0"]);
    let said = said(&output);
    assert!(!output.status.success());
    assert!(
        said.contains("run --ros-args -p deadline_ms:=5.0"),
        "{said}"
    );
}

#[test]
fn a_replay_of_nothing_says_what_it_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let output = edge_reasoner(&["replay", folder, "--out", folder]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(".mcap"), "{}", said(&output));

    let model = ["replay", folder, "--out", folder, "--model", "nowhere"];
    let output = edge_reasoner(&model);
    assert!(said(&output).contains("model.yaml"), "{}", said(&output));

    let parameter = [
        "replay",
        folder,
        "--out",
        folder,
        "-p",
        "deadline_ms:=soon",
        "-p",
        "x:=1",
    ];
    let output = edge_reasoner(&parameter);
    let said = said(&output);
    assert!(
        said.contains("deadline_ms") && said.contains("x is unknown"),
        "{said}"
    );
}

/// Replays a recording of tests/cases with the shipped bundle; exit code and what was said.
fn replay(case: &str, more: &[&str]) -> (Option<i32>, String) {
    let out = tempfile::tempdir().unwrap();
    let case = format!("tests/cases/{case}");
    let out = out.path().to_str().unwrap();
    let arguments = ["replay", &case, "--model", "models/clearance", "--out", out];
    let output = edge_reasoner(&[&arguments[..], more].concat());
    (output.status.code(), said(&output))
}

#[test]
fn a_replay_that_is_not_what_was_recorded_does_not_end_well() {
    let expect = ["--expect", "tests/cases/silence/expect.yaml"];
    let (code, said) = replay("silence/scan_silent_3_to_6s.mcap", &expect);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("fallback_share") && said.contains("STALE_INPUT"),
        "{said}"
    );
    let (code, said) = replay("log_times/log_time_ms.mcap", &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not in nanoseconds"), "{said}");
    let (code, said) = replay("optional_sources/stamped_cmd.mcap", &[]);
    assert_eq!(code, Some(0), "optional: {said}");
    assert!(
        said.contains("decided without cmd") && said.contains("TwistStamped"),
        "{said}"
    );
}

#[test]
fn what_a_params_file_says_for_a_node_can_be_asked() {
    let cases = |name: &str| format!("tests/cases/params/{name}.yaml");
    let ask = |file: &str, node: &str, more: &[&str]| {
        edge_reasoner(&[&["parameters", "--params", file, "--node", node], more].concat())
    };
    let nested = cases("nested_namespace");
    let output = ask(
        &nested,
        "/robot1/edge_reasoner",
        &["--json", "-p", "engines:=[flex]"],
    );
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let parameters = &told["parameters"];
    assert_eq!(parameters["deadline_ms"]["value"], 33.0);
    assert_eq!(parameters["engines"]["type"], "string array");
    let plain = ask(&nested, "/robot1/edge_reasoner", &[]);
    assert_eq!(
        String::from_utf8(plain.stdout).unwrap(),
        "deadline_ms: 33.0\n"
    );
    let other = said(&ask(&nested, "/edge_reasoner", &[]));
    assert!(other.contains("no section is for this node"), "{other}");
    assert!(other.contains("/robot1/edge_reasoner"), "{other}");
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yaml");
    fs::write(&bad, "/**:\n  ros__parameters:\n    engines: [packed, 1]\n").unwrap();
    let output = ask(bad.to_str().unwrap(), "/edge_reasoner", &[]);
    assert!(!output.status.success());
    assert!(
        said(&output).contains("bad.yaml, line 3"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_replay_names_topics_as_the_node_does() {
    let guard = ["--params", "params/nav2_guard.yaml"];
    let decided = "90 triggers: 90 decided";
    let (code, said) = replay("approach.mcap", &guard);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(decided), "{said}");
    for remapped in [
        &["-r", "scan:=/front", "-r", "/front:=/never"][..],
        &["--ros-args", "-r", "__ns:=/r1"],
        &["--ros-args", "--remap", "scan:=~/scan"],
    ] {
        let (code, said) = replay("approach.mcap", &[&guard, remapped].concat());
        assert_eq!(code, Some(1), "{said}");
        let topic = ["/front", "/r1/scan", "/edge_reasoner/scan"];
        assert!(
            topic
                .iter()
                .any(|topic| said.contains(&format!("no topic {topic}"))),
            "{said}"
        );
        assert!(said.contains("one of: /scan"), "{said}");
    }
    let back = [
        "--ros-args",
        "-r",
        "__ns:=/r1",
        "-r",
        "scan:=/scan",
        "-p",
        "odom.topic:=/odom",
    ];
    let (code, said) = replay("approach.mcap", &[&guard[..], &back].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(decided), "{said}");
    let (code, said) = replay("approach.mcap", &["--ros-args", "--paramsfile", "x"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--paramsfile"), "{said}");
}

#[test]
fn inspect_calls_channels_what_they_are() {
    let inspect = |case: &str| said(&edge_reasoner(&["inspect", &format!("tests/cases/{case}")]));
    let ros1 = inspect("schemas/ros1_profile.mcap");
    assert!(
        ros1.contains("ROS 1 messages (schema encoding ros1msg"),
        "{ros1}"
    );
    let schemaless = inspect("schemas/schemaless.mcap");
    assert!(schemaless.contains("/scan  (no schema"), "{schemaless}");
}

#[test]
fn a_replay_reads_params_files_for_a_node_as_the_live_node_does() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let replay = |more: &[&str]| {
        let nothing = ["replay", out, "--out", out];
        said(&edge_reasoner(&[&nothing[..], more].concat()))
    };
    let nested = ["--params", "tests/cases/params/nested_namespace.yaml"];
    // The folder holds no recording, which is said once the params are read.
    let named = replay(&[&nested[..], &["--node", "/robot1/edge_reasoner"]].concat());
    assert!(
        named.contains(".mcap") && !named.contains("section"),
        "{named}"
    );
    let other = replay(&nested);
    assert!(
        other.contains("/robot1/edge_reasoner, /robot1/other_node"),
        "{other}"
    );
    let yes_no = replay(&["--params", "tests/cases/params/yes_no.yaml"]);
    assert!(!yes_no.contains("odom.required"), "{yes_no}");
    // The file names the model, unless --model does.
    let file = folder.path().join("model.yaml_");
    fs::write(&file, "/**: {ros__parameters: {model: nowhere}}").unwrap();
    let file = ["--params", file.to_str().unwrap()];
    assert!(replay(&file).contains("nowhere"));
    let both = replay(&[&file[..], &["--model", "clearance"]].concat());
    assert!(!both.contains("nowhere"), "{both}");
}

/// A cache of its own, in which nothing was measured.
fn with_cache(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edge_reasoner"))
        .args(arguments)
        .env("XDG_CACHE_HOME", folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

#[test]
fn verbs_of_classifiers_and_of_language_bundles_say_which_arguments_are_not_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let language = "models/assistant-smollm2";
    let classifier = "models/clearance";
    let (out, lines) = (path("out"), path("q.jsonl"));
    fs::write(&lines, "{\"question\": \"a wall\"}\n").unwrap();
    let eval = |model, more: &[&str]| {
        let all = ["eval", "--model", model, "--data", &lines, "--out", &out];
        with_cache(folder.path(), &[&all[..], more].concat())
    };
    for (output, words) in [
        (eval(classifier, &[]), "--task params/tasks/clearance.yaml"),
        (
            eval(classifier, &["--task", "x", "--measured"]),
            "--measured is of language bundles",
        ),
        (eval(language, &["--conditions"]), "--conditions"),
        (
            eval(language, &[]),
            "line 1: it has neither truth nor meaning",
        ),
        (
            with_cache(
                folder.path(),
                &["profile", "--model", language, "--engines", "flex"],
            ),
            "--engines are of bundles that decide on features",
        ),
        (
            with_cache(
                folder.path(),
                &[
                    "compare", "--models", language, classifier, "--data", &lines,
                ],
            ),
            "it is no language bundle",
        ),
        (
            with_cache(folder.path(), &["profile", "--model", language]),
            "edge_reasoner fetch",
        ),
    ] {
        assert_eq!(output.status.code(), Some(1), "{words}");
        let said = said(&output);
        assert!(said.contains(words), "{words}: {said}");
    }
}
