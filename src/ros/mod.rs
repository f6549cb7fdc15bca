//! The live door: the only place that knows r2r.

mod cold;
mod graph;
mod ingest_thread;
mod log;
mod names;
mod outlet;
mod reporter;
mod values;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use r2r::{Context, Node, PublisherUntyped, QosProfile};

use crate::act::diagnostics::DIAGNOSTICS_TYPE;
use crate::configure::{Configuration, ConfigureError};
use crate::realtime::Role;
use crate::reason::live::Live;
use crate::time::{Clock, SystemClock};
use cold::Cold;
use graph::Graph;
use ingest_thread::IngestThread;
use names::Names;
use outlet::Outlet;
use reporter::Reporter;

/// Why the node did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The parameters' file.
    #[error(transparent)]
    Values(#[from] crate::params::ValueError),
    /// Parameters, bundle or engines.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// ROS refused.
    #[error("ROS: {doing} failed: {cause}")]
    Ros {
        /// What was tried.
        doing: String,
        /// What r2r said.
        cause: String,
    },
    /// The gate would hear what it says.
    #[error(
        "act.velocity_gate.in ({input}) and act.velocity_gate.out ({output}) are both {topic} after \
         namespace and remapping; expected two topics, or the gate hears itself"
    )]
    GateHearsItself {
        /// As the parameter says.
        input: String,
        /// As the parameter says.
        output: String,
        /// As ROS resolves both.
        topic: String,
    },
    /// A thread that must run ended by a panic.
    #[error(
        "a thread of the node ended by a panic (see above): no decision can be promised any more, \
         the gate is closed; please report it, and let the launch file respawn the node"
    )]
    Fallen,
    /// The system refused.
    #[error("{doing}: {cause}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
}

fn ros<T, E: std::fmt::Display>(
    doing: impl Into<String>,
    result: Result<T, E>,
) -> Result<T, RunError> {
    result.map_err(|cause| RunError::Ros {
        doing: doing.into(),
        cause: cause.to_string(),
    })
}

/// Runs the node until SIGINT or SIGTERM. ROS arguments are read from the process's own. Once
/// there is a ROS log, it is told what went wrong; before that, the caller is.
pub fn run() -> Result<ExitCode, RunError> {
    let began = Instant::now();
    // Signals first: a node that is told to end while it starts shall end.
    let stop = Arc::new(AtomicBool::new(false));
    let cold = Cold::start(Arc::clone(&stop))?;
    let for_others = values::check_arguments(std::env::args())?;
    let context = ros(
        "initialisation (see the line above; is an argument behind --ros-args wrong?)",
        create_context(),
    )?;
    let mut node = ros(
        "creating the node",
        Node::create(context, "edge_reasoner", ""),
    )?;
    log::start(&mut node)?;
    for file in for_others {
        tracing::warn!("{file}; the defaults hold");
    }
    match serve(&mut node, began, stop, cold) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            tracing::error!("{error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// r2r panics where rcl refuses its arguments.
fn create_context() -> Result<Context, String> {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let created = std::panic::catch_unwind(Context::create);
    std::panic::set_hook(quiet);
    match created {
        Ok(Ok(context)) => Ok(context),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| String::from("rcl refused its arguments"))),
    }
}

fn serve(
    node: &mut Node,
    began: Instant,
    stop: Arc<AtomicBool>,
    cold: Cold,
) -> Result<(), RunError> {
    let values = values::of_node(node);
    let mut configuration = Configuration::read(&values)?;
    let engines = configuration.warm_engines()?;
    if values.get("use_sim_time") == Some(&crate::params::Value::Bool(true)) {
        let source = node.get_time_source();
        ros("listening to /clock", source.enable_sim_time(node))?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let graph = Graph::new(Names::of(node)?, &configuration, clock.now())?;
    let outlet = Arc::new(Outlet::new(node, &configuration, Arc::clone(&clock))?);
    let desk = configuration.desk(Arc::clone(&clock), Arc::clone(&outlet) as _);
    let reasoners = configuration.reasoners(&desk, engines);
    // However this ends, the robot is told to stop.
    let _farewell = Farewell(Arc::clone(&outlet));
    outlet.warm_up();
    let realtime = configuration.params.realtime.clone();
    let wishes = realtime.clone();
    let live = Live::start(Arc::clone(&desk), reasoners, move |thread| {
        warn_all(wishes.set_up_thread(Role::of_thread(thread)))
    });
    let live = Arc::new(live.map_err(|cause| RunError::System {
        doing: "starting the reasoner and guard threads",
        cause,
    })?);
    let ingest = IngestThread::new(
        node,
        &configuration,
        Arc::clone(&live),
        Arc::clone(&outlet),
        clock,
        graph,
    )?;
    let statistics = ros(
        "publishing ~/statistics",
        node.create_publisher_untyped(
            "~/statistics",
            "edge_reasoner/msg/Statistics",
            QosProfile::default(),
        ),
    )?;
    let diagnostics = diagnostics_publisher(node);
    announce(&configuration, &ingest, began);
    let reporter = Reporter::new(
        statistics,
        diagnostics,
        node.fully_qualified_name().unwrap_or_default(),
        &configuration,
        Arc::clone(&live),
        ingest.shared(),
        Arc::clone(&outlet),
    );
    cold.report(reporter, configuration.params.statistics_period);
    // Last, so that nothing started before inherits it and everything is in memory.
    warn_all(realtime.set_up_thread(Role::Ingest));
    warn_all(realtime.lock_memory());
    // Returns when the stop is asked for.
    let ended = ingest.run(node, &stop);
    stop.store(true, Ordering::Release);
    // Threads that publish end before the node they publish through.
    outlet.close();
    cold.finish();
    drop(live);
    ended
}

/// None, with a word in the log, where this build of r2r has no diagnostic_msgs.
fn diagnostics_publisher(node: &mut Node) -> Option<PublisherUntyped> {
    let created =
        node.create_publisher_untyped("/diagnostics", DIAGNOSTICS_TYPE, QosProfile::default());
    if let Err(cause) = &created {
        tracing::warn!(
            "/diagnostics is not published: {cause}; build with diagnostic_msgs installed"
        );
    }
    created.ok()
}

/// Closes the outlet when dropped, by a panic too; once more where it is closed already, since the
/// first word may get lost.
struct Farewell(Arc<Outlet>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn warn_all(refused: impl IntoIterator<Item = String>) {
    for word in refused {
        tracing::warn!("{word}");
    }
}

fn announce(configuration: &Configuration, ingest: &IngestThread, began: Instant) {
    let params = &configuration.params;
    for source in &params.sources {
        tracing::info!(
            "{}: {} ({}){}",
            source.name,
            source.topic,
            source.message,
            match source.name == params.trigger {
                true => ", triggers",
                false => "",
            }
        );
    }
    if let Some(gate) = &params.gate {
        tracing::info!("velocity gate: {} → {}", gate.input, gate.output);
        let safe = &configuration.bundle.manifest.safe_label;
        let passes = gate.limits.factors[usize::from(configuration.terms().safe_label)].linear;
        if passes > 0.0 {
            tracing::warn!(
                "act.velocity_gate.linear.{safe} is {passes}: the robot goes on driving when the \
                 answer is a fallback; 0.0 would stop it"
            );
        }
    }
    tracing::info!(
        "{} on {}, deadline {:?}, ready after {:.2} s",
        configuration.bundle.id(),
        params.engines.join(", then "),
        params.deadline,
        began.elapsed().as_secs_f64()
    );
    ingest.announce_clock();
}
