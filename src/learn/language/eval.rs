//! Scores a language bundle on questions whose answers are known.

use std::path::PathBuf;

use super::answers::{Answers, at_all_exits, by_the_clock, engine};
use super::baselines::baselines;
use super::calibrate::calibrate;
use super::error::LanguageEvalError;
use super::questions::{Question, read};
use super::report::{LanguageReport, LanguageScores, Time};
use super::scores::{DeadlineScore, DeadlineSums, by_deadline, by_exit, by_kind};
use crate::language::bundle::{Bundle, Form};
use crate::language::questions::{LanguageLane, SafeAnswer};
use crate::language::ready::{Ready, ready};
use crate::profile::Machine;
use crate::scheduler::DecisionSource;

/// Deadlines that are told where none are asked for, ms.
pub const DEADLINES_MS: [f64; 8] = [25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1500.0, 3000.0];
/// Answers by chance that are drawn.
const DRAWS: u64 = 400;

/// What to score.
#[derive(Clone, Debug)]
pub struct LanguageEvalOptions {
    /// The bundle.
    pub bundle: Bundle,
    /// Name of the task in the report; none: of the first data file.
    pub task: Option<String>,
    /// Files of questions.
    pub data: Vec<PathBuf>,
    /// Files that teach the baselines; none: all questions but the one that is asked.
    pub train: Vec<PathBuf>,
    /// Folder of the report.
    pub out: PathBuf,
    /// Deadlines of the curve, ms.
    pub deadlines_ms: Vec<f64>,
    /// Answer every question by every deadline, by the clock.
    pub measured: bool,
    /// Fit temperatures and thresholds.
    pub calibrate: bool,
}

/// Answers all questions, and writes the report.
///
/// # Errors
/// The bundle, the files, or a model that fails.
pub fn eval(
    options: &LanguageEvalOptions,
    progress: &dyn Fn(usize, usize),
) -> Result<LanguageReport, LanguageEvalError> {
    let LanguageEvalOptions { bundle, data, .. } = options;
    let questions = read(data)?;
    if questions.is_empty() {
        return Err(LanguageEvalError::Few {
            file: data.first().cloned().unwrap_or_default(),
            found: 0,
            expected: 1,
            what: "score",
        });
    }
    let train = read(&options.train)?;
    let mut ready = prepared(bundle)?;
    let labels = ready.session.form().names().to_vec();
    let at_random = by_chance(&mut ready, &bundle.manifest.answer);
    let mut engine = engine(bundle, ready);
    let mut answers: Vec<Answers> = Vec::with_capacity(questions.len());
    for question in &questions {
        answers.push(at_all_exits(&mut engine, question)?);
        progress(answers.len(), questions.len());
    }
    let safe = &bundle.manifest.safe_answer;
    let mut deadlines = options.deadlines_ms.clone();
    deadlines.sort_unstable_by(f64::total_cmp);
    let (time, by_deadline) = match options.measured {
        false => {
            let curve = by_deadline(&questions, &answers, safe, &deadlines);
            (Time::Bounds, curve)
        }
        true => {
            let lane = LanguageLane::start(vec![engine], SafeAnswer::of(bundle))?;
            (Time::Measured, by_the_clocks(&lane, &questions, &deadlines))
        }
    };
    let (all, per_kind) = by_kind(&questions, &answers, safe);
    let calibration = match options.calibrate {
        true => Some(calibrate(bundle, &labels, &questions, &answers)?),
        false => None,
    };
    let names = |files: &[PathBuf]| files.iter().map(|f| f.display().to_string()).collect();
    let train = match train.is_empty() {
        true => None,
        false => {
            let files: Vec<String> = names(&options.train);
            Some((train.as_slice(), files.join(", ")))
        }
    };
    let stem = data.first().and_then(|file| file.file_stem());
    let task = stem.map(|stem| stem.to_string_lossy().into_owned());
    let report = LanguageReport {
        model: bundle.manifest.name.clone(),
        task: options.task.clone().or(task).unwrap_or_default(),
        data: names(data),
        questions: questions.len(),
        refused: answers.iter().filter(|a| a.exits.is_empty()).count(),
        machine: Machine::this().to_string(),
        time,
        scores: LanguageScores {
            all,
            per_kind,
            by_exit: by_exit(&questions, &answers, safe),
            by_deadline,
        },
        baselines: baselines(&questions, train, &at_random),
        calibration,
    };
    report.write(&options.out)?;
    Ok(report)
}

/// Opened, with what had to be mended on the way said.
pub(super) fn prepared(bundle: &Bundle) -> Result<Ready, LanguageEvalError> {
    let ready = ready(bundle, None)?;
    for note in &ready.notes {
        tracing::warn!("{note}");
    }
    Ok(ready)
}

/// Labels by turns, which is each as often; written answers by a walk through the grammar.
fn by_chance(ready: &mut Ready, form: &Form) -> Vec<String> {
    let draws = match form {
        Form::Labels(labels) => labels.len() as u64,
        Form::Schema(_) | Form::Grammar { .. } => DRAWS,
    };
    let session = &mut ready.session;
    (0..draws)
        .filter_map(|seed| session.answer_by_chance(seed))
        .collect()
}

fn by_the_clocks(
    lane: &LanguageLane,
    questions: &[Question],
    deadlines_ms: &[f64],
) -> Vec<DeadlineScore> {
    let of = |deadline_ms: &f64| {
        let mut sums = DeadlineSums::new(*deadline_ms);
        let mut late = 0;
        for question in questions {
            let decision = by_the_clock(lane, question, *deadline_ms);
            let model = decision.source == DecisionSource::Model;
            sums.add(question, &decision.answer, model.then_some(decision.exit));
            late += u64::from(decision.ms > *deadline_ms);
        }
        sums.score(Some(late))
    };
    deadlines_ms.iter().map(of).collect()
}
