//! The live node. The only room that knows r2r.

mod control;
mod error;
mod io;
mod monitoring;
mod node;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use r2r::{Context, Node};

use crate::configure::portable_model;
use crate::params::{NodeName, ParameterOverrides, RosArguments, Value, Values, model_name};
use control::control_plane::{ControlPlane, StopSignal};
use control::node_state::NodeState;
pub use error::RunError;
use error::ros;
use io::endpoints::Endpoints;
use monitoring::graph_view::GraphView;
use node::lifecycle::Transition;
use node::lifecycle_services::{LifecycleServices, TransitionRequest};
use node::session::Session;

/// Longest sleep while there is nothing to decide; bounds how late a stop is noticed.
const IDLE: Duration = Duration::from_millis(20);

/// Runs the node until SIGINT or SIGTERM. ROS arguments are read from the process's own. Once
/// there is a ROS log, errors go there; before that, to the caller.
pub fn run() -> Result<ExitCode, RunError> {
    // Signals first: a signal while the node starts ends it.
    let stop = Arc::new(StopSignal::default());
    let control_plane = ControlPlane::start(Arc::clone(&stop))?;
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
    node::log::start(&mut node)?;
    let ParameterOverrides { values, remarks } = arguments.for_node(&name_of(&node)?);
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    let view = Arc::new(GraphView::of(&node));
    let served = serve(&mut node, &stop, (control_plane, &view), at_home(values));
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

/// The node's name after all remappings, by which sections of params files are chosen.
fn name_of(node: &Node) -> Result<NodeName, RunError> {
    let doing = "asking for the node's name";
    ros(doing, ros(doing, node.fully_qualified_name())?.parse())
}

/// With the model by a name that means the same in every directory: the parameters that the node
/// shows may start another node elsewhere.
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
    stop: &StopSignal,
    (control_plane, view): (ControlPlane, &Arc<GraphView>),
    overrides: Values,
) -> Result<(), RunError> {
    let autostart = control::parameter_values::autostart(&overrides)?;
    let heartbeat = control::parameter_values::bond_heartbeat_period(&overrides)?;
    let shared = Arc::new(NodeState::new(overrides));
    let mut lifecycle = LifecycleServices::new(node, &control_plane)?;
    control::parameters::serve(node, &control_plane, &shared)?;
    control::load_model::serve(node, &control_plane, &shared)?;
    let pulse = Arc::new(node::bond::Heartbeat::default());
    // A node that configures and activates itself has no manager.
    if !autostart && !heartbeat.is_zero() {
        node::bond::keep(node, heartbeat, &pulse)?;
    }
    let mut endpoints = Endpoints::default();
    let mut session: Option<Session> = None;
    let change =
        |node: &mut Node, endpoints: &mut Endpoints, session: &mut Option<Session>, transition| {
            let rooms = (endpoints, &control_plane, &*shared, view);
            let done = change(node, rooms, session, transition);
            let active = transition == Transition::Activate && done.is_ok();
            pulse.set_active(active);
            stop.set_active(active);
            done
        };
    let mut ended = Ok(());
    if autostart {
        for transition in [Transition::Configure, Transition::Activate] {
            lifecycle.begin(&control_plane, transition);
            // Nobody waits for an answer here: what is wrong ends the node.
            change(node, &mut endpoints, &mut session, transition)?;
            lifecycle.end(
                &control_plane,
                TransitionRequest::by_itself(transition),
                true,
            );
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
        if let Some(asked) = lifecycle.look(&control_plane) {
            lifecycle.begin(&control_plane, asked.transition);
            let done = change(node, &mut endpoints, &mut session, asked.transition);
            if let Err(error) = &done {
                tracing::error!("{} failed: {error}", asked.transition.name());
            }
            lifecycle.end(&control_plane, asked, done.is_ok());
        }
    }
    stop.notice();
    if session.is_some() {
        let _ = change(node, &mut endpoints, &mut session, Transition::Shutdown);
    }
    control_plane.finish();
    ended
}

/// Makes a transition; on an error everything is as it was.
fn change(
    node: &mut Node,
    (endpoints, control_plane, shared, view): (
        &mut Endpoints,
        &ControlPlane,
        &NodeState,
        &Arc<GraphView>,
    ),
    session: &mut Option<Session>,
    transition: Transition,
) -> Result<(), RunError> {
    match (transition, session.as_mut()) {
        (Transition::Configure, _) => {
            let values = shared.begin_configure();
            let configured = Session::configure(node, endpoints, (control_plane, view), &values);
            let (made, active_models) = configured.inspect_err(|_| shared.end_configure(None))?;
            shared.end_configure(Some(active_models));
            *session = Some(made);
        }
        (Transition::Activate, Some(session)) => session.activate(),
        (Transition::Deactivate, Some(session)) => session.deactivate(),
        (Transition::Cleanup | Transition::Shutdown, _) => {
            // The stop first: the control plane may have what it shares in its hands for a while.
            if let Some(session) = session.as_mut() {
                session.deactivate();
            }
            shared.cleanup();
            if let Some(session) = session.take() {
                session.end(endpoints, control_plane);
            }
        }
        // The states do not allow it.
        (Transition::Activate | Transition::Deactivate, None) => {}
    }
    Ok(())
}
