#![no_main]

use std::sync::LazyLock;

use edge_reasoner_fuzz::model::{Manifest, read_weights};
use edge_reasoner_fuzz::targets::{precision, small};

static MANIFESTS: LazyLock<[Manifest; 3]> =
    LazyLock::new(|| [0, 1, 2].map(|first| small(precision(first))));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some((first, bytes)) = data.split_first() {
        let _ = read_weights(&MANIFESTS[usize::from(*first) % 3], bytes);
    }
});
