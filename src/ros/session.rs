//! What a node has between configure and cleanup: engines, threads, topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2r::{Node, QosProfile};

use super::at_work::{AtWork, Candidate, Model};
use super::cold::Cold;
use super::endpoints::Endpoints;
use super::feed::Seen;
use super::graph::Graph;
use super::handover::Handover;
use super::herald::Herald;
use super::ingest_thread::IngestThread;
use super::names::Names;
use super::node_view::NodeView;
use super::outlet;
use super::reporter::Reporter;
use super::robot::Robot;
use super::transforms;
use super::viewer::Viewer;
use super::{RunError, ros};
use crate::act::diagnostics::DIAGNOSTICS_TYPE;
use crate::act::outlet::Outlet;
use crate::configure::Configuration;
use crate::params::{Values, model_name};
use crate::realtime::{Realtime, Role};
use crate::sense::MessageType;
use crate::time::{Clock, Span, SystemClock};

/// How long a stop waits for publishers that DDS holds, before the node goes on without them.
const PATIENCE: Duration = Duration::from_millis(300);

/// Everything loaded and warm. Begins inactive.
pub struct Session {
    ingest: IngestThread,
    /// One per robot.
    outlets: Vec<Arc<Outlet>>,
    realtime: Realtime,
    reporters: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    // Last: however this ends, the robots are told to stop.
    _farewell: Farewell,
}

impl Session {
    /// Loads and warms every engine, subscribes and publishes; what the cold side may change of it
    /// comes beside it.
    pub fn configure(
        node: &mut Node,
        endpoints: &mut Endpoints,
        (cold, view): (&Cold, &Arc<NodeView>),
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
        let robots = Robot::all(&configuration.params);
        // First: what contradicts itself is refused before anything speaks or is told to stop.
        let graphs = robots
            .iter()
            .map(|robot| Graph::new(&Names::of(node)?, &configuration, robot, clock.now()));
        let graphs = graphs.collect::<Result<Vec<_>, _>>()?;
        let topics = robots.iter().zip(&graphs).flat_map(|(robot, graph)| {
            let lines = graph.announcement().into_iter();
            lines.map(|line| robot.says(line))
        });
        let topics: Vec<String> = topics.collect();
        let echoes = robots.iter().zip(&graphs).flat_map(|(robot, graph)| {
            let lines = graph.echoes().into_iter();
            lines.map(|line| robot.says(line))
        });
        let echoes: Vec<String> = echoes.collect();
        let outlets = robots.iter().map(|robot| {
            let clock = Arc::clone(&clock);
            outlet::open(node, endpoints, &configuration, robot, clock).map(Arc::new)
        });
        let outlets = outlets.collect::<Result<Vec<_>, _>>()?;
        let farewell = Farewell(outlets.clone());
        let realtime = configuration.params.realtime.clone();
        let candidate = Candidate {
            name: model_name(values),
            configuration,
            engines,
        };
        let model = Model::start(candidate, &outlets, |configuration, _, voice| {
            configuration.desk(Arc::clone(&clock), voice)
        });
        let model = model.map_err(|cause| RunError::System {
            doing: "starting the reasoner and guard threads",
            cause,
        })?;
        let handover = Arc::new(Handover::new(robots.len()));
        // Before anybody hears a scan: no decision shall rest on an assumed mounting that tf corrects a
        // moment later.
        if asks_tf(&model.configuration) {
            transforms::wait(node, endpoints, &robots)?;
        }
        let ingest = IngestThread::new(
            node,
            endpoints,
            &model.configuration,
            (Arc::clone(&model.live), Arc::clone(&handover)),
            (
                &robots,
                &outlets,
                graphs.iter().map(Graph::topics).collect(),
            ),
            clock,
        )?;
        announce(&model.configuration, &topics, began);
        warn_all(echoes);
        ingest.announce_clock();
        let at_work = AtWork::new(model, outlets.clone(), handover);
        let over = Arc::new(AtomicBool::new(false));
        let mut reporters = Vec::new();
        let seen = robots.into_iter().zip(ingest.seen()).zip(graphs);
        for (number, ((robot, seen), graph)) in seen.enumerate() {
            let of = (robot, number, seen, Arc::clone(&outlets[number]));
            let graph = (graph, Arc::clone(view));
            let reporter = reporter(node, endpoints, &at_work, of, graph)?;
            reporters.push(cold.report(reporter, Arc::clone(&over))?);
        }
        let session = Session {
            reporters,
            ingest,
            outlets,
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
        for desk in self.ingest.live().desks() {
            desk.forget_held();
        }
        self.outlets.iter().for_each(|outlet| outlet.open());
        self.ingest.set_active(true);
    }

    /// The robots stop; triggers are counted and not answered.
    pub fn deactivate(&mut self) {
        self.ingest.set_active(false);
        self.outlets.iter().for_each(|outlet| outlet.close());
        if !self.ingest.live().has_fallen() {
            let outlets = self.outlets.iter();
            outlets.for_each(|outlet| outlet.lift_speed_limit());
        }
        let until = Instant::now() + PATIENCE;
        for outlet in &self.outlets {
            let held = outlet.flush(until);
            if !held.is_empty() {
                let held = held.join(", ");
                tracing::error!(
                    "DDS holds what publishes {held}, and has for {PATIENCE:?}: the last of it is not \
                     sent yet; look for readers that have stopped to read"
                );
            }
        }
    }

    /// One turn: whatever came is taken in and offered.
    pub fn turn(&mut self, node: &mut Node) -> Result<(), RunError> {
        let fallen = self.outlets.iter().any(|outlet| outlet.has_fallen());
        match fallen || self.ingest.live().has_fallen() {
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
        cold.wait_for(std::mem::take(&mut self.reporters));
        self.ingest.give_back(endpoints);
    }
}

/// Whether anything of a mounting is left to tf.
fn asks_tf(configuration: &Configuration) -> bool {
    let params = &configuration.params;
    let scans = MessageType::LaserScan.ros_name();
    let mut lasers = params
        .sources
        .iter()
        .filter(|source| source.message == scans);
    lasers.any(|source| {
        source.yaw.is_none() || source.upside_down.is_none() || params.footprint.is_some()
    })
}

fn reporter(
    node: &mut Node,
    endpoints: &mut Endpoints,
    at_work: &AtWork,
    (robot, number, seen, outlet): (Robot, usize, Arc<Seen>, Arc<Outlet>),
    graph: (Graph, Arc<NodeView>),
) -> Result<Reporter, RunError> {
    let name = ros("asking the node's name", node.name())?;
    let topic = |topic: &str| robot.topic(topic, &name);
    let (told, message) = (topic("~/statistics"), "edge_reasoner/msg/Statistics");
    let statistics = endpoints.publisher(node, &told, message, QosProfile::default())?;
    let qos = QosProfile::default();
    let diagnostics = endpoints.publisher(node, "/diagnostics", DIAGNOSTICS_TYPE, qos);
    // A build of r2r that found no diagnostic_msgs runs all the same.
    if let Err(error) = &diagnostics {
        tracing::warn!("{error}; build with diagnostic_msgs installed");
    }
    let faces = at_work.face();
    let limits = faces.load().attention;
    let herald = limits.map(|limits| Herald::new(node, endpoints, topic, limits));
    let herald = herald.transpose()?;
    let viewer = at_work.shows().then(|| {
        let handover = Arc::clone(at_work.handover());
        Viewer::new(node, endpoints, &topic("~/markers"), (number, handover))
    });
    let full = node.fully_qualified_name().unwrap_or_default();
    Ok(Reporter::new(
        (statistics, diagnostics.ok()),
        (herald, viewer.transpose()?, graph),
        ((robot, number), &full),
        faces,
        seen,
        outlet,
    ))
}

/// Closes the outlets when dropped, by a panic too; once more where they are closed already, since
/// the first word may get lost.
struct Farewell(Vec<Arc<Outlet>>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.iter().for_each(|outlet| outlet.close());
    }
}

fn warn_all(refused: impl IntoIterator<Item = String>) {
    for word in refused {
        tracing::warn!("{word}");
    }
}

/// Says what is listened to and published, by which model.
fn announce(configuration: &Configuration, topics: &[String], began: Instant) {
    let params = &configuration.params;
    if !params.robots.is_empty() {
        tracing::info!("a gateway for {}", params.robots.join(", "));
    }
    for line in topics {
        tracing::info!("{line}");
    }
    tracing::info!(
        "{} on {}, deadline {}, ready after {}",
        configuration.bundle.id(),
        params.engines.join(", then "),
        Span(params.deadline),
        Span(began.elapsed())
    );
}
