//! Forwards what the crate logs with `tracing` to the ROS log: to the terminal and to /rosout.

use std::fmt::Write as _;
use std::sync::Mutex;

use r2r::{LogSeverity, Node, PublisherUntyped, QosProfile};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::act::encode::{TimeWire, encode};
use crate::ros::error::{RunError, ros};
use crate::scheduler::CYCLE;
use crate::time::Stamp;

const ROSOUT: &str = "/rosout";

struct RosLog {
    logger: String,
    /// rcl stopped publishing /rosout for a node by itself in Jazzy and left it to the client
    /// library; r2r does not do it, so this does. None where rcl still does.
    rosout: Option<Mutex<PublisherUntyped>>,
}

/// Field for field `rcl_interfaces/msg/Log`.
#[derive(Serialize)]
struct LogWire<'a> {
    stamp: TimeWire,
    level: u8,
    name: &'a str,
    msg: &'a str,
    file: &'a str,
    function: &'a str,
    line: u32,
}

/// From here on `tracing` logs through this node's logger. What the terminal shows is ROS's
/// affair (`--log-level`).
pub fn start(node: &mut Node) -> Result<(), RunError> {
    let name = node.name().unwrap_or_default();
    let publishers = node.get_publishers_info_by_topic(ROSOUT, false);
    let already = publishers.is_ok_and(|all| all.iter().any(|info| info.node_name == name));
    let rosout = match already {
        true => None,
        false => Some(Mutex::new(ros(
            "publishing /rosout",
            node.create_publisher_untyped(
                ROSOUT,
                "rcl_interfaces/msg/Log",
                QosProfile::default().keep_last(1000).transient_local(),
            ),
        )?)),
    };
    let layer = RosLog {
        logger: node.logger().to_owned(),
        rosout,
    };
    // To the ROS log goes what is ours and not of level TRACE.
    let ours = FilterFn::new(|metadata| {
        metadata.target().starts_with("edge_reasoner") && *metadata.level() <= Level::DEBUG
    });
    let logs = layer.with_filter(ours.with_max_level_hint(LevelFilter::DEBUG));
    let all = tracing_subscriber::registry().with(logs).with(cycles());
    // Only the first of several nodes in a process gets to say where logs go.
    let _ = tracing::subscriber::set_global_default(all);
    Ok(())
}

/// Where RUST_LOG names it (`RUST_LOG=edge_reasoner::cycle=trace`): a line on stderr for each step
/// of a cycle as it ends, with the thread and the time it took.
fn cycles<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let asked = std::env::var("RUST_LOG").is_ok_and(|asked| asked.contains(CYCLE));
    asked.then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_target(false)
            .with_thread_names(true)
            .with_span_events(FmtSpan::CLOSE)
            .with_filter(Targets::new().with_target(CYCLE, LevelFilter::TRACE))
    })
}

impl<S: Subscriber> Layer<S> for RosLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => LogSeverity::Error,
            Level::WARN => LogSeverity::Warn,
            Level::INFO => LogSeverity::Info,
            _ => LogSeverity::Debug,
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        // C strings end at the first zero; r2r would panic on one inside.
        let text = text.0.replace('\0', "\u{fffd}");
        let file = event.metadata().file().unwrap_or_default();
        let line = event.metadata().line().unwrap_or_default();
        r2r::log(&text, &self.logger, file, line, severity);
        // rcutils has sent it to the terminal; debug lines stay there.
        if *event.metadata().level() <= Level::INFO {
            self.to_rosout(&text, *event.metadata().level(), file, line);
        }
    }
}

impl RosLog {
    fn to_rosout(&self, text: &str, level: Level, file: &str, line: u32) {
        let Some(Ok(publisher)) = self.rosout.as_ref().map(Mutex::lock) else {
            return;
        };
        let mut bytes = Vec::new();
        let log = LogWire {
            stamp: Stamp::wall_clock().into(),
            // The constants of the message: INFO 20, WARN 30, ERROR 40.
            level: match level {
                Level::ERROR => 40,
                Level::WARN => 30,
                _ => 20,
            },
            name: &self.logger,
            msg: text,
            file,
            function: "",
            line,
        };
        encode(&log, &mut bytes);
        // A log line that cannot be published has nowhere else to go but the terminal it was
        // already sent to.
        let _ = publisher.publish_raw(&bytes);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
