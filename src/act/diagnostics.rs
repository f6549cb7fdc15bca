//! The node's state as `diagnostic_msgs/msg/DiagnosticArray`, for robot monitors and aggregators.

use std::time::Duration;

use serde::Serialize;

use super::diagnostic_level::Level;
use super::encode::{TimeWire, encode};
use super::velocity_gate::GateStatus;
use crate::scheduler::CounterValues;
use crate::time::{ShownDuration, Stamp};

/// Type of the message.
pub const DIAGNOSTICS_TYPE: &str = "diagnostic_msgs/msg/DiagnosticArray";

/// From which share of a period's decisions on a level is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Not the model's: WARN above this share, 0..=1.
    pub warn_fallback_share: f64,
    /// Not the model's: ERROR above this share, 0..=1.
    pub error_fallback_share: f64,
    /// Late: any is a WARN, ERROR above this share, 0..=1.
    pub error_late_share: f64,
}

/// One source.
#[derive(Clone, Debug)]
pub struct InputHealth<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Since its newest message; none: there was none yet.
    pub age: Option<Duration>,
    /// Since its newest message that was not refused; none: there was none.
    pub used_age: Option<Duration>,
    /// Older than this, it is stale.
    pub timeout: Duration,
    /// Whether decisions need it.
    pub required: bool,
    /// A part of its laser's view that stands still while the robot drives, in a sentence.
    pub static_return: Option<&'a str>,
}

impl InputHealth<'_> {
    /// What is wrong with it, when its messages arrive and yet are not used.
    pub fn refusal(&self) -> Option<String> {
        let since = match self.used_age {
            None => String::from("none of its messages was ever used"),
            Some(age) if age > self.timeout => {
                format!(
                    "none of its messages was used for {:.1} s",
                    age.as_secs_f64()
                )
            }
            Some(_) => return None,
        };
        Some(format!(
            "{} is heard, but {since}; the log says why",
            self.topic
        ))
    }

    /// What is wrong with it, when no message arrives.
    pub fn silence(&self) -> Option<String> {
        match self.age {
            None => Some(format!("nothing was ever heard on {}", self.topic)),
            Some(age) if age > self.timeout => Some(format!(
                "{} is silent for {}",
                self.topic,
                ShownDuration(age)
            )),
            Some(_) => None,
        }
    }
}

/// The state of the node that the levels are computed from.
#[derive(Clone, Debug)]
pub struct NodeHealth<'a> {
    /// Full name of the node, in front of every status.
    pub node: &'a str,
    /// The model, as hardware id.
    pub model: &'a str,
    /// The counts at the beginning of the period.
    pub before: &'a CounterValues,
    /// And now.
    pub now: &'a CounterValues,
    /// Since the start, p50, p99, largest, in ms.
    pub latency_ms: [f32; 3],
    /// Promised.
    pub deadline: Duration,
    /// The engine in use, and whether it is the first choice.
    pub engine: (&'a str, bool),
    /// The sources.
    pub inputs: Vec<InputHealth<'a>>,
    /// Whether somebody is needed, and why; none where act.attention is off.
    pub attention: Option<(bool, String)>,
    /// The velocity gate, where there is one.
    pub gate: Option<GateStatus>,
}

/// `diagnostic_msgs/msg/DiagnosticStatus`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiagnosticStatus {
    level: u8,
    name: String,
    message: String,
    hardware_id: String,
    values: Vec<KeyValue>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct KeyValue {
    key: String,
    value: String,
}

#[derive(Serialize)]
struct ArrayWire<'a> {
    stamp: TimeWire,
    frame_id: &'a str,
    status: &'a [DiagnosticStatus],
}

/// Judges a period: one status for the decisions, one for the engine, one per source, one for the
/// velocity gate and one for the call for attention.
pub fn judge(health: &NodeHealth<'_>, thresholds: &Thresholds) -> Vec<DiagnosticStatus> {
    let mut all = vec![decisions(health, thresholds), engine(health)];
    all.extend(health.inputs.iter().map(|source| input(health, source)));
    let gate = health.gate.as_ref();
    all.extend(gate.map(|gate| {
        status(
            health,
            "velocity gate",
            gate.level,
            gate.message.clone(),
            &[],
        )
    }));
    all.extend(health.attention.as_ref().map(|(needed, explanation)| {
        let level = match needed {
            true => Level::Warn,
            false => Level::Ok,
        };
        status(health, "attention", level, explanation.clone(), &[])
    }));
    all
}

/// Writes the array's CDR bytes into `out`.
pub fn encode_diagnostics(stamp: Stamp, status: &[DiagnosticStatus], out: &mut Vec<u8>) {
    let array = ArrayWire {
        stamp: stamp.into(),
        frame_id: "",
        status,
    };
    encode(&array, out);
}

fn decisions(health: &NodeHealth<'_>, thresholds: &Thresholds) -> DiagnosticStatus {
    let NodeHealth { before, now, .. } = health;
    let decided = now.decisions - before.decisions;
    let by_model = now.per_source[0] - before.per_source[0];
    let late = now.late - before.late;
    let share = |part: u64| part as f64 / (decided.max(1)) as f64;
    let (fallback, late_share) = (share(decided - by_model), share(late));
    let (level, message) = if late_share > thresholds.error_late_share {
        (
            Level::Error,
            format!("{late} of {decided} decisions were late"),
        )
    } else if fallback > thresholds.error_fallback_share {
        let others = decided - by_model;
        (
            Level::Error,
            format!("{others} of {decided} decisions were not the model's"),
        )
    } else if late > 0 {
        (
            Level::Warn,
            format!("{late} of {decided} decisions were late"),
        )
    } else if fallback > thresholds.warn_fallback_share {
        let others = decided - by_model;
        (
            Level::Warn,
            format!("{others} of {decided} decisions were not the model's"),
        )
    } else {
        (Level::Ok, format!("{decided} decisions in time"))
    };
    let [p50, p99, max] = health.latency_ms;
    status(
        health,
        "decisions",
        level,
        message,
        &[
            (
                "deadline_ms",
                format!("{:.3}", health.deadline.as_secs_f64() * 1e3),
            ),
            ("latency_p50_ms", format!("{p50:.3}")),
            ("latency_p99_ms", format!("{p99:.3}")),
            ("latency_max_ms", format!("{max:.3}")),
            ("decisions", now.decisions.to_string()),
            ("late", now.late.to_string()),
            ("superseded", now.superseded.to_string()),
            ("refused", now.refused.to_string()),
        ],
    )
}

fn engine(health: &NodeHealth<'_>) -> DiagnosticStatus {
    let (name, preferred) = health.engine;
    let (level, message) = match preferred {
        true => (Level::Ok, format!("{name} runs the model")),
        false => (
            Level::Warn,
            format!("{name} runs the model, an engine preferred to it failed or stalled"),
        ),
    };
    let changes = [("engine_changes", health.now.engine_changes.to_string())];
    status(health, "engine", level, message, &changes)
}

fn input(health: &NodeHealth<'_>, input: &InputHealth<'_>) -> DiagnosticStatus {
    let (level, message) = match input.silence().or_else(|| input.refusal()) {
        Some(what) if input.required => (Level::Error, what),
        Some(what) => (Level::Warn, what),
        None if input.static_return.is_some() => (
            Level::Warn,
            input.static_return.unwrap_or_default().to_owned(),
        ),
        None => (Level::Ok, format!("{} is heard", input.topic)),
    };
    let age = input
        .age
        .map_or(String::from("never"), |age| age.as_millis().to_string());
    let values = [
        ("topic", input.topic.to_owned()),
        ("age_ms", age),
        ("timeout_ms", input.timeout.as_millis().to_string()),
        ("required", input.required.to_string()),
    ];
    status(health, input.name, level, message, &values)
}

fn status(
    health: &NodeHealth<'_>,
    part: &str,
    level: Level,
    message: String,
    values: &[(&str, String)],
) -> DiagnosticStatus {
    let values = values.iter().map(|(key, value)| KeyValue {
        key: (*key).to_owned(),
        value: value.clone(),
    });
    DiagnosticStatus {
        level: level as u8,
        name: format!("{}: {part}", health.node.trim_start_matches('/')),
        message,
        hardware_id: health.model.to_owned(),
        values: values.collect(),
    }
}

#[cfg(test)]
mod tests;
