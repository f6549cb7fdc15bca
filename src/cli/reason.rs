//! `edge_reasoner reason`

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::command_result::CommandResult;
use super::language::deadline;
use crate::configure::find_bundle;
use crate::language::bundle::{Bundle, Form};
use crate::language::question_file::{self, QuestionLine, is_right};
use crate::language::questions::{Decision, LanguageEngine, LanguageLane, SafeAnswer};
use crate::language::ready::{QUICK_RUNS, Ready, ready};
use crate::scheduler::questions::{Refused, Terms};
use crate::scheduler::{DecisionSource, Policy};

#[derive(clap::Args)]
pub struct Args {
    /// Language bundle: a directory, or the name of one that ships
    #[arg(long, default_value = "assistant-smollm2")]
    model: String,
    /// The question
    #[arg(long, required_unless_present = "file", conflicts_with = "file")]
    question: Option<String>,
    /// Questions, one JSON object per line: `question` (or `command`), and `id` where there is one
    #[arg(long)]
    file: Option<PathBuf>,
    /// Other answers than the bundle's, from the least severe to the most: the last is the fallback
    #[arg(long, value_delimiter = ',')]
    labels: Vec<String>,
    /// Answers of a JSON schema instead of the bundle's; every field needs a bound
    #[arg(long, conflicts_with = "labels", requires = "safe_answer")]
    schema: Option<PathBuf>,
    /// What the fallback carries where --labels or --schema name other answers
    #[arg(long)]
    safe_answer: Option<String>,
    /// Milliseconds from a question to its answer; of several, each question is answered by each
    #[arg(long, value_delimiter = ',', required = true, value_parser = deadline)]
    deadline_ms: Vec<f64>,
    /// When to stop
    #[arg(long, value_enum, default_value = "best")]
    policy: StopWhen,
    /// Of the thoughts, where the bundle samples them
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File for the answers, one JSON object per line
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the answers as JSON, one per line
    #[arg(long)]
    json: bool,
    /// Measure again what the model costs here
    #[arg(long)]
    measure: bool,
}

/// The policy, in this verb's words.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum StopWhen {
    /// When sure enough, or thoughts changed nothing
    Fastest,
    /// When the deadline leaves no room for more
    Best,
}

pub fn run(args: Args) -> CommandResult {
    let mut bundle = Bundle::load(&find_bundle(&args.model)?)?;
    let other = match (&args.schema, args.labels.last()) {
        // A path from here, not from the bundle's folder.
        (Some(file), _) => Some((Form::Schema(std::path::absolute(file)?), String::new())),
        (_, Some(last)) => Some((Form::Labels(args.labels.clone()), last.clone())),
        _ => None,
    };
    if let Some((form, safe)) = other {
        bundle = bundle.with_answers(form, args.safe_answer.clone().unwrap_or(safe))?;
    }
    let asked: Box<dyn Iterator<Item = Result<QuestionLine, String>>> =
        match (&args.question, &args.file) {
            (Some(question), _) => Box::new(std::iter::once(Ok(QuestionLine {
                number: 1,
                id: json!(1),
                question: Ok(question.clone()),
                truth: None,
                kind: None,
            }))),
            (_, Some(file)) => Box::new(question_file::read(file)?),
            _ => return Err("name a --question or a --file".into()),
        };
    // Before the model is opened, which takes a second.
    let mut out = match &args.out {
        Some(path) => {
            let file =
                File::create(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
            Some((path, std::io::BufWriter::new(file)))
        }
        None => None,
    };
    let start = Instant::now();
    let runs = args.measure.then_some(QUICK_RUNS);
    let Ready {
        mut session,
        costs,
        measured,
        prefix_read,
        notes,
    } = ready(&bundle, runs)?;
    notes
        .iter()
        .for_each(|note| eprintln!("edge_reasoner: {note}"));
    session.seeded(args.seed);
    let opened = start.elapsed();
    let from = match measured {
        true => "costs were measured now and are kept",
        false => "costs as they were measured before",
    };
    let quiet = args.json || (args.out.is_some() && args.file.is_some());
    if !quiet {
        println!(
            "{}: ready in {:.2} s; {} tokens of its prompt are cached{}; {from}",
            bundle.manifest.name,
            opened.as_secs_f64(),
            session.filled(),
            if prefix_read { ", read from disk" } else { "" },
        );
    }
    let names = session.form().names().to_vec();
    // So that a question takes as much by its second deadline as by its first.
    let engine = LanguageEngine::new(&bundle, session, Arc::new(costs)).forgetting();
    let lane = LanguageLane::start(vec![engine], SafeAnswer::of(&bundle))?;
    let policy = match args.policy {
        StopWhen::Fastest => Policy::Fastest,
        StopWhen::Best => Policy::Best,
    };
    let mut tally = Tally::default();
    for one in asked {
        let one = one?;
        for deadline_ms in &args.deadline_ms {
            let show = Show {
                quiet,
                asked: &one,
                deadline_ms: *deadline_ms,
                names: &names,
            };
            let decision = show.decide(&lane, policy);
            tally.add(&decision, *deadline_ms, one.truth.as_ref());
            let line = line(&one.id, *deadline_ms, &decision, &names);
            if args.json {
                println!("{line}");
            }
            if let Some((path, out)) = &mut out {
                writeln!(out, "{line}").map_err(|cause| format!("{}: {cause}", path.display()))?;
            }
        }
    }
    if let Some((path, mut out)) = out {
        out.flush()
            .map_err(|cause| format!("{}: {cause}", path.display()))?;
        if !args.json {
            println!("{tally}\nwritten to {}", path.display());
        }
    } else if !quiet && tally.answers() > 1 {
        println!("{tally}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is shown of one question while it is answered.
struct Show<'a> {
    quiet: bool,
    asked: &'a QuestionLine,
    deadline_ms: f64,
    /// Of the labels.
    names: &'a [String],
}

impl Show<'_> {
    fn decide(&self, lane: &LanguageLane, policy: Policy) -> Decision {
        let deadline = Duration::from_secs_f64(self.deadline_ms / 1e3);
        let question = match &self.asked.question {
            Ok(question) => question,
            Err(why) => {
                let refused = Refused::Unusable(why.clone());
                return Decision::refused(&refused, lane.safe(), Duration::ZERO);
            }
        };
        if !self.quiet {
            println!("\n{} ms: {}", self.deadline_ms, question.trim());
        }
        let streams = !self.quiet && std::io::stdout().is_terminal();
        let mut written = false;
        let mut thinking = |more: &str| {
            if streams {
                if !written {
                    print!("  thought: ");
                    written = true;
                }
                print!("{}", more.replace('\n', " "));
                let _ = std::io::stdout().flush();
            }
        };
        let decision = lane.answer(question, Terms { deadline, policy }, &mut thinking);
        if written {
            println!();
        }
        if !self.quiet {
            if !streams && !decision.thought.trim().is_empty() {
                println!("  thought: {}", decision.thought.trim().replace('\n', " "));
            }
            println!("{}", in_words(&decision, self.names));
        }
        decision
    }
}

/// For a terminal.
fn in_words(decision: &Decision, names: &[String]) -> String {
    let tokens = decision.tokens;
    if decision.source == DecisionSource::Fallback {
        let why = decision.explanation.as_deref().unwrap_or("");
        return format!(
            "  {} (fallback, {:.1} ms): {why}",
            decision.answer, decision.ms
        );
    }
    let names = names.iter();
    let all: Vec<String> = names
        .zip(&decision.probabilities)
        .map(|(name, p)| format!("{name} {p:.2}"))
        .collect();
    let all = match all.is_empty() {
        true => format!("probability {:.2}", decision.confidence),
        false => all.join(", "),
    };
    format!(
        "  {} ({})\n  exit {}, {:.1} ms; tokens: {} cached, {} prefilled, {} thought, {} fed to answer",
        decision.answer,
        all,
        decision.exit,
        decision.ms,
        tokens.cached,
        tokens.prefilled,
        tokens.thought,
        tokens.answered
    )
}

/// For machines: one line.
fn line(id: &Value, deadline_ms: f64, decision: &Decision, labels: &[String]) -> String {
    let mut line = json!({ "id": id, "deadline_ms": deadline_ms });
    let facts = serde_json::to_value(decision);
    if let (Some(line), Ok(Value::Object(facts))) = (line.as_object_mut(), facts) {
        line.extend(facts);
        let all = labels.iter().zip(&decision.probabilities);
        let all = all.map(|(label, p)| (label.clone(), json!(p))).collect();
        line.insert(String::from("probabilities"), Value::Object(all));
        if decision.label.is_none()
            && let Ok(answer) = serde_json::from_str(&decision.answer)
        {
            line.insert(String::from("answer"), answer);
        }
    }
    line.to_string()
}

/// Of all answers, by deadline.
#[derive(Default)]
struct Tally(Vec<Sums>);

#[derive(Default)]
struct Sums {
    deadline_ms: f64,
    answers: usize,
    fallbacks: usize,
    late: usize,
    longest_ms: f64,
    /// With a truth, and right.
    known: usize,
    right: usize,
}

impl Tally {
    fn add(&mut self, decision: &Decision, deadline_ms: f64, truth: Option<&Value>) {
        let at = self
            .0
            .iter()
            .position(|sums| sums.deadline_ms == deadline_ms);
        let at = at.unwrap_or_else(|| {
            self.0.push(Sums {
                deadline_ms,
                ..Sums::default()
            });
            self.0.len() - 1
        });
        let sums = &mut self.0[at];
        sums.answers += 1;
        sums.fallbacks += usize::from(decision.source == DecisionSource::Fallback);
        sums.late += usize::from(decision.ms > deadline_ms);
        sums.longest_ms = sums.longest_ms.max(decision.ms);
        if let Some(truth) = truth {
            sums.known += 1;
            sums.right += usize::from(is_right(truth, &decision.answer));
        }
    }

    fn answers(&self) -> usize {
        self.0.iter().map(|sums| sums.answers).sum()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for sums in &self.0 {
            write!(
                f,
                "\nby {} ms: {} answers, {} fallbacks, {} late, the longest took {:.1} ms",
                sums.deadline_ms, sums.answers, sums.fallbacks, sums.late, sums.longest_ms
            )?;
            if sums.known > 0 {
                write!(f, "; {} of {} right", sums.right, sums.known)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_is_counted_by_deadline() {
        let decision = |answer: &str, ms| Decision {
            answer: answer.into(),
            label: None,
            probabilities: Vec::new(),
            confidence: 0.0,
            source: DecisionSource::Model,
            reason: crate::scheduler::Reason::None,
            exit: 1,
            tokens: Default::default(),
            ms,
            thought: String::new(),
            explanation: None,
        };
        let mut tally = Tally::default();
        tally.add(&decision("go", 9.0), 10.0, Some(&json!("go")));
        tally.add(&decision("{\"a\":1}", 11.0), 10.0, Some(&json!({"a": 1})));
        tally.add(&decision("go", 9.0), 20.0, Some(&json!("stop")));
        tally.add(&decision("go", 9.0), 20.0, None);
        let said = tally.to_string();
        assert!(
            said.contains(
                "by 10 ms: 2 answers, 0 fallbacks, 1 late, the longest took 11.0 ms; 2 of 2 right"
            ),
            "{said}"
        );
        assert!(
            said.contains(
                "by 20 ms: 2 answers, 0 fallbacks, 0 late, the longest took 9.0 ms; 0 of 1 right"
            ),
            "{said}"
        );
    }

    #[test]
    fn deadlines_are_numbers_within_reason() {
        assert_eq!(deadline("50"), Ok(50.0));
        for wrong in ["", "0", "-1", "nan", "inf", "x"] {
            assert!(deadline(wrong).is_err(), "{wrong}");
        }
    }
}
