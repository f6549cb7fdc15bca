//! Files of weights in integers that are refused: damaged, of another precision, or with scales and
//! integers that the format does not allow.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use safetensors::tensor::Dtype;
use tempfile::tempdir;

use super::super::*;
use super::{BOTH, File, bytes_of, file_of, odd};
use crate::model::bundle::weight_precision::decode;

/// The word of the refusal of a file that was changed, with the digest corrected.
fn refused(stored: WeightPrecision, spoil: impl FnOnce(&mut File)) -> String {
    let small = odd().with_precision(stored).unwrap();
    let mut file = file_of(&small);
    spoil(&mut file);
    load(&small, &bytes_of(&file))
        .err()
        .map_or(String::from("accepted"), |error| error.to_string())
}

fn load(bundle: &Bundle, weights: &[u8]) -> Result<Bundle, BundleError> {
    let folder = tempdir().unwrap();
    bundle.save(folder.path()).unwrap();
    replace_weights(folder.path(), weights);
    Bundle::load(folder.path())
}

const MATRIX: &str = "blocks.1.contract.weight";
const SCALES: &str = "blocks.1.contract.weight.scale";

fn put(file: &mut File, name: &str, at: usize, bytes: &[u8]) {
    file.get_mut(name).unwrap().2[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn hostile_integers_and_scales_are_refused_by_name() {
    assert_eq!(refused(WeightPrecision::Int8, |_| ()), "accepted");
    assert_eq!(refused(WeightPrecision::Int4, |_| ()), "accepted");
    let bad = |stored, words: &[&str], spoil: &dyn Fn(&mut File)| {
        let word = refused(stored, spoil);
        for expected in words {
            assert!(word.contains(expected), "{stored}, {expected}: {word}");
        }
    };
    for (scale, word) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (-1.0, "-1"),
        (1e-40, "significant bits"),
        (0.1, "significant bits"), // more bits than a scale has
        (2f32.powi(122), "sums to"),
        (0.0, "expected 0"),
    ] {
        bad(WeightPrecision::Int8, &[MATRIX, word], &|file| {
            put(file, SCALES, 0, &scale.to_le_bytes());
        });
    }
    for (scale, word) in [
        (0x7fc0_u16, "NaN"),
        (0xbf80, "-1"),
        (0x7f80, "inf"),
        (0, "expected 0"),
    ] {
        bad(WeightPrecision::Int4, &[MATRIX, word], &|file| {
            put(file, SCALES, 0, &scale.to_le_bytes());
        });
    }
    let wide = "blocks.1.expand.weight";
    bad(WeightPrecision::Int8, &[wide, "inf"], &|file| {
        put(
            file,
            &format!("{wide}.scale"),
            0,
            &2f32.powi(122).to_le_bytes(),
        );
    });
    bad(WeightPrecision::Int8, &[MATRIX, "-128"], &|file| {
        put(file, MATRIX, 0, &[0x80])
    });
    bad(WeightPrecision::Int4, &[MATRIX, "-8"], &|file| {
        put(file, MATRIX, 0, &[0x08])
    });
    // 67 inputs: the last byte's high half is behind the end.
    bad(
        WeightPrecision::Int4,
        &[MATRIX, "behind its last input"],
        &|file| {
            let (_, shape, bytes) = file.get_mut(MATRIX).unwrap();
            let last = (shape[0] - 1) * shape[1];
            bytes[last] |= 0x10;
        },
    );
    bad(
        WeightPrecision::Int8,
        &[MATRIX, "largest integer", "expected 127"],
        &|file| {
            let (_, shape, bytes) = file.get_mut(MATRIX).unwrap();
            for row in bytes.chunks_exact_mut(shape[1]) {
                row[2] = (row[2] as i8 / 2) as u8;
            }
        },
    );
    bad(
        WeightPrecision::Int8,
        &[MATRIX, "row 0", "sums to"],
        &|file| {
            put(file, MATRIX, 0, &[100; 16]);
        },
    );
}

#[test]
fn hostile_shapes_and_names_are_refused() {
    for stored in BOTH {
        let word = refused(stored, |file| {
            file.remove(SCALES);
        });
        assert!(word.contains(&format!("{SCALES} is missing")), "{word}");
        let word = refused(stored, |file| {
            file.remove(MATRIX);
        });
        assert!(word.contains(&format!("{MATRIX} is missing")), "{word}");
        let word = refused(stored, |file| {
            file.get_mut(MATRIX).unwrap().1.reverse();
        });
        assert!(word.contains(MATRIX) && word.contains("shape"), "{word}");
        let word = refused(stored, |file| {
            let one = (Dtype::F32, vec![1], vec![0; 4]);
            file.insert("blocks.0.ffn_norm.gamma".into(), one);
        });
        assert!(word.contains("folded"), "{word}");
        let word = refused(stored, |file| {
            let one = (Dtype::I8, vec![1, 1], vec![0]);
            file.insert("blocks.9.qkv.weight".into(), one);
        });
        assert!(word.contains("blocks.9.qkv.weight"), "{word}");
    }
    // One precision's file under another's name.
    let bundle = odd();
    let files = [
        WeightPrecision::F32,
        WeightPrecision::Int8,
        WeightPrecision::Int4,
    ]
    .map(|stored| {
        let bundle = bundle.with_precision(stored).unwrap();
        let bytes = bytes_of(&file_of(&bundle));
        (bundle, bytes)
    });
    for (own, (bundle, _)) in files.iter().enumerate() {
        for (other, (_, bytes)) in files.iter().enumerate() {
            assert_eq!(load(bundle, bytes).is_ok(), own == other, "{own} {other}");
        }
        let whole = &files[own].1;
        for cut in [0, 7, 60, whole.len() / 2, whole.len() - 1] {
            assert!(load(bundle, &whole[..cut]).is_err());
        }
    }
    let word = refusal(|folder: &Path| {
        edit(folder, |text| {
            text.replace("  file: weights", "  precision: int3\n  file: weights")
        });
    });
    assert!(word.contains("int3"), "{word}");
}

#[test]
fn weights_that_are_not_folded_are_not_rounded() {
    let mut manifest = manifest();
    manifest.weights.precision = WeightPrecision::Int8;
    let mut weights = Bundle::untrained(super::super::manifest(), 3)
        .unwrap()
        .weights;
    let gamma = "blocks.2.attention_norm.gamma";
    weights.0.get_mut(gamma).unwrap().data[3] = 1.5;
    let word = Bundle::new(manifest, weights).unwrap_err().to_string();
    assert!(word.contains(gamma) && word.contains("1.5"), "{word}");
}

#[test]
fn damaged_integers_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for stored in BOTH {
        let small = odd().with_precision(stored).unwrap();
        let (sizes, whole) = (small.manifest.architecture, bytes_of(&file_of(&small)));
        let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let mut refused = 0;
        for round in 0..600 {
            let mut bytes = whole.clone();
            // Half of them only in the header, which is a tenth of the file.
            let reach = if round % 2 == 0 { header } else { bytes.len() };
            for _ in 0..=round % 3 {
                let at = random.next_u32() as usize % reach;
                bytes[at] = random.next_u32() as u8;
            }
            let read = decode(&bytes, &sizes, 3, stored);
            refused += usize::from(read.and_then(|w| w.check(&sizes, 3)).is_err());
        }
        assert!((300..600).contains(&refused), "{refused} of 600 refused");
    }
}
