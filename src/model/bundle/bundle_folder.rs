//! A bundle: a folder with `model.yaml` and the weights it names.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{BundleError, MANIFEST};
use super::manifest::{Manifest, Training};
use super::stage_costs::StageCosts;
use super::weight_precision::{WeightPrecision, decode, encode};
use super::weights::Weights;
use crate::bundle_kind::BundleKind;

const MANIFEST_LIMIT: u64 = 4 << 20;
const WEIGHTS_LIMIT: u64 = 256 << 20;

/// A model that can be run: its manifest and its weights, checked against each other.
///
/// Every stage ends in an exit, whose probabilities can be read before the next stage runs:
///
/// ```
/// use edge_reasoner::model::{Bundle, EngineKind, Precision};
///
/// let bundle = Bundle::load(std::path::Path::new("models/clearance"))?;
/// let sizes = bundle.manifest.architecture;
/// let mut engine = bundle.engine(EngineKind::Packed(Precision::Int8))?;
/// let window = vec![0.0; sizes.frames * sizes.features];
/// let mut probabilities = vec![0.0; engine.labels()];
/// engine.begin(&window)?;
/// for exit in 1..=engine.exits() {
///     engine.advance(&mut probabilities)?;
///     println!("exit {exit}: {probabilities:?} for {:?}", bundle.manifest.labels);
///     assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Everything but the weights. Changing it does not change the file; see [`Bundle::save`].
    pub manifest: Manifest,
    pub(in crate::model) weights: Weights,
    id: String,
    safe_label: u8,
}

impl Bundle {
    /// Reads and checks a bundle. Never panics, whatever the files hold.
    pub fn load(folder: &Path) -> Result<Bundle, BundleError> {
        let file = folder.join(MANIFEST);
        let text = read(&file, MANIFEST_LIMIT)?;
        let fail = |what: String| BundleError::Manifest {
            file: file.clone(),
            what,
        };
        let manifest = std::str::from_utf8(&text).map_err(|error| fail(error.to_string()))?;
        if BundleKind::of(manifest) == BundleKind::Language {
            let what = "it is a language bundle, which `edge_reasoner reason` asks; expected one that decides on features";
            return Err(fail(String::from(what)));
        }
        let manifest: Manifest =
            serde_yaml::from_str(manifest).map_err(|error| fail(error.to_string()))?;
        let safe_label = sound(&manifest, &file)?;
        let file = folder.join(&manifest.weights.file);
        let stored = manifest.weights.precision;
        let bytes = read(&file, WEIGHTS_LIMIT / stored.growth())?;
        let found = sha256_hex(&bytes);
        if found != manifest.weights.sha256 {
            return Err(BundleError::Digest {
                file,
                found,
                expected: manifest.weights.sha256,
            });
        }
        let (sizes, outputs) = (&manifest.architecture, manifest.heads().outputs());
        let weights = decode(&bytes, sizes, outputs, stored)
            .and_then(|weights| {
                weights.check(sizes, outputs)?;
                Ok(weights)
            })
            .map_err(|fault| BundleError::Weights {
                file,
                what: fault.what,
                expected: fault.expected,
            })?;
        let id = id(&manifest)?;
        Ok(Bundle {
            manifest,
            weights,
            id,
            safe_label,
        })
    }

    /// A bundle from parts; the weights' digest is written into the manifest. Where the manifest
    /// says that the weights are stored as integers, they are rounded, and must be folded: see
    /// [`Bundle::with_precision`].
    pub fn new(mut manifest: Manifest, weights: Weights) -> Result<Bundle, BundleError> {
        let file = PathBuf::from(&manifest.weights.file);
        let fail = |fault: super::weights::WeightsFault| BundleError::Weights {
            file: file.clone(),
            what: fault.what,
            expected: fault.expected,
        };
        let faults = manifest.architecture.faults();
        if !faults.is_empty() {
            return Err(BundleError::Refused {
                file: PathBuf::from(MANIFEST),
                faults,
            });
        }
        let (sizes, outputs) = (&manifest.architecture, manifest.heads().outputs());
        weights.check(sizes, outputs).map_err(fail)?;
        let stored = manifest.weights.precision;
        let bytes = encode(&weights, stored).map_err(fail)?;
        let weights = match stored {
            WeightPrecision::F32 => weights,
            _ => decode(&bytes, sizes, outputs, stored).map_err(fail)?,
        };
        manifest.weights.sha256 = sha256_hex(&bytes);
        let safe_label = sound(&manifest, Path::new(MANIFEST))?;
        let id = id(&manifest)?;
        Ok(Bundle {
            manifest,
            weights,
            id,
            safe_label,
        })
    }

    /// Index of the safe label: no bundle is without one.
    pub fn safe_label(&self) -> u8 {
        self.safe_label
    }

    /// A bundle with random weights, for tests and for measuring costs.
    pub fn untrained(manifest: Manifest, seed: u64) -> Result<Bundle, BundleError> {
        let faults = manifest.architecture.faults();
        if !faults.is_empty() {
            return Err(BundleError::Refused {
                file: PathBuf::from(MANIFEST),
                faults,
            });
        }
        let weights = Weights::random(&manifest.architecture, manifest.heads().outputs(), seed);
        Bundle::new(manifest, weights)
    }

    /// The same model with its matrices stored in another precision. Its answers differ by the
    /// rounding; calibration, scores and costs are still those of `self`.
    pub fn with_precision(&self, precision: WeightPrecision) -> Result<Bundle, BundleError> {
        let mut manifest = self.manifest.clone();
        manifest.weights.precision = precision;
        let weights = match precision {
            WeightPrecision::F32 => self.weights.clone(),
            _ => self.weights.folded(&manifest.architecture),
        };
        Bundle::new(manifest, weights)
    }

    /// Name and the head of a digest over the weights' digest and everything else that makes a
    /// decision, such as `clearance-1a2b3c4d`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The numbers, by tensor name.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Size of the weights file.
    pub fn weights_bytes(&self) -> u64 {
        encode(&self.weights, self.manifest.weights.precision).map_or(0, |bytes| bytes.len() as u64)
    }

    /// Writes the bundle into `folder`. Each file appears whole or not at all, the manifest last;
    /// a reader between the two sees a digest that differs and refuses.
    pub fn save(&self, folder: &Path) -> Result<(), BundleError> {
        fs::create_dir_all(folder).map_err(|source| BundleError::File {
            file: folder.into(),
            source,
        })?;
        let file = folder.join(&self.manifest.weights.file);
        let bytes = encode(&self.weights, self.manifest.weights.precision).map_err(|fault| {
            BundleError::Weights {
                file: file.clone(),
                what: fault.what,
                expected: fault.expected,
            }
        })?;
        write_whole(&file, &bytes)?;
        write_whole(&folder.join(MANIFEST), yaml(&self.manifest)?.as_bytes())
    }
}

fn yaml(manifest: &Manifest) -> Result<String, BundleError> {
    serde_yaml::to_string(manifest).map_err(|error| BundleError::Manifest {
        file: PathBuf::from(MANIFEST),
        what: error.to_string(),
    })
}

/// Digests what makes a decision: the same weights, calibrated otherwise, are another model;
/// where its costs were measured and how it scored are not part of it.
fn id(manifest: &Manifest) -> Result<String, BundleError> {
    let mut deciding = manifest.clone();
    deciding.stage_cost_us = StageCosts::default();
    deciding.training = Training::default();
    for exit in &mut deciding.exits {
        exit.balanced_accuracy = 0.0;
    }
    let digest = sha256_hex(yaml(&deciding)?.as_bytes());
    Ok(format!("{}-{}", manifest.name, &digest[..8]))
}

/// The index of the safe label, where nothing is wrong with the manifest.
fn sound(manifest: &Manifest, file: &Path) -> Result<u8, BundleError> {
    let faults = manifest.faults();
    match manifest.safe_label_index() {
        Some(safe_label) if faults.is_empty() => Ok(safe_label),
        _ => Err(BundleError::Refused {
            file: file.to_owned(),
            faults,
        }),
    }
}

fn read(file: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let fail = |source| BundleError::File {
        file: file.into(),
        source,
    };
    let opened = fs::File::open(file).map_err(fail)?;
    let size = opened.metadata().map_err(fail)?.len();
    if size > limit {
        return Err(BundleError::TooLarge {
            file: file.into(),
            size,
            limit,
        });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // A file that grows while it is read must not get past the limit either.
    opened.take(limit).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

fn write_whole(file: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let fail = |source| BundleError::File {
        file: file.into(),
        source,
    };
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = fs::File::create(&part).and_then(|mut out| {
        out.write_all(bytes)?;
        out.sync_all()
    });
    match written.and_then(|()| fs::rename(&part, file)) {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = fs::remove_file(&part); // best effort: the error is what matters
            Err(fail(error))
        }
    }
}

/// Lower-case hex of the SHA-256 of `bytes`.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
