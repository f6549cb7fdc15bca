//! Profiles: what a bundle costs on this machine, per engine, stage and condition, with a verdict
//! per deadline in plain words. Written by `profile`, read by `run`.

mod check;
mod machine;
mod measure;
mod profile_file;
mod report;

pub use check::{DeadlineVerdict, StartCheck, check};
pub use machine::Machine;
pub use measure::{ProfileOptions, profile};
pub use profile_file::{
    ConditionCosts, CostQuantiles, EngineProfile, FORMAT, Profile, ProfileError,
};
pub use report::{DEADLINES_MS, ReachableDepth};

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn quantiles_are_costs_that_were_seen() {
        let costs = (1..=1000).map(Duration::from_micros).collect();
        let cost = CostQuantiles::of(costs);
        assert_eq!(
            [cost.p50_us, cost.p99_us, cost.p999_us, cost.bound_us].map(|us| us.round()),
            [500.0, 990.0, 999.0, 1000.0]
        );
        assert_eq!(
            CostQuantiles::of(vec![Duration::from_micros(7)])
                .p50_us
                .round(),
            7.0
        );
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
