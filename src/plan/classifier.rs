//! Whether a classifier of ours fits: by its profile on this machine, else by its multiply-adds.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::device::{Device, How, Runs};
use super::engine::classifier_macs_per_cycle;
use super::report::Lang;
use super::time::{margin, slack};
use super::units::{shown, shown_ms};

/// A bundle with stages and exits.
#[derive(Clone, Debug)]
pub struct Classifier {
    pub name: String,
    pub id: String,
    /// As it was named, for commands.
    pub folder: String,
    /// Multiply-adds by stage, shallow to deep.
    pub stage_macs: Vec<u64>,
    /// Of the file.
    pub weights_bytes: u64,
    /// Numbers in them.
    pub parameters: u64,
    /// Microseconds from the window to each exit, 99.9 %, beside a load: where this machine was
    /// profiled and is the device.
    pub profiled_us: Option<(String, Vec<f64>)>,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct ClassifierPlan {
    pub bundle: String,
    pub device: String,
    pub deadline_ms: f64,
    /// What is known of its time: a profile, or an estimate.
    pub how: How,
    /// Milliseconds to each exit at most.
    pub to_exit_bound_ms: Vec<f64>,
    pub slack: f64,
    /// Exits that fit the deadline less the margin for publishing; none: not viable.
    pub exits_that_fit: usize,
    pub least_deadline_ms: f64,
    pub weights_bytes: u64,
    /// As INT8, a byte each.
    pub int8_bytes: u64,
    /// With the program.
    pub needed_bytes: u64,
    pub free_bytes: u64,
    pub viable: bool,
    #[serde(skip)]
    folder: String,
    #[serde(skip)]
    runs: bool,
    #[serde(skip)]
    engine: String,
}

/// The node itself, with what ROS brings.
const NODE_BYTES: u64 = 60 << 20;
/// Of a microcontroller, for code and stack of an engine.
const FIRMWARE_BYTES: u64 = 64 << 10;
/// Microseconds of a stage beside its products.
const STAGE_US: f64 = 1.0;

impl Classifier {
    /// By a deadline, with so much memory free.
    pub fn plan(&self, device: &Device, deadline: Duration, free: u64) -> ClassifierPlan {
        let cycles =
            classifier_macs_per_cycle(device.cpu.isa) * device.cpu.sustained_clock_ghz * 1e3;
        let (how, by, engine, to_exit) = match &self.profiled_us {
            Some((engine, us)) => (How::Measured, 1.0, engine.clone(), us.clone()),
            None => {
                let slack = slack(How::Estimated);
                let mut sum = 0.0;
                let stages = self.stage_macs.iter().map(|macs| {
                    sum += (*macs as f64 / cycles + STAGE_US) * slack;
                    sum
                });
                (
                    How::Estimated,
                    slack,
                    String::from("packed"),
                    stages.collect(),
                )
            }
        };
        let to_exit: Vec<f64> = to_exit.iter().map(|us| us / 1e3).collect();
        let budget = deadline.saturating_sub(margin(deadline)).as_secs_f64() * 1e3;
        let runs = device.runs == Runs::Linux;
        let needed = match device.runs {
            Runs::Microcontroller => self.parameters + FIRMWARE_BYTES,
            _ => NODE_BYTES + self.weights_bytes + self.parameters,
        };
        let fit = to_exit.iter().take_while(|ms| **ms <= budget).count();
        let first = to_exit.first().copied().unwrap_or(0.0);
        ClassifierPlan {
            bundle: self.id.clone(),
            device: device.name.clone(),
            deadline_ms: deadline.as_secs_f64() * 1e3,
            how,
            slack: by,
            exits_that_fit: fit,
            least_deadline_ms: (first / 0.9).min(first + 2.0),
            to_exit_bound_ms: to_exit,
            weights_bytes: self.weights_bytes,
            int8_bytes: self.parameters,
            needed_bytes: needed,
            free_bytes: free,
            viable: fit > 0 && needed <= free,
            folder: self.folder.clone(),
            runs,
            engine,
        }
    }
}

impl ClassifierPlan {
    /// For people.
    pub fn markdown(&self, lang: Lang) -> String {
        let mut out = format!(
            "# {}: {}\n\n",
            lang.pick("Does it fit?", "¿Cabe?"),
            self.bundle
        );
        let exits = self.to_exit_bound_ms.len();
        let first = shown_ms(self.to_exit_bound_ms.first().copied().unwrap_or(0.0));
        let last = shown_ms(self.to_exit_bound_ms.last().copied().unwrap_or(0.0));
        let deadline = shown_ms(self.deadline_ms);
        let (fit, least, engine) = (
            self.exits_that_fit,
            shown_ms(self.least_deadline_ms),
            &self.engine,
        );
        let (needed, free) = (shown(self.needed_bytes), shown(self.free_bytes));
        let how = match (self.how, lang) {
            (How::Measured, Lang::En) => {
                String::from("by its profile on this machine, 99.9 % of runs beside a load")
            }
            (How::Measured, Lang::Es) => {
                String::from("según su perfil en esta máquina, 99,9 % de las pruebas con carga")
            }
            (_, Lang::En) => format!("estimated from its multiply-adds, times {}", self.slack),
            (_, Lang::Es) => format!("estimado por sus multiplicaciones, por {}", self.slack),
        };
        let verdict = match (fit, lang) {
            (0, Lang::En) => format!(
                "not viable: {deadline}, because the first exit takes up to {first}; it would be with --deadline-ms {:.1}",
                self.least_deadline_ms
            ),
            (0, Lang::Es) => format!(
                "no viable: {deadline}, porque la primera salida tarda hasta {first}; lo sería con --deadline-ms {:.1}",
                self.least_deadline_ms
            ),
            (n, Lang::En) => format!(
                "met: exit {n} of {exits} fits {deadline} (first {first}, last {last}; the least deadline is {least})"
            ),
            (n, Lang::Es) => format!(
                "se cumple: la salida {n} de {exits} cabe en {deadline} (primera {first}, última {last}; el menor plazo es {least})"
            ),
        };
        let _ = writeln!(
            out,
            "- {}: {verdict}; {how}",
            lang.pick("Deadline", "Plazo")
        );
        let memory = match (self.needed_bytes <= self.free_bytes, lang) {
            (true, Lang::En) => format!(
                "{needed} of {free} free: weights {}, as INT8 {}",
                shown(self.weights_bytes),
                shown(self.int8_bytes)
            ),
            (true, Lang::Es) => format!(
                "{needed} de {free} libres: pesos {}, en INT8 {}",
                shown(self.weights_bytes),
                shown(self.int8_bytes)
            ),
            (false, Lang::En) => format!(
                "not viable: it needs {needed}, because its weights take {} as INT8, and {free} are free; it would be with --ram-free {}KiB, or pruned (edge_reasoner compress)",
                shown(self.int8_bytes),
                self.needed_bytes.div_ceil(1024)
            ),
            (false, Lang::Es) => format!(
                "no viable: necesita {needed}, porque sus pesos ocupan {} en INT8, y hay {free} libres; lo sería con --ram-free {}KiB, o podado (edge_reasoner compress)",
                shown(self.int8_bytes),
                self.needed_bytes.div_ceil(1024)
            ),
        };
        let _ = writeln!(out, "- {}: {memory}", lang.pick("Memory", "Memoria"));
        let runs = match (self.runs, lang) {
            (true, Lang::En) => format!("edge_reasoner, {engine}"),
            (true, Lang::Es) => format!("edge_reasoner, {engine}"),
            (false, Lang::En) => String::from(
                "not edge_reasoner, which needs Linux on x86-64 or aarch64: its weights can be run by ONNX Runtime on a phone or, as INT8, by an engine for microcontrollers; nothing here exports them yet",
            ),
            (false, Lang::Es) => String::from(
                "no edge_reasoner, que necesita Linux en x86-64 o aarch64: ONNX Runtime puede ejecutar sus pesos en un teléfono o, en INT8, un motor para microcontroladores; aquí nada los exporta todavía",
            ),
        };
        let _ = writeln!(out, "- {}: {runs}", lang.pick("Engine", "Motor"));
        if self.runs && self.viable {
            let (folder, ms) = (&self.folder, self.deadline_ms);
            let _ = writeln!(out, "- {}:\n", lang.pick("Steps", "Pasos"));
            let steps = [
                format!("edge_reasoner profile --model {folder} --deadline-ms {ms}"),
                format!(
                    "edge_reasoner plan --model {folder} --deadline-ms {ms} --params my_robot.yaml"
                ),
                String::from(
                    "ros2 launch edge_reasoner edge_reasoner.launch.py params_file:=my_robot.yaml",
                ),
            ];
            for (index, step) in steps.iter().enumerate() {
                let _ = writeln!(out, "  {}. `{step}`", index + 1);
            }
        }
        out
    }

    /// A params file that the node accepts.
    pub fn params(&self) -> String {
        let publish = self.deadline_ms.min(20.0) / 10.0;
        format!(
            "# Written by edge_reasoner plan for {}.\n/**:\n  ros__parameters:\n    model: {}\n    deadline_ms: {:?}\n    \
             publish_margin_ms: {publish:?}\n",
            self.device, self.folder, self.deadline_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::device::find;

    fn small() -> Classifier {
        Classifier {
            name: "c".into(),
            id: "c-1".into(),
            folder: "models/c".into(),
            stage_macs: vec![200_000, 150_000],
            weights_bytes: 400_000,
            parameters: 100_000,
            profiled_us: None,
        }
    }

    #[test]
    fn a_small_classifier_fits_a_microcontroller_and_a_large_one_is_refused_with_what_would_do() {
        let device = find("microcontroller-256k").unwrap();
        let ms = Duration::from_millis;
        let plan = small().plan(&device, ms(50), 256_000);
        assert!(plan.viable, "{plan:?}");
        assert!(plan.markdown(Lang::En).contains("not edge_reasoner"));
        let large = Classifier {
            parameters: 300_000,
            ..small()
        };
        let plan = large.plan(&device, ms(50), 256_000);
        let said = plan.markdown(Lang::En);
        assert!(
            !plan.viable && said.contains("not viable") && said.contains("--ram-free"),
            "{said}"
        );
        assert!(plan.markdown(Lang::Es).contains("no viable"));
    }

    #[test]
    fn a_profile_counts_before_an_estimate_and_the_deadline_says_what_would_do() {
        let device = find("x86-nuc").unwrap();
        let profiled = Classifier {
            profiled_us: Some(("packed".into(), vec![900.0, 1700.0])),
            ..small()
        };
        let fit = |us| profiled.plan(&device, Duration::from_micros(us), 1 << 30);
        assert_eq!((fit(2000).exits_that_fit, fit(1000).exits_that_fit), (2, 1));
        let none = fit(500);
        assert!(!none.viable);
        assert!(
            none.markdown(Lang::En)
                .contains("it would be with --deadline-ms 1.0"),
            "{}",
            none.markdown(Lang::En)
        );
        assert!(
            fit(2000)
                .params()
                .contains("deadline_ms: 2.0\n    publish_margin_ms: 0.2")
        );
    }
}
