//! The report of a replay, as JSON and as text.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::expectations::ExpectationOutcome;
use super::options::{ReplayError, ReplayOptions};
use super::replayed::ReplayedRecording;
use crate::configure::Configuration;
use crate::learn::{BaselineTallies, ConfusionCounts as ScoreTally, Scores, Task};
use crate::quantiles::Quantiles;
use crate::scheduler::{DecisionSource, Reason};

/// `report.json` of a replay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Id of the bundle.
    pub model: String,
    /// Task of the bundle.
    pub task: String,
    /// Names of the recordings; the decisions of each are in a `.mcap` of its name.
    pub recordings: Vec<String>,
    /// The source whose messages, and whose silence, are answered.
    pub trigger: String,
    /// Recordings that could not be used, and why.
    pub failed: Vec<String>,
    /// Recordings used up to where they are cut, and where that is.
    pub cut: Vec<String>,
    /// Seconds recorded.
    pub seconds: f64,
    /// Triggers: arrivals on the trigger topic that ask for a decision, and its silences.
    pub received: u64,
    /// Silences of the trigger that were answered, once per timeout while they lasted.
    pub silences: u64,
    /// Triggers accepted, each answered by one decision.
    pub cycles: u64,
    /// Triggers replaced by newer ones before they were taken.
    pub superseded: u64,
    /// Decisions after their deadline.
    pub late: u64,
    /// Decisions by an answer to the same window that was used again (`cache.max_age_ms`).
    pub reused: u64,
    /// Optional sources that a recording lacks, by recording and source, and why.
    pub without: BTreeMap<String, BTreeMap<String, String>>,
    /// Other notices, by recording.
    pub notices: BTreeMap<String, Vec<String>>,
    /// Messages that could not be used.
    pub refused_messages: u64,
    /// The first fault of a message, per recording that had any.
    pub faults: BTreeMap<String, String>,
    /// Notices about the messages, none of which was refused for them: how lasers are
    /// mounted, what of the robot they see; in sentences that begin with the recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Decisions by source.
    pub by_source: BTreeMap<String, u64>,
    /// Decisions by why they are not the model's.
    pub by_reason: BTreeMap<String, u64>,
    /// Decisions by the exit they were read from.
    pub by_exit: BTreeMap<String, u64>,
    /// Arrival to publication, in simulated time.
    pub latency_us: Quantiles,
    /// The deadline.
    pub deadline_ms: f64,
    /// Stage costs were multiplied by this.
    pub slowdown: f64,
    /// The parameters that were given, such as the laser's yaw.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Scores of the decisions, where the truth is known.
    pub scores: ScoresByRobot,
    /// Scores of the baselines, on the same recordings.
    pub baselines: BTreeMap<String, ScoresByRobot>,
    /// The expectations, with their outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ExpectationOutcome>,
    /// How long the replay took; not part of what is compared between runs.
    #[serde(skip)]
    pub took: Duration,
}

/// Scores by robot.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScoresByRobot {
    /// Name to scores.
    pub per_robot: BTreeMap<String, Scores>,
}

impl ReplayReport {
    pub(super) fn new(
        configuration: &Configuration,
        task: Option<&Task>,
        options: &ReplayOptions,
        replayed: &[ReplayedRecording],
        failed: Vec<String>,
        began: Instant,
    ) -> ReplayReport {
        let sum = |of: fn(&ReplayedRecording) -> u64| replayed.iter().map(of).sum::<u64>();
        let (scores, baselines) = scores(task.map_or(0, |task| task.labels.len()), replayed);
        let manifest = &configuration.bundle.manifest;
        let count = |entries: Vec<(String, u64)>| {
            entries
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        let by_source = DecisionSource::ALL.map(|source| {
            let of = replayed.iter().map(|one| one.tally.of_source(source));
            (source.name().to_owned(), of.sum())
        });
        let by_reason = Reason::ALL.map(|reason| {
            let of = replayed.iter().map(|one| one.tally.of_reason(reason));
            (reason.name().to_owned(), of.sum())
        });
        let by_exit = (0..manifest.exits.len()).map(|exit| {
            let of = replayed.iter().map(|one| one.tally.per_exit[exit]);
            ((exit + 1).to_string(), of.sum())
        });
        let points = replayed.iter().flat_map(|one| &one.points);
        let micros = points.map(|point| point.latency.as_secs_f64() * 1e6);
        ReplayReport {
            model: configuration.bundle.id().to_owned(),
            task: manifest.task.clone(),
            recordings: replayed.iter().map(|one| one.name.to_string()).collect(),
            trigger: configuration.params.trigger.clone(),
            failed,
            cut: replayed.iter().filter_map(|one| one.cut.clone()).collect(),
            // Not `sum`, which is -0.0 of nothing.
            seconds: replayed.iter().fold(0.0, |sum, one| sum + one.seconds),
            received: sum(|one| one.tally.received),
            cycles: sum(|one| one.tally.accepted),
            superseded: sum(|one| one.tally.superseded),
            late: sum(|one| one.tally.late),
            reused: sum(|one| one.tally.reused),
            silences: sum(|one| one.silences),
            without: by_name(replayed, |one| &one.without, BTreeMap::is_empty),
            notices: by_name(replayed, |one| &one.notices, Vec::is_empty),
            refused_messages: sum(|one| one.refused.0),
            faults: replayed
                .iter()
                .filter_map(|one| Some((one.name.to_string(), one.refused.1.clone()?)))
                .collect(),
            remarks: replayed
                .iter()
                .flat_map(|one| {
                    one.remarks
                        .iter()
                        .map(|remark| format!("{}: {remark}", one.name))
                })
                .collect(),
            by_source: count(by_source.into()),
            by_reason: count(by_reason.into()),
            by_exit: by_exit.collect(),
            latency_us: Quantiles::of(micros.collect()),
            deadline_ms: configuration.params.deadline.as_secs_f64() * 1e3,
            slowdown: options.slowdown,
            parameters: options
                .values
                .iter()
                .map(|(name, value)| (name.clone(), serde_json::json!(value)))
                .collect(),
            scores,
            baselines,
            expectations: Vec::new(),
            took: began.elapsed(),
        }
    }

    pub(super) fn write(&self, file: &Path) -> Result<(), ReplayError> {
        let failed = |cause: String| ReplayError::Output {
            file: file.to_path_buf(),
            cause,
        };
        let json = serde_json::to_string_pretty(self).map_err(|cause| failed(cause.to_string()))?;
        std::fs::write(file, json + "\n").map_err(|cause| failed(cause.to_string()))
    }
}

/// The notices of the recordings that have some.
fn by_name<T: Clone>(
    replayed: &[ReplayedRecording],
    of: impl Fn(&ReplayedRecording) -> &T,
    is_empty: impl Fn(&T) -> bool,
) -> BTreeMap<String, T> {
    let said = replayed.iter().filter(|one| !is_empty(of(one)));
    said.map(|one| (one.name.to_string(), of(one).clone()))
        .collect()
}

fn scores(
    labels: usize,
    replayed: &[ReplayedRecording],
) -> (ScoresByRobot, BTreeMap<String, ScoresByRobot>) {
    let mut robots: BTreeMap<&str, (ScoreTally, BaselineTallies)> = BTreeMap::new();
    for one in replayed {
        if let Some((scores, baselines)) = &one.scored {
            let robot = robots.entry(&one.robot);
            let sum =
                robot.or_insert_with(|| (ScoreTally::new(labels), BaselineTallies::new(labels)));
            sum.0.merge(scores);
            sum.1.merge(baselines);
        }
    }
    let mut scores = ScoresByRobot::default();
    let mut baselines: BTreeMap<String, ScoresByRobot> = BTreeMap::new();
    for (robot, (ours, theirs)) in robots {
        scores.per_robot.insert(robot.to_owned(), ours.scores());
        for (name, scores) in theirs.by_name() {
            let by_robot = baselines.entry(name.to_owned()).or_default();
            by_robot.per_robot.insert(robot.to_owned(), scores);
        }
    }
    (scores, baselines)
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.took.as_secs_f64().max(1e-9);
        writeln!(
            f,
            "{}: {} recordings, {:.0} s, replayed in {:.2} s ({:.0} times real time)",
            self.model,
            self.recordings.len(),
            self.seconds,
            took,
            self.seconds / took
        )?;
        writeln!(
            f,
            "{} triggers: {} decided, {} superseded, {} late at {} ms",
            self.received, self.cycles, self.superseded, self.late, self.deadline_ms
        )?;
        if self.silences > 0 {
            let trigger = &self.trigger;
            writeln!(
                f,
                "{} of them are silences of {trigger}, answered as live",
                self.silences
            )?;
        }
        let list = |counts: &BTreeMap<String, u64>| {
            let words = counts.iter().map(|(name, count)| format!("{name} {count}"));
            words.collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "source: {}", list(&self.by_source))?;
        writeln!(f, "reason: {}", list(&self.by_reason))?;
        writeln!(f, "exit:   {}", list(&self.by_exit))?;
        if self.reused > 0 {
            let share = 100.0 * self.reused as f64 / self.cycles.max(1) as f64;
            writeln!(f, "cache:  {share:.1} % answered as the same window before")?;
        }
        let Quantiles { p50, p99, max, .. } = self.latency_us;
        writeln!(
            f,
            "latency (logical): p50 {p50:.0} µs, p99 {p99:.0} µs, max {max:.0} µs"
        )?;
        if self.refused_messages > 0 {
            writeln!(f, "{} messages could not be used:", self.refused_messages)?;
            for (recording, fault) in &self.faults {
                writeln!(f, "  {recording}: first {fault}")?;
            }
        }
        self.write_without(f)?;
        for (recording, notices) in &self.notices {
            for notice in notices {
                writeln!(f, "! {recording}: {notice}")?;
            }
        }
        for remark in &self.remarks {
            writeln!(f, "- {remark}")?;
        }
        for line in self.cut.iter().chain(&self.failed) {
            writeln!(f, "! {line}")?;
        }
        self.write_scores(f)?;
        for outcome in &self.expectations {
            let met = if outcome.failures.is_empty() {
                "met"
            } else {
                "NOT MET"
            };
            writeln!(f, "\nexpected: {}: {met}", outcome.name)?;
            for (measure, value) in &outcome.measured {
                let value = value.map_or(String::from("-"), |value| format!("{value:.4}"));
                writeln!(f, "  {measure:<18} {value}")?;
            }
            for failure in &outcome.failures {
                writeln!(f, "  ! {failure}")?;
            }
        }
        Ok(())
    }
}

impl ReplayReport {
    /// One line per source and cause, however many recordings there are.
    fn write_without(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (recording, sources) in &self.without {
            for (source, why) in sources {
                lines.entry((source, why)).or_default().push(recording);
            }
        }
        for ((source, why), recordings) in lines {
            let where_to = match recordings.as_slice() {
                [one] => format!("{one}:"),
                [first, ..] => format!("{first} and {} more:", recordings.len() - 1),
                [] => String::new(),
            };
            writeln!(f, "! {where_to} decided without {source}: {why}")?;
        }
        Ok(())
    }

    fn write_scores(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scores.per_robot.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<14} {:<12} {:>6} {:>9} {:>9} {:>13} {:>12}",
            "robot", "", "n", "bal. acc.", "accuracy", "onset recall", "false alarms"
        )?;
        for (robot, scores) in &self.scores.per_robot {
            line(f, robot, "model", scores)?;
            for (name, baseline) in &self.baselines {
                if let Some(scores) = baseline.per_robot.get(robot) {
                    line(f, "", name, scores)?;
                }
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, robot: &str, name: &str, scores: &Scores) -> fmt::Result {
    let share = |share: Option<f64>| share.map_or(String::from("-"), |share| format!("{share:.3}"));
    writeln!(
        f,
        "{robot:<14} {name:<12} {:>6} {:>9} {:>9} {:>13} {:>12}",
        scores.n,
        share(scores.balanced_accuracy),
        share(scores.accuracy),
        share(scores.onset_recall),
        share(scores.false_alarm)
    )
}
