//! Parameters of the model, its engines and the deadline.

use crate::params::parameter::{ANY, FRACTION, Parameter, ParameterType, double, live, row};

pub(super) const ROWS: &[Parameter] = &[
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
];
