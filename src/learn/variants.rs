//! The table of variants: what distillation and each step of a compression made smaller, and what
//! it cost.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::prune::block_weights;
use super::report::Report;
use crate::model::{Bundle, BundleError, EngineKind, Precision, Stored};

/// Name of the row of those that the student learned from.
pub(super) const TEACHER: &str = "teacher";

/// One model of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// `teacher`, `student` or `given`, `pruned` (`f32` where nothing was pruned), `int8`, `int4`.
    pub name: String,
    /// Id of the bundle.
    pub model: String,
    /// What the matrices are on disk.
    pub precision: Stored,
    /// What scored it.
    pub engine: String,
    /// Numbers in the matrices of the blocks.
    pub block_weights: usize,
    /// Numbers in all.
    pub parameters: usize,
    /// Of the weights file.
    pub bytes_on_disk: u64,
    /// What the packed engine takes once loaded, weights and scratch: packed_f32 for f32,
    /// packed_int8 for integers.
    pub ram_bytes: usize,
    /// Robot to balanced accuracy by exit, shallow to deep.
    pub balanced_accuracy: BTreeMap<String, Vec<Option<f64>>>,
    /// Share of the windows on which `fastest` answers as the deepest exit; teachers do not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest_agreement: Option<f64>,
    /// Stages that `fastest` runs on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastest_stages: Option<f64>,
}

impl Variant {
    /// Of a bundle and how it scored.
    pub(super) fn new(
        name: &str,
        bundle: &Bundle,
        engine: EngineKind,
        report: &Report,
    ) -> Result<Variant, BundleError> {
        let precision = bundle.manifest.weights.precision;
        let ram_bytes = bundle.packed_bytes(match precision {
            Stored::F32 => Precision::F32,
            Stored::Int8 | Stored::Int4 => Precision::Int8,
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

/// The table in Markdown.
pub(super) fn table(variants: &[Variant]) -> String {
    let robots: BTreeSet<&String> = variants
        .iter()
        .flat_map(|variant| variant.balanced_accuracy.keys())
        .collect();
    let names: String = robots.iter().map(|robot| format!(" {robot} |")).collect();
    let mut text = format!(
        "| | weights of the blocks | parameters | bytes on disk | RAM | scored by |{names} `fastest` agrees, stages |\n"
    );
    text += &format!(
        "|---|---:|---:|---:|---:|---|{}---:|\n",
        "---|".repeat(robots.len())
    );
    for variant in variants {
        let scores: String = robots
            .iter()
            .map(|robot| {
                let exits = variant.balanced_accuracy.get(*robot);
                let figures = exits.into_iter().flatten();
                let figures = figures.map(|s| s.map_or("-".into(), |s| format!("{s:.3}")));
                format!(" {} |", figures.collect::<Vec<String>>().join(" "))
            })
            .collect();
        let fastest = match (variant.fastest_agreement, variant.fastest_stages) {
            (Some(share), Some(stages)) => format!("{:.2} %, {stages:.2}", 100.0 * share),
            _ => "-".into(),
        };
        text += &format!(
            "| {} | {} | {} | {} | {} KiB | {} |{scores} {fastest} |\n",
            variant.name,
            variant.block_weights,
            variant.parameters,
            variant.bytes_on_disk,
            variant.ram_bytes / 1024,
            variant.engine
        );
    }
    text + "\nPer robot: balanced accuracy by exit, on the left-out groups. RAM: weights and scratch of \
            the packed engine, packed_f32 for f32 and packed_int8 for integers.\n"
}
