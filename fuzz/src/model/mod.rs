//! The bundle's two files, without the engines that run it.

mod bundle;
mod engines;
mod network;

pub use bundle::architecture::Architecture;
pub use bundle::manifest::Manifest;
pub use bundle::weight_precision::WeightPrecision;

/// The names that costs and manifests know.
mod engine_kind {
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

/// As a bundle does once the file's digest is right.
pub fn read_weights(manifest: &Manifest, bytes: &[u8]) -> Result<(), bundle::weights::WeightsFault> {
    let (sizes, labels) = (&manifest.architecture, manifest.labels.len());
    let weights =
        bundle::weight_precision::decode(bytes, sizes, labels, manifest.weights.precision)?;
    weights.check(sizes, labels)
}

/// A file of random weights that fits the manifest.
pub fn random_weights(manifest: &Manifest) -> Vec<u8> {
    let sizes = &manifest.architecture;
    let weights = bundle::weights::Weights::random(sizes, manifest.labels.len(), 1);
    let weights = match manifest.weights.precision {
        WeightPrecision::F32 => weights,
        _ => weights.folded(sizes),
    };
    bundle::weight_precision::encode(&weights, manifest.weights.precision).expect("sound weights")
}
