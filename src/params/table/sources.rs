//! Parameters of the topics that are read, how sensors are mounted, and the robot's outline.

use crate::features::{BelowMin, SpeckFilter};
use crate::params::parameter::{ANY, Parameter, ParameterType, double, row};

pub(super) const ROWS: &[Parameter] = &[
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
        "sensor_data (best effort) receives from every publisher; reliable has lost messages sent again, and receives nothing from best-effort publishers.",
    ),
    row(
        "<source>.timeout_ms",
        double(1_000, 3_600_000_000),
        "the bundle's",
        "The source is stale when its newest sample is older than this.",
    ),
    row(
        "<source>.freeze_timeout_ms",
        double(0, 3_600_000_000),
        "0.0",
        "A source that repeats the same measurement bit by bit for longer than this, under new stamps, is stale (a stuck driver). 0: not checked, as simulated sensors without noise need it.",
    ),
    row(
        "<source>.stamp_timeout_ms",
        double(0, 3_600_000_000),
        "0.0",
        "A message whose header stamp is longer than this before its arrival is stale (a delayed one); for sensors stamped by the clock of the node. 0: not checked.",
    ),
    row(
        "<source>.min_returns",
        double(0, 1_000),
        "0.0",
        "A scan is invalid when a smaller share of its beams than this returns something (a covered or dead laser). 0: not checked; in the open few beams return.",
    ),
    row(
        "<source>.below_min",
        ParameterType::Word(BelowMin::NAMES),
        "auto",
        "What positive ranges of a scan below its range_min mean. auto: measurements of something too near, which count, are distinguished from the constants that drivers write as codes; near: all are measurements; none: none is, nor is -inf. Under auto and near, what came nearer than range_min and is not measured any more (0.0, NaN, codes, +inf) stays near until it is seen free.",
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
        "Turn of the sensor against the robot's forward direction, in rad, left positive: the heading of its x axis. tf must agree within 5°.",
    ),
    row(
        "<source>.upside_down",
        ParameterType::Bool,
        "as tf says, else false",
        "Whether the laser is mounted upside down: its angles then count to the right. tf must agree.",
    ),
    row(
        "<source>.ignore",
        ParameterType::Doubles,
        "[]",
        "Directions that are ignored, as pairs of angles from, to; in rad in the robot's frame, left positive. [1.2, 1.9]: a mast on the left. The node does not see what is there.",
    ),
    row(
        "<source>.required",
        ParameterType::Bool,
        "the bundle's",
        "Whether the safe label is published while the source is stale or has sent nothing.",
    ),
    row(
        "base_frame",
        ANY,
        "base_link",
        "Frame of the robot, x ahead: mountings by tf and the footprint are given in it.",
    ),
    row(
        "footprint",
        ANY,
        "\"[]\"",
        "The robot's outline in base_frame, in m, as Nav2 writes it: \"[[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]]\". Returns inside it are the robot itself and are ignored. \"[]\": none.",
    ),
    row(
        "robot_radius",
        double(0, 20_000),
        "0.0",
        "The outline of a round robot instead, in m around base_frame. 0: none.",
    ),
];
