//! The bundle's two files, without the engines that run it.

#[path = "../../src/model/costs.rs"]
mod costs;
#[path = "../../src/model/fold.rs"]
mod fold;
#[path = "../../src/model/manifest.rs"]
mod manifest;
#[path = "../../src/model/stored.rs"]
mod stored;
#[path = "../../src/model/weights.rs"]
mod weights;
#[path = "../../src/model/whole.rs"]
mod whole;

pub use manifest::{Architecture, Manifest};
pub use stored::Stored;

/// The names that costs and manifests know.
mod engine {
    pub enum Backend {
        Flex,
    }

    pub enum EngineKind {
        Burn(Backend),
    }

    impl EngineKind {
        pub fn name(self) -> &'static str {
            "flex"
        }
    }
}

mod bundle {
    #[derive(Debug, thiserror::Error)]
    pub enum BundleError {
        #[error("{0}")]
        Engine(String),
    }
}

/// As a bundle does once the file's digest is right.
pub fn read_weights(manifest: &Manifest, bytes: &[u8]) -> Result<(), weights::WeightsFault> {
    let (sizes, labels) = (&manifest.architecture, manifest.labels.len());
    let weights = stored::decode(bytes, sizes, labels, manifest.weights.precision)?;
    weights.check(sizes, labels)
}

/// A file of random weights that fits the manifest.
pub fn random_weights(manifest: &Manifest) -> Vec<u8> {
    let sizes = &manifest.architecture;
    let weights = weights::Weights::random(sizes, manifest.labels.len(), 1);
    let weights = match manifest.weights.precision {
        Stored::F32 => weights,
        _ => weights.folded(sizes),
    };
    stored::encode(&weights, manifest.weights.precision).expect("sound weights")
}
