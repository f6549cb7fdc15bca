//! What the node says of itself: statistics, diagnostics, the log. Never in a decision's way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hdrhistogram::Histogram;
use r2r::PublisherUntyped;

use super::at_work::Face;
use super::feed::Seen;
use super::herald::Herald;
use super::outlet::Outlet;
use super::robot::Robot;
use super::viewer::Viewer;
use crate::act::diagnostics::{Health, Input, encode_diagnostics, judge};
use crate::act::statistics::{Statistics, encode_statistics};
use crate::act::wire::because;
use crate::ingest::{IngestFault, Remark};
use crate::reason::{Desk, Reason, Source, Tally};
use crate::sense::frames::MountingRemark;
use crate::time::Stamp;

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
    latencies: Histogram<u64>,
    before: Tally,
    /// Per reason, when the log last spoke of it and how many there were then.
    told: [(Option<Instant>, u64); Reason::ALL.len()],
    /// What was seen of the robot's own body, by source, and when last.
    own_bodies: Vec<(Arc<str>, Instant, String)>,
    /// Faults not logged, to keep a storm from filling the disk.
    muted: u64,
}

/// A reason that goes on is told again after this time, not at every report.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// What stands in a laser's view is shown for this long after it was seen last.
const SEEN_LATELY: Duration = Duration::from_secs(30);
/// Faults logged per report.
const LOGGED: usize = 3;

impl Reporter {
    /// Speaks of one robot, through these two; `node` is the node's full name.
    pub fn new(
        (statistics, diagnostics): (PublisherUntyped, Option<PublisherUntyped>),
        (herald, viewer): (Option<Herald>, Option<Viewer>),
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
            outlet,
            herald,
            viewer,
            // Microseconds up to a minute, three digits.
            latencies: Histogram::new_with_bounds(1, 60_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
            before: Tally::default(),
            told: [(None, 0); Reason::ALL.len()],
            own_bodies: Vec::new(),
            muted: 0,
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
        self.publish_diagnostics(&tally);
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

    fn publish_diagnostics(&self, tally: &Tally) {
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
            age: self.age(index),
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

    /// Since the newest message of a source; none: it never spoke.
    fn age(&self, source: usize) -> Option<Duration> {
        let newest = self.seen.newest_ms[source].load(Ordering::Relaxed);
        let now_ms = (self.desk().now().0 / 1_000_000) as i64;
        (newest >= 0).then(|| Duration::from_millis((now_ms - newest).max(0) as u64))
    }

    /// What the graph shows to be wrong; not kept for the next report, which may be far.
    pub fn log_notices(&mut self) {
        while let Some(remark) = self.seen.remarks.pop() {
            let word = self.robot.0.says(&remark);
            match remark {
                Remark::Mounting(MountingRemark::Found { .. }) => tracing::info!("{word}"),
                Remark::Mounting(_) => tracing::warn!("{word}"),
                Remark::OwnBody { name, .. } => self.own_body(name, word),
            }
        }
        while let Some(notice) = self.seen.notices.pop() {
            tracing::warn!("{}", self.robot.0.says(notice));
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
        for report in self.face.live.engine_reports() {
            let name = self
                .face
                .engines
                .get(report.station)
                .map_or("", String::as_str);
            tracing::error!("engine {name}: {}", report.fault);
        }
        if tally.engine_changes > self.before.engine_changes {
            let word = format!("engine {} takes over", self.engine());
            tracing::warn!("{}", self.robot.0.says(word));
        }
        while let Some(news) = self.seen.news.pop() {
            tracing::info!("{}", self.robot.0.says(news));
        }
        for logged in 0.. {
            let Some(fault) = self.seen.faults.pop() else {
                break;
            };
            match logged < LOGGED {
                // Nothing but a change of parameters or tf mends these.
                true if matches!(fault, IngestFault::Mounting { .. }) => {
                    tracing::error!("{}", self.robot.0.says(fault));
                }
                true => tracing::warn!("{}", self.robot.0.says(fault)),
                false => self.muted += 1,
            }
        }
        for reason in Reason::ALL {
            let told = &mut self.told[reason as usize];
            let news = tally.of_reason(reason) - told.1;
            let again = told.0.is_none_or(|at| at.elapsed() >= TELL_AGAIN);
            if reason != Reason::None && news > 0 && again {
                *told = (Some(Instant::now()), tally.of_reason(reason));
                let word = format!(
                    "{} not the model's because {} ({reason}){}",
                    match news {
                        1 => String::from("1 decision was"),
                        n => format!("{n} decisions were"),
                    },
                    because(reason),
                    self.silent_sources(reason)
                );
                tracing::warn!("{}", self.robot.0.says(word));
            }
        }
        let withheld = self.seen.withheld.swap(0, Ordering::Relaxed);
        if withheld > 0 {
            let word = format!(
                "this process was not run for a while; {withheld} messages that waited meanwhile were thrown away"
            );
            tracing::warn!("{}", self.robot.0.says(word));
        }
        if tally.late > self.before.late {
            let word = format!("{} decisions were late", tally.late - self.before.late);
            tracing::error!("{}", self.robot.0.says(word));
        }
    }

    /// Which topics to look at, where the reason is that nothing was heard.
    fn silent_sources(&self, reason: Reason) -> String {
        if !matches!(reason, Reason::StaleInput | Reason::IncompleteInput) {
            return String::new();
        }
        let silences = self.inputs().filter_map(|input| input.silence());
        silences.map(|silence| format!("; {silence}")).collect()
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
    pub fn last_line(&self) {
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
        if self.muted > 0 {
            let muted = self.muted;
            let word = format!("{muted} faults of messages were not logged one by one");
            tracing::info!("{}", self.robot.0.says(word));
        }
    }
}
