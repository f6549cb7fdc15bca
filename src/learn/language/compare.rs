//! Two language bundles on the same questions: how often they agree, how often each is right, and
//! what each takes.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::answers::{Answers, at_all_exits, engine};
use super::error::LanguageEvalError;
use super::eval::prepared;
use super::questions::{Question, read};
use super::scores::{Score, by_exit, by_kind, median};
use crate::language::bundle::Bundle;
use crate::language::question_file::is_right;
use crate::profile::Machine;

/// The comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Files of questions.
    pub data: Vec<String>,
    /// Questions in them.
    pub questions: usize,
    /// Where the times are of.
    pub machine: String,
    /// Of the deepest exits.
    pub equal: Agreement,
    /// Of the answers without a thought.
    pub equal_without_thought: Agreement,
    /// In the order they were named.
    pub models: Vec<Compared>,
}

/// Shares of all questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Both answer the same.
    pub share: f64,
    /// The first alone is right, and the second alone.
    pub only_first_right: f64,
    /// The second alone is right.
    pub only_second_right: f64,
}

/// One of the two.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Its name.
    pub model: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Without a thought.
    pub without_thought: Score,
    /// Of its deepest exit.
    pub deepest: Score,
    /// Until the answer without a thought: the median, ms.
    pub first_ms: f64,
    /// Until the deepest exit: the median, ms.
    pub deepest_ms: f64,
}

/// Asks both the same.
///
/// # Errors
/// A bundle, the files, or a model that fails.
pub fn compare(
    bundles: &[Bundle; 2],
    data: &[PathBuf],
    progress: &dyn Fn(usize, usize),
) -> Result<Comparison, LanguageEvalError> {
    let questions = read(data)?;
    let mut models = Vec::new();
    let mut all: Vec<Vec<Answers>> = Vec::new();
    for (index, bundle) in bundles.iter().enumerate() {
        // One after the other, so that neither is in the other's caches.
        let mut engine = engine(bundle, prepared(bundle)?);
        let mut answers = Vec::with_capacity(questions.len());
        for question in &questions {
            answers.push(at_all_exits(&mut engine, question)?);
            let done = index * questions.len() + answers.len();
            progress(done, bundles.len() * questions.len());
        }
        models.push(compared(bundle, &questions, &answers));
        all.push(answers);
    }
    let safe = |index: usize| bundles[index].manifest.safe_answer.as_str();
    let text = |model: usize, question: usize, first: bool| {
        let exits = &all[model][question].exits;
        let exit = if first { exits.first() } else { exits.last() };
        exit.map_or(safe(model), |exit| exit.text.as_str())
    };
    let agreement = |first: bool| {
        let pairs = questions.iter().enumerate();
        let pairs = pairs.map(|(at, q)| (&q.truth, text(0, at, first), text(1, at, first)));
        agreement(pairs, questions.len())
    };
    Ok(Comparison {
        data: data.iter().map(|f| f.display().to_string()).collect(),
        questions: questions.len(),
        machine: Machine::this().to_string(),
        equal: agreement(false),
        equal_without_thought: agreement(true),
        models,
    })
}

fn agreement<'a>(
    pairs: impl Iterator<Item = (&'a serde_json::Value, &'a str, &'a str)>,
    n: usize,
) -> Agreement {
    let mut out = Agreement::default();
    let one = 1.0 / n.max(1) as f64;
    for (truth, a, b) in pairs {
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let same = a == b || json(a).is_some_and(|a| is_right(&a, b));
        let right = (is_right(truth, a), is_right(truth, b));
        out.share += if same { one } else { 0.0 };
        match right {
            (true, false) => out.only_first_right += one,
            (false, true) => out.only_second_right += one,
            _ => {}
        }
    }
    out
}

fn compared(bundle: &Bundle, questions: &[Question], answers: &[Answers]) -> Compared {
    let safe = &bundle.manifest.safe_answer;
    let took = |pick: fn(&Answers) -> Option<f64>| median(answers.iter().filter_map(pick));
    let exits = by_exit(questions, answers, safe);
    let deepest = by_kind(questions, answers, safe).0;
    Compared {
        model: bundle.manifest.name.clone(),
        folder: bundle.folder.clone(),
        without_thought: exits
            .into_iter()
            .next()
            .map_or(deepest.clone(), |e| e.score),
        deepest,
        first_ms: took(|answers| Some(answers.exits.first()?.took_ms)),
        deepest_ms: took(|answers| Some(answers.exits.last()?.took_ms)),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} questions of {}, on {}",
            self.questions,
            self.data.join(", "),
            self.machine
        )?;
        writeln!(
            f,
            "{:<28} {:>14} {:>9} {:>14} {:>9}",
            "", "right, exit 1", "ms", "right, deepest", "ms"
        )?;
        for model in &self.models {
            writeln!(
                f,
                "{:<28} {:>14.3} {:>9.1} {:>14.3} {:>9.1}",
                model.model,
                model.without_thought.exact,
                model.first_ms,
                model.deepest.exact,
                model.deepest_ms
            )?;
        }
        for (when, equal) in [
            ("without a thought", self.equal_without_thought),
            ("at the deepest exit", self.equal),
        ] {
            writeln!(
                f,
                "{when}: {:.3} of the answers are the same; only the first is right in {:.3}, only the second in {:.3}",
                equal.share, equal.only_first_right, equal.only_second_right
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_agree_by_what_they_mean() {
        let truths = [json!("go"), json!({"a": 1}), json!("go"), json!("go")];
        let both = [
            ("go", "stop"),
            (r#"{"a":1}"#, r#"{"a": 1.0}"#),
            ("stop", "stop"),
            ("stop", "go"),
        ];
        let pairs = truths.iter().zip(both).map(|(truth, (a, b))| (truth, a, b));
        let found = agreement(pairs, 4);
        let expected = Agreement {
            share: 0.5,
            only_first_right: 0.25,
            only_second_right: 0.25,
        };
        assert_eq!(found, expected);
    }
}
