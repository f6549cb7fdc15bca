//! `edge_reasoner/msg/Statistics` as CDR bytes.

use std::time::Duration;

use serde::Serialize;

use super::encode::{TimeWire, encode};
use crate::scheduler::{CounterValues, DecisionSource, Reason};
use crate::time::Stamp;

/// The contents of the message.
#[derive(Clone, Debug)]
pub struct Statistics<'a> {
    /// When it was counted.
    pub stamp: Stamp,
    /// The counters.
    pub tally: &'a CounterValues,
    /// p50, p99, largest.
    pub latency_ms: [f32; 3],
    /// Upper bound of each stage's cost.
    pub stage_bounds: Vec<Duration>,
    /// In use.
    pub engine: &'a str,
    /// Names of the sources.
    pub inputs: &'a [String],
    /// Since the newest message of each; negative: never seen.
    pub input_age_ms: Vec<f32>,
}

/// Field for field `msg/Statistics.msg`.
#[derive(Serialize)]
struct StatisticsWire<'a> {
    stamp: TimeWire,
    received: u64,
    accepted: u64,
    superseded: u64,
    refused: u64,
    decisions: u64,
    late: u64,
    reused: u64,
    batched: u64,
    sources: Vec<&'a str>,
    per_source: Vec<u64>,
    reasons: Vec<&'a str>,
    per_reason: Vec<u64>,
    per_exit: &'a [u64],
    latency_p50_ms: f32,
    latency_p99_ms: f32,
    latency_max_ms: f32,
    stage_bound_ms: Vec<f32>,
    engine: &'a str,
    inputs: &'a [String],
    input_age_ms: &'a [f32],
}

/// Writes the statistics' CDR bytes into `out`.
pub fn encode_statistics(statistics: &Statistics<'_>, out: &mut Vec<u8>) {
    let tally = statistics.tally;
    let reasons = Reason::ALL
        .into_iter()
        .filter(|reason| tally.of_reason(*reason) > 0);
    let [p50, p99, max] = statistics.latency_ms;
    let bounds = statistics.stage_bounds.iter();
    encode(
        &StatisticsWire {
            stamp: statistics.stamp.into(),
            received: tally.received,
            accepted: tally.accepted,
            superseded: tally.superseded,
            refused: tally.refused,
            decisions: tally.decisions,
            late: tally.late,
            reused: tally.reused,
            batched: tally.batched,
            sources: DecisionSource::ALL
                .into_iter()
                .map(DecisionSource::name)
                .collect(),
            per_source: tally.per_source.to_vec(),
            reasons: reasons.clone().map(Reason::name).collect(),
            per_reason: reasons.map(|reason| tally.of_reason(reason)).collect(),
            per_exit: &tally.per_exit,
            latency_p50_ms: p50,
            latency_p99_ms: p99,
            latency_max_ms: max,
            stage_bound_ms: bounds.map(|bound| bound.as_secs_f32() * 1e3).collect(),
            engine: statistics.engine,
            inputs: statistics.inputs,
            input_age_ms: &statistics.input_age_ms,
        },
        out,
    );
}
