//! The table of all parameters: validation and the table in docs/parameters.md come from here.

pub use super::parameter::{ChangePolicy, Parameter, ParameterType};
use super::parameter::{double, live, row};
use crate::features::{BelowMin, SpeckFilter};

const ANY: ParameterType = ParameterType::Word(&[]);
const FRACTION: ParameterType = double(0, 1_000);

/// All parameters.
pub const TABLE: &[Parameter] = &[
    row(
        "model",
        ANY,
        "clearance",
        "Bundle to run: a directory, or the name of one that ships.",
    ),
    row(
        "engines",
        ParameterType::Words,
        "[packed, flex]",
        "Engines in order of preference: packed, flex, and where they are built in ndarray and wgpu (a GPU). The next one takes over when one fails.",
    ),
    row(
        "packed.precision",
        ParameterType::Word(&["int8", "bf16", "f32"]),
        "int8",
        "What the engine packed multiplies in; f32 answers as flex does, int8 is the fastest.",
    ),
    row(
        "wgpu.device",
        ParameterType::Word(&[
            "any",
            "discrete",
            "integrated",
            "virtual",
            "software",
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
            "6",
            "7",
        ]),
        "any",
        "Which GPU the engine wgpu takes: the first of a kind, or its place in the list the log shows. any: discrete before integrated before virtual, never software.",
    ),
    row(
        "wgpu.precision",
        ParameterType::Word(&["f32", "f16"]),
        "f32",
        "What the engine wgpu calculates in; f16 needs a GPU that computes in it, and its answers differ by some thousandths.",
    ),
    live(
        "deadline_ms",
        double(100, 10_000_000),
        "20.0",
        "From the arrival of a trigger to the publication of its decision.",
    ),
    live(
        "refuse_impossible_deadline",
        ParameterType::Bool,
        "true",
        "Whether the node refuses to start where not even the first exit fits the deadline.",
    ),
    live(
        "publish_margin_ms",
        double(0, 1_000_000),
        "2.0",
        "Kept free before the deadline for publishing; the watchdog acts this much earlier.",
    ),
    live(
        "policy",
        ParameterType::Word(&["fastest", "best"]),
        "fastest",
        "fastest: stop at the first exit that is sure. best: use the budget.",
    ),
    live(
        "confidence",
        FRACTION,
        "0.4",
        "Below this confidence the safe label is published (LOW_CONFIDENCE).",
    ),
    live(
        "hold_ms",
        double(0, 10_000_000),
        "200.0",
        "How long a model decision may stand in when the engine is late or fails.",
    ),
    live(
        "fault_ms",
        double(1_000, 60_000_000),
        "100.0",
        "An engine call longer than this is a stall; the next engine takes over.",
    ),
    row(
        "cache.max_age_ms",
        double(0, 60_000_000),
        "0.0",
        "The model's answer to the same window is used again for this long, and marked (reused_ms). 0: every window is computed.",
    ),
    row(
        "cache.step",
        double(1, 1_000),
        "0.05",
        "Windows are the same when every feature (they lie in -1 to 1) rounds to the same multiple of this.",
    ),
    row(
        "robots",
        ParameterType::Words,
        "[\"\"]",
        "On a gateway: the robots this node serves, by namespace. Each has its own window, decisions and acts under /<robot>. [\"\"]: one robot, with the topics as they are.",
    ),
    live(
        "batch_slack_ms",
        double(0, 1_000_000),
        "0.0",
        "How long a robot's trigger may wait for those of other robots, where the engine gains by running them together. 0: only what waits anyway runs together.",
    ),
    row(
        "trigger",
        ANY,
        "the bundle's",
        "Source whose every message is answered by a decision.",
    ),
    row(
        "sources",
        ParameterType::Words,
        "the bundle's",
        "Sources to subscribe to.",
    ),
    row(
        "<source>.topic",
        ANY,
        "the bundle's",
        "Topic of the source; a relative one (scan) is in the node's namespace, an absolute one (/scan) is not.",
    ),
    row(
        "<source>.type",
        ANY,
        "the bundle's",
        "Message type; must be one the bundle's extractor reads.",
    ),
    row(
        "<source>.qos",
        ParameterType::Word(&["sensor_data", "reliable"]),
        "sensor_data",
        "sensor_data (best effort) hears every publisher; reliable asks for resends.",
    ),
    row(
        "<source>.timeout_ms",
        double(1_000, 3_600_000_000),
        "the bundle's",
        "A newest sample older than this makes the source stale.",
    ),
    row(
        "<source>.freeze_timeout_ms",
        double(0, 3_600_000_000),
        "0.0",
        "A source that says the same bit by bit for longer than this, under new stamps, is stale (a stuck driver). 0: not watched; simulated sensors without noise need that.",
    ),
    row(
        "<source>.stamp_timeout_ms",
        double(0, 3_600_000_000),
        "0.0",
        "A message whose header stamp is longer than this before its arrival is stale (a delayed one); for sensors stamped by the clock the node has. 0: not watched.",
    ),
    row(
        "<source>.min_returns",
        double(0, 1_000),
        "0.0",
        "A scan of which a smaller share of the beams returns something is invalid (a covered or dead laser). 0: not watched; in the open few beams return.",
    ),
    row(
        "<source>.below_min",
        ParameterType::Word(BelowMin::NAMES),
        "auto",
        "What positive ranges of a scan below its range_min mean. auto: measurements of something too near, which count, are told from the constants that drivers write as codes; near: all are measurements; none: none is, nor is -inf. Under auto and near, what came nearer than range_min and is not measured any more (0.0, NaN, codes, +inf) stays near until it is seen free.",
    ),
    row(
        "<source>.speck_filter",
        ParameterType::Word(SpeckFilter::NAMES),
        "none",
        "Whether returns that stand alone (dust, rain) are dropped. beams: those that no neighbouring beam sees as near, at once; nothing narrower than 2 x angle_increment x range is sure to be seen. scans: those that neither of the two scans before has about there; everything is seen one scan later.",
    ),
    row(
        "<source>.yaw",
        double(-6_284, 6_284),
        "as tf says, else 0.0",
        "Turn of the sensor against the robot's forward direction, in rad, left positive: the heading of its x axis. tf may not say otherwise (by more than 5°).",
    ),
    row(
        "<source>.upside_down",
        ParameterType::Bool,
        "as tf says, else false",
        "Whether the laser is mounted upside down: its angles then count to the right. tf may not say otherwise.",
    ),
    row(
        "<source>.ignore",
        ParameterType::Doubles,
        "[]",
        "Directions that are not looked at, as pairs: from, to, to the left; in rad in the robot's frame. [1.2, 1.9]: a mast on the left. What lies there is not known to the node.",
    ),
    row(
        "<source>.required",
        ParameterType::Bool,
        "the bundle's",
        "Whether a stale or silent source leads to the safe label.",
    ),
    row(
        "base_frame",
        ANY,
        "base_link",
        "Frame of the robot, x ahead: tf tells mountings in it, and the footprint is drawn in it.",
    ),
    row(
        "footprint",
        ANY,
        "\"[]\"",
        "The robot's outline in base_frame, in m, as Nav2 writes it: \"[[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]]\". Returns inside it are the robot itself and tell nothing. \"[]\": none.",
    ),
    row(
        "robot_radius",
        double(0, 20_000),
        "0.0",
        "The outline of a round robot instead, in m around base_frame. 0: none.",
    ),
    row(
        "act.velocity_gate.enabled",
        ParameterType::Bool,
        "false",
        "Whether the velocity gate runs.",
    ),
    row(
        "act.velocity_gate.in",
        ANY,
        "cmd_vel_in",
        "Commands asked for (geometry_msgs/msg/Twist, or TwistStamped).",
    ),
    row(
        "act.velocity_gate.out",
        ANY,
        "cmd_vel_out",
        "Commands let through.",
    ),
    row(
        "act.velocity_gate.stamped",
        ParameterType::Bool,
        "false",
        "Whether both topics are geometry_msgs/msg/TwistStamped, as Nav2's enable_stamped_cmd_vel makes them.",
    ),
    live(
        "act.velocity_gate.physics",
        ParameterType::Bool,
        "true",
        "Whether commands are capped by what the scans show, under every label and in every direction; needs robot_radius or footprint.",
    ),
    live(
        "act.velocity_gate.margin_m",
        double(0, 2_000),
        "0.08",
        "Kept free around the outline, in m; above the noise of the laser.",
    ),
    live(
        "act.velocity_gate.creep_margin_m",
        double(0, 2_000),
        "0.03",
        "Kept free beside what the base only passes at a creep (0.1 m/s), in m; at most margin_m, which is the default where that is less. Twice the noise of the laser, plus what the outline is wrong by; as much as margin_m: nothing is passed nearer than that.",
    ),
    live(
        "act.velocity_gate.deceleration",
        double(10, 20_000),
        "0.5",
        "How hard the base brakes, in m/s², as measured on the robot with its load; a lower value brakes earlier.",
    ),
    live(
        "act.velocity_gate.turn_deceleration",
        double(10, 100_000),
        "2.0",
        "How hard a turn is braked, in rad/s².",
    ),
    live(
        "act.velocity_gate.latency_ms",
        double(0, 5_000_000),
        "250.0",
        "From what a scan shows to the first slowing of the base: half a scan's duration, this node, the base's controller.",
    ),
    live(
        "act.velocity_gate.use_model",
        ParameterType::Bool,
        "true",
        "Whether the way that the model expects to be free slows the base before scans show why. Only for models that tell it; it never lets more through than scans do.",
    ),
    live(
        "act.velocity_gate.free_way_quantile",
        double(1, 499),
        "0.1",
        "How careful the model's free way is: less is free with this probability, as the model says; lower is more careful. Only for models that tell a free way.",
    ),
    live(
        "act.velocity_gate.keep_arc",
        ParameterType::Bool,
        "false",
        "Whether speed and turn are slowed together: true for cars and other bases that cannot turn on the spot.",
    ),
    live(
        "act.velocity_gate.linear.<label>",
        FRACTION,
        "1.0, or needed",
        "Part of the linear velocity (x, y and z) that passes at most where the model sees this label; needed for every label where the gate goes by labels alone.",
    ),
    live(
        "act.velocity_gate.angular.<label>",
        FRACTION,
        "as linear",
        "Part of the angular velocity (x, y and z) that passes where the model sees this label.",
    ),
    live(
        "act.velocity_gate.blind.linear",
        FRACTION,
        "0.0",
        "Part of the linear velocity that passes where nothing is seen: input, time or engine are at fault; at most that of the safe label.",
    ),
    live(
        "act.velocity_gate.blind.angular",
        FRACTION,
        "0.0",
        "The same for the angular velocity.",
    ),
    live(
        "act.velocity_gate.decision_timeout_ms",
        double(1_000, 60_000_000),
        "500.0",
        "A decision whose trigger arrived longer ago than this stops the robot; on /clock under use_sim_time.",
    ),
    live(
        "act.velocity_gate.command_timeout_ms",
        double(1_000, 60_000_000),
        "500.0",
        "A command older than this, by its arrival or its header's stamp, is neither obeyed nor repeated: the robot stops. So does one stamped further ahead. On /clock under use_sim_time.",
    ),
    live(
        "act.velocity_gate.stop_pub_timeout_ms",
        double(0, 60_000_000),
        "1000.0",
        "How long a stop is repeated where no commands come; then the topic is left alone.",
    ),
    live(
        "act.velocity_gate.release_after",
        ParameterType::Count {
            least: 1,
            most: 1000,
        },
        "3",
        "Decisions in a row that must allow more before more is let through; one that allows less counts at once.",
    ),
    row(
        "act.speed_limit.enabled",
        ParameterType::Bool,
        "false",
        "Whether nav2_msgs/msg/SpeedLimit is published; needs the package nav2_msgs.",
    ),
    row(
        "act.speed_limit.topic",
        ANY,
        "speed_limit",
        "Topic of the limits, as the controller's speed_limit_topic.",
    ),
    live(
        "act.speed_limit.percent.<label>",
        double(0, 100_000),
        "none",
        "Percentage of the controller's maximum under this label, 0: no limit (it cannot stop the robot); needed for every label when the limits are enabled.",
    ),
    live(
        "act.speed_limit.release_after",
        ParameterType::Count {
            least: 1,
            most: 1000,
        },
        "3",
        "Decisions in a row that must allow more before the limit rises; one that allows less counts at once.",
    ),
    row(
        "act.attention.enabled",
        ParameterType::Bool,
        "false",
        "Whether ~/attention and ~/attention_needed call for somebody when decisions are unsure or not the model's, again and again.",
    ),
    live(
        "act.attention.confidence",
        FRACTION,
        "0.6",
        "A decision of the model below this confidence counts as unsure.",
    ),
    live(
        "act.attention.decisions",
        ParameterType::Count {
            least: 1,
            most: 10_000,
        },
        "30",
        "How many of the newest decisions are looked at.",
    ),
    live(
        "act.attention.raise_share",
        FRACTION,
        "0.5",
        "Somebody is needed when more than this share of them is unsure or not the model's.",
    ),
    live(
        "act.attention.release_share",
        FRACTION,
        "0.1",
        "Nobody is needed any more when at most this share is.",
    ),
    row(
        "act.markers.enabled",
        ParameterType::Bool,
        "false",
        "Whether ~/markers shows decisions in RViz and Foxglove, twice a second, with the sectors of the scan each rests on.",
    ),
    live(
        "statistics_period_ms",
        double(10_000, 3_600_000_000),
        "1000.0",
        "How often ~/statistics is published.",
    ),
    live(
        "diagnostics.warn_fallback_share",
        FRACTION,
        "0.05",
        "/diagnostics warns when more than this share of a period's decisions were not the model's.",
    ),
    live(
        "diagnostics.error_fallback_share",
        FRACTION,
        "0.5",
        "The same for its level ERROR.",
    ),
    live(
        "diagnostics.error_late_share",
        FRACTION,
        "0.01",
        "/diagnostics is at ERROR when more than this share was late; a single late one is a WARN.",
    ),
    row(
        "realtime.priority",
        ParameterType::Count { least: 0, most: 98 },
        "0",
        "SCHED_FIFO priority of the deadline watchdog; ingest and what publishes run one below, inference workers two below. 0: normal scheduling.",
    ),
    row(
        "realtime.cpus",
        ParameterType::Cpus,
        "\"\"",
        "Processors of the threads of the deadline watchdog, of ingest and of what publishes, such as \"1\" or \"0,2-3\"; empty: any.",
    ),
    row(
        "realtime.reasoner_cpus",
        ParameterType::Cpus,
        "\"\"",
        "Processors of the inference workers; empty: any.",
    ),
    row(
        "realtime.lock_memory",
        ParameterType::Bool,
        "false",
        "Whether all pages of the process stay in memory (mlockall).",
    ),
    Parameter {
        change: ChangePolicy::Start,
        ..row(
            "autostart",
            ParameterType::Bool,
            "true",
            "Whether the node configures and activates itself; false: a lifecycle manager does, by ~/change_state.",
        )
    },
    Parameter {
        change: ChangePolicy::Start,
        ..row(
            "bond_heartbeat_period",
            double(0, 10_000),
            "0.1",
            "Seconds between the heartbeats of the bond with a lifecycle manager, as Nav2's nodes name it; only where autostart is false and the package bond is there. 0: no bond.",
        )
    },
    row(
        "use_sim_time",
        ParameterType::Bool,
        "false",
        "Whether ages of inputs are measured on /clock.",
    ),
];

/// The table as docs/parameters.md shows it.
pub fn markdown() -> String {
    let mut text = String::from(
        "| parameter | type | default | range | change | |\n|---|---|---|---|---|---|\n",
    );
    for parameter in TABLE {
        let range = match parameter.kind {
            ParameterType::Double {
                least_milli,
                most_milli,
            } => format!(
                "{} to {}",
                least_milli as f64 / 1e3,
                most_milli as f64 / 1e3
            ),
            ParameterType::Count { least, most } => format!("{least} to {most}"),
            ParameterType::Word(words) => words.join(", "),
            _ => String::new(),
        };
        text += &format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            parameter.name,
            parameter.kind.name(),
            parameter.default,
            range,
            parameter.change.name(),
            parameter.description
        );
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_shows_this_table() {
        let page = include_str!("../../docs/parameters.md");
        assert!(
            page.contains(&super::markdown()),
            "docs/parameters.md does not hold the table of parameters; it must read:\n{}",
            super::markdown()
        );
    }
}
