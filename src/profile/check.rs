//! Checks at start whether a deadline can be met at all on this machine.

use std::time::Duration;

use super::profile_file::Profile;
use super::{Machine, ReachableDepth};
use crate::time::{ShownDuration, least_ms};

/// The costs of the first engine when a node starts.
#[derive(Clone, Copy, Debug)]
pub struct StartCheck<'a> {
    /// Id of the bundle.
    pub model: &'a str,
    /// The engine's name.
    pub engine: &'a str,
    /// Median cost of the first stage in the warm-up just made.
    pub first_stage: Duration,
    /// Promised.
    pub deadline: Duration,
    /// Kept free of it.
    pub publish_margin: Duration,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadlineVerdict {
    /// It can be met; what is known of how deep, for the log.
    Fits(Option<String>),
    /// It can be met, but not beside a load.
    Tight(String),
    /// Not even the mandatory part fits.
    Impossible(String),
}

/// By the warm-up, and by the profile of this bundle on this machine where there is one.
pub fn check(start: &StartCheck<'_>) -> DeadlineVerdict {
    let machine = Machine::this();
    let file = Profile::place(start.model, &machine).filter(|file| file.is_file());
    let profile = file.and_then(|file| match Profile::load(&file, start.model, &machine) {
        Ok(profile) => Some(profile),
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    });
    judge(start, profile.as_ref())
}

fn judge(start: &StartCheck<'_>, profile: Option<&Profile>) -> DeadlineVerdict {
    let least = start.first_stage + start.publish_margin;
    if least > start.deadline {
        return DeadlineVerdict::Impossible(format!(
            "the first exit alone takes {} on {} here, and {} are kept free for publishing; \
             expected a deadline_ms above {}",
            ShownDuration(start.first_stage),
            start.engine,
            ShownDuration(start.publish_margin),
            least_ms(least)
        ));
    }
    let known = profile.and_then(|p| p.engines.iter().find(|e| e.engine == start.engine));
    let Some(engine) = known else {
        return DeadlineVerdict::Fits(None);
    };
    let word = engine.verdict(start.deadline, start.publish_margin);
    match engine.fit(start.deadline, start.publish_margin) {
        ReachableDepth::Nothing => DeadlineVerdict::Tight(word),
        _ => DeadlineVerdict::Fits(Some(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::profile_file::{ConditionCosts, CostQuantiles, EngineProfile, FORMAT};

    const MS: Duration = Duration::from_millis(1);

    fn start(first_stage: Duration) -> StartCheck<'static> {
        StartCheck {
            model: "m-1",
            engine: "flex",
            first_stage,
            deadline: 5 * MS,
            publish_margin: MS,
        }
    }

    fn profile(loaded_us: f64) -> Profile {
        let costs = |us| {
            let cost = CostQuantiles {
                p50_us: us,
                p99_us: us,
                p999_us: us,
                bound_us: us,
            };
            ConditionCosts {
                stages: vec![cost],
                to_exit: vec![cost],
            }
        };
        Profile {
            format: FORMAT,
            model: "m-1".into(),
            machine: Machine::this(),
            measured_at: 0,
            runs: 1,
            weights_bytes: 0,
            engines: vec![EngineProfile {
                engine: "flex".into(),
                rss_added_kib: 0,
                warm: costs(100.0),
                cold: costs(100.0),
                loaded: costs(loaded_us),
            }],
        }
    }

    #[test]
    fn a_deadline_below_the_mandatory_part_is_impossible_with_or_without_a_profile() {
        let slow = start(4 * MS + MS / 2);
        for profile in [None, Some(&profile(100.0))] {
            let verdict = judge(&slow, profile);
            assert!(
                matches!(&verdict, DeadlineVerdict::Impossible(word) if word.contains("above 5.5")),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn a_profile_tells_what_a_load_leaves_of_it() {
        let quick = start(MS / 10);
        assert_eq!(judge(&quick, None), DeadlineVerdict::Fits(None));
        assert!(matches!(
            judge(&quick, Some(&profile(3900.0))),
            DeadlineVerdict::Fits(Some(_))
        ));
        assert!(matches!(
            judge(&quick, Some(&profile(4100.0))),
            DeadlineVerdict::Tight(_)
        ));
    }
}
