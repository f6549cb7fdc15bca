//! What a configured node holds between configure and cleanup: engines, threads, topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2r::{Node, QosProfile};

use crate::act::diagnostics::DIAGNOSTICS_TYPE;
use crate::act::output::RobotOutput;
use crate::configure::Configuration;
use crate::messages::MessageType;
use crate::params::{Values, model_name};
use crate::realtime::{Realtime, ThreadRole};
use crate::ros::control::active_models::{ActiveModels, CandidateModel, LoadedModel};
use crate::ros::control::control_plane::ControlPlane;
use crate::ros::error::{RunError, ros};
use crate::ros::io::endpoints::Endpoints;
use crate::ros::io::ingest_thread::IngestThread;
use crate::ros::io::model_handover::ModelHandover;
use crate::ros::io::names::RosNames;
use crate::ros::io::publishers;
use crate::ros::io::robot::Robot;
use crate::ros::io::robot_inputs::InputActivity;
use crate::ros::io::tf_wait::wait_for_transforms;
use crate::ros::monitoring::attention_publisher::AttentionPublisher;
use crate::ros::monitoring::graph_monitor::GraphMonitor;
use crate::ros::monitoring::graph_view::GraphView;
use crate::ros::monitoring::marker_publisher::MarkerPublisher;
use crate::ros::monitoring::reporter::Reporter;
use crate::time::{Clock, ShownDuration, SystemClock};

/// How long a stop waits for publishers that DDS holds, before the node goes on without them.
const PATIENCE: Duration = Duration::from_millis(300);

/// A configured node: models loaded and warmed, topics open. Begins inactive.
pub struct Session {
    ingest: IngestThread,
    /// One per robot.
    robot_outputs: Vec<Arc<RobotOutput>>,
    realtime: Realtime,
    reporters: Vec<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    // Last: however this ends, the robots are stopped.
    _farewell: CloseOnDrop,
}

impl Session {
    /// Loads and warms every engine, subscribes and publishes; what the control plane may change of
    /// it comes beside it.
    pub fn configure(
        node: &mut Node,
        endpoints: &mut Endpoints,
        (control_plane, view): (&ControlPlane, &Arc<GraphView>),
        values: &Values,
    ) -> Result<(Session, ActiveModels), RunError> {
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
        // First: contradictions are refused before anything is published.
        let graphs = robots.iter().map(|robot| {
            GraphMonitor::new(&RosNames::of(node)?, &configuration, robot, clock.now())
        });
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
        let robot_outputs = robots.iter().map(|robot| {
            let clock = Arc::clone(&clock);
            publishers::open(node, endpoints, &configuration, robot, clock).map(Arc::new)
        });
        let robot_outputs = robot_outputs.collect::<Result<Vec<_>, _>>()?;
        let farewell = CloseOnDrop(robot_outputs.clone());
        let realtime = configuration.params.realtime.clone();
        let candidate = CandidateModel {
            name: model_name(values),
            configuration,
            engines,
        };
        let model = LoadedModel::start(
            candidate,
            &robot_outputs,
            |configuration, _, model_output| {
                configuration.scheduler(Arc::clone(&clock), model_output)
            },
        );
        let model = model.map_err(|cause| RunError::System {
            doing: "starting the reasoner and guard threads",
            cause,
        })?;
        let handover = Arc::new(ModelHandover::new(robots.len()));
        // Before the first scan is taken in: no decision shall rest on an assumed mounting that tf
        // corrects a moment later.
        if asks_tf(&model.configuration) {
            wait_for_transforms(node, endpoints, &robots)?;
        }
        let ingest = IngestThread::new(
            node,
            endpoints,
            &model.configuration,
            (Arc::clone(&model.live), Arc::clone(&handover)),
            (
                &robots,
                &robot_outputs,
                graphs.iter().map(GraphMonitor::topics).collect(),
            ),
            clock,
        )?;
        announce(&model.configuration, &topics, began);
        warn_all(echoes);
        ingest.announce_clock();
        let active_models = ActiveModels::new(model, robot_outputs.clone(), handover);
        let over = Arc::new(AtomicBool::new(false));
        let mut reporters = Vec::new();
        let seen = robots.into_iter().zip(ingest.seen()).zip(graphs);
        for (number, ((robot, seen), graph)) in seen.enumerate() {
            let of = (robot, number, seen, Arc::clone(&robot_outputs[number]));
            let graph = (graph, Arc::clone(view));
            let reporter = reporter(node, endpoints, &active_models, of, graph)?;
            reporters.push(control_plane.report(reporter, Arc::clone(&over))?);
        }
        let session = Session {
            reporters,
            ingest,
            robot_outputs,
            realtime,
            over,
            _farewell: farewell,
        };
        Ok((session, active_models))
    }

    /// From here on every trigger is answered.
    pub fn activate(&mut self) {
        // Late, so that nothing started before inherits it and everything is in memory.
        warn_all(self.realtime.set_up_thread(ThreadRole::Ingest));
        warn_all(self.realtime.lock_memory());
        for scheduler in self.ingest.live().schedulers() {
            scheduler.forget_last_decision();
        }
        self.robot_outputs
            .iter()
            .for_each(|robot_output| robot_output.open());
        self.ingest.set_active(true);
    }

    /// The robots stop; triggers are counted and not answered.
    pub fn deactivate(&mut self) {
        self.ingest.set_active(false);
        self.robot_outputs
            .iter()
            .for_each(|robot_output| robot_output.close());
        if !self.ingest.live().has_panicked() {
            let robot_outputs = self.robot_outputs.iter();
            robot_outputs.for_each(|robot_output| robot_output.lift_speed_limit());
        }
        let until = Instant::now() + PATIENCE;
        for robot_output in &self.robot_outputs {
            let held = robot_output.flush(until);
            if !held.is_empty() {
                let held = held.join(", ");
                tracing::error!(
                    "DDS has held what publishes {held} for {PATIENCE:?}: its last messages are not sent \
                     yet; look for subscribers that have stopped reading"
                );
            }
        }
    }

    /// One turn of the ingest thread: takes in what came and offers triggers.
    pub fn turn(&mut self, node: &mut Node) -> Result<(), RunError> {
        let panicked = self
            .robot_outputs
            .iter()
            .any(|robot_output| robot_output.has_panicked());
        match panicked || self.ingest.live().has_panicked() {
            true => Err(RunError::Fallen),
            false => {
                self.ingest.turn(node);
                Ok(())
            }
        }
    }

    /// Frees everything; threads that publish end before this returns.
    pub fn end(mut self, endpoints: &mut Endpoints, control_plane: &ControlPlane) {
        self.deactivate();
        self.over.store(true, Ordering::Release);
        control_plane.wait_for(std::mem::take(&mut self.reporters));
        self.ingest.give_back(endpoints);
    }
}

/// Whether the parameters leave a part of a mounting to tf.
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
    active_models: &ActiveModels,
    (robot, number, seen, robot_output): (Robot, usize, Arc<InputActivity>, Arc<RobotOutput>),
    graph: (GraphMonitor, Arc<GraphView>),
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
    let snapshots = active_models.snapshot();
    let limits = snapshots.load().attention;
    let attention_publisher =
        limits.map(|limits| AttentionPublisher::new(node, endpoints, topic, limits));
    let attention_publisher = attention_publisher.transpose()?;
    let marker_publisher = active_models.shows().then(|| {
        let handover = Arc::clone(active_models.handover());
        MarkerPublisher::new(node, endpoints, &topic("~/markers"), (number, handover))
    });
    let full = node.fully_qualified_name().unwrap_or_default();
    Ok(Reporter::new(
        (statistics, diagnostics.ok()),
        (attention_publisher, marker_publisher.transpose()?, graph),
        ((robot, number), &full),
        snapshots,
        seen,
        robot_output,
    ))
}

/// Closes the outputs when dropped, by a panic too; once more where they are closed already, since
/// the first stop may get lost.
struct CloseOnDrop(Vec<Arc<RobotOutput>>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.iter().for_each(|robot_output| robot_output.close());
    }
}

fn warn_all(refused: impl IntoIterator<Item = String>) {
    for word in refused {
        tracing::warn!("{word}");
    }
}

/// Logs which topics are read and published, and by which model.
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
        ShownDuration(params.deadline),
        ShownDuration(began.elapsed())
    );
}
