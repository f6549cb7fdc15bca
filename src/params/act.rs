//! What decisions do: the parameters below `act`.

use std::time::Duration;

use super::node_params::{BundleNames, GateParams, SpeedLimitParams};
use super::typed_reader::Reader;
use crate::act::attention::AttentionLimits;
use crate::act::speed_limit::{Percent, SpeedLimits};
use crate::act::velocity_gate::{Braking, Factors, GateLimits, Outline, Physics};
use crate::features::Footprint;

const MS: Duration = Duration::from_millis(1);

pub(super) fn read_gate(
    reader: &mut Reader,
    bundle: &BundleNames,
    (outline, lasers): (Option<&Footprint>, bool),
    sim_time: bool,
) -> Option<GateParams> {
    const AT: &str = "act.velocity_gate";
    let of = |what: &str| format!("{AT}.{what}");
    let enabled = reader.boolean(&of("enabled"), false);
    let input = reader.word(&of("in"), "cmd_vel_in");
    let output = reader.word(&of("out"), "cmd_vel_out");
    // Names as they are written; what remappings make of them is seen once there is a node.
    if input.trim_start_matches('/') == output.trim_start_matches('/') {
        reader.fault(format!(
            "{AT}.in and {AT}.out are both {input}; expected two topics, or the gate hears itself"
        ));
    }
    let stamped = reader.boolean(&of("stamped"), false);
    let timeout = 500 * MS;
    let decision_timeout = reader.millis(&of("decision_timeout_ms"), timeout);
    let command_timeout = reader.millis(&of("command_timeout_ms"), timeout);
    let repeat_stop = reader.millis(&of("stop_pub_timeout_ms"), 1000 * MS);
    let release_after = reader.count(&of("release_after"), 3);
    let physics = read_physics(reader, outline.filter(|_| lasers));
    let use_model = reader.boolean(&of("use_model"), true);
    let horizon_s = bundle.horizon_s.filter(|_| use_model).map(f64::from);
    let mut factors = Vec::new();
    let mut all_said = true;
    let mut warnings = Vec::new();
    if physics.is_none() && lasers {
        warnings.push(match outline {
            None => format!(
                "{AT} goes by labels alone, which do not look beside or behind the robot: its outline is not \
                 known; set robot_radius or footprint, and {AT}.deceleration as measured on the robot"
            ),
            Some(_) => format!(
                "{AT} goes by labels alone, which do not look beside or behind the robot: {AT}.physics is \
                 false"
            ),
        });
    }
    // Where physics looks after the rest, a label need not hold anything back.
    let unsaid = physics.is_some().then_some(1.0);
    for label in &bundle.labels {
        let name = format!("{AT}.linear.{label}");
        let linear = reader.given_double((of("linear.<label>").as_str(), &name));
        let linear = linear.or(unsaid);
        all_said &= linear.is_some();
        if linear.is_none() && enabled {
            reader.fault(format!(
                "{name} is missing or wrong; expected what part of the speed passes under \"{label}\", 0 to 1, \
                 or robot_radius or footprint, by which scans cap commands under every label"
            ));
        }
        let name = format!("{AT}.angular.{label}");
        let angular = reader.given_double((of("angular.<label>").as_str(), &name));
        let part = Factors {
            linear: linear.unwrap_or(0.0),
            angular: angular.or(linear).unwrap_or(0.0),
        };
        if part == Factors::CLOSED {
            warnings.push(format!(
                "{AT} lets nothing through under \"{label}\" ({AT}.linear.{label} is 0.0, {name} is {}): \
                 a robot that stopped can neither turn nor back away, so it stands for as long as \
                 it sees what stopped it; set {name} to 1.0 where turning on the spot touches nothing",
                match angular {
                    Some(_) => "0.0",
                    None => "not set and as linear",
                }
            ));
        }
        factors.push(part);
    }
    let blind = Factors {
        linear: reader.double(&of("blind.linear"), 0.0),
        angular: reader.double(&of("blind.angular"), 0.0),
    };
    check_labels(reader, bundle, &factors);
    if enabled && all_said {
        check_least(reader, bundle, &factors, blind);
    }
    for (what, does, part) in [
        ("linear", "drives", blind.linear),
        ("angular", "turns", blind.angular),
    ] {
        if part > 0.0 {
            warnings.push(format!(
                "{AT}.blind.{what} is {part}: the robot {does} on when nobody knows what is around it (a \
                 dead laser, a decision too late, an engine that failed); 0.0 would stop it"
            ));
        }
    }
    let limits = GateLimits {
        factors,
        physics,
        horizon_s,
        blind,
        decision_timeout,
        command_timeout,
        repeat_stop,
        release_after,
        sim_time,
    };
    enabled.then_some(GateParams {
        input,
        output,
        stamped,
        limits,
        warnings,
    })
}

/// How commands are capped by what scans show; none where the outline is not known or it is off
/// it.
fn read_physics(reader: &mut Reader, outline: Option<&Footprint>) -> Option<Physics> {
    const AT: &str = "act.velocity_gate";
    let of = |what: &str| format!("{AT}.{what}");
    let wanted = reader.boolean(&of("physics"), true);
    let margin_m = reader.double(&of("margin_m"), 0.08);
    let creep_margin_m = reader.double(&of("creep_margin_m"), margin_m.min(0.03));
    if creep_margin_m > margin_m {
        reader.fault(format!(
            "{AT}.creep_margin_m is {creep_margin_m}, more than {AT}.margin_m ({margin_m}); expected at \
             most that, since slower is nearer"
        ));
    }
    let braking = Braking {
        latency_s: reader.millis(&of("latency_ms"), 250 * MS).as_secs_f64(),
        deceleration: reader.double(&of("deceleration"), 0.5),
        turn_deceleration: reader.double(&of("turn_deceleration"), 2.0),
    };
    let keeps_arc = reader.boolean(&of("keep_arc"), false);
    let outline = outline.filter(|_| wanted)?;
    Some(Physics {
        outline: Outline::from(outline),
        braking,
        margin_m,
        creep_margin_m,
        keeps_arc,
    })
}

/// Under the safe label nothing passes that is held back under another.
fn check_labels(reader: &mut Reader, bundle: &BundleNames, factors: &[Factors]) {
    let less =
        |one: &Factors, other: &Factors| one.linear < other.linear || one.angular < other.angular;
    for label in less_than_safe(bundle, factors, less) {
        let safe = &bundle.safe_label;
        reader.fault(format!(
            "act.velocity_gate lets through more under the safe label \"{safe}\" than under \"{label}\"; \
             expected the least under \"{safe}\", which stands in where the model is unsure"
        ));
    }
}

/// Blind no more passes than under the safe label, and under some label something does.
fn check_least(reader: &mut Reader, bundle: &BundleNames, factors: &[Factors], blind: Factors) {
    const AT: &str = "act.velocity_gate";
    let mut labelled = bundle.labels.iter().zip(factors);
    if let Some((label, safe)) = labelled.find(|(label, _)| **label == bundle.safe_label) {
        for (what, blind, safe) in [
            ("linear", blind.linear, safe.linear),
            ("angular", blind.angular, safe.angular),
        ] {
            if blind > safe {
                reader.fault(format!(
                    "{AT}.blind.{what} is {blind}, and {AT}.{what}.{label} is {safe}; expected at most as \
                     much where nothing is seen as under the safe label"
                ));
            }
        }
    }
    if factors.iter().all(|part| *part == Factors::CLOSED) {
        reader.fault(format!(
            "{AT} lets nothing through under any label, so the robot would never move; expected \
             {AT}.linear.<label> or {AT}.angular.<label> above 0 for one of {}",
            bundle.labels.join(", ")
        ));
    }
}

pub(super) fn read_speed_limit(
    reader: &mut Reader,
    bundle: &BundleNames,
) -> Option<SpeedLimitParams> {
    const AT: &str = "act.speed_limit";
    let of = |what: &str| format!("{AT}.{what}");
    let enabled = reader.boolean(&of("enabled"), false);
    let topic = reader.word(&of("topic"), "speed_limit");
    if topic.is_empty() || topic.contains(char::is_whitespace) {
        reader.fault(format!("{AT}.topic is \"{topic}\"; expected a topic name"));
    }
    let release_after = reader.count(&of("release_after"), 3);
    let mut percent = Vec::new();
    for label in &bundle.labels {
        let name = format!("{AT}.percent.{label}");
        let overrides = reader.given_double((of("percent.<label>").as_str(), &name));
        if overrides.is_none() && enabled {
            reader.fault(format!(
                "{name} is missing or wrong; expected a percentage under \"{label}\", 0 to 100, where 0 is \
                 no limit"
            ));
        }
        percent.push(overrides.and_then(Percent::new).unwrap_or(Percent::NONE));
    }
    let less = |one: &Percent, other: &Percent| one.leaves() < other.leaves();
    for label in less_than_safe(bundle, &percent, less) {
        let safe = &bundle.safe_label;
        reader.fault(format!(
            "{AT} allows more under the safe label \"{safe}\" than under \"{label}\"; expected the \
             least under \"{safe}\", since every fallback answers with it (0 is no limit)"
        ));
    }
    enabled.then_some(SpeedLimitParams {
        topic,
        limits: SpeedLimits {
            percent,
            release_after,
        },
    })
}

/// Labels under which less is allowed than under the safe one; `allowed` is in the bundle's order.
fn less_than_safe<'b, A>(
    bundle: &'b BundleNames,
    allowed: &[A],
    less: impl Fn(&A, &A) -> bool,
) -> Vec<&'b str> {
    let labelled = || bundle.labels.iter().zip(allowed);
    let safe = labelled().find(|(label, _)| **label == bundle.safe_label);
    let is_less = |one: &A| safe.is_some_and(|(_, safe)| less(one, safe));
    let found = labelled().filter(|(_, one)| is_less(one));
    found.map(|(label, _)| label.as_str()).collect()
}

pub(super) fn read_attention(reader: &mut Reader) -> Option<AttentionLimits> {
    const AT: &str = "act.attention";
    let of = |what: &str| format!("{AT}.{what}");
    let enabled = reader.boolean(&of("enabled"), false);
    let decisions = reader.count(&of("decisions"), 30);
    let confidence = reader.double(&of("confidence"), 0.6) as f32;
    let raise_share = reader.double(&of("raise_share"), 0.5);
    let release_share = reader.double(&of("release_share"), 0.1);
    if release_share > raise_share {
        reader.fault(format!(
            "{AT}.release_share ({release_share}) is above {AT}.raise_share ({raise_share}); expected at \
             most as much, or attention would be called for and dismissed at once"
        ));
    }
    enabled.then_some(AttentionLimits {
        confidence,
        decisions,
        raise_share,
        release_share,
    })
}
