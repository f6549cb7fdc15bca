//! What the reporter logs: faults of inputs and engines, decisions that are not the model's, and
//! the last line of a session.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Reporter, SEEN_LATELY};
use crate::act::encode::because;
use crate::features::frames::MountingNotice;
use crate::ingest::{IngestFault, IngestNotice};
use crate::ros::node::log_throttle::{Severity, log};
use crate::scheduler::{CounterValues, DecisionSource, Reason};

impl Reporter {
    /// Logs notices about messages, and messages that were refused: these cannot wait for the next
    /// report, which may be far.
    pub(super) fn log_messages(&mut self) {
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

    /// Keeps a static return for the diagnostics; logs it when it is new.
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

    pub(super) fn log_faults(&mut self, tally: &CounterValues) {
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
                "{news} decisions were not published, DDS holds what publishes them; look for subscribers of \
                 ~/decision that have stopped reading"
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

    /// Logs the totals at the end of a session.
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
