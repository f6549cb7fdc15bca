//! The reporter: statistics, diagnostics and the log, on a thread of its own.

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
use crate::act::encode::because;
use crate::act::output::RobotOutput;
use crate::act::statistics::{Statistics, encode_statistics};
use crate::act::velocity_gate::{GateMonitor, GateNames, GateStatus};
use crate::features::frames::MountingNotice;
use crate::ingest::{IngestFault, IngestNotice};
use crate::ros::io::robot::Robot;
use crate::ros::io::robot_inputs::InputActivity;
use crate::ros::node::log_throttle::{GrowingCount, LogThrottle, Severity};
use crate::scheduler::{CounterValues, DecisionSource, Reason, SchedulerState};
use crate::time::{Mono, Stamp};

/// Speaks of what happened, on the control plane.
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
    /// What was seen of the robot's own body, by source, and when last.
    own_bodies: Vec<(Arc<str>, Instant, String)>,
}

/// A source without a message for this long is looked for on the graph.
const SILENT: Duration = Duration::from_secs(1);
/// What stands in a laser's view is shown for this long after it was seen last.
const SEEN_LATELY: Duration = Duration::from_secs(30);

impl Reporter {
    /// Speaks of one robot, through these two; `node` is the node's full name.
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

    /// Whether the gate keeps commands back though decisions are as they should be; the log says it
    /// when it begins.
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

    /// What stands in the view of a source's laser while the robot drives.
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

    /// What the messages show, and those that could not be used: that cannot wait for the next
    /// report, which may be far.
    fn log_messages(&mut self) {
        while let Some(remark) = self.seen.remarks.pop() {
            let word = self.robot.0.says(&remark);
            match remark {
                IngestNotice::Mounting(MountingNotice::Found { .. }) => tracing::info!("{word}"),
                IngestNotice::Mounting(_) => log(Severity::Warning, &word),
                IngestNotice::OwnBody { name, .. } => self.own_body(name, word),
            }
        }
        while let Some(fault) = self.seen.faults.pop() {
            // Nothing but a change of parameters or tf mends a mounting.
            let grave = match fault {
                IngestFault::Mounting { .. } => Severity::Error,
                _ => Severity::Warning,
            };
            self.say(grave, fault.to_string());
        }
        for (grave, line) in self.lines.overdue(Instant::now()) {
            log(grave, &line);
        }
    }

    /// One line per cause and ten seconds.
    fn say(&mut self, grave: Severity, sentence: String) {
        let sentence = self.robot.0.says(sentence);
        if let Some((grave, line)) = self.lines.say(Instant::now(), grave, sentence) {
            log(grave, &line);
        }
    }

    /// Keeps what stands in a laser's view for the diagnostics; logs it when it is new.
    fn own_body(&mut self, name: Arc<str>, word: String) {
        let now = Instant::now();
        let known = self.own_bodies.iter_mut().find(|(of, ..)| *of == name);
        match known {
            Some((_, seen, said)) if *said == word && seen.elapsed() < SEEN_LATELY => *seen = now,
            Some((_, seen, said)) => {
                tracing::warn!("{word}");
                (*seen, *said) = (now, word);
            }
            None => {
                tracing::warn!("{word}");
                self.own_bodies.push((name, now, word));
            }
        }
    }

    fn log_faults(&mut self, tally: &CounterValues) {
        let snapshot = Arc::clone(&self.snapshot);
        for report in snapshot.live.engine_reports() {
            let name = snapshot.engines.get(report.slot);
            let name = name.map_or("", String::as_str);
            self.say(Severity::Error, format!("engine {name}: {}", report.fault));
        }
        if tally.engine_changes > self.before.engine_changes {
            let word = format!("engine {} takes over", self.engine());
            self.say(Severity::Warning, word);
        }
        while let Some(news) = self.seen.news.pop() {
            tracing::info!("{}", self.robot.0.says(news));
        }
        let now = Instant::now();
        for reason in Reason::ALL {
            let news = self.reasons[reason as usize].news(now, tally.of_reason(reason));
            if let Some(news) = news.filter(|_| reason != Reason::None) {
                let word = format!(
                    "{} not the model's because {} ({reason}){}",
                    match news {
                        1 => String::from("1 decision was"),
                        n => format!("{n} decisions were"),
                    },
                    because(reason),
                    self.silent_sources(reason)
                );
                log(Severity::Warning, &self.robot.0.says(word));
                self.troubled = true;
            }
        }
        let by_model =
            tally.of_source(DecisionSource::Model) - self.before.of_source(DecisionSource::Model);
        if self.troubled && by_model > 0 && by_model == tally.decisions - self.before.decisions {
            self.troubled = false;
            let word = "decisions are the model's again";
            tracing::info!("{}", self.robot.0.says(word));
        }
        let withheld = self.seen.withheld.load(Ordering::Relaxed);
        if let Some(news) = self.withheld.news(now, withheld) {
            let word = format!(
                "this process was not run for a while; {news} messages that waited meanwhile were thrown away"
            );
            log(Severity::Warning, &self.robot.0.says(word));
        }
        if let Some(news) = self.late.news(now, tally.late) {
            let word = match news {
                1 => String::from("1 decision was late"),
                n => format!("{n} decisions were late"),
            };
            log(Severity::Error, &self.robot.0.says(word));
        }
        if let Some(news) = self.unpublished.news(now, self.robot_output.failed()) {
            let word = format!("ROS refused to publish {news} messages");
            log(Severity::Error, &self.robot.0.says(word));
        }
        if let Some(news) = self.lost.news(now, self.robot_output.lost()) {
            let word = format!(
                "{news} decisions were not published, DDS holds what publishes them; look for readers of \
                 ~/decision that have stopped to read"
            );
            log(Severity::Error, &self.robot.0.says(word));
        }
    }

    /// Which topics to look at, where the reason is a silent source.
    fn silent_sources(&self, reason: Reason) -> String {
        if !matches!(reason, Reason::StaleInput | Reason::IncompleteInput) {
            return String::new();
        }
        let silences = |required: bool| -> String {
            let inputs = self
                .inputs()
                .filter(move |input| input.required == required);
            let silences = inputs.filter_map(|input| input.silence());
            silences.map(|silence| format!("; {silence}")).collect()
        };
        // Decisions wait for required sources only; the others are not the cause where one of these
        // is.
        let required = silences(true);
        match required.is_empty() {
            true => silences(false),
            false => required,
        }
    }

    /// How many decisions were not computed for themselves alone, where there were any.
    fn shares(&self) -> String {
        let CounterValues {
            decisions,
            reused,
            batched,
            ..
        } = self.before;
        let share = |count: u64, what: &str| match count {
            0 => String::new(),
            _ => format!(
                ", {:.1} % {what}",
                100.0 * count as f64 / decisions.max(1) as f64
            ),
        };
        share(reused, "by an answer used again") + &share(batched, "computed with other robots'")
    }

    /// What it all came to.
    pub fn last_line(&mut self) {
        self.log_messages();
        for (grave, line) in self.lines.rest(Instant::now()) {
            log(grave, &line);
        }
        if let Some(attention_publisher) = &self.attention_publisher {
            attention_publisher.end();
        }
        let tally = &self.before;
        let shares = self.shares();
        let word = format!(
            "ended: {} received, {} decided ({} model, {} held, {} fallback), {} superseded, {} late, \
             {} messages refused{shares}, latency p50 {:.2} ms p99 {:.2} ms max {:.2} ms",
            tally.received,
            tally.decisions,
            tally.of_source(DecisionSource::Model),
            tally.of_source(DecisionSource::Hold),
            tally.of_source(DecisionSource::Fallback),
            tally.superseded,
            tally.late,
            self.seen.refused_messages.load(Ordering::Relaxed),
            self.latencies.value_at_quantile(0.5) as f64 / 1e3,
            self.latencies.value_at_quantile(0.99) as f64 / 1e3,
            self.latencies.max() as f64 / 1e3,
        );
        tracing::info!("{}", self.robot.0.says(word));
        if self.robot_output.failed() > 0 {
            let word = format!(
                "ROS refused to publish {} messages",
                self.robot_output.failed()
            );
            tracing::error!("{}", self.robot.0.says(word));
        }
    }
}

fn log(grave: Severity, line: &str) {
    match grave {
        Severity::Warning => tracing::warn!("{line}"),
        Severity::Error => tracing::error!("{line}"),
    }
}
