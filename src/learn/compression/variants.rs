//! The table of variants: size and scores after distillation and after each step of a compression.

use std::collections::BTreeSet;

use crate::learn::metrics::block_weights::block_weights;
use crate::learn::report::report_file::EvaluationReport;
use crate::learn::report::variant::Variant;
use crate::model::{Bundle, BundleError, EngineKind, Precision, WeightPrecision};

impl Variant {
    /// Of a bundle and how it scored.
    pub(in crate::learn) fn new(
        name: &str,
        bundle: &Bundle,
        engine: EngineKind,
        report: &EvaluationReport,
    ) -> Result<Variant, BundleError> {
        let precision = bundle.manifest.weights.precision;
        let ram_bytes = bundle.packed_bytes(match precision {
            WeightPrecision::F32 => Precision::F32,
            WeightPrecision::Int8 | WeightPrecision::Int4 => Precision::Int8,
        })?;
        let robots: BTreeSet<&String> = report
            .exits
            .iter()
            .flat_map(|e| e.per_robot.keys())
            .collect();
        let by_exit = |robot: &String| -> Vec<Option<f64>> {
            let exits = report.exits.iter();
            exits
                .map(|exit| exit.per_robot.get(robot)?.balanced_accuracy)
                .collect()
        };
        Ok(Variant {
            name: name.into(),
            model: bundle.id().into(),
            precision,
            engine: engine.name().into(),
            block_weights: block_weights(&bundle.manifest.architecture),
            parameters: bundle.weights().parameters(),
            bytes_on_disk: bundle.weights_bytes(),
            ram_bytes,
            balanced_accuracy: robots
                .into_iter()
                .map(|robot| (robot.clone(), by_exit(robot)))
                .collect(),
            fastest_agreement: Some(report.fastest.agreement),
            fastest_stages: Some(report.fastest.mean_stages),
        })
    }
}
