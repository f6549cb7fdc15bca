//! Costs of a bundle's stages on the machine where it was trained, per engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::engine_kind::{Backend, EngineKind};

/// Median microseconds of every stage, shallow to deep, by engine.
///
/// In `model.yaml` either a list, which is flex's, or lists by the engine's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct StageCosts(BTreeMap<String, Vec<f64>>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Flex(Vec<f64>),
    ByEngine(BTreeMap<String, Vec<f64>>),
}

const FLEX: EngineKind = EngineKind::Burn(Backend::Flex);

impl StageCosts {
    /// Takes in what the stages of one engine cost.
    pub fn insert(&mut self, engine: EngineKind, costs: Vec<f64>) {
        self.0.insert(engine.name().into(), costs);
    }

    /// Costs on flex, which every bundle has.
    pub fn flex(&self) -> &[f64] {
        self.0.get(FLEX.name()).map_or(&[], Vec::as_slice)
    }

    /// Costs on an engine; where they were not measured, flex's: no engine that ships is slower
    /// but ndarray, and a replay must not depend on the machine it runs on.
    pub fn of(&self, engine: EngineKind) -> &[f64] {
        self.measured(engine).unwrap_or_else(|| self.flex())
    }

    /// Costs on an engine, where they were measured.
    pub fn measured(&self, engine: EngineKind) -> Option<&[f64]> {
        self.0.get(engine.name()).map(Vec::as_slice)
    }

    /// Every engine with its costs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.0
            .iter()
            .map(|(name, costs)| (name.as_str(), costs.as_slice()))
    }

    /// Every fault, as a sentence. Engines this build does not know are no fault: another build
    /// may have measured them.
    pub(in crate::model) fn faults(&self, depth: usize) -> Vec<String> {
        let mut faults = Vec::new();
        if !self.0.contains_key(FLEX.name()) {
            faults.push("stage_cost_us has none for flex".into());
        }
        for (engine, costs) in &self.0 {
            if costs.len() != depth {
                let count = costs.len();
                faults.push(format!(
                    "{count} stage costs for {engine}, but depth is {depth}"
                ));
            }
            if !costs.iter().all(|cost| cost.is_finite() && *cost >= 0.0) {
                faults.push(format!(
                    "stage_cost_us of {engine} is {costs:?}, expected numbers of 0 or more"
                ));
            }
        }
        faults
    }
}

impl From<Written> for StageCosts {
    fn from(written: Written) -> StageCosts {
        StageCosts(match written {
            Written::Flex(costs) => BTreeMap::from([(FLEX.name().into(), costs)]),
            Written::ByEngine(costs) => costs,
        })
    }
}

impl From<StageCosts> for Written {
    fn from(mut costs: StageCosts) -> Written {
        match costs.0.keys().all(|engine| engine == FLEX.name()) {
            true => Written::Flex(costs.0.remove(FLEX.name()).unwrap_or_default()),
            false => Written::ByEngine(costs.0),
        }
    }
}
