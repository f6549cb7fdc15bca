//! What a language model's score is shown beside: answers that need no model.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::questions::Question;
use crate::language::question_file::is_right;

/// Shares of right answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baselines {
    /// The answer that is right most often, whatever is asked; of all questions, those that are
    /// asked too: left out, each would count against its own answer.
    pub majority: Exact,
    /// The answer to the question that shares most words.
    pub nearest_neighbour: Exact,
    /// Any answer of the form, each choice as likely: a model of random weights.
    pub random_answer: Exact,
    /// Whose answers the nearest neighbour gives: `the other questions`, or the files'.
    pub taught_on: String,
}

/// A share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exact {
    /// Of all questions.
    pub exact: f64,
}

/// Of these questions. Taught on `train`; where that is none, each question by all others.
/// `at_random`: answers of the form, drawn by chance.
pub fn baselines(
    questions: &[Question],
    train: Option<(&[Question], String)>,
    at_random: &[String],
) -> Baselines {
    let (pool, taught_on, others) = match train {
        Some((train, files)) => (train, files, false),
        None => (questions, String::from("the other questions"), true),
    };
    let n = questions.len().max(1) as f64;
    let share = |right: f64| Exact { exact: right / n };
    let most = most_frequent(pool);
    let words: Vec<BTreeSet<String>> = pool.iter().map(|question| words(&question.text)).collect();
    let all_words = |question: &Question| self::words(&question.text);
    let (mut majority, mut nearest) = (0.0, 0.0);
    for (index, question) in questions.iter().enumerate() {
        majority += f64::from(most.is_some_and(|truth| right(question, truth)));
        let mine = all_words(question);
        let mut best: Option<(f64, usize)> = None;
        for other in (0..pool.len()).filter(|other| !others || *other != index) {
            let near = shared(&mine, &words[other]);
            if best.is_none_or(|(nearest, _)| near > nearest) {
                best = Some((near, other));
            }
        }
        nearest += f64::from(best.is_some_and(|(_, other)| right(question, &pool[other].truth)));
    }
    let random = questions.iter().map(|question| {
        let hits = at_random
            .iter()
            .filter(|answer| is_right(&question.truth, answer));
        hits.count() as f64 / at_random.len().max(1) as f64
    });
    Baselines {
        majority: share(majority),
        nearest_neighbour: share(nearest),
        random_answer: share(random.sum()),
        taught_on,
    }
}

fn right(question: &Question, answer: &Value) -> bool {
    let text = answer.as_str().map(str::to_owned);
    is_right(&question.truth, &text.unwrap_or_else(|| answer.to_string()))
}

/// The first of equals.
fn most_frequent(questions: &[Question]) -> Option<&Value> {
    let mut counts: BTreeMap<String, (usize, usize, &Value)> = BTreeMap::new();
    for (index, question) in questions.iter().enumerate() {
        let entry = counts.entry(question.truth.to_string());
        entry.or_insert((0, index, &question.truth)).0 += 1;
    }
    let most = counts.into_values();
    let most = most.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    most.map(|(_, _, truth)| truth)
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Words that both have, as a share of those that either has.
fn shared(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn questions(all: &[(&str, Value)]) -> Vec<Question> {
        let one = |(text, truth): &(&str, Value)| Question {
            id: json!(1),
            text: (*text).to_owned(),
            truth: truth.clone(),
            kind: String::from("any"),
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn a_question_never_teaches_its_own_answer() {
        // Each text stands there once, so a neighbour that is the question itself would be right.
        let all = questions(&[
            ("a wall ahead", json!("stop")),
            ("a wall, near", json!("stop")),
            ("free way", json!("go")),
            ("Free, all", json!("slow")),
        ]);
        let found = baselines(&all, None, &["stop".into(), "go".into()]);
        assert_eq!(found.nearest_neighbour.exact, 0.5, "both walls");
        assert_eq!(found.majority.exact, 0.5);
        assert_eq!(found.random_answer.exact, (0.5 + 0.5 + 0.5) / 4.0);
        assert_eq!(found.taught_on, "the other questions");
        let train = questions(&[("free way", json!("go")), ("x", json!("go"))]);
        let found = baselines(&all, Some((&train, "t.jsonl".into())), &[]);
        assert_eq!(found.majority.exact, 0.25);
        assert_eq!(found.random_answer.exact, 0.0);
        assert_eq!(found.taught_on, "t.jsonl");
    }

    #[test]
    fn meanings_are_compared_as_what_they_mean() {
        let all = questions(&[
            ("drive home", json!({"action": "go", "to": "dock"})),
            ("home, drive", json!({"to": "dock", "action": "go"})),
        ]);
        let found = baselines(&all, None, &[r#"{"action":"go","to":"dock"}"#.into()]);
        assert_eq!(found.nearest_neighbour.exact, 1.0);
        assert_eq!(found.random_answer.exact, 1.0);
    }
}
