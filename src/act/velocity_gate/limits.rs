//! The gate's configuration: what each label lets through, and the timeouts.

use std::time::Duration;

use super::physics::Physics;
use super::velocity::Factors;
use crate::act::asymmetric_debounce::Allowance;

/// What the gate is told.
#[derive(Clone, Debug, PartialEq)]
pub struct GateLimits {
    /// Per label, in the bundle's order: what passes where the decision rests on what was seen.
    pub factors: Vec<Factors>,
    /// What is needed to cap commands by what scans show; none: they are not.
    pub physics: Option<Physics>,
    /// How far ahead in time the free way of decisions looks, s; none: it caps nothing.
    pub horizon_s: Option<f64>,
    /// What passes where it rests on nothing; never more than under any label.
    pub blind: Factors,
    /// A decision whose trigger arrived longer ago than this counts as none.
    pub decision_timeout: Duration,
    /// A command older than this is not obeyed and not repeated.
    pub command_timeout: Duration,
    /// How long a stop is repeated, for a base that lost the first.
    pub repeat_stop: Duration,
    /// Decisions in a row that must allow more before more is let through. One that allows less
    /// counts at once.
    pub release_after: u32,
    /// Whether ages are measured in a simulation's time; fixed when the gate is made.
    pub sim_time: bool,
}

impl Default for GateLimits {
    /// Nothing passes.
    fn default() -> GateLimits {
        GateLimits {
            factors: Vec::new(),
            physics: None,
            horizon_s: None,
            blind: Factors::CLOSED,
            decision_timeout: Duration::ZERO,
            command_timeout: Duration::ZERO,
            repeat_stop: Duration::ZERO,
            release_after: 1,
            sim_time: false,
        }
    }
}

impl GateLimits {
    pub(super) fn sound(mut self) -> GateLimits {
        for factors in &mut self.factors {
            *factors = factors.sound();
        }
        let blind = self.blind.sound();
        self.blind = self.factors.iter().copied().fold(blind, Factors::at_most);
        self
    }
}
