//! Parameters of the node itself: statistics, diagnostics, threads, lifecycle, clock.

use crate::params::parameter::{
    ChangePolicy, FRACTION, Parameter, ParameterType, double, live, row,
};

pub(super) const ROWS: &[Parameter] = &[
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
