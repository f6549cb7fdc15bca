//! The file of a profile: its contents and its place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use crate::quantiles::Quantiles;
use crate::user_cache::user_cache;

/// The only form this build reads and writes.
pub const FORMAT: u32 = 1;

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The bundle or one of its engines.
    #[error(transparent)]
    Bundle(#[from] crate::model::BundleError),
    /// An engine failed while it was measured.
    #[error("engine {engine} failed while it was measured: {fault}")]
    Engine {
        /// Its name.
        engine: String,
        /// Its error.
        fault: crate::scheduler::EngineFault,
    },
    /// The file.
    #[error("{}: {cause}; {remedy}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// `profile`'s file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Always [`FORMAT`].
    pub format: u32,
    /// Id of the bundle.
    pub model: String,
    /// The machine it was measured on.
    pub machine: Machine,
    /// Seconds since 1970 at the end of the measurement.
    pub measured_at: u64,
    /// Runs per condition.
    pub runs: usize,
    /// Bytes of the weights on disk.
    pub weights_bytes: u64,
    /// By engine, in the order measured.
    pub engines: Vec<EngineProfile>,
}

impl Profile {
    /// The file that `run` reads: in the user's cache folder, one per bundle and machine.
    pub fn place(model: &str, machine: &Machine) -> Option<PathBuf> {
        let name = format!("{model}-{}.json", machine.key());
        Some(user_cache()?.join("profiles").join(name))
    }

    /// Reads a profile; refuses one of another bundle, machine or form.
    pub fn load(file: &Path, model: &str, machine: &Machine) -> Result<Profile, ProfileError> {
        let wrong = |cause: String| ProfileError::File {
            file: file.to_path_buf(),
            cause,
            remedy: "measure anew with `edge_reasoner profile`",
        };
        let text = std::fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
        let profile: Profile =
            serde_json::from_str(&text).map_err(|cause| wrong(cause.to_string()))?;
        if profile.format != FORMAT {
            let cause = format!("form {}, expected {FORMAT}", profile.format);
            return Err(wrong(cause));
        }
        if profile.model != model {
            let cause = format!("a profile of {}, expected {model}", profile.model);
            return Err(wrong(cause));
        }
        if profile.machine != *machine {
            let cause = format!("measured on {}, this is {machine}", profile.machine);
            return Err(wrong(cause));
        }
        Ok(profile)
    }

    /// Writes it, whole or not at all.
    pub fn save(&self, file: &Path) -> Result<(), ProfileError> {
        let failed = |cause: std::io::Error| ProfileError::File {
            file: file.to_path_buf(),
            cause: cause.to_string(),
            remedy: "name another place with --out",
        };
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|cause| failed(cause.into()))?;
        let part = file.with_extension("part");
        std::fs::write(&part, text + "\n").map_err(failed)?;
        std::fs::rename(&part, file).map_err(failed)
    }
}

/// One engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineProfile {
    /// Its name.
    pub engine: String,
    /// KiB of resident memory that loading and warming it added.
    pub rss_added_kib: u64,
    /// Stages one after another, nothing else running.
    pub warm: ConditionCosts,
    /// The same with the caches filled with other data before every run.
    pub cold: ConditionCosts,
    /// Warm, with a busy thread per processor beside it.
    pub loaded: ConditionCosts,
}

/// Costs under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConditionCosts {
    /// Of each stage alone.
    pub stages: Vec<CostQuantiles>,
    /// From the window to each exit.
    pub to_exit: Vec<CostQuantiles>,
}

/// Microseconds.
///
/// `bound` is the largest of the runs. Among exchangeable runs the next one exceeds the largest of
/// n with probability 1/(n + 1) (rank statistics, no distribution assumed): with the 2000 runs of
/// the default, less than 0.05 %.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CostQuantiles {
    /// Median.
    pub p50_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// The largest.
    pub bound_us: f64,
}

impl CostQuantiles {
    pub(super) fn of(costs: Vec<Duration>) -> CostQuantiles {
        let micros = costs.iter().map(|cost| cost.as_secs_f64() * 1e6);
        let of = Quantiles::of(micros.collect());
        CostQuantiles {
            p50_us: of.p50,
            p99_us: of.p99,
            p999_us: of.p999,
            bound_us: of.max,
        }
    }
}
