//! What fuzzing found, once more: the inputs in `fuzz/corpus` through the same targets that
//! `make fuzz` runs with coverage and sanitizer. Bounded, and on a stable compiler.

use std::fs;
use std::path::{Path, PathBuf};

use edge_reasoner::model::{Bundle, EngineKind, Precision};
use sha2::{Digest, Sha256};

#[path = "../fuzz/src/targets.rs"]
mod targets;

/// Every input of a target by its name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = fs::read_dir(folder.join(target)).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no inputs");
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).unwrap();
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

/// The name is on stderr where a target panics.
fn each(target: &str, run: impl Fn(&[u8])) {
    for (file, bytes) in corpus(target) {
        eprintln!("{}", file.display());
        run(&bytes);
    }
}

#[test]
fn cdr() {
    each("cdr", targets::cdr);
}

#[test]
fn window() {
    each("window", targets::window);
}

#[test]
fn manifest() {
    each("manifest", targets::manifest);
}

#[test]
fn params() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("params.yaml");
    each("params", |bytes| targets::params(bytes, &file));
}

#[test]
fn recordings() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["mcap", "db3"] {
        let file = folder.path().join(target);
        each(target, |bytes| targets::recording(bytes, &file));
    }
}

#[test]
fn gguf() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.gguf");
    each("gguf", |bytes| targets::gguf(bytes, &file));
}

/// Here with the rest of the bundle around them: what is let in must run.
#[test]
fn weights() {
    let folder = tempfile::tempdir().unwrap();
    let mut let_in = 0;
    for (file, bytes) in corpus("weights") {
        eprintln!("{}", file.display());
        let Some((first, bytes)) = bytes.split_first() else {
            continue;
        };
        let mut manifest = targets::small(targets::precision(*first));
        let digest = Sha256::digest(bytes);
        manifest.weights.sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.path().join(&manifest.weights.file), bytes).unwrap();
        let text = serde_yaml::to_string(&manifest).unwrap();
        fs::write(folder.path().join("model.yaml"), text).unwrap();
        let Ok(bundle) = Bundle::load(folder.path()) else {
            continue;
        };
        let sizes = bundle.manifest.architecture;
        let mut engine = bundle.engine(EngineKind::Packed(Precision::Int8)).unwrap();
        let mut probabilities = vec![0.0; bundle.manifest.labels.len()];
        engine
            .begin(&vec![0.5; sizes.frames * sizes.features])
            .unwrap();
        // Weights may be huge: not a number is an answer the reasoner declares.
        let _ = engine.advance(&mut probabilities);
        let_in += 1;
    }
    assert!(let_in >= 3, "one of each precision is sound");
}
