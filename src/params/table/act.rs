//! Parameters of what a decision does: velocity gate, speed limit, attention, markers.

use crate::params::parameter::{ANY, FRACTION, Parameter, ParameterType, double, live, row};

pub(super) const ROWS: &[Parameter] = &[
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
];
