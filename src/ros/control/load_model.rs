//! `~/load_model` and `~/rollback`: exchange the bundle that decides for another, without a pause.
//! The other one is loaded, warmed and tried on a thread that no decision waits for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use r2r::edge_reasoner::srv::LoadModel;
use r2r::std_srvs::srv::Trigger;
use r2r::{Node, QosProfile};

use super::active_models::{CandidateModel, CurrentModel};
use super::control_plane::ControlPlane;
use super::load_error::LoadError;
use super::node_state::NodeState;
use super::parameter_values::without_zeros;
use crate::configure::{Configuration, ConfigureError, WarmEngine, find_bundle, portable_model};
use crate::model::Bundle;
use crate::params::Value;
use crate::ros::error::{RunError, ros};
use crate::ros::io::model_handover::{ModelHandover, WINDOWS};
use crate::scheduler::EngineFault;

/// How long a bundle waits for windows to be tried on. A silent sensor gives none; it was warmed
/// then, and not tried.
const WINDOWS_WITHIN: Duration = Duration::from_secs(1);
/// How long the answer waits for the swap.
const SWAP_WITHIN: Duration = Duration::from_secs(2);

/// Offers the services.
pub fn serve(
    node: &mut Node,
    control_plane: &ControlPlane,
    shared: &Arc<NodeState>,
) -> Result<(), RunError> {
    let doing = "offering ~/load_model and ~/rollback";
    let qos = QosProfile::services_default;
    let mut loads = ros(
        doing,
        node.create_service::<LoadModel::Service>("~/load_model", qos()),
    )?;
    let mut rollbacks = ros(
        doing,
        node.create_service::<Trigger::Service>("~/rollback", qos()),
    )?;
    let this = Arc::clone(shared);
    control_plane.spawn(async move {
        while let Some(request) = loads.next().await {
            let (shared, path) = (Arc::clone(&this), request.message.path.clone());
            let done = tokio::task::spawn_blocking(move || load(&shared, &path)).await;
            let done = done.unwrap_or(Err(LoadError::Panicked));
            let shared = Arc::clone(&this);
            let respond = move || {
                let (success, message) = overrides(done);
                let _ = request.respond(LoadModel::Response {
                    success,
                    message,
                    model_id: shared.model_id().unwrap_or_default(),
                });
            };
            let _ = tokio::task::spawn_blocking(respond).await;
        }
    });
    let this = Arc::clone(shared);
    control_plane.spawn(async move {
        while let Some(request) = rollbacks.next().await {
            let shared = Arc::clone(&this);
            let done = tokio::task::spawn_blocking(move || rollback(&shared)).await;
            let respond = move || {
                let (success, message) = overrides(done.unwrap_or(Err(LoadError::Panicked)));
                let _ = request.respond(Trigger::Response { success, message });
            };
            let _ = tokio::task::spawn_blocking(respond).await;
        }
    });
    Ok(())
}

fn overrides(done: Result<String, LoadError>) -> (bool, String) {
    match done {
        Ok(word) => {
            tracing::info!("{word}");
            (true, without_zeros(&word))
        }
        Err(error) => {
            tracing::error!("{error}; the active model stays in use");
            (false, without_zeros(&error.to_string()))
        }
    }
}

fn load(shared: &NodeState, name: &str) -> Result<String, LoadError> {
    let name = &portable_model(name);
    let CurrentModel {
        mut overrides,
        bundle: present,
        handover,
    } = shared.present().ok_or(LoadError::Unconfigured)?;
    let sizes = &present.manifest.architecture;
    handover
        .trial
        .ask_for(WINDOWS, sizes.frames * sizes.features);
    let asked = Instant::now();
    let bundle = Bundle::load(&find_bundle(name)?).map_err(ConfigureError::from)?;
    let differences = Configuration::differences(&present, &bundle);
    overrides.insert(String::from("model"), Value::String(name.to_owned()));
    if !differences.is_empty() {
        let model = bundle.id().to_owned();
        return Err(LoadError::Different {
            advice: advice(name, Configuration::with_bundle(&overrides, bundle)),
            model,
            present: present.id().to_owned(),
            differences: differences.join(", "),
        });
    }
    let mut configuration = Configuration::with_bundle(&overrides, bundle)?;
    let engines = configuration.warm_engines()?;
    let tried = try_on(&handover, asked, engines);
    let (engines, tried) = tried.map_err(|fault| LoadError::Fails {
        model: configuration.bundle.id().to_owned(),
        fault,
    })?;
    let model = configuration.bundle.id().to_owned();
    let before = handover.done();
    let candidate = CandidateModel {
        name: name.to_owned(),
        configuration,
        engines,
    };
    shared.replace_model(candidate, &handover)?;
    let swapped = wait_for_swap(&handover, before);
    if swapped {
        shared.rest();
    }
    Ok(format!(
        "{model} decides {}in the place of {}; it was tried on {tried} windows of the last second",
        match swapped {
            true => "from here on ",
            false => "from the next turn on ",
        },
        present.id(),
    ))
}

fn rollback(shared: &NodeState) -> Result<String, LoadError> {
    let CurrentModel {
        bundle: present,
        handover,
        ..
    } = shared.present().ok_or(LoadError::Unconfigured)?;
    let before = handover.done();
    let model = shared.roll_back()?;
    if wait_for_swap(&handover, before) {
        shared.rest();
    }
    Ok(format!(
        "{model} decides again, in the place of {}",
        present.id()
    ))
}

/// How to change to a bundle for another task. Parameters that were given for the active bundle
/// (a params file names its sources and labels) keep another one from being configured.
fn advice(name: &str, configured: Result<Configuration, ConfigureError>) -> String {
    match configured {
        Ok(_) => format!(
            "deactivate and cleanup the node, set the parameter model to {name}, then configure and \
             activate it"
        ),
        Err(faults) => format!(
            "start the node anew with parameters made for it, since those of this node do not fit it: \
             {faults}"
        ),
    }
}

/// Runs all engines on the windows that came meanwhile; returns how many there were.
fn try_on(
    handover: &ModelHandover,
    asked: Instant,
    mut engines: Vec<WarmEngine>,
) -> Result<(Vec<WarmEngine>, usize), EngineFault> {
    let mut tried = 0;
    while tried < WINDOWS {
        match handover.trial.next() {
            Some(shown) => {
                let all = engines
                    .into_iter()
                    .map(|engine| engine.try_on(&shown.window));
                engines = all.collect::<Result<_, _>>()?;
                tried += 1;
            }
            None if asked.elapsed() >= WINDOWS_WITHIN => break,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Ok((engines, tried))
}

fn wait_for_swap(handover: &ModelHandover, before: u64) -> bool {
    let began = Instant::now();
    while handover.done() == before && began.elapsed() < SWAP_WITHIN {
        std::thread::sleep(Duration::from_millis(1));
    }
    handover.done() != before
}
