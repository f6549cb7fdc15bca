//! What a bundle's file may say, and what it is told where it says something else.

use super::*;
use crate::bundle_kind::BundleKind;
use crate::language::testing::small_model;

const YAML: &str = "format: 1\nkind: language\nname: small\nlicence: none\nweights: {file: small.gguf}\n\
    prompt: {system: You decide., answer_cue: 'Answer:'}\nanswer: {labels: [go, stop]}\nsafe_answer: stop\n\
    thoughts: {chunk: 4, chunks: 2}\ncontext: 256\n";

fn folder(yaml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.yaml"), yaml).unwrap();
    std::fs::write(folder.path().join("small.gguf"), small_model(1).bytes()).unwrap();
    folder
}

fn refused(yaml: &str) -> String {
    let folder = folder(yaml);
    match Bundle::load(folder.path()) {
        Err(error) => error.to_string(),
        Ok(bundle) => bundle.open().err().expect("it was not refused").to_string(),
    }
}

#[test]
fn a_bundle_opens_and_answers() {
    let folder = folder(YAML);
    assert_eq!(BundleKind::in_folder(folder.path()), BundleKind::Language);
    let bundle = Bundle::load(folder.path()).unwrap();
    let mut session = bundle.open().unwrap();
    let prepared = session.prepare("a wall").unwrap();
    assert!(prepared.cached > 0);
    let answer = session.begin(&prepared, bundle.calibration(1), &mut || {
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(answer.unwrap().probabilities.len(), 2);
}

#[test]
fn what_is_wrong_is_named() {
    let sum = "a".repeat(64);
    for (from, to, words) in [
        ("format: 1", "format: 2", &["format", "2", "reads 1"][..]),
        ("kind: language", "kind: vision", &["vision", "language"]),
        (
            "safe_answer: stop",
            "safe_answer: halt",
            &["safe_answer", "halt", "go, stop"],
        ),
        ("labels: [go, stop]", "labels: [stop]", &["1 labels"]),
        (
            "labels: [go, stop]",
            "words: [go, stop]",
            &["words", "labels"],
        ),
        ("chunk: 4", "chunk: 0", &["thoughts", "1 to 256"]),
        ("labels: [go, stop]", "schema: none.json", &["none.json"]),
        (
            "labels: [go, stop]",
            "grammar: {file: a.lark, longest: 0}",
            &["longest", "1 to 4096"],
        ),
        ("context: 256", "context: 1", &["context", "32"]),
        ("context: 256", "context: 512", &["context", "made for 256"]),
        ("context: 256", "context: 32", &["context of", "leaves"]),
        (
            "name: small\n",
            "name: small\nprior: {strength: 2, questions: [x]}\n",
            &["prior", "up to 1"],
        ),
        ("small.gguf", "other.gguf", &["other.gguf", "model.yaml"]),
        ("small.gguf", "small.gguf, bytes: 3", &["its size", "3"]),
        (
            "small.gguf",
            &format!("small.gguf, sha256: {sum}"),
            &["its sha256", &sum],
        ),
        (
            "small.gguf",
            "small.gguf, sha256: ab",
            &["weights.sha256", "64"],
        ),
        ("answer_cue: 'Answer:'", "answer_cue: ''", &["answer_cue"]),
    ] {
        assert!(YAML.contains(from));
        let said = refused(&YAML.replace(from, to));
        for word in words {
            assert!(said.contains(word), "{to}: {said}");
        }
    }
}

#[test]
fn a_model_larger_than_memory_is_refused_before_any_of_it_is_read() {
    // A file with a hole: it takes no disk, and reading it for its sum would take hours.
    let folder = folder(&YAML.replace(
        "small.gguf",
        &format!("small.gguf, sha256: {}", "a".repeat(64)),
    ));
    let file = std::fs::File::create(folder.path().join("small.gguf")).unwrap();
    file.set_len(1 << 42).unwrap();
    let bundle = Bundle::load(folder.path()).unwrap();
    let said = bundle.open().err().unwrap().to_string();
    assert!(
        said.contains("MB of memory are free") && said.contains("4398046 MB"),
        "{said}"
    );
    // And what its keys and values take.
    let said = bundle.check_memory(folder.path(), 1 << 50).unwrap_err();
    assert!(said.to_string().contains("MB of memory are free"), "{said}");
}

#[test]
fn answers_given_by_hand_need_a_safe_one_among_them() {
    let folder = folder(YAML);
    let bundle = Bundle::load(folder.path()).unwrap();
    let labels = Form::Labels(vec![String::from("left"), String::from("right")]);
    let wrong = bundle.clone().with_answers(labels.clone(), "stop".into());
    assert!(wrong.unwrap_err().to_string().contains("safe_answer"));
    assert!(bundle.clone().with_answers(labels, "left".into()).is_ok());
    let schema = r#"{"type": "object", "additionalProperties": false, "required": ["goal"],
        "properties": {"goal": {"enum": ["dock", "kitchen"]}}}"#;
    std::fs::write(folder.path().join("goal.json"), schema).unwrap();
    let with = |safe: &str| {
        let form = Form::Schema(PathBuf::from("goal.json"));
        bundle
            .clone()
            .with_answers(form, safe.into())
            .unwrap()
            .open()
    };
    assert!(with(r#"{"goal":"dock"}"#).is_ok());
    let said = with(r#"{"goal":"pub"}"#).err().unwrap().to_string();
    assert!(
        said.contains("goal.json") && said.contains("none of its answers"),
        "{said}"
    );
    std::fs::write(folder.path().join("goal.json"), "{}").unwrap();
    let said = with("x").err().unwrap().to_string();
    assert!(said.contains("goal.json: schema: it has no type"), "{said}");
}

#[test]
fn calibration_is_by_exit_and_of_the_bundles_own_answers_alone() {
    let more =
        "calibration: [{temperature: 2.0, threshold: 0.8}, {temperature: 3.0, threshold: 0.7}]\n";
    let folder = folder(&format!("{YAML}{more}"));
    let bundle = Bundle::load(folder.path()).unwrap();
    let temperatures = |bundle: &Bundle| [1, 2, 3].map(|exit| bundle.calibration(exit).temperature);
    // The last holds for those behind it.
    assert_eq!(temperatures(&bundle), [2.0, 3.0, 3.0]);
    let labels = Form::Labels(vec![String::from("left"), String::from("right")]);
    let other = bundle.with_answers(labels, "left".into()).unwrap();
    assert_eq!(temperatures(&other), [1.0; 3]);
    assert_eq!(other.calibration(1).threshold, 0.8);
}
