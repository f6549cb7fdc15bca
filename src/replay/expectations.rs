//! Checks a team's expectations of its own recordings: a yaml of scores in, an exit code and JUnit
//! for the CI out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::replayed::{ReplayedDecision, ReplayedRecording};
use crate::quantiles::Quantiles;
use crate::scheduler::DecisionSource;

/// Why expectations cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ExpectError {
    /// The file.
    #[error("expectations {}: {cause}; expected a list `expectations:` as tests/expectations.yaml shows it", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The report for the CI.
    #[error("{}: {cause}; check that the folder can be written", .file.display())]
    Junit {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        cause: String,
    },
}

/// A file of expectations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    expectations: Vec<Expectation>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// Its name in reports.
    name: String,
    /// Patterns of recordings' names, as a shell has them.
    #[serde(default = "all", deserialize_with = "patterns")]
    recordings: Vec<glob::Pattern>,
    /// By measure.
    expect: BTreeMap<Measure, Limits>,
}

fn all() -> Vec<glob::Pattern> {
    glob::Pattern::new("*").into_iter().collect()
}

fn patterns<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<glob::Pattern>, D::Error> {
    let written: Vec<String> = Vec::deserialize(from)?;
    let compiled = written.iter().map(|text| {
        let refused = |cause| D::Error::custom(format!("pattern \"{text}\": {cause}"));
        glob::Pattern::new(text).map_err(refused)
    });
    compiled.collect()
}

/// What can be expected. Shares are of the decisions, 0..=1; those that compare with the truth
/// count only where the recording has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Measure {
    /// Decisions.
    Decisions,
    /// Decisions after their deadline.
    Late,
    /// 99th percentile of arrival to publication.
    LatencyP99Ms,
    /// Held.
    HoldShare,
    /// By the safe label, for want of the model.
    FallbackShare,
    /// Equal to the truth.
    Accuracy,
    /// The longest from where the safe label is right for what is seen now to where it is decided.
    TimeToStopS,
    /// The longest from where the truth leaves the safe label to where the decision does.
    ResumeTimeS,
    /// Of decisions where neither the truth nor what is seen now is the safe label, those that are.
    FalseStopShare,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
}

/// One expectation held against the replay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExpectationOutcome {
    /// Name of the expectation.
    pub name: String,
    /// Recordings it matched.
    pub recordings: Vec<String>,
    /// Expectations that were not met; empty when all were.
    pub failures: Vec<String>,
    /// The values, by measure; none where there was nothing to measure.
    pub measured: BTreeMap<String, Option<f64>>,
}

impl Expectations {
    /// Reads the file and checks it.
    pub fn load(file: &Path) -> Result<Expectations, ExpectError> {
        let wrong = |cause: String| ExpectError::File {
            file: file.to_path_buf(),
            cause,
        };
        let text = std::fs::read_to_string(file).map_err(|cause| wrong(cause.to_string()))?;
        let read: Expectations =
            serde_yaml::from_str(&text).map_err(|cause| wrong(cause.to_string()))?;
        if read.expectations.is_empty() {
            return Err(wrong(String::from("it expects nothing")));
        }
        for expectation in &read.expectations {
            let name = &expectation.name;
            for (measure, limits) in &expectation.expect {
                if limits.min.is_none() && limits.max.is_none() {
                    return Err(wrong(format!("{name}: {measure} has neither min nor max")));
                }
            }
            if expectation.expect.is_empty() {
                return Err(wrong(format!("{name}: expect is empty")));
            }
        }
        Ok(read)
    }

    /// Holds them against what was replayed; `safe` is the index of the safe label.
    pub(super) fn check(
        &self,
        replayed: &[ReplayedRecording],
        safe: usize,
        deadline_ms: f64,
    ) -> Vec<ExpectationOutcome> {
        let each = self.expectations.iter();
        each.map(|expectation| expectation.check(replayed, safe, deadline_ms))
            .collect()
    }
}

impl Expectation {
    fn check(
        &self,
        replayed: &[ReplayedRecording],
        safe: usize,
        deadline_ms: f64,
    ) -> ExpectationOutcome {
        let patterns = &self.recordings;
        let matched: Vec<&ReplayedRecording> = replayed
            .iter()
            .filter(|one| patterns.iter().any(|pattern| pattern.matches(&one.name)))
            .collect();
        let mut failures = Vec::new();
        if matched.is_empty() {
            let written: Vec<&str> = patterns.iter().map(glob::Pattern::as_str).collect();
            failures.push(format!("no recording matched {}", written.join(", ")));
        }
        let mut measured = BTreeMap::new();
        for (measure, limits) in &self.expect {
            let value = measure.of(&matched, safe, deadline_ms);
            measured.insert(measure.to_string(), value);
            if !matched.is_empty() {
                failures.extend(limits.unmet(*measure, value));
            }
        }
        ExpectationOutcome {
            name: self.name.clone(),
            recordings: matched.iter().map(|one| one.name.to_string()).collect(),
            failures,
            measured,
        }
    }
}

impl Limits {
    fn unmet(&self, measure: Measure, value: Option<f64>) -> Option<String> {
        let Some(value) = value else {
            return Some(format!(
                "{measure} could not be measured: no such case, or no truth"
            ));
        };
        if let Some(max) = self.max
            && value > max
        {
            return Some(format!("{measure} is {value:.4}, expected at most {max}"));
        }
        let min = self.min.filter(|min| value < *min)?;
        Some(format!("{measure} is {value:.4}, expected at least {min}"))
    }
}

impl Measure {
    fn of(self, replayed: &[&ReplayedRecording], safe: usize, deadline_ms: f64) -> Option<f64> {
        let points = || replayed.iter().flat_map(|one| &one.points);
        let share = |of: &dyn Fn(&ReplayedDecision) -> bool| {
            let count = points().count();
            (count > 0).then(|| points().filter(|p| of(p)).count() as f64 / count as f64)
        };
        match self {
            Measure::Decisions => Some(points().count() as f64),
            Measure::Late => Some(points().filter(|p| millis(p) > deadline_ms).count() as f64),
            Measure::LatencyP99Ms => {
                let all: Vec<f64> = points().map(millis).collect();
                (!all.is_empty()).then(|| Quantiles::of(all).p99)
            }
            Measure::HoldShare => share(&|p| p.source == DecisionSource::Hold),
            Measure::FallbackShare => share(&|p| p.source == DecisionSource::Fallback),
            Measure::Accuracy => {
                let known = points().filter_map(|p| Some((p.label, p.truth?.label)));
                mean(known.map(|(label, truth)| usize::from(label) == truth))
            }
            Measure::FalseStopShare => {
                let free = points().filter(|p| {
                    p.truth
                        .is_some_and(|truth| truth.label != safe && truth.now != safe)
                });
                mean(free.map(|p| usize::from(p.label) == safe))
            }
            Measure::TimeToStopS => longest(replayed, |points| {
                delays(
                    points,
                    |p| p.truth.map(|t| t.now == safe),
                    |p| usize::from(p.label) == safe,
                )
            }),
            Measure::ResumeTimeS => longest(replayed, |points| {
                let free = |p: &ReplayedDecision| p.truth.map(|t| t.label != safe && t.now != safe);
                delays(points, free, |p| usize::from(p.label) != safe)
            }),
        }
    }
}

fn millis(point: &ReplayedDecision) -> f64 {
    point.latency.as_secs_f64() * 1e3
}

fn mean(answers: impl Iterator<Item = bool>) -> Option<f64> {
    let (hits, count) = answers.fold((0u64, 0u64), |(hits, count), hit| {
        (hits + u64::from(hit), count + 1)
    });
    (count > 0).then(|| hits as f64 / count as f64)
}

fn longest(
    replayed: &[&ReplayedRecording],
    delays: impl Fn(&[ReplayedDecision]) -> Vec<f64>,
) -> Option<f64> {
    let all = replayed.iter().flat_map(|one| delays(&one.points));
    all.reduce(f64::max)
}

/// Seconds from where `wanted` becomes true to the first decision that is as `done` asks; an event
/// that is over before counts to its end.
fn delays(
    points: &[ReplayedDecision],
    wanted: impl Fn(&ReplayedDecision) -> Option<bool>,
    done: impl Fn(&ReplayedDecision) -> bool,
) -> Vec<f64> {
    let mut delays = Vec::new();
    let mut since: Option<f64> = None;
    let mut before = None;
    for point in points {
        // Where no truth is known, as in a silence, nothing begins, but what has begun may end.
        let now = wanted(point);
        if now == Some(true) && before == Some(false) {
            since = Some(point.at);
        }
        let left = point.at + point.latency.as_secs_f64();
        if let Some(begun) = since
            && (done(point) || now == Some(false))
        {
            delays.push(left - begun);
            since = None;
        }
        before = now.or(before);
    }
    delays
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name of the yaml.
        let name = serde_yaml::to_string(self).unwrap_or_default();
        f.write_str(name.trim())
    }
}

/// Writes the outcomes as JUnit XML, one test case per expectation.
pub fn write_junit(outcomes: &[ExpectationOutcome], file: &Path) -> Result<(), ExpectError> {
    use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
    let mut suite = TestSuite::new("edge_reasoner replay");
    for outcome in outcomes {
        let status = match outcome.failures.is_empty() {
            true => TestCaseStatus::success(),
            false => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(outcome.failures.join("; "));
                status
            }
        };
        let mut case = TestCase::new(outcome.name.as_str(), status);
        let measured = serde_json::to_string(&outcome.measured).unwrap_or_default();
        case.set_system_out(measured);
        suite.add_test_case(case);
    }
    let mut report = Report::new("edge_reasoner");
    report.add_test_suite(suite);
    let failed = |cause: String| ExpectError::Junit {
        file: file.to_path_buf(),
        cause,
    };
    let text = report
        .to_string()
        .map_err(|cause| failed(cause.to_string()))?;
    std::fs::write(file, text).map_err(|cause| failed(cause.to_string()))
}

#[cfg(test)]
mod tests;
