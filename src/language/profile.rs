//! What a language bundle costs on this machine, and in words what fits a deadline.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::bundle::{Bundle, BundleError};
use super::costs::{CostFile, Costs, Needs, mandatory_part, thought_part};
use super::prefix_file::PrefixFile;
use super::ready::ready;
use crate::profile::Machine;

/// Deadlines that a verdict is given on where none are named, ms.
pub const DEADLINES_MS: [f64; 6] = [50.0, 100.0, 300.0, 800.0, 1500.0, 3000.0];
/// Kept of a deadline for writing the answer down, as the lane keeps it.
const MARGIN: Duration = Duration::from_millis(1);
/// Tokens that a question may have: what verdicts are given for.
pub const QUESTION: usize = 40;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct LanguageProfileOptions {
    /// Runs of every step.
    pub runs: usize,
    /// Tokens of a question, new behind the fixed part of the prompt.
    pub question_tokens: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct LanguageProfile {
    /// Name of the bundle.
    pub model: String,
    pub machine: Machine,
    /// Runs of every step; the longest of them and a quarter more is the bound.
    pub runs: usize,
    /// To open it and measure, ms.
    pub measured_ms: f64,
    /// The fixed part of the prompt: its tokens, and ms to feed it with the questions that are
    /// taken out.
    pub prefix_tokens: usize,
    pub prefix_fed_ms: f64,
    /// Upper bounds of steps.
    pub costs: Costs,
    /// Where `reason` finds the costs, and the fixed part of the prompt.
    pub cost_file: PathBuf,
    pub prefix_file: PathBuf,
    /// What a question needs.
    #[serde(skip)]
    needs: Needs,
}

/// What fits a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub deadline_ms: f64,
    /// Thoughts, in tokens, behind the answer without one; none where not even that fits.
    pub thoughts: Option<usize>,
    /// The least that does not fit, in tokens of thought; none where all that the bundle allows do.
    pub too_many: Option<usize>,
}

/// Measures a bundle and keeps costs and prefix where the other verbs find them.
///
/// # Errors
/// A bundle that cannot be opened, or files that cannot be written.
pub fn profile(
    bundle: &Bundle,
    options: LanguageProfileOptions,
) -> Result<LanguageProfile, BundleError> {
    let io = |what: String| BundleError::Io {
        path: bundle.folder.clone(),
        what,
    };
    let nowhere = || {
        io(String::from(
            "there is neither XDG_CACHE_HOME nor HOME, so no place for its profile; set one of them",
        ))
    };
    bundle.weights()?;
    // One of before would be read in the place of what is measured.
    let prefix_file = PrefixFile::of(bundle).ok_or_else(nowhere)?;
    let cost_file = CostFile::of(bundle).ok_or_else(nowhere)?;
    let _ = std::fs::remove_file(prefix_file.path());
    let start = Instant::now();
    let ready = ready(bundle, Some(options.runs))?;
    let (mut session, costs) = (ready.session, ready.costs);
    if let Some(why) = ready.notes.into_iter().next() {
        return Err(io(why));
    }
    let all = start.elapsed();
    session.forget_all();
    let prior = &bundle.manifest.prior;
    let start = Instant::now();
    let fed = session.warm(&prior.questions, prior.strength);
    fed.map_err(|cause| BundleError::Question {
        name: bundle.manifest.name.clone(),
        cause,
    })?;
    let prefix_fed = start.elapsed();
    session.forget_question();
    prefix_file.write(bundle, &session).map_err(io)?;
    let thoughts = bundle.manifest.thoughts;
    let needs = Needs {
        cached: session.filled(),
        new: options.question_tokens,
        ..session.needs(thoughts.chunk, thoughts.chunks)
    };
    Ok(LanguageProfile {
        model: bundle.manifest.name.clone(),
        machine: Machine::this(),
        runs: options.runs,
        measured_ms: milliseconds(all),
        prefix_tokens: session.filled(),
        prefix_fed_ms: milliseconds(prefix_fed),
        costs,
        cost_file: cost_file.path().to_owned(),
        prefix_file: prefix_file.path().to_owned(),
        needs,
    })
}

impl LanguageProfile {
    /// By its upper bounds.
    pub fn verdict(&self, deadline_ms: f64) -> Verdict {
        verdict(&self.needs, &self.costs, deadline_ms)
    }

    /// The least deadline for an answer without a thought, ms.
    pub fn least_ms(&self) -> f64 {
        let least = mandatory_part(&self.needs, &self.costs).needs() + MARGIN;
        milliseconds(least).ceil()
    }

    /// In words.
    pub fn sentence(&self, deadline_ms: f64) -> String {
        let verdict = self.verdict(deadline_ms);
        let question = format!("a question of {} tokens", self.needs.new);
        match (verdict.thoughts, verdict.too_many) {
            (None, _) => format!(
                "{deadline_ms} ms: nothing fits; {question} and its answer take up to {} ms",
                self.least_ms()
            ),
            (Some(0), None) => format!("{deadline_ms} ms: {question} and its answer fit"),
            (Some(0), Some(more)) => format!(
                "{deadline_ms} ms: {question} and its answer fit; {more} tokens of thought do not"
            ),
            (Some(thoughts), None) => format!(
                "{deadline_ms} ms: {question}, {thoughts} tokens of thought, which are all it has, and the answer fit"
            ),
            (Some(thoughts), Some(more)) => format!(
                "{deadline_ms} ms: {question}, {thoughts} tokens of thought and the answer fit; {more} do not"
            ),
        }
    }
}

fn verdict(needs: &Needs, costs: &Costs, deadline_ms: f64) -> Verdict {
    let deadline = Duration::from_secs_f64(deadline_ms.max(0.0) / 1e3);
    let fits = |so_far: Duration| so_far + MARGIN <= deadline;
    let first = mandatory_part(needs, costs);
    if !fits(first.needs()) {
        return Verdict {
            deadline_ms,
            thoughts: None,
            too_many: None,
        };
    }
    let mut so_far = first.whole;
    let mut chunks = 0;
    while chunks < needs.chunks {
        let next = thought_part(needs, costs, chunks);
        if !fits(so_far + next.needs()) {
            break;
        }
        so_far += next.whole;
        chunks += 1;
    }
    Verdict {
        deadline_ms,
        thoughts: Some(chunks * needs.chunk),
        too_many: (chunks < needs.chunks).then_some((chunks + 1) * needs.chunk),
    }
}

impl fmt::Display for LanguageProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let costs = &self.costs;
        writeln!(
            f,
            "{} on {}: opened and measured in {:.1} s; {} tokens of prompt are fed in {:.0} ms",
            self.model,
            self.machine,
            self.measured_ms / 1e3,
            self.prefix_tokens,
            self.prefix_fed_ms
        )?;
        writeln!(
            f,
            "upper bounds, the longest of {} runs and a quarter more, ms:",
            self.runs
        )?;
        write!(f, "{:>12}", "depth")?;
        costs
            .sizes
            .iter()
            .try_for_each(|size| write!(f, "{size:>9}"))?;
        writeln!(f, "   tokens fed together")?;
        for (depth, row) in costs.depths.iter().zip(&costs.batch_us) {
            write!(f, "{depth:>12}")?;
            row.iter()
                .try_for_each(|us| write!(f, "{:>9.2}", us / 1e3))?;
            writeln!(f)?;
        }
        writeln!(
            f,
            "the whole head {:.2}, sixteen of its rows {:.3}, a step of the grammar {:.3}",
            costs.head_us / 1e3,
            costs.rows_us / 1e3,
            costs.mask_us / 1e3
        )
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> Needs {
        Needs {
            cached: 10,
            new: 20,
            bare_answer: vec![2],
            answer: vec![3],
            rows: 0,
            choices: 0,
            opener: 1,
            chunk: 8,
            chunks: 4,
        }
    }

    /// A batch of any size takes 10 ms.
    fn costs() -> Costs {
        Costs {
            sizes: vec![1, 64],
            depths: vec![1024],
            batch_us: vec![vec![10_000.0; 2]],
            head_us: 0.0,
            rows_us: 0.0,
            mask_us: 0.0,
            layers: 10,
        }
    }

    #[test]
    fn a_verdict_names_what_fits_and_what_does_not() {
        let of = |ms| {
            let verdict = verdict(&needs(), &costs(), ms);
            (verdict.thoughts, verdict.too_many)
        };
        // Prompt and answer 10, a layer 1, the margin 1.
        assert_eq!(of(11.0), (None, None));
        assert_eq!(of(12.0), (Some(0), Some(8)));
        // A chunk: the opener 10 once, eight tokens 80, the answer 10.
        assert_eq!(of(111.0), (Some(0), Some(8)));
        assert_eq!(of(112.0), (Some(8), Some(16)));
        assert_eq!(of(112.0 + 3.0 * 90.0), (Some(32), None));
    }
}
