//! What decisions do: the parameters below `act`.

use std::time::Duration;

use super::reader::Reader;
use super::{BundleWords, GateParams, SpeedLimitParams};
use crate::act::attention::AttentionLimits;
use crate::act::gate::{Factors, GateLimits};
use crate::act::speed_limit::{Percent, SpeedLimits};

const MS: Duration = Duration::from_millis(1);

pub(super) fn read_gate(reader: &mut Reader, bundle: &BundleWords) -> Option<GateParams> {
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
    let mut factors = Vec::new();
    for label in &bundle.labels {
        let name = format!("{AT}.linear.{label}");
        let linear = reader.said_double((of("linear.<label>").as_str(), &name));
        if linear.is_none() && enabled {
            reader.fault(format!(
                "{name} is missing or wrong; expected what part of the speed passes under \"{label}\", 0 to 1"
            ));
        }
        let linear = linear.unwrap_or(0.0);
        let name = format!("{AT}.angular.{label}");
        let angular = reader.said_double((of("angular.<label>").as_str(), &name));
        factors.push(Factors {
            linear,
            angular: angular.unwrap_or(linear),
        });
    }
    let safe = bundle.labels.iter().zip(&factors);
    let safe = safe.clone().find(|(label, _)| **label == bundle.safe_label);
    for (label, factor) in bundle.labels.iter().zip(&factors) {
        if let Some((safe, least)) = safe
            && (factor.linear < least.linear || factor.angular < least.angular)
        {
            reader.fault(format!(
                "{AT} lets through more under the safe label \"{safe}\" than under \"{label}\"; expected \
                 the least under \"{safe}\", since every fallback answers with it"
            ));
        }
    }
    let limits = GateLimits {
        factors,
        decision_timeout,
        command_timeout,
        repeat_stop,
        release_after,
    };
    enabled.then_some(GateParams {
        input,
        output,
        stamped,
        limits,
    })
}

pub(super) fn read_speed_limit(
    reader: &mut Reader,
    bundle: &BundleWords,
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
        let said = reader.said_double((of("percent.<label>").as_str(), &name));
        if said.is_none() && enabled {
            reader.fault(format!(
                "{name} is missing or wrong; expected a percentage under \"{label}\", 0 to 100, where 0 is \
                 no limit"
            ));
        }
        percent.push(said.and_then(Percent::new).unwrap_or(Percent::NONE));
    }
    let labelled = || bundle.labels.iter().zip(&percent);
    let safe = labelled().find(|(label, _)| **label == bundle.safe_label);
    for (label, limit) in labelled() {
        if let Some((safe, least)) = safe
            && limit.leaves() < least.leaves()
        {
            reader.fault(format!(
                "{AT} allows more under the safe label \"{safe}\" than under \"{label}\"; expected the \
                 least under \"{safe}\", since every fallback answers with it (0 is no limit)"
            ));
        }
    }
    enabled.then_some(SpeedLimitParams {
        topic,
        limits: SpeedLimits {
            percent,
            release_after,
        },
    })
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
