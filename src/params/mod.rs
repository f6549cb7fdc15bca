//! Parameters: read once, checked whole, the same for a live node and a replay.

mod act;
mod file;
mod file_sections;
mod footprint;
mod names;
mod node_params;
mod parameter;
mod ros_arguments;
mod store;
pub mod table;
mod typed_reader;
mod value;
mod yaml;
mod yaml_scalar;

use std::time::Duration;

use crate::act::diagnostics::Thresholds;
use crate::features::frames::MountingParameters;
use crate::features::{BelowMin, SpeckFilter};
use crate::realtime::Realtime;
use crate::scheduler::{CacheConfig, Policy};
use crate::time::ShownDuration;
use act::{read_attention, read_gate, read_speed_limit};
pub use file_sections::ParameterOverrides;
use footprint::{read_footprint, read_ignored};
pub use names::{InvalidName, NodeName};
pub use node_params::{
    BundleNames, BundleSource, GateParams, Params, SourceParams, SpeedLimitParams,
};
pub use ros_arguments::{RosArguments, parse_override, read_file};
pub use store::{ChangeRefused, ParameterStore, Phase, Proposal};
use typed_reader::Reader;
pub use typed_reader::{Effective, ParamFaults};
pub use value::{Value, ValueError, Values};

const DEFAULT_MODEL: &str = "clearance";
const MS: Duration = Duration::from_millis(1);

/// The bundle the parameters ask for; read before all else, since the rest is checked against it.
pub fn model_name(values: &Values) -> String {
    match values.get("model") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        _ => String::from(DEFAULT_MODEL),
    }
}

/// Parameters as they were read: every one of them as it is in force, and what they make.
#[derive(Clone, Debug)]
pub struct ReadParams {
    /// Name by name, defaults included, except those that have no default and were not given.
    pub effective: Effective,
    /// What they make, or every fault.
    pub params: Result<Params, ParamFaults>,
}

impl Params {
    /// The parameters of the mounting of a source's sensor.
    pub fn mounting_parameters(&self, source: &str) -> MountingParameters {
        let source = self.sources.iter().find(|known| known.name == source);
        MountingParameters {
            base_frame: self.base_frame.clone(),
            yaw: source.and_then(|source| source.yaw),
            upside_down: source.and_then(|source| source.upside_down),
            needs_place: self.footprint.is_some(),
        }
    }

    /// Checks all values against the table and the bundle and reports every fault at once.
    pub fn read(values: &Values, bundle: &BundleNames) -> Result<Params, ParamFaults> {
        ReadParams::of(values, bundle).params
    }
}

impl ReadParams {
    /// Checks all values against the table and the bundle.
    pub fn of(values: &Values, bundle: &BundleNames) -> ReadParams {
        let mut reader = Reader::new(values);
        reader.word("model", DEFAULT_MODEL);
        let sim_time = reader.boolean("use_sim_time", false);
        reader.boolean("autostart", true);
        reader.double("bond_heartbeat_period", 0.1);
        let engines = read_engines(&mut reader);
        let deadline = reader.millis("deadline_ms", 20 * MS);
        // Unless it is given, a tenth of a short deadline.
        let margin = (2 * MS).min(deadline / 10);
        let publish_margin = reader.millis("publish_margin_ms", margin);
        if publish_margin >= deadline {
            reader.fault(format!(
                "publish_margin_ms ({}) leaves nothing of deadline_ms ({}); expected less",
                ShownDuration(publish_margin),
                ShownDuration(deadline)
            ));
        }
        let refuse = "refuse_impossible_deadline";
        let refuse_impossible_deadline = reader.boolean(refuse, true);
        let policy = reader.word("policy", "fastest");
        let confidence = reader.double("confidence", 0.4);
        let free_way_quantile = reader.double("act.velocity_gate.free_way_quantile", 0.1);
        let hold = reader.millis("hold_ms", 200 * MS);
        let fault = reader.millis("fault_ms", 100 * MS);
        let reuse = read_cache(&mut reader);
        let robots = read_robots(&mut reader);
        let batch_slack = reader.millis("batch_slack_ms", Duration::ZERO);
        let period = reader.millis("statistics_period_ms", 1000 * MS);
        let sources = read_sources(&mut reader, bundle);
        let (base_frame, footprint) = read_footprint(&mut reader);
        let trigger = reader.word("trigger", &bundle.trigger);
        if !sources.iter().any(|source| source.name == trigger) {
            reader.fault(format!("trigger {trigger} is not among the sources"));
        }
        let scans = crate::messages::MessageType::LaserScan.ros_name();
        let lasers = sources.iter().any(|source| source.message == scans);
        let body = (footprint.as_ref(), lasers);
        let gate = read_gate(&mut reader, bundle, body, sim_time);
        let speed_limit = read_speed_limit(&mut reader, bundle);
        let attention = read_attention(&mut reader);
        let markers = reader.boolean("act.markers.enabled", false);
        let diagnostics = read_diagnostics(&mut reader);
        let realtime = read_realtime(&mut reader);
        let params = Params {
            engines,
            deadline,
            refuse_impossible_deadline,
            publish_margin,
            policy: Policy::from_name(&policy).unwrap_or(Policy::Fastest),
            confidence: confidence as f32,
            free_way_quantile: free_way_quantile as f32,
            hold,
            fault,
            reuse,
            robots,
            batch_slack,
            base_frame,
            footprint,
            trigger,
            sources,
            gate,
            speed_limit,
            attention,
            markers,
            statistics_period: period,
            sim_time,
            diagnostics,
            realtime,
        };
        let (effective, faults) = reader.finish();
        ReadParams {
            effective,
            params: match faults.is_empty() {
                true => Ok(params),
                false => Err(ParamFaults(faults)),
            },
        }
    }
}

fn read_engines(reader: &mut Reader) -> Vec<String> {
    // ndarray and wgpu too where they are not built in: the next engine takes its place then.
    const KNOWN: [&str; 4] = ["packed", "flex", "ndarray", "wgpu"];
    let precision = reader.word("packed.precision", "int8");
    let device = reader.word("wgpu.device", "any");
    let float = reader.word("wgpu.precision", "f32");
    let engines = reader.words("engines", &["packed", "flex"]);
    if engines.is_empty() {
        reader.fault(String::from("engines is empty; expected at least one"));
    }
    for (index, engine) in engines.iter().enumerate() {
        if engines[..index].contains(engine) {
            reader.fault(format!("engines names {engine} twice; expected each once"));
        }
        if !KNOWN.contains(&engine.as_str()) {
            reader.fault(format!(
                "engines names {engine}, which there is not; expected some of {}",
                KNOWN.join(", ")
            ));
        }
    }
    let exact = |engine: String| match engine.as_str() {
        "packed" => format!("packed_{precision}"),
        "wgpu" => {
            let place = Some(&device).filter(|device| *device != "any");
            let half = Some(&float).filter(|float| *float != "f32");
            let parts = place.into_iter().chain(half);
            parts.fold(engine, |name, part| format!("{name}_{part}"))
        }
        _ => engine,
    };
    engines.into_iter().map(exact).collect()
}

fn read_cache(reader: &mut Reader) -> Option<CacheConfig> {
    let max_age = reader.millis("cache.max_age_ms", Duration::ZERO);
    let step = reader.double("cache.step", 0.05) as f32;
    (!max_age.is_zero()).then_some(CacheConfig { max_age, step })
}

/// Most robots of one node: their decisions may all be due at once.
const MOST_ROBOTS: usize = 32;

fn read_robots(reader: &mut Reader) -> Vec<String> {
    // A params file of ROS cannot hold an empty list; it can hold a list with an empty name.
    let mut robots = reader.words("robots", &[""]);
    robots.retain(|robot| !robot.is_empty());
    if robots.len() > MOST_ROBOTS {
        let count = robots.len();
        reader.fault(format!(
            "robots names {count}; expected {MOST_ROBOTS} at most"
        ));
    }
    for (index, robot) in robots.iter().enumerate() {
        if robots[..index].contains(robot) {
            reader.fault(format!("robots names {robot} twice; expected each once"));
        }
        let is_token = |token: &str| {
            let mut letters = token.chars();
            letters
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic())
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        if !robot.split('/').all(is_token) {
            reader.fault(format!(
                "robots names \"{robot}\"; expected a namespace without a slash in front, such as r1"
            ));
        }
    }
    robots
}

fn read_sources(reader: &mut Reader, bundle: &BundleNames) -> Vec<SourceParams> {
    let known: Vec<&str> = bundle.sources.iter().map(|s| s.name.as_str()).collect();
    let asked = reader.words("sources", &known);
    for name in asked.iter().filter(|name| !known.contains(&name.as_str())) {
        reader.fault(format!(
            "sources names {name}, which the bundle does not read; expected some of {}",
            known.join(", ")
        ));
    }
    let mut sources = Vec::new();
    for source in &bundle.sources {
        let read = read_source(reader, source);
        if asked.contains(&source.name) {
            sources.push(read);
        } else if read.required {
            reader.fault(format!(
                "sources leaves out {}, which the bundle needs; add it or set {}.required to false",
                source.name, source.name
            ));
        }
    }
    sources
}

fn read_source(reader: &mut Reader, source: &BundleSource) -> SourceParams {
    let name = &source.name;
    let of = |what: &str| format!("{name}.{what}");
    let topic = reader.word(("<source>.topic", &of("topic")), &source.topic);
    if topic.is_empty() || topic.contains(char::is_whitespace) {
        reader.fault(format!(
            "{name}.topic is \"{topic}\"; expected a topic name"
        ));
    }
    let min_returns = reader.double(("<source>.min_returns", &of("min_returns")), 0.0) as f32;
    let scans = crate::messages::MessageType::LaserScan.to_string();
    if min_returns > 0.0 && !source.types.contains(&scans) {
        reader.fault(format!(
            "{name}.min_returns is {min_returns}; expected 0, since only {scans} has beams"
        ));
    }
    let upside_down = reader.given_boolean(("<source>.upside_down", &of("upside_down")));
    if upside_down == Some(true) && !source.types.contains(&scans) {
        reader.fault(format!(
            "{name}.upside_down is true; expected it for a {scans} only"
        ));
    }
    let ignore = read_ignored(reader, name);
    if !ignore.is_empty() && !source.types.contains(&scans) {
        reader.fault(format!(
            "{name}.ignore names directions; expected none, since only {scans} has beams"
        ));
    }
    let mut word = |what: &'static str, of: &String, default: &str| {
        let word = reader.word((what, of), default);
        if word != default && !source.types.contains(&scans) {
            reader.fault(format!(
                "{of} is {word}; expected {default}, since only {scans} has beams"
            ));
        }
        word
    };
    let below_min = word("<source>.below_min", &of("below_min"), "auto");
    let speck_filter = word("<source>.speck_filter", &of("speck_filter"), "none");
    let default = source.types.first().map_or("", String::as_str);
    let message = reader.word(("<source>.type", &of("type")), default);
    if !source.types.contains(&message) {
        reader.fault(format!(
            "{name}.type is {message}; expected {}, which the bundle reads",
            source.types.join(" or ")
        ));
    }
    SourceParams {
        name: name.clone(),
        topic,
        message,
        reliable: reader.word(("<source>.qos", &of("qos")), "sensor_data") == "reliable",
        timeout: reader.millis(("<source>.timeout_ms", &of("timeout_ms")), source.timeout),
        freeze_timeout: reader.millis(
            ("<source>.freeze_timeout_ms", &of("freeze_timeout_ms")),
            Duration::ZERO,
        ),
        stamp_timeout: reader.millis(
            ("<source>.stamp_timeout_ms", &of("stamp_timeout_ms")),
            Duration::ZERO,
        ),
        min_returns,
        yaw: reader
            .given_double(("<source>.yaw", &of("yaw")))
            .map(|yaw| yaw as f32),
        upside_down,
        ignore,
        below_min: BelowMin::from_name(&below_min).unwrap_or_default(),
        speck_filter: SpeckFilter::from_name(&speck_filter).unwrap_or_default(),
        required: reader.boolean(("<source>.required", &of("required")), source.required),
    }
}

fn read_diagnostics(reader: &mut Reader) -> Thresholds {
    let mut share = |name: &str, default| {
        let name = format!("diagnostics.{name}");
        reader.double(&name, default)
    };
    Thresholds {
        warn_fallback_share: share("warn_fallback_share", 0.05),
        error_fallback_share: share("error_fallback_share", 0.5),
        error_late_share: share("error_late_share", 0.01),
    }
}

fn read_realtime(reader: &mut Reader) -> Realtime {
    let priority = reader.count("realtime.priority", 0);
    let mut cpus = |name: &str| reader.cpus(name);
    Realtime {
        priority: (priority > 0).then_some(priority as u8),
        cpus: cpus("realtime.cpus"),
        reasoner_cpus: cpus("realtime.reasoner_cpus"),
        lock_memory: reader.boolean("realtime.lock_memory", false),
    }
}

#[cfg(test)]
mod tests;
