#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use edge_reasoner_fuzz::targets;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| targets::scratch("model.gguf"));

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::gguf(data, &FILE));
