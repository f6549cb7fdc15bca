//! The reporter: statistics, diagnostics and the log, on a thread of its own.

mod log_lines;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hdrhistogram::Histogram;
use r2r::PublisherUntyped;

use super::attention_publisher::AttentionPublisher;
use super::graph_monitor::{GraphMonitor, LastHeard};
use super::graph_view::GraphView;
use super::marker_publisher::MarkerPublisher;
use super::model_snapshot::ModelSnapshot;
use crate::act::diagnostics::{InputHealth, NodeHealth, encode_diagnostics, judge};
use crate::act::output::RobotOutput;
use crate::act::statistics::{Statistics, encode_statistics};
use crate::act::velocity_gate::{GateMonitor, GateNames, GateStatus};
use crate::ros::io::robot::Robot;
use crate::ros::io::robot_inputs::InputActivity;
use crate::ros::node::log_throttle::{GrowingCount, LogThrottle, Severity, log};
use crate::scheduler::{CounterValues, Reason, SchedulerState};
use crate::time::{Mono, Stamp};

/// Publishes and logs what happened to one robot, on the control plane.
pub struct Reporter {
    statistics: PublisherUntyped,
    diagnostics: Option<PublisherUntyped>,
    /// The robot it reports on, and its number.
    robot: (Robot, usize),
    node: String,
    snapshots: Arc<ArcSwap<ModelSnapshot>>,
    /// The one this report is about.
    snapshot: Arc<ModelSnapshot>,
    seen: Arc<InputActivity>,
    robot_output: Arc<RobotOutput>,
    attention_publisher: Option<AttentionPublisher>,
    marker_publisher: Option<MarkerPublisher>,
    gate: Option<GateMonitor>,
    graph: (GraphMonitor, Arc<GraphView>),
    latencies: Histogram<u64>,
    before: CounterValues,
    /// Lines logged lately.
    lines: LogThrottle,
    /// Decisions that were not the model's, per reason.
    reasons: [GrowingCount; Reason::ALL.len()],
    /// A reason was logged, and its end was not yet.
    troubled: bool,
    late: GrowingCount,
    withheld: GrowingCount,
    unpublished: GrowingCount,
    /// Decisions that DDS held for too long.
    lost: GrowingCount,
    /// Static returns, most likely of the robot's own body: source, time last seen, sentence.
    own_bodies: Vec<(Arc<str>, Instant, String)>,
}

/// A source without a message for this long is looked for on the graph.
const SILENT: Duration = Duration::from_secs(1);
/// A static return is reported for this long after it was seen last.
const SEEN_LATELY: Duration = Duration::from_secs(30);

impl Reporter {
    /// For one robot, with the publishers of statistics and diagnostics; `node` is the node's full
    /// name.
    pub fn new(
        (statistics, diagnostics): (PublisherUntyped, Option<PublisherUntyped>),
        (attention_publisher, marker_publisher, graph): (
            Option<AttentionPublisher>,
            Option<MarkerPublisher>,
            (GraphMonitor, Arc<GraphView>),
        ),
        (robot, node): ((Robot, usize), &str),
        snapshots: Arc<ArcSwap<ModelSnapshot>>,
        seen: Arc<InputActivity>,
        robot_output: Arc<RobotOutput>,
    ) -> Reporter {
        Reporter {
            statistics,
            diagnostics,
            node: robot.0.full_name(node),
            robot,
            snapshot: snapshots.load_full(),
            snapshots,
            seen,
            gate: robot_output.findings().map(GateMonitor::new),
            robot_output,
            attention_publisher,
            marker_publisher,
            graph,
            // Microseconds up to a minute, three digits.
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
            before: CounterValues::default(),
            lines: LogThrottle::default(),
            reasons: [GrowingCount::default(); Reason::ALL.len()],
            troubled: false,
            late: GrowingCount::default(),
            withheld: GrowingCount::default(),
            unpublished: GrowingCount::default(),
            lost: GrowingCount::default(),
            own_bodies: Vec::new(),
        }
    }

    /// Looks at what cannot wait for the next report: twenty times a second is soon enough.
    pub fn look(&mut self) {
        let snapshot = self.snapshots.load();
        if let (Some(attention_publisher), Some(limits)) =
            (&mut self.attention_publisher, snapshot.attention)
        {
            attention_publisher.look(&self.robot.0, &self.robot_output, limits);
        }
        if let Some(marker_publisher) = &mut self.marker_publisher {
            marker_publisher.look(&self.robot_output, &snapshot);
        }
        drop(snapshot);
        self.look_at_the_graph();
        self.log_messages();
    }

    /// Logs, now and then, why a source is silent and who else drives the robot.
    fn look_at_the_graph(&mut self) {
        let now = self.snapshots.load().live.schedulers()[self.robot.1].now();
        let newest = &self.seen.newest_ms;
        let heard = |source: usize| match u64::try_from(newest[source].load(Ordering::Relaxed)) {
            Err(_) => LastHeard::Never,
            Ok(newest) if now.since(Mono(newest * 1_000_000)) < SILENT => LastHeard::Lately,
            Ok(_) => LastHeard::Before,
        };
        let (graph, view) = &mut self.graph;
        for notice in graph.look(view, now, heard) {
            log(Severity::Warning, &self.robot.0.says(notice));
        }
    }

    /// Between two reports.
    pub fn period(&self) -> Duration {
        self.snapshots.load().period
    }

    /// Statistics, diagnostics and the log.
    pub fn report(&mut self) {
        self.snapshot = self.snapshots.load_full();
        let scheduler = Arc::clone(self.scheduler());
        while let Some(latency) = scheduler.counts().next_latency() {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latencies.saturating_record(micros.max(1));
        }
        let tally = scheduler.counts().tally();
        self.publish_statistics(&tally);
        let gate = self.look_at_the_gate();
        self.publish_diagnostics(&tally, gate);
        self.log_faults(&tally);
        self.before = tally;
    }

    fn publish_statistics(&self, tally: &CounterValues) {
        let ages = self.inputs().map(|input| input.age);
        let statistics = Statistics {
            stamp: Stamp::wall_clock(),
            tally,
            latency_ms: self.latency_ms(),
            stage_bounds: self.scheduler().counts().stage_bounds(),
            engine: self.engine(),
            inputs: &self.seen.names,
            input_age_ms: ages
                .map(|age| age.map_or(-1.0, |age| age.as_secs_f32() * 1e3))
                .collect(),
        };
        let mut bytes = Vec::new();
        encode_statistics(&statistics, &mut bytes);
        let _ = self.statistics.publish_raw(&bytes);
    }

    /// Whether the gate keeps commands back though decisions are as they should be; logged when it
    /// begins.
    fn look_at_the_gate(&mut self) -> Option<GateStatus> {
        let snapshot = Arc::clone(&self.snapshot);
        let (watch, gate) = (self.gate.as_mut()?, snapshot.gate.as_ref()?);
        let trigger = snapshot
            .sources
            .iter()
            .position(|s| s.name == snapshot.trigger)?;
        let setting = GateNames {
            trigger: &self.seen.topics[trigger],
            input: &gate.input,
            decision_timeout: gate.limits.decision_timeout,
            command_timeout: gate.limits.command_timeout,
        };
        let (state, news) = watch.look(snapshot.live.schedulers()[self.robot.1].now(), &setting);
        for word in news {
            tracing::warn!("{}", self.robot.0.says(word));
        }
        Some(state)
    }

    fn publish_diagnostics(&self, tally: &CounterValues, gate: Option<GateStatus>) {
        let Some(publisher) = &self.diagnostics else {
            return;
        };
        let scheduler = self.scheduler();
        let health = NodeHealth {
            node: &self.node,
            model: &self.snapshot.model,
            before: &self.before,
            now: tally,
            latency_ms: self.latency_ms(),
            deadline: scheduler.cycle_config().deadline,
            engine: (self.engine(), scheduler.active_engine() == 0),
            inputs: self.inputs().collect(),
            attention: self
                .attention_publisher
                .as_ref()
                .map(|attention_publisher| {
                    let call = attention_publisher.call();
                    (call.needed, call.explanation)
                }),
            gate,
        };
        let status = judge(&health, &self.snapshot.thresholds);
        let mut bytes = Vec::new();
        encode_diagnostics(Stamp::wall_clock(), &status, &mut bytes);
        let _ = publisher.publish_raw(&bytes);
    }

    fn scheduler(&self) -> &Arc<SchedulerState> {
        &self.snapshot.live.schedulers()[self.robot.1]
    }

    fn inputs(&self) -> impl Iterator<Item = InputHealth<'_>> {
        let sources = self.snapshot.sources.iter().enumerate();
        sources.map(|(index, source)| InputHealth {
            name: &source.name,
            topic: &self.seen.topics[index],
            age: self.age(&self.seen.newest_ms[index]),
            used_age: self.age(&self.seen.used_ms[index]),
            timeout: source.timeout,
            required: source.required,
            static_return: self.static_return(&source.name),
        })
    }

    /// The static return in the view of a source's laser, as a sentence.
    fn static_return(&self, source: &str) -> Option<&str> {
        let mut all = self.own_bodies.iter();
        let of = |(name, seen, _): &&(Arc<str>, Instant, String)| {
            **name == *source && seen.elapsed() < SEEN_LATELY
        };
        all.find(of).map(|(.., word)| word.as_str())
    }

    fn engine(&self) -> &str {
        let snapshot = &self.snapshot;
        let engine = snapshot.engines.get(self.scheduler().active_engine());
        engine.map_or("", String::as_str)
    }

    fn latency_ms(&self) -> [f32; 3] {
        [0.5, 0.99, 1.0].map(|q| self.latencies.value_at_quantile(q) as f32 / 1e3)
    }

    /// Since the newest message of a source; none: there was none.
    fn age(&self, newest_ms: &AtomicI64) -> Option<Duration> {
        let newest = newest_ms.load(Ordering::Relaxed);
        let now_ms = (self.scheduler().now().0 / 1_000_000) as i64;
        (newest >= 0).then(|| Duration::from_millis((now_ms - newest).max(0) as u64))
    }
}
