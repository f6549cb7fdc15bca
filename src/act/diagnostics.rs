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
    /// Since its newest message; none: it never spoke.
    pub age: Option<Duration>,
    /// Since its newest message that was not refused; none: there was none.
    pub used_age: Option<Duration>,
    /// Older than this, it is stale.
    pub timeout: Duration,
    /// Whether decisions need it.
    pub required: bool,
    /// What of its laser's view stands still while the robot drives, in a sentence.
    pub static_return: Option<&'a str>,
}

impl InputHealth<'_> {
    /// What is wrong with it, when it is heard and yet not used.
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

    /// What is wrong with it, when it is not heard.
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

/// What is judged.
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
    /// Whether somebody is needed, and why; none where nobody is ever called.
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
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        warn_fallback_share: 0.05,
        error_fallback_share: 0.5,
        error_late_share: 0.01,
    };

    fn tally(decisions: u64, model: u64, late: u64) -> CounterValues {
        CounterValues {
            decisions,
            late,
            per_source: [model, 0, decisions - model],
            ..CounterValues::default()
        }
    }

    fn levels(
        before: &CounterValues,
        now: &CounterValues,
        preferred: bool,
        age: Option<Duration>,
    ) -> Vec<u8> {
        levels_and(before, now, preferred, age, None)
    }

    fn levels_and(
        before: &CounterValues,
        now: &CounterValues,
        preferred: bool,
        age: Option<Duration>,
        attention: Option<(bool, String)>,
    ) -> Vec<u8> {
        let scan = InputHealth {
            name: "scan",
            topic: "/scan",
            age,
            used_age: age,
            timeout: Duration::from_millis(500),
            required: true,
            static_return: None,
        };
        let odom = InputHealth {
            required: false,
            ..scan.clone()
        };
        let health = NodeHealth {
            node: "/edge_reasoner",
            model: "m-1",
            before,
            now,
            latency_ms: [1.0, 2.0, 3.0],
            deadline: Duration::from_millis(20),
            engine: ("flex", preferred),
            inputs: vec![scan, odom],
            attention,
            gate: None,
        };
        judge(&health, &THRESHOLDS)
            .iter()
            .map(|s| s.level)
            .collect()
    }

    #[test]
    fn levels_follow_the_period_and_not_the_past() {
        let fresh = Some(Duration::from_millis(100));
        let level =
            |before: CounterValues, now: CounterValues| levels(&before, &now, true, fresh)[0];
        assert_eq!(level(tally(0, 0, 0), tally(100, 100, 0)), 0);
        assert_eq!(level(tally(0, 0, 0), tally(100, 95, 0)), 0);
        assert_eq!(level(tally(0, 0, 0), tally(100, 94, 0)), 1);
        assert_eq!(level(tally(0, 0, 0), tally(100, 49, 0)), 2);
        assert_eq!(level(tally(0, 0, 0), tally(1000, 1000, 10)), 1);
        assert_eq!(level(tally(0, 0, 0), tally(1000, 1000, 11)), 2);
        let after_bad = level(tally(100, 0, 100), tally(200, 100, 100));
        assert_eq!(after_bad, 0, "what is over is over");
        assert_eq!(level(tally(5, 5, 0), tally(5, 5, 0)), 0, "a quiet period");
    }

    #[test]
    fn silent_sources_and_second_choices_are_shown() {
        let tally = tally(10, 10, 0);
        let old = Some(Duration::from_millis(501));
        assert_eq!(levels(&tally, &tally, false, None), [0, 1, 2, 1]);
        assert_eq!(levels(&tally, &tally, true, old), [0, 0, 2, 1]);
    }

    #[test]
    fn a_source_that_is_heard_and_never_used_is_not_green() {
        let fresh = Some(Duration::from_millis(100));
        let source = |used_age| InputHealth {
            name: "cmd",
            topic: "/cmd_vel",
            age: fresh,
            used_age,
            timeout: Duration::from_millis(500),
            required: false,
            static_return: None,
        };
        assert_eq!(source(fresh).refusal(), None);
        for bad in [None, Some(Duration::from_secs(2))] {
            let said = source(bad).refusal().unwrap();
            assert!(said.contains("/cmd_vel is heard, but none"), "{said}");
        }
    }

    #[test]
    fn a_laser_that_sees_its_robot_is_a_warning_that_says_so() {
        let tally = tally(10, 10, 0);
        let laser = InputHealth {
            name: "scan",
            topic: "/scan",
            age: Some(Duration::ZERO),
            used_age: Some(Duration::ZERO),
            timeout: Duration::from_millis(500),
            required: true,
            static_return: Some("scan: something stands at 5°"),
        };
        let health = NodeHealth {
            node: "/edge_reasoner",
            model: "m-1",
            before: &tally,
            now: &tally,
            latency_ms: [1.0, 2.0, 3.0],
            deadline: Duration::from_millis(20),
            engine: ("flex", true),
            inputs: Vec::new(),
            attention: None,
            gate: None,
        };
        let status = input(&health, &laser);
        assert_eq!(status.level, Level::Warn as u8);
        assert!(status.message.contains("stands at 5°"));
    }

    #[test]
    fn a_call_for_attention_is_a_warning() {
        let (tally, fresh) = (tally(10, 10, 0), Some(Duration::ZERO));
        let level = |needed| {
            let attention = Some((needed, String::from("why")));
            levels_and(&tally, &tally, true, fresh, attention)[4]
        };
        assert_eq!((level(true), level(false)), (1, 0));
    }
}
