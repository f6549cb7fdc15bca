//! The live door: the only place that knows r2r.

mod at_work;
mod bond;
mod cold;
mod endpoints;
mod feed;
mod found;
mod graph;
mod handover;
mod herald;
mod ingest_thread;
mod lifecycle;
mod lines;
mod log;
mod managed;
mod models;
mod names;
mod node_view;
mod outlet;
mod parameters;
#[cfg(test)]
mod params_as_rcl;
mod reporter;
mod robot;
mod session;
mod shared;
mod speed_limit;
mod survey;
mod transforms;
mod values;
mod viewer;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use r2r::{Context, Node};

use crate::configure::{ConfigureError, portable_model};
use crate::params::{NodeName, RosArguments, Said, Value, Values, model_name};
use cold::{Cold, Stop};
use endpoints::Endpoints;
use lifecycle::Transition;
use managed::{Asked, Managed};
use node_view::NodeView;
use session::Session;
use shared::Shared;

/// Longest sleep while there is nothing to decide: how soon a stop is noticed.
const IDLE: Duration = Duration::from_millis(20);

/// Why the node did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The parameters' file.
    #[error(transparent)]
    Values(#[from] crate::params::ValueError),
    /// A parameter that is asked for before all others.
    #[error(transparent)]
    Params(#[from] crate::params::ParamFaults),
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
    /// No type support for the speed limit.
    #[error(
        "act.speed_limit.enabled is true, but nav2_msgs/msg/SpeedLimit cannot be had: {0}; install \
         the package nav2_msgs of your ROS and source it, or set act.speed_limit.enabled to false"
    )]
    NoSpeedLimit(String),
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

impl RunError {
    /// 78 (EX_CONFIG of sysexits.h) where parameters, bundle or topics were refused: whoever starts
    /// the node again should know that nothing will have changed. 1 for all else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            RunError::Values(_)
            | RunError::Params(_)
            | RunError::Configure(_)
            | RunError::GateHearsItself { .. }
            | RunError::NoSpeedLimit(_) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }
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
    // Signals first: a node that is told to end while it starts shall end.
    let stop = Arc::new(Stop::default());
    let cold = Cold::start(Arc::clone(&stop))?;
    // Before rcl reads them, whose words on bad ones are fewer.
    let arguments = RosArguments::parse(std::env::args_os())?;
    let context = ros(
        "initialisation (see the line above; is an argument behind --ros-args wrong?)",
        create_context(),
    )?;
    let mut node = ros(
        "creating the node",
        Node::create(context, "edge_reasoner", ""),
    )?;
    log::start(&mut node)?;
    let Said { values, remarks } = arguments.for_node(&name_of(&node)?);
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    let view = Arc::new(NodeView::of(&node));
    let served = serve(&mut node, &stop, (cold, &view), at_home(values));
    // Before the node is gone.
    view.close();
    match served {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            tracing::error!("{error}");
            Ok(error.exit_code())
        }
    }
}

/// As rcl calls the node after all remappings: sections of params files are for names.
fn name_of(node: &Node) -> Result<NodeName, RunError> {
    let doing = "asking for the node's name";
    ros(doing, ros(doing, node.fully_qualified_name())?.parse())
}

/// With the model by a name that means the same in every directory: what the node says of its
/// parameters may start another one elsewhere.
fn at_home(mut values: Values) -> Values {
    // Anything but text is refused at configure.
    if let None | Some(Value::String(_)) = values.get("model") {
        let model = portable_model(&model_name(&values));
        values.insert(String::from("model"), Value::String(model));
    }
    values
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
    stop: &Stop,
    (cold, view): (Cold, &Arc<NodeView>),
    said: Values,
) -> Result<(), RunError> {
    let autostart = values::autostart(&said)?;
    let heartbeat = values::bond_heartbeat_period(&said)?;
    let shared = Arc::new(Shared::new(said));
    let mut managed = Managed::new(node, &cold)?;
    parameters::serve(node, &cold, &shared)?;
    models::serve(node, &cold, &shared)?;
    let pulse = Arc::new(bond::Pulse::default());
    // A node that configures and activates itself has no manager.
    if !autostart && !heartbeat.is_zero() {
        bond::keep(node, heartbeat, &pulse)?;
    }
    let mut endpoints = Endpoints::default();
    let mut session: Option<Session> = None;
    let change =
        |node: &mut Node, endpoints: &mut Endpoints, session: &mut Option<Session>, transition| {
            let rooms = (endpoints, &cold, &*shared, view);
            let done = change(node, rooms, session, transition);
            let active = transition == Transition::Activate && done.is_ok();
            pulse.set_active(active);
            stop.set_active(active);
            done
        };
    let mut ended = Ok(());
    if autostart {
        for transition in [Transition::Configure, Transition::Activate] {
            managed.begin(&cold, transition);
            // Nobody waits for an answer here: what is wrong ends the node.
            change(node, &mut endpoints, &mut session, transition)?;
            managed.end(&cold, Asked::by_itself(transition), true);
        }
    } else {
        tracing::info!("unconfigured; autostart is false, waiting for ~/change_state");
    }
    while !stop.is_asked() {
        pulse.beat();
        match &mut session {
            Some(session) => ended = session.turn(node),
            None => {
                node.spin_once(IDLE);
                endpoints.keep_transforms();
            }
        }
        if ended.is_err() {
            break;
        }
        if let Some(asked) = managed.look(&cold) {
            managed.begin(&cold, asked.transition);
            let done = change(node, &mut endpoints, &mut session, asked.transition);
            if let Err(error) = &done {
                tracing::error!("{} failed: {error}", asked.transition.name());
            }
            managed.end(&cold, asked, done.is_ok());
        }
    }
    stop.notice();
    if session.is_some() {
        let _ = change(node, &mut endpoints, &mut session, Transition::Shutdown);
    }
    cold.finish();
    ended
}

/// Does what a transition asks for; on an error everything is as it was.
fn change(
    node: &mut Node,
    (endpoints, cold, shared, view): (&mut Endpoints, &Cold, &Shared, &Arc<NodeView>),
    session: &mut Option<Session>,
    transition: Transition,
) -> Result<(), RunError> {
    match (transition, session.as_mut()) {
        (Transition::Configure, _) => {
            let values = shared.begin_configure();
            let configured = Session::configure(node, endpoints, (cold, view), &values);
            let (made, at_work) = configured.inspect_err(|_| shared.end_configure(None))?;
            shared.end_configure(Some(at_work));
            *session = Some(made);
        }
        (Transition::Activate, Some(session)) => session.activate(),
        (Transition::Deactivate, Some(session)) => session.deactivate(),
        (Transition::Cleanup | Transition::Shutdown, _) => {
            // The stop first: the cold side may have what it shares in its hands for a while.
            if let Some(session) = session.as_mut() {
                session.deactivate();
            }
            shared.cleanup();
            if let Some(session) = session.take() {
                session.end(endpoints, cold);
            }
        }
        // The states do not allow it.
        (Transition::Activate | Transition::Deactivate, None) => {}
    }
    Ok(())
}
