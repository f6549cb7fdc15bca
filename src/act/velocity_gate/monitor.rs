//! Log lines and `/diagnostics` for a gate that holds commands back although decisions allow them.

use std::sync::Arc;
use std::time::Duration;

use super::counters::{GateCounterValues, GateCounters};
use crate::act::diagnostic_level::Level;
use crate::time::Mono;

/// A cause that ended and came back is not logged again before this.
const AGAIN: Duration = Duration::from_secs(10);

/// What the sentences name.
#[derive(Clone, Copy, Debug)]
pub struct GateNames<'a> {
    /// Topic of the source that triggers.
    pub trigger: &'a str,
    /// Topic of the commands.
    pub input: &'a str,
    /// `act.velocity_gate.decision_timeout_ms`
    pub decision_timeout: Duration,
    /// `act.velocity_gate.command_timeout_ms`
    pub command_timeout: Duration,
}

/// The gate's status.
#[derive(Clone, Debug, PartialEq)]
pub struct GateStatus {
    /// As in `/diagnostics`.
    pub level: Level,
    /// Why.
    pub message: String,
}

/// Looks at a gate's findings once per report.
pub struct GateMonitor {
    findings: Arc<GateCounters>,
    before: GateCounterValues,
    told: [LoggedCause; 3],
}

/// What the log knows of one cause.
#[derive(Clone, Copy, Default)]
struct LoggedCause {
    going_on: bool,
    at: Option<Mono>,
}

impl GateMonitor {
    /// Of this gate.
    pub fn new(findings: Arc<GateCounters>) -> GateMonitor {
        GateMonitor {
            findings,
            before: GateCounterValues::default(),
            told: [LoggedCause::default(); 3],
        }
    }

    /// What holds since the last look, and what is news for the log.
    pub fn look(&mut self, now: Mono, setting: &GateNames<'_>) -> (GateStatus, Vec<String>) {
        let found = self.findings.found();
        let old = found.old.0 - self.before.old.0;
        let ahead = found.ahead.0 - self.before.ahead.0;
        self.before = found;
        let causes = [
            found
                .slow
                .map(|period| (Level::Error, setting.seldom(period))),
            (old > 0).then(|| (Level::Warn, setting.old(old, found.old.1))),
            (ahead > 0).then(|| (Level::Warn, setting.ahead(ahead, found.ahead.1))),
        ];
        let mut news = Vec::new();
        for (told, cause) in self.told.iter_mut().zip(&causes) {
            let lately = told.at.is_some_and(|at| now.since(at) < AGAIN);
            if let Some((_, word)) = cause
                && !told.going_on
                && !lately
            {
                told.at = Some(now);
                news.push(word.clone());
            }
            told.going_on = cause.is_some() && (told.going_on || !lately);
        }
        let worst = causes.into_iter().flatten().next();
        let state = worst.map_or_else(GateStatus::well, |(level, message)| GateStatus {
            level,
            message,
        });
        (state, news)
    }
}

impl GateStatus {
    fn well() -> GateStatus {
        GateStatus {
            level: Level::Ok,
            message: String::from("commands pass as far as decisions let them"),
        }
    }
}

impl GateNames<'_> {
    fn seldom(&self, period: Duration) -> String {
        // Two periods, to the next tenth of a second.
        let enough = (2.0 * period.as_secs_f64() * 10.0).ceil() * 100.0;
        format!(
            "{} asks for a decision every {:.2} s and act.velocity_gate.decision_timeout_ms is {:.1}: a \
             decision is too old before the next one comes, so the velocity gate lets no command \
             through for long, or none at all; set act.velocity_gate.decision_timeout_ms to {enough:.1} \
             (two periods) or more, or have the sensor publish more often",
            self.trigger,
            period.as_secs_f64(),
            millis(self.decision_timeout),
        )
    }

    fn old(&self, times: u64, age: Duration) -> String {
        format!(
            "{} on {} stopped the robot: the newest was {:.2} s old by its stamp when it came, and \
             act.velocity_gate.command_timeout_ms is {:.1}; synchronise the clocks of the computers, \
             have both nodes run with the same use_sim_time, and see what holds commands back",
            commands(times),
            self.input,
            age.as_secs_f64(),
            millis(self.command_timeout),
        )
    }

    fn ahead(&self, times: u64, ahead: Duration) -> String {
        format!(
            "{} on {} stopped the robot: the newest was stamped {:.2} s ahead of this node's clock, \
             further than act.velocity_gate.command_timeout_ms ({:.1}), so its age is not known; \
             synchronise the clocks of the computers, have both nodes run with the same use_sim_time, \
             or publish commands with stamp 0",
            commands(times),
            self.input,
            ahead.as_secs_f64(),
            millis(self.command_timeout),
        )
    }
}

fn commands(times: u64) -> String {
    match times {
        1 => String::from("1 command"),
        n => format!("{n} commands"),
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::act::velocity_gate::counters::TriggerRateState;

    const MS: Duration = Duration::from_millis(1);

    fn setting() -> GateNames<'static> {
        GateNames {
            trigger: "/scan",
            input: "/cmd_vel_raw",
            decision_timeout: 500 * MS,
            command_timeout: 500 * MS,
        }
    }

    #[test]
    fn a_slow_laser_is_an_error_and_is_logged_once_with_what_to_set() {
        let findings = Arc::new(GateCounters::default());
        let mut watch = GateMonitor::new(Arc::clone(&findings));
        let at = |seconds: u64| Mono(0) + Duration::from_secs(seconds);
        let (state, news) = watch.look(at(1), &setting());
        assert_eq!((state.level, news.len()), (Level::Ok, 0));
        findings.triggers(TriggerRateState::Seldom(556 * MS));
        let (state, news) = watch.look(at(2), &setting());
        assert_eq!(state.level, Level::Error);
        assert_eq!(news.as_slice(), std::slice::from_ref(&state.message));
        for named in [
            "/scan",
            "0.56 s",
            "decision_timeout_ms is 500.0",
            "to 1200.0 (two",
        ] {
            assert!(state.message.contains(named), "{named}: {}", state.message);
        }
        for second in 3..40 {
            let (state, news) = watch.look(at(second), &setting());
            assert_eq!((state.level, news.len()), (Level::Error, 0), "{second}");
        }
        findings.triggers(TriggerRateState::OftenEnough);
        assert_eq!(watch.look(at(40), &setting()).0.level, Level::Ok);
        findings.triggers(TriggerRateState::Seldom(556 * MS));
        assert_eq!(
            watch.look(at(41), &setting()).1.len(),
            1,
            "it ended and came back"
        );
        findings.triggers(TriggerRateState::OftenEnough);
        watch.look(at(42), &setting());
        findings.triggers(TriggerRateState::Seldom(556 * MS));
        assert_eq!(watch.look(at(43), &setting()).1.len(), 0, "a line just now");
        assert_eq!(watch.look(at(51), &setting()).1.len(), 1, "but it goes on");
    }

    #[test]
    fn refused_commands_warn_while_they_come() {
        let findings = Arc::new(GateCounters::default());
        let mut watch = GateMonitor::new(Arc::clone(&findings));
        findings.old_command(3_600_000 * MS);
        findings.old_command(3_600_000 * MS);
        findings.command_ahead(2500 * MS);
        let (state, news) = watch.look(Mono(1), &setting());
        assert_eq!(state.level, Level::Warn);
        assert!(
            news[0].starts_with("2 commands on /cmd_vel_raw stopped"),
            "{news:?}"
        );
        assert!(news[0].contains("3600.00 s old"), "{news:?}");
        assert!(news[1].contains("2.50 s ahead"), "{news:?}");
        let (state, news) = watch.look(Mono(2), &setting());
        assert_eq!((state.level, news.len()), (Level::Ok, 0));
    }
}
