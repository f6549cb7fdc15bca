//! What a bundle promises: engines agree with a plain scalar forward, and odd files are refused
//! with a word.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::bundle::bundle_folder::sha256_hex;
use super::*;
use crate::features::{ExtractorSpec, FieldSpec, InputSpec, SourceSettings, Window, WindowSpec};
use crate::messages::MessageType;

mod bins;
mod engines;
#[cfg(feature = "wgpu")]
pub(crate) mod gpu;
mod labels;
mod operation;
mod scalar;
mod weight_precision;

fn manifest() -> Manifest {
    let window = WindowSpec {
        frames: 4,
        period_ms: 100,
        min_frames: 1,
        trigger: "odom".into(),
        every_ms: 0,
        inputs: vec![InputSpec {
            source: "odom".into(),
            message: MessageType::Odometry,
            extractor: ExtractorSpec::Fields {
                fields: vec![FieldSpec {
                    path: "twist.twist.linear.x".into(),
                    offset: 0.0,
                    scale: 1.0,
                    limit: 1.0,
                }],
            },
            required: true,
            timeout_ms: 500,
        }],
        derived: Vec::new(),
    };
    let features = Window::new(
        &window,
        &window
            .inputs
            .iter()
            .map(SourceSettings::of)
            .collect::<Vec<_>>(),
    )
    .unwrap()
    .features();
    let exit = ExitSpec {
        temperature: 1.5,
        threshold: 0.9,
        balanced_accuracy: 0.5,
    };
    let mut costs = StageCosts::default();
    costs.insert(Backend::Flex.into(), vec![10.0; 3]);
    Manifest {
        format: FORMAT,
        name: "tiny".into(),
        task: "clearance".into(),
        labels: ["go", "slow", "stop"].map(String::from).to_vec(),
        safe_label: "stop".into(),
        bins: None,
        window,
        topics: Default::default(),
        architecture: Architecture {
            frames: 4,
            features,
            width: 16,
            heads: 4,
            head_width: None,
            depth: 3,
            ffn: 32,
        },
        exits: vec![exit; 3],
        stage_cost_us: costs,
        weights: WeightsSpec {
            file: "weights.safetensors".into(),
            precision: WeightPrecision::F32,
            sha256: "0".repeat(64),
        },
        training: Training::default(),
    }
}

/// Untrained, of this width, head width, heads, depth and FFN width.
fn sized(sizes: (usize, usize, usize, usize, usize), seed: u64) -> Bundle {
    let (width, head_width, heads, depth, ffn) = sizes;
    let mut manifest = manifest();
    let architecture = &mut manifest.architecture;
    architecture.width = width;
    architecture.head_width = Some(head_width);
    architecture.heads = heads;
    architecture.depth = depth;
    architecture.ffn = ffn;
    manifest.exits = vec![manifest.exits[0]; depth];
    let costs = vec![1.0; depth];
    manifest.stage_cost_us.insert(Backend::Flex.into(), costs);
    Bundle::untrained(manifest, seed).unwrap()
}

/// The bundles that ship, by their names.
fn shipped() -> impl Iterator<Item = (&'static str, Bundle)> {
    let names = ["clearance", "terrain", "wall_following"].into_iter();
    names.map(|name| {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        (name, Bundle::load(&models.join(name)).unwrap())
    })
}

fn window(bundle: &Bundle, seed: u32) -> Vec<f32> {
    let sizes = bundle.manifest.architecture;
    (0..sizes.frames * sizes.features)
        .map(|i| ((i as f32 + seed as f32) * 0.7).sin())
        .collect()
}

#[test]
fn a_saved_bundle_comes_back_the_same_and_leaves_nothing_beside_it() {
    let folder = tempdir().unwrap();
    let bundle = Bundle::untrained(manifest(), 3).unwrap();
    bundle.save(folder.path()).unwrap();
    let again = Bundle::load(folder.path()).unwrap();
    assert_eq!(again.manifest, bundle.manifest);
    assert_eq!(again.weights(), bundle.weights());
    assert_eq!(again.id(), bundle.id());
    assert!(bundle.id().starts_with("tiny-") && bundle.id().len() == 13);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // Another calibration is another model.
    let mut other = manifest();
    other.exits[0].threshold = 0.5;
    assert_ne!(Bundle::untrained(other, 3).unwrap().id(), bundle.id());
}

#[test]
fn the_encoder_gives_back_the_weights_it_was_made_of() {
    let bundle = Bundle::untrained(manifest(), 3).unwrap();
    let device = Backend::Flex.device().unwrap();
    let encoder =
        Encoder::new(&bundle.manifest.architecture, 3, bundle.weights(), &device).unwrap();
    assert_eq!(&encoder.weights(), bundle.weights());
}

/// Saves a sound bundle, lets `spoil` at it and gives back the word of the refusal.
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let folder = tempdir().unwrap();
    Bundle::untrained(manifest(), 3)
        .unwrap()
        .save(folder.path())
        .unwrap();
    spoil(folder.path());
    Bundle::load(folder.path()).unwrap_err().to_string()
}

/// Puts other weights there, with the digest corrected, so that only the content is wrong.
fn replace_weights(folder: &Path, bytes: &[u8]) {
    fs::write(folder.join("weights.safetensors"), bytes).unwrap();
    edit(folder, |text| {
        let old = text.split("sha256: ").nth(1).unwrap()[..64].to_owned();
        text.replace(&old, &sha256_hex(bytes))
    });
}

fn edit(folder: &Path, change: impl FnOnce(String) -> String) {
    let file = folder.join("model.yaml");
    let text = change(fs::read_to_string(&file).unwrap());
    fs::write(file, text).unwrap();
}

#[test]
fn missing_and_changed_files_are_refused_by_name() {
    let word = refusal(|folder| fs::remove_file(folder.join("model.yaml")).unwrap());
    assert!(word.contains("model.yaml"), "{word}");
    let word = refusal(|folder| fs::remove_file(folder.join("weights.safetensors")).unwrap());
    assert!(word.contains("weights.safetensors"), "{word}");
    let word = refusal(|folder| {
        let file = folder.join("weights.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    });
    assert!(word.contains("sha256"), "{word}");
    let word = refusal(|folder| {
        fs::File::create(folder.join("weights.safetensors"))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
    });
    assert!(word.contains("at most"), "{word}");
}

#[test]
fn weights_that_do_not_fit_are_refused_though_their_digest_is_right() {
    let sound = Bundle::untrained(manifest(), 3).unwrap().weights().clone();
    let file = sound.to_safetensors().unwrap();

    let mut huge = file.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let word = refusal(|folder| replace_weights(folder, &huge));
    assert!(word.contains("header claims"), "{word}");

    for bytes in [
        &file[..file.len() - 4],
        &file[..5],
        b"",
        b"\x02\0\0\0\0\0\0\0{}",
    ] {
        let word = refusal(|folder| replace_weights(folder, bytes));
        assert!(word.contains("weights.safetensors"), "{word}");
    }

    let spoilt = |change: &dyn Fn(&mut Weights)| {
        let mut weights = sound.clone();
        change(&mut weights);
        let bytes = weights.to_safetensors().unwrap();
        refusal(|folder| replace_weights(folder, &bytes))
    };
    let word = spoilt(&|weights| {
        weights.0.remove("blocks.1.qkv.bias");
    });
    assert!(word.contains("blocks.1.qkv.bias is missing"), "{word}");
    let word = spoilt(&|weights| {
        let tensor = weights.0.remove("position").unwrap();
        weights.0.insert("positions".into(), tensor);
    });
    assert!(word.contains("position"), "{word}");
    let word = spoilt(&|weights| {
        weights.0.insert(
            "extra".into(),
            TensorValues {
                shape: vec![1],
                data: vec![0.0],
            },
        );
    });
    assert!(word.contains("extra"), "{word}");
    let word = spoilt(&|weights| {
        weights.0.get_mut("blocks.0.output.weight").unwrap().shape = vec![8, 32];
    });
    assert!(
        word.contains("[8, 32]") && word.contains("[16, 16]"),
        "{word}"
    );
    let word = spoilt(&|weights| {
        weights.0.get_mut("embed.bias").unwrap().data[0] = f32::NAN;
    });
    assert!(word.contains("NaN"), "{word}");

    let half = String::from_utf8_lossy(&file[8..]).contains("F32");
    assert!(half);
    let mut integers = file.clone();
    let at = integers.windows(5).position(|w| w == b"\"F32\"").unwrap();
    integers[at + 1] = b'I';
    let word = refusal(|folder| replace_weights(folder, &integers));
    assert!(word.contains("I32"), "{word}");
}

#[test]
fn a_contradictory_manifest_is_refused_with_all_its_faults() {
    let word = refusal(|folder| {
        edit(folder, |text| {
            text.replace("safe_label: stop", "safe_label: halt")
                .replace("heads: 4", "heads: 5")
                .replace("features:", "features: 1 #")
        });
    });
    for fault in ["halt", "heads 5", "architecture.features is 1"] {
        assert!(word.contains(fault), "{fault} is not in: {word}");
    }
    let word = refusal(|folder| edit(folder, |text| text + "surprise: 1\n"));
    assert!(word.contains("surprise"), "{word}");
    let word = refusal(|folder| edit(folder, |text| text.replace("depth: 3", "depth: three")));
    assert!(word.contains("model.yaml"), "{word}");
    let word = refusal(|folder| {
        edit(folder, |text| {
            text.replace("file: weights", "file: ../weights")
        });
    });
    assert!(word.contains("inside the bundle's folder"), "{word}");
    let word = refusal(|folder| fs::write(folder.join("model.yaml"), [0xff, 0xfe, 0]).unwrap());
    assert!(word.contains("utf-8"), "{word}");
    let mut huge = manifest();
    huge.architecture.width = 1 << 40;
    assert!(Bundle::untrained(huge, 1).is_err());
}
