//! How often answers are right, and how sure they were: by kind of question, exit and deadline.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answers::Answers;
use super::questions::Question;
use crate::language::question_file::{is_right, is_right_action};
use crate::learn::metrics::reliability::{ConfidenceBin, Reliability};

/// Answers that were scored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Questions.
    pub n: u64,
    /// Share that is right: the label, or JSON with the same values.
    pub exact: f64,
    /// Share whose foremost action is right; of labels the same as `exact`.
    pub top_action: f64,
    /// Expected calibration error of the confidences of the model's answers, 15 bins.
    pub ece: f64,
}

/// Of one exit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExitScore {
    /// From 1, the one without a thought.
    pub exit: usize,
    /// Tokens of thought behind it, on average.
    pub thought_tokens: f64,
    /// Of all questions; one that ended its thought before is scored by its last exit.
    #[serde(flatten)]
    pub score: Score,
    /// By which it is there for certain, by the upper bounds of costs: the median, ms.
    pub within_ms: f64,
    /// When it was there: the median, ms.
    pub took_ms: f64,
    /// How often it is right by its confidence.
    pub reliability: Vec<ConfidenceBin>,
}

/// Of one deadline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadlineScore {
    /// From a question to its answer.
    pub deadline_ms: f64,
    /// Share of all answers that is right, fallbacks by what they carry.
    pub exact: f64,
    /// Share that the model did not answer.
    pub fallback_share: f64,
    /// Answers later than the deadline; none where the time is not measured.
    pub late: Option<u64>,
    /// Exit of the model's answers on average; 0 where it gave none.
    pub exit: f64,
}

/// Adds up scores.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    n: u64,
    right: u64,
    right_action: u64,
    reliability: Reliability,
}

impl Tally {
    /// An answer with the model's confidence; none where the model stands behind no answer.
    pub fn add(&mut self, question: &Question, answer: &str, confidence: Option<f64>) {
        let right = is_right(&question.truth, answer);
        self.n += 1;
        self.right += u64::from(right);
        self.right_action += u64::from(is_right_action(&question.truth, answer));
        if let Some(confidence) = confidence {
            self.reliability.add(confidence as f32, right);
        }
    }

    /// The shares.
    pub fn score(&self) -> Score {
        let share = |count: u64| count as f64 / self.n.max(1) as f64;
        Score {
            n: self.n,
            exact: share(self.right),
            top_action: share(self.right_action),
            ece: self.reliability.error(),
        }
    }

    /// The bins of confidence that have answers.
    pub fn reliability(&self) -> Vec<ConfidenceBin> {
        self.reliability.bins()
    }
}

/// Of the deepest exit: all questions, and by kind. A question without an answer is answered by
/// `safe`.
pub fn by_kind(
    questions: &[Question],
    answers: &[Answers],
    safe: &str,
) -> (Score, BTreeMap<String, Score>) {
    let mut all = Tally::default();
    let mut kinds: BTreeMap<&str, Tally> = BTreeMap::new();
    for (question, answers) in questions.iter().zip(answers) {
        let (text, confidence) = match answers.exits.last() {
            Some(exit) => (exit.text.as_str(), Some(exit.confidence)),
            None => (safe, None),
        };
        all.add(question, text, confidence);
        let kind = kinds.entry(&question.kind).or_default();
        kind.add(question, text, confidence);
    }
    let kinds = kinds
        .iter()
        .map(|(kind, tally)| ((*kind).to_owned(), tally.score()));
    (all.score(), kinds.collect())
}

/// Of every exit.
pub fn by_exit(questions: &[Question], answers: &[Answers], safe: &str) -> Vec<ExitScore> {
    let deepest = answers.iter().map(|a| a.exits.len()).max().unwrap_or(0);
    let of = |exit: usize| {
        let mut tally = Tally::default();
        let mut at = Vec::new();
        for (question, answers) in questions.iter().zip(answers) {
            match answers.exits.get(exit).or(answers.exits.last()) {
                Some(found) => {
                    tally.add(question, &found.text, Some(found.confidence));
                    at.push(found);
                }
                None => tally.add(question, safe, None),
            }
        }
        let mean = at.iter().map(|exit| exit.thought as f64).sum::<f64>() / at.len().max(1) as f64;
        ExitScore {
            exit: exit + 1,
            thought_tokens: mean,
            score: tally.score(),
            within_ms: median(at.iter().map(|exit| exit.within_ms)),
            took_ms: median(at.iter().map(|exit| exit.took_ms)),
            reliability: tally.reliability(),
        }
    };
    (0..deepest).map(of).collect()
}

/// By each deadline, in the time that the upper bounds of costs say.
pub fn by_deadline(
    questions: &[Question],
    answers: &[Answers],
    safe: &str,
    deadlines_ms: &[f64],
) -> Vec<DeadlineScore> {
    let of = |deadline_ms: &f64| {
        let mut sums = DeadlineSums::new(*deadline_ms);
        for (question, answers) in questions.iter().zip(answers) {
            match answers.by(*deadline_ms) {
                Some(exit) => {
                    let at = answers.exits.iter().position(|e| std::ptr::eq(e, exit));
                    sums.add(question, &exit.text, at.map(|at| at + 1));
                }
                None => sums.add(question, safe, None),
            }
        }
        sums.score(None)
    };
    deadlines_ms.iter().map(of).collect()
}

/// Adds up the answers by one deadline.
pub struct DeadlineSums {
    deadline_ms: f64,
    n: u64,
    right: u64,
    fallbacks: u64,
    exits: u64,
}

impl DeadlineSums {
    /// Nothing yet.
    pub fn new(deadline_ms: f64) -> DeadlineSums {
        DeadlineSums {
            deadline_ms,
            n: 0,
            right: 0,
            fallbacks: 0,
            exits: 0,
        }
    }

    /// An answer; none of an exit where it is a fallback.
    pub fn add(&mut self, question: &Question, answer: &str, exit: Option<usize>) {
        self.n += 1;
        self.right += u64::from(is_right(&question.truth, answer));
        self.fallbacks += u64::from(exit.is_none());
        self.exits += exit.unwrap_or(0) as u64;
    }

    /// The shares.
    pub fn score(&self, late: Option<u64>) -> DeadlineScore {
        let share = |count: u64| count as f64 / self.n.max(1) as f64;
        DeadlineScore {
            deadline_ms: self.deadline_ms,
            exact: share(self.right),
            fallback_share: share(self.fallbacks),
            late,
            exit: self.exits as f64 / (self.n - self.fallbacks).max(1) as f64,
        }
    }
}

/// 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::learn::language::answers::ExitAnswer;

    fn exit(text: &str, confidence: f64, within_ms: f64) -> ExitAnswer {
        ExitAnswer {
            text: text.into(),
            probabilities: Vec::new(),
            confidence,
            thought: 0,
            within_ms,
            took_ms: within_ms / 2.0,
        }
    }

    fn questions() -> Vec<Question> {
        let one = |truth: &str, kind: &str| Question {
            id: json!(1),
            text: String::from("q"),
            truth: json!(truth),
            kind: kind.into(),
        };
        vec![one("go", "a"), one("stop", "a"), one("stop", "b")]
    }

    fn answers() -> Vec<Answers> {
        let of = |exits: Vec<ExitAnswer>| Answers {
            exits,
            refused: None,
        };
        vec![
            of(vec![exit("go", 0.9, 10.0), exit("stop", 0.6, 30.0)]),
            of(vec![exit("go", 0.8, 20.0), exit("stop", 0.7, 40.0)]),
            of(vec![]),
        ]
    }

    #[test]
    fn right_answers_are_counted_by_kind_exit_and_deadline() {
        let (questions, answers) = (questions(), answers());
        let (all, kinds) = by_kind(&questions, &answers, "stop");
        assert_eq!((all.n, all.exact), (3, 2.0 / 3.0));
        assert_eq!((kinds["a"].n, kinds["a"].exact), (2, 0.5));
        assert_eq!(kinds["b"].exact, 1.0, "the safe answer happens to be right");
        // 0.6 said and wrong, 0.7 said and right.
        assert!((kinds["a"].ece - 0.45).abs() < 1e-6, "{:?}", kinds["a"]);
        let exits = by_exit(&questions, &answers, "stop");
        assert_eq!((exits.len(), exits[0].exit), (2, 1));
        assert!((exits[0].score.exact - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(exits[1].within_ms, 40.0);
        let curve = by_deadline(&questions, &answers, "stop", &[5.0, 10.0, 35.0, 40.0]);
        let of = |pick: fn(&DeadlineScore) -> f64| curve.iter().map(pick).collect::<Vec<_>>();
        let thirds = |shares: [f64; 4]| shares.map(|share| share / 3.0).to_vec();
        assert_eq!(of(|at| at.fallback_share), thirds([3.0, 2.0, 1.0, 1.0]));
        // Nothing fits: stop, stop, stop. 10 ms: go, stop, stop. 35: stop, go, stop. Then the deepest.
        assert_eq!(of(|at| at.exact), thirds([2.0, 3.0, 1.0, 2.0]));
        assert_eq!(of(|at| at.exit), [0.0, 1.0, 1.5, 2.0]);
    }
}
