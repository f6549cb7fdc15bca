//! What the node says of itself: statistics, diagnostics, the log. Never in a decision's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hdrhistogram::Histogram;
use r2r::PublisherUntyped;

use super::at_work::Face;
use super::feed::Seen;
use super::graph::{Graph, Heard};
use super::herald::Herald;
use super::lines::{Grave, Growing, Lines};
use super::node_view::NodeView;
use super::robot::Robot;
use super::viewer::Viewer;
use crate::act::diagnostics::{Health, Input, encode_diagnostics, judge};
use crate::act::gate::{Setting, State, Watch};
use crate::act::outlet::Outlet;
use crate::act::statistics::{Statistics, encode_statistics};
use crate::act::wire::because;
use crate::ingest::{IngestFault, Remark};
use crate::reason::{Desk, Reason, Source, Tally};
use crate::sense::frames::MountingRemark;
use crate::time::{Mono, Stamp};

/// Speaks of what happened, on the cold side.
pub struct Reporter {
    statistics: PublisherUntyped,
    diagnostics: Option<PublisherUntyped>,
    /// Whom it speaks of, and its number.
    robot: (Robot, usize),
    node: String,
    faces: Arc<ArcSwap<Face>>,
    /// The one this report is about.
    face: Arc<Face>,
    seen: Arc<Seen>,
    outlet: Arc<Outlet>,
    herald: Option<Herald>,
    viewer: Option<Viewer>,
    gate: Option<Watch>,
    graph: (Graph, Arc<NodeView>),
    latencies: Histogram<u64>,
    before: Tally,
    /// What the log said lately.
    lines: Lines,
    /// Decisions that were not the model's, per reason.
    reasons: [Growing; Reason::ALL.len()],
    /// A reason was told, and not that it is over.
    troubled: bool,
    late: Growing,
    withheld: Growing,
    unpublished: Growing,
    /// Decisions that DDS held for too long.
    lost: Growing,
    /// What was seen of the robot's own body, by source, and when last.
    own_bodies: Vec<(Arc<str>, Instant, String)>,
}

/// A source that says nothing for this long is looked for on the graph.
const SILENT: Duration = Duration::from_secs(1);
/// What stands in a laser's view is shown for this long after it was seen last.
const SEEN_LATELY: Duration = Duration::from_secs(30);

impl Reporter {
    /// Speaks of one robot, through these two; `node` is the node's full name.
    pub fn new(
        (statistics, diagnostics): (PublisherUntyped, Option<PublisherUntyped>),
        (herald, viewer, graph): (Option<Herald>, Option<Viewer>, (Graph, Arc<NodeView>)),
        (robot, node): ((Robot, usize), &str),
        faces: Arc<ArcSwap<Face>>,
        seen: Arc<Seen>,
        outlet: Arc<Outlet>,
    ) -> Reporter {
        Reporter {
            statistics,
            diagnostics,
            node: robot.0.full_name(node),
            robot,
            face: faces.load_full(),
            faces,
            seen,
            gate: outlet.findings().map(Watch::new),
            outlet,
            herald,
            viewer,
            graph,
            // Microseconds up to a minute, three digits.
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
            before: Tally::default(),
            lines: Lines::default(),
            reasons: [Growing::default(); Reason::ALL.len()],
            troubled: false,
            late: Growing::default(),
            withheld: Growing::default(),
            unpublished: Growing::default(),
            lost: Growing::default(),
            own_bodies: Vec::new(),
        }
    }

    /// Looks at what cannot wait for the next report: twenty times a second is soon enough.
    pub fn look(&mut self) {
        let face = self.faces.load();
        if let (Some(herald), Some(limits)) = (&mut self.herald, face.attention) {
            herald.look(&self.robot.0, &self.outlet, limits);
        }
        if let Some(viewer) = &mut self.viewer {
            viewer.look(&self.outlet, &face);
        }
        drop(face);
        self.look_at_the_graph();
        self.log_messages();
    }

    /// Says, now and then, why nothing is heard and who else drives.
    fn look_at_the_graph(&mut self) {
        let now = self.faces.load().live.desks()[self.robot.1].now();
        let newest = &self.seen.newest_ms;
        let heard = |source: usize| match u64::try_from(newest[source].load(Ordering::Relaxed)) {
            Err(_) => Heard::Never,
            Ok(newest) if now.since(Mono(newest * 1_000_000)) < SILENT => Heard::Lately,
            Ok(_) => Heard::Before,
        };
        let (graph, view) = &mut self.graph;
        for notice in graph.look(view, now, heard) {
            log(Grave::Warning, &self.robot.0.says(notice));
        }
    }

    /// Between two reports.
    pub fn period(&self) -> Duration {
        self.faces.load().period
    }

    /// Statistics, diagnostics and the log.
    pub fn report(&mut self) {
        self.face = self.faces.load_full();
        let desk = Arc::clone(self.desk());
        while let Some(latency) = desk.counts().next_latency() {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            self.latencies.saturating_record(micros.max(1));
        }
        let tally = desk.counts().tally();
        self.publish_statistics(&tally);
        let gate = self.look_at_the_gate();
        self.publish_diagnostics(&tally, gate);
        self.log_faults(&tally);
        self.before = tally;
    }

    fn publish_statistics(&self, tally: &Tally) {
        let ages = self.inputs().map(|input| input.age);
        let statistics = Statistics {
            stamp: Stamp::wall_clock(),
            tally,
            latency_ms: self.latency_ms(),
            stage_bounds: self.desk().counts().stage_bounds(),
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
    fn look_at_the_gate(&mut self) -> Option<State> {
        let face = Arc::clone(&self.face);
        let (watch, gate) = (self.gate.as_mut()?, face.gate.as_ref()?);
        let trigger = face.sources.iter().position(|s| s.name == face.trigger)?;
        let setting = Setting {
            trigger: &self.seen.topics[trigger],
            input: &gate.input,
            decision_timeout: gate.limits.decision_timeout,
            command_timeout: gate.limits.command_timeout,
        };
        let (state, news) = watch.look(face.live.desks()[self.robot.1].now(), &setting);
        for word in news {
            tracing::warn!("{}", self.robot.0.says(word));
        }
        Some(state)
    }

    fn publish_diagnostics(&self, tally: &Tally, gate: Option<State>) {
        let Some(publisher) = &self.diagnostics else {
            return;
        };
        let desk = self.desk();
        let health = Health {
            node: &self.node,
            model: &self.face.model,
            before: &self.before,
            now: tally,
            latency_ms: self.latency_ms(),
            deadline: desk.terms().deadline,
            engine: (self.engine(), desk.active_engine() == 0),
            inputs: self.inputs().collect(),
            attention: self.herald.as_ref().map(|herald| {
                let call = herald.call();
                (call.needed, call.explanation)
            }),
            gate,
        };
        let status = judge(&health, &self.face.thresholds);
        let mut bytes = Vec::new();
        encode_diagnostics(Stamp::wall_clock(), &status, &mut bytes);
        let _ = publisher.publish_raw(&bytes);
    }

    fn desk(&self) -> &Arc<Desk> {
        &self.face.live.desks()[self.robot.1]
    }

    fn inputs(&self) -> impl Iterator<Item = Input<'_>> {
        let sources = self.face.sources.iter().enumerate();
        sources.map(|(index, source)| Input {
            name: &source.name,
            topic: &self.seen.topics[index],
            age: self.age(&self.seen.newest_ms[index]),
            used_age: self.age(&self.seen.used_ms[index]),
            timeout: source.timeout,
            required: source.required,
            standing: self.standing(&source.name),
        })
    }

    /// What stands in the view of a source's laser while the robot drives.
    fn standing(&self, source: &str) -> Option<&str> {
        let mut all = self.own_bodies.iter();
        let of = |(name, seen, _): &&(Arc<str>, Instant, String)| {
            **name == *source && seen.elapsed() < SEEN_LATELY
        };
        all.find(of).map(|(.., word)| word.as_str())
    }

    fn engine(&self) -> &str {
        let face = &self.face;
        let engine = face.engines.get(self.desk().active_engine());
        engine.map_or("", String::as_str)
    }

    fn latency_ms(&self) -> [f32; 3] {
        [0.5, 0.99, 1.0].map(|q| self.latencies.value_at_quantile(q) as f32 / 1e3)
    }

    /// Since the newest message of a source; none: there was none.
    fn age(&self, newest_ms: &AtomicI64) -> Option<Duration> {
        let newest = newest_ms.load(Ordering::Relaxed);
        let now_ms = (self.desk().now().0 / 1_000_000) as i64;
        (newest >= 0).then(|| Duration::from_millis((now_ms - newest).max(0) as u64))
    }

    /// What the messages show, and those that could not be used: that cannot wait for the next report,
    /// which may be far.
    fn log_messages(&mut self) {
        while let Some(remark) = self.seen.remarks.pop() {
            let word = self.robot.0.says(&remark);
            match remark {
                Remark::Mounting(MountingRemark::Found { .. }) => tracing::info!("{word}"),
                Remark::Mounting(_) => log(Grave::Warning, &word),
                Remark::OwnBody { name, .. } => self.own_body(name, word),
            }
        }
        while let Some(fault) = self.seen.faults.pop() {
            // Nothing but a change of parameters or tf mends a mounting.
            let grave = match fault {
                IngestFault::Mounting { .. } => Grave::Error,
                _ => Grave::Warning,
            };
            self.say(grave, fault.to_string());
        }
        for (grave, line) in self.lines.overdue(Instant::now()) {
            log(grave, &line);
        }
    }

    /// One line per cause and ten seconds.
    fn say(&mut self, grave: Grave, sentence: String) {
        let sentence = self.robot.0.says(sentence);
        if let Some((grave, line)) = self.lines.say(Instant::now(), grave, sentence) {
            log(grave, &line);
        }
    }

    /// Keeps what stands in a laser's view for the diagnostics; logs it when it is news.
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

    fn log_faults(&mut self, tally: &Tally) {
        let face = Arc::clone(&self.face);
        for report in face.live.engine_reports() {
            let name = face.engines.get(report.station);
            let name = name.map_or("", String::as_str);
            self.say(Grave::Error, format!("engine {name}: {}", report.fault));
        }
        if tally.engine_changes > self.before.engine_changes {
            let word = format!("engine {} takes over", self.engine());
            self.say(Grave::Warning, word);
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
                log(Grave::Warning, &self.robot.0.says(word));
                self.troubled = true;
            }
        }
        let by_model = tally.of_source(Source::Model) - self.before.of_source(Source::Model);
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
            log(Grave::Warning, &self.robot.0.says(word));
        }
        if let Some(news) = self.late.news(now, tally.late) {
            let word = match news {
                1 => String::from("1 decision was late"),
                n => format!("{n} decisions were late"),
            };
            log(Grave::Error, &self.robot.0.says(word));
        }
        if let Some(news) = self.unpublished.news(now, self.outlet.failed()) {
            let word = format!("ROS refused to publish {news} messages");
            log(Grave::Error, &self.robot.0.says(word));
        }
        if let Some(news) = self.lost.news(now, self.outlet.lost()) {
            let word = format!(
                "{news} decisions were not published, DDS holds what publishes them; look for readers of \
                 ~/decision that have stopped to read"
            );
            log(Grave::Error, &self.robot.0.says(word));
        }
    }

    /// Which topics to look at, where the reason is that nothing was heard.
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
        // Decisions wait for required sources only; the others are not the cause where one of these is.
        let required = silences(true);
        match required.is_empty() {
            true => silences(false),
            false => required,
        }
    }

    /// How many decisions were not computed for themselves alone, where there were any.
    fn shares(&self) -> String {
        let Tally {
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
        if let Some(herald) = &self.herald {
            herald.end();
        }
        let tally = &self.before;
        let shares = self.shares();
        let word = format!(
            "ended: {} received, {} decided ({} model, {} held, {} fallback), {} superseded, {} late, \
             {} messages refused{shares}, latency p50 {:.2} ms p99 {:.2} ms max {:.2} ms",
            tally.received,
            tally.decisions,
            tally.of_source(Source::Model),
            tally.of_source(Source::Hold),
            tally.of_source(Source::Fallback),
            tally.superseded,
            tally.late,
            self.seen.refused_messages.load(Ordering::Relaxed),
            self.latencies.value_at_quantile(0.5) as f64 / 1e3,
            self.latencies.value_at_quantile(0.99) as f64 / 1e3,
            self.latencies.max() as f64 / 1e3,
        );
        tracing::info!("{}", self.robot.0.says(word));
        if self.outlet.failed() > 0 {
            let word = format!("ROS refused to publish {} messages", self.outlet.failed());
            tracing::error!("{}", self.robot.0.says(word));
        }
    }
}

fn log(grave: Grave, line: &str) {
    match grave {
        Grave::Warning => tracing::warn!("{line}"),
        Grave::Error => tracing::error!("{line}"),
    }
}
