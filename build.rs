//! Tells the tests whether the recordings are at hand, so that those which need them are shown as
//! skipped where they are not.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_recordings)");
    println!("cargo::rerun-if-changed=build.rs");
    let list = Path::new("../shared/data/clearance/manifest.csv");
    if list.is_file() {
        println!("cargo::rerun-if-changed={}", list.display());
        println!("cargo::rustc-cfg=has_recordings");
    }
}
