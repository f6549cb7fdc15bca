//! The file of costs that were measured on this machine, in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::table::Costs;
use crate::language::bundle::Bundle;
use crate::profile::Machine;
use crate::user_cache::measured_costs;

/// Where the costs of a bundle on this machine are.
pub struct CostFile(PathBuf);

impl CostFile {
    /// None where the system names no such place, or the weights are not here. Other weights,
    /// another context, sampling or form of answers, and another build have another place.
    pub fn of(bundle: &Bundle) -> Option<CostFile> {
        let weights = bundle.weights().ok()?;
        let facts = fs::metadata(&weights).ok()?;
        let manifest = &bundle.manifest;
        let all = format!(
            "{:?} {} {:?} {} {:?} {:?} {}",
            manifest.weights.sha256,
            facts.len(),
            facts.modified().ok(),
            manifest.context,
            manifest.sampling,
            manifest.answer,
            env!("CARGO_PKG_VERSION"),
        );
        let sum = Sha256::digest(all);
        let key: String = sum[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{}-{key}-{}.json", manifest.name, Machine::this().key());
        Some(CostFile(measured_costs()?.join(name)))
    }

    /// None where nothing was measured, or what is there is no table of costs.
    pub fn read(&self) -> Option<Costs> {
        let text = fs::read_to_string(&self.0).ok()?;
        let costs: Costs = serde_json::from_str(&text).ok()?;
        costs.fault().is_none().then_some(costs)
    }

    /// Writes them down.
    ///
    /// # Errors
    /// The file, and why not.
    pub fn write(&self, costs: &Costs) -> Result<(), String> {
        let wrong = |cause: std::io::Error| format!("{}: {cause}", self.0.display());
        let text = serde_json::to_string(costs).map_err(|cause| cause.to_string())?;
        fs::create_dir_all(self.0.parent().unwrap_or(Path::new("."))).map_err(wrong)?;
        // Never half a table, whoever reads meanwhile.
        let part = self.0.with_extension(format!("part{}", std::process::id()));
        fs::write(&part, text).map_err(wrong)?;
        fs::rename(&part, &self.0).map_err(wrong)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}
