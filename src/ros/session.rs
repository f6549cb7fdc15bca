//! What a node has between configure and cleanup: engines, threads, topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use r2r::{Node, QosProfile};
use tokio::task::JoinHandle;

use super::at_work::{AtWork, Candidate, Model};
use super::cold::Cold;
use super::endpoints::Endpoints;
use super::graph::Graph;
use super::handover::Handover;
use super::herald::Herald;
use super::ingest_thread::IngestThread;
use super::names::Names;
use super::outlet::Outlet;
use super::reporter::Reporter;
use super::viewer::Viewer;
use super::{RunError, ros};
use crate::act::diagnostics::DIAGNOSTICS_TYPE;
use crate::configure::Configuration;
use crate::params::{Values, model_name};
use crate::realtime::{Realtime, Role};
use crate::time::{Clock, SystemClock};

/// Everything loaded and warm. Begins inactive.
pub struct Session {
    ingest: IngestThread,
    outlet: Arc<Outlet>,
    realtime: Realtime,
    reporter: JoinHandle<()>,
    over: Arc<AtomicBool>,
    // Last: however this ends, the robot is told to stop.
    _farewell: Farewell,
}

impl Session {
    /// Loads and warms every engine, subscribes and publishes; what the cold side may change of it
    /// comes beside it.
    pub fn configure(
        node: &mut Node,
        endpoints: &mut Endpoints,
        cold: &Cold,
        values: &Values,
    ) -> Result<(Session, AtWork), RunError> {
        let began = Instant::now();
        let mut configuration = Configuration::read(values)?;
        let engines = configuration.warm_engines()?;
        let source = node.get_time_source();
        match configuration.params.sim_time {
            true => ros("listening to /clock", source.enable_sim_time(node))?,
            false => source.disable_sim_time(),
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let graph = Graph::new(Names::of(node)?, &configuration, clock.now())?;
        let outlet = Outlet::new(node, endpoints, &configuration, Arc::clone(&clock))?;
        let outlet = Arc::new(outlet);
        let farewell = Farewell(Arc::clone(&outlet));
        outlet.warm_up();
        let realtime = configuration.params.realtime.clone();
        let candidate = Candidate {
            name: model_name(values),
            configuration,
            engines,
        };
        let model = Model::start(candidate, &outlet, |configuration, voice| {
            configuration.desk(Arc::clone(&clock), voice)
        });
        let model = model.map_err(|cause| RunError::System {
            doing: "starting the reasoner and guard threads",
            cause,
        })?;
        let handover = Arc::new(Handover::new());
        let ingest = IngestThread::new(
            node,
            endpoints,
            &model.configuration,
            (Arc::clone(&model.live), Arc::clone(&handover)),
            Arc::clone(&outlet),
            clock,
            graph,
        )?;
        announce(&model.configuration, began);
        ingest.announce_clock();
        let at_work = AtWork::new(model, Arc::clone(&outlet), handover);
        let reporter = reporter(node, endpoints, &at_work, &ingest, &outlet)?;
        let over = Arc::new(AtomicBool::new(false));
        let session = Session {
            reporter: cold.report(reporter, Arc::clone(&over)),
            ingest,
            outlet,
            realtime,
            over,
            _farewell: farewell,
        };
        Ok((session, at_work))
    }

    /// From here on every trigger is answered.
    pub fn activate(&mut self) {
        // Late, so that nothing started before inherits it and everything is in memory.
        warn_all(self.realtime.set_up_thread(Role::Ingest));
        warn_all(self.realtime.lock_memory());
        self.ingest.live().desk().forget_held();
        self.outlet.open();
        self.ingest.set_active(true);
    }

    /// The robot stops; triggers are counted and not answered.
    pub fn deactivate(&mut self) {
        self.ingest.set_active(false);
        self.outlet.close();
        if !self.ingest.live().has_fallen() {
            self.outlet.lift_speed_limit();
        }
    }

    /// One turn: whatever came is taken in and offered.
    pub fn turn(&mut self, node: &mut Node) -> Result<(), RunError> {
        match self.ingest.live().has_fallen() {
            true => Err(RunError::Fallen),
            false => {
                self.ingest.turn(node);
                Ok(())
            }
        }
    }

    /// Frees everything; threads that publish end before this returns.
    pub fn end(mut self, endpoints: &mut Endpoints, cold: &Cold) {
        self.deactivate();
        self.over.store(true, Ordering::Release);
        cold.wait_for(self.reporter);
        self.ingest.give_back(endpoints);
    }
}

fn reporter(
    node: &mut Node,
    endpoints: &mut Endpoints,
    at_work: &AtWork,
    ingest: &IngestThread,
    outlet: &Arc<Outlet>,
) -> Result<Reporter, RunError> {
    let message = "edge_reasoner/msg/Statistics";
    let statistics = endpoints.publisher(node, "~/statistics", message, QosProfile::default())?;
    let qos = QosProfile::default();
    let diagnostics = endpoints.publisher(node, "/diagnostics", DIAGNOSTICS_TYPE, qos);
    // A build of r2r that found no diagnostic_msgs runs all the same.
    if let Err(error) = &diagnostics {
        tracing::warn!("{error}; build with diagnostic_msgs installed");
    }
    let faces = at_work.face();
    let limits = faces.load().attention;
    let herald = limits.map(|limits| Herald::new(node, endpoints, limits));
    let herald = herald.transpose()?;
    let viewer = at_work.shows().then(|| {
        let handover = Arc::clone(at_work.handover());
        Viewer::new(node, endpoints, handover)
    });
    Ok(Reporter::new(
        (statistics, diagnostics.ok()),
        (herald, viewer.transpose()?),
        node.fully_qualified_name().unwrap_or_default(),
        faces,
        ingest.shared(),
        Arc::clone(outlet),
    ))
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

fn announce(configuration: &Configuration, began: Instant) {
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
    if let Some(speed) = &params.speed_limit {
        tracing::info!("speed limit: {}", speed.topic);
    }
    tracing::info!(
        "{} on {}, deadline {:?}, ready after {:.2} s",
        configuration.bundle.id(),
        params.engines.join(", then "),
        params.deadline,
        began.elapsed().as_secs_f64()
    );
}
