//! The velocity gates that params files and launch files ship: before an obstacle, or under a seen
//! stop where labels alone count, the robot may turn and not drive on; blind nothing passes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_reasoner::act::velocity_gate::{Command, GateLimits, Velocity};
use edge_reasoner::act::{ActInput, Basis, VelocityGate};
use edge_reasoner::configure::bundle_names;
use edge_reasoner::params::{NodeName, Params, Value, Values, model_name, read_file};
use edge_reasoner::time::{Mono, Stamp, When};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder whose names end like this, in order.
fn files(of: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(of)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{of}");
    found
}

/// How far ahead of the base frame something is within the margin, m.
fn near_m(limits: &GateLimits) -> f64 {
    let physics = limits.physics.as_ref();
    physics.map_or(0.2, |p| p.outline.front() + p.margin_m - 0.01)
}

/// What passes of this command after ten such decisions, with something this far ahead (m).
fn passes(
    limits: &GateLimits,
    (label, basis): (usize, Basis),
    ahead_m: f64,
    asked: Velocity,
) -> Velocity {
    let mut gate = VelocityGate::new(limits.clone());
    let mut through = Velocity::ZERO;
    for cycle in 1..=10u64 {
        let passed = Duration::from_millis(100 * cycle);
        let now = When {
            mono: Mono(1_000_000_000) + passed,
            ros: Stamp(1_000_000_000) + passed,
        };
        let verdict = ActInput {
            cycle,
            arrival: now,
            label: label as u8,
            basis,
            free_way_m: None,
        };
        gate.on_scan(now, (now, now.ros), 0, [[ahead_m, 0.0]].into_iter());
        gate.on_decision(now, verdict);
        through = gate
            .on_command(now, Command::new(asked, now, None))
            .velocity;
    }
    through
}

/// The gate of a params file as it is with this beside it; with the bundle's labels and the place
/// of the safe one.
fn gate_of(file: &Path, mut values: Values) -> (GateLimits, Vec<String>, usize) {
    let on = "act.velocity_gate.enabled";
    values.insert(on.into(), Value::Bool(true));
    let model = folder("models").join(model_name(&values));
    let model = model.to_string_lossy().into_owned();
    values.insert("model".into(), Value::String(model.clone()));
    let bundle = bundle_names(&model).unwrap();
    let params = Params::read(&values, &bundle).unwrap_or_else(|f| panic!("{file:?}: {f}"));
    let gate = params.gate.unwrap();
    let by_labels = |warning: &&String| warning.contains("by labels alone");
    let without: Vec<_> = gate.warnings.iter().filter(|w| !by_labels(w)).collect();
    assert!(without.is_empty(), "{file:?}: {without:?}");
    let safe = bundle.labels.iter().position(|l| *l == bundle.safe_label);
    (gate.limits, bundle.labels, safe.unwrap())
}

#[test]
fn every_params_file_lets_the_robot_turn_under_a_seen_stop_and_nothing_blind() {
    let mut gates = 0;
    for file in files("params", ".yaml") {
        let values = read_file(&file, &NodeName::default()).unwrap_or_else(|e| panic!("{e}"));
        let says = |name: &String| name.starts_with("act.velocity_gate.");
        if !values.keys().any(says) {
            continue;
        }
        gates += 1;
        let (limits, labels, safe) = gate_of(&file, values);
        let mut asked = Velocity::ZERO;
        (asked.linear.x, asked.angular.z) = (0.3, 1.0);
        let seen = |label, ahead_m| passes(&limits, (label, Basis::Seen), ahead_m, asked);
        let near_m = near_m(&limits);
        let stop = seen(safe, near_m);
        // A base with corners would touch with them what is so near; it backs away, see below.
        let corners = limits
            .physics
            .as_ref()
            .is_some_and(|p| !p.outline.is_round());
        assert!(
            corners || stop.angular.z > 0.0,
            "{file:?}: it could not turn away"
        );
        let wide = seen(0, 9.0);
        assert_eq!(wide, asked, "{file:?}: {} is not slow", labels[0]);
        assert!(stop.linear.x < wide.linear.x, "{file:?}");
        if labels[safe] == "stop" {
            assert_eq!(stop.linear.x, 0.0, "{file:?}");
        }
        if limits.physics.is_some() {
            assert_eq!(seen(0, near_m).linear.x, 0.0, "{file:?}: under every label");
            let mut back = Velocity::ZERO;
            back.linear.x = -0.2;
            let away = passes(&limits, (safe, Basis::Seen), near_m, back);
            assert!(away.linear.x < 0.0, "{file:?}: it could not back away");
        }
        for label in 0..=labels.len() {
            let blind = passes(&limits, (label, Basis::Blind), 9.0, asked);
            assert_eq!(blind, Velocity::ZERO, "{file:?}: blind, label {label}");
        }
    }
    assert!(
        gates >= 6,
        "clearance, demo, guard_car, guard_holonomic, nav2_guard and terrain have one"
    );
}

/// Launch files switch a gate on, name its topics and its clock; what passes is the params file's.
#[test]
fn no_launch_file_says_what_passes() {
    let mut named = Vec::new();
    for end in [".py", ".xml", ".yaml"] {
        for file in files("launch", end) {
            let text = std::fs::read_to_string(&file).unwrap();
            let words = text.split(|c: char| !(c.is_alphanumeric() || "._".contains(c)));
            let parameters = words.filter(|word| word.starts_with("act.velocity_gate."));
            named.extend(parameters.map(|name| name.rsplit('.').next().unwrap().to_owned()));
        }
    }
    named.sort();
    assert_eq!(named, ["enabled", "in", "out", "stamped"]);
}
