//! What a bundle costs on the machine at hand: per engine, stage and condition, with a verdict per
//! deadline in plain words. Written once by `profile`, read by `run`.

mod check;
mod machine;
mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use check::{Start, Verdict, check};
pub use machine::Machine;
pub use measure::{ProfileOptions, profile};
pub use report::{DEADLINES_MS, Fit};

use crate::cache::user_cache;
use crate::quantiles::Quantiles;

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
        /// What it said.
        fault: crate::reason::EngineFault,
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
    /// Where it was measured.
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

/// One engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineProfile {
    /// Its name.
    pub engine: String,
    /// KiB of resident memory that loading and warming it added.
    pub rss_added_kib: u64,
    /// Stages one after another, nothing else running.
    pub warm: Costs,
    /// The same with the caches filled with other data before every run.
    pub cold: Costs,
    /// Warm, with a busy thread per processor beside it.
    pub loaded: Costs,
}

/// Costs under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// Of each stage alone.
    pub stages: Vec<Cost>,
    /// From the window to each exit.
    pub to_exit: Vec<Cost>,
}

/// Microseconds.
///
/// `bound` is the largest of the runs. Among exchangeable runs the next one exceeds the largest of n
/// with probability 1/(n + 1) (rank statistics, no distribution assumed): with the 2000 runs of
/// the default, less than 0.05 %.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Median.
    pub p50_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// The largest.
    pub bound_us: f64,
}

impl Cost {
    fn of(costs: Vec<Duration>) -> Cost {
        let micros = costs.iter().map(|cost| cost.as_secs_f64() * 1e6);
        let of = Quantiles::of(micros.collect());
        Cost {
            p50_us: of.p50,
            p99_us: of.p99,
            p999_us: of.p999,
            bound_us: of.max,
        }
    }
}

impl Profile {
    /// Where `run` looks for it: the user's cache folder, one file per bundle and machine.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_costs_that_were_seen() {
        let costs = (1..=1000).map(Duration::from_micros).collect();
        let cost = Cost::of(costs);
        assert_eq!(
            [cost.p50_us, cost.p99_us, cost.p999_us, cost.bound_us].map(|us| us.round()),
            [500.0, 990.0, 999.0, 1000.0]
        );
        assert_eq!(Cost::of(vec![Duration::from_micros(7)]).p50_us.round(), 7.0);
    }

    #[test]
    fn a_profile_comes_back_and_is_refused_elsewhere() {
        let machine = Machine::this();
        let profile = Profile {
            format: FORMAT,
            model: "m-1".into(),
            machine: machine.clone(),
            measured_at: 0,
            runs: 1,
            weights_bytes: 0,
            engines: vec![],
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/profile.json");
        profile.save(&file).unwrap();
        assert!(Profile::load(&file, "m-1", &machine).is_ok());
        let refused = |model: &str, machine: &Machine| {
            Profile::load(&file, model, machine)
                .unwrap_err()
                .to_string()
        };
        assert!(refused("m-2", &machine).contains("a profile of m-1, expected m-2"));
        let other = Machine {
            cpu: "another".into(),
            ..machine
        };
        assert!(refused("m-1", &other).contains("measured on"));
        std::fs::write(&file, "{").unwrap();
        assert!(refused("m-1", &other).contains("measure anew"));
    }
}
