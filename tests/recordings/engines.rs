//! Which engine decides where the one of first choice cannot.

use std::collections::BTreeSet;
use std::process::Command;

use crate::made::{EPOCH, answers, drive, root, write};

/// Replays with these engines on a machine without any Vulkan driver: what decided, and what the
/// program said.
fn decided_without_a_driver(engines: &str, device: &str) -> (BTreeSet<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("drive.mcap");
    write(&bag, &drive(EPOCH, 20));
    let out = folder.path().join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_edge_reasoner"))
        .current_dir(root())
        .env("VK_DRIVER_FILES", "/nowhere/icd.json")
        .env("VK_ICD_FILENAMES", "/nowhere/icd.json")
        .arg("replay")
        .args([&bag])
        .args(["--model", "models/clearance", "--out"])
        .args([&out])
        .args(["-p", &format!("engines:={engines}")])
        .args(["-p", &format!("wgpu.device:={device}")])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let decided = match out.join("drive.mcap") {
        file if file.is_file() => answers(&file),
        _ => Vec::new(),
    };
    assert_eq!(output.status.success(), !decided.is_empty(), "{said}");
    (decided.into_iter().map(|a| a.engine).collect(), said)
}

/// Why wgpu does not run there.
fn reason() -> &'static str {
    match cfg!(feature = "wgpu") {
        true => "Vulkan shows no device at all",
        false => "not built in; build with the Cargo feature wgpu",
    }
}

#[test]
fn where_there_is_no_gpu_the_next_engine_decides_and_the_log_says_why() {
    for (device, name) in [
        ("any", "wgpu"),
        ("software", "wgpu_software"),
        ("3", "wgpu_3"),
    ] {
        let (engines, said) = decided_without_a_driver("[wgpu, packed]", device);
        assert!(said.contains(name) && said.contains(reason()), "{said}");
        assert!(engines.contains("packed_int8"), "{engines:?}");
        assert!(!engines.iter().any(|engine| engine.starts_with("wgpu")));
    }
}

#[test]
fn with_no_engine_left_the_reason_is_the_error() {
    let (engines, said) = decided_without_a_driver("[wgpu]", "any");
    assert!(engines.is_empty() && said.contains(reason()), "{said}");
}
