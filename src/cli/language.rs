//! What `eval`, `profile` and `compare` do with language bundles: their arguments, and what they
//! print.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::command_result::CommandResult;
use crate::bundle_kind::BundleKind;
use crate::configure::find_bundle;
use crate::language::bundle::Bundle;
use crate::language::profile::{self, LanguageProfileOptions};
use crate::learn::language::{self, DEADLINES_MS, LanguageEvalOptions};

/// Of `eval`, for language bundles alone.
#[derive(clap::Args)]
pub(super) struct EvalArgs {
    /// Language bundle: deadlines of the curve, in ms [default: 25 to 3000]
    #[arg(long, value_delimiter = ',', value_parser = deadline)]
    deadline_ms: Option<Vec<f64>>,
    /// Language bundle: files of questions that teach the baselines [default: all questions but
    /// the one that is asked]
    #[arg(long, num_args = 1.., value_name = "FILE")]
    train: Vec<PathBuf>,
    /// Language bundle: answer every question by every deadline, by the clock, instead of by the
    /// upper bounds of costs
    #[arg(long)]
    measured: bool,
    /// Language bundle: fit temperatures and thresholds by exit to these questions, and print them
    #[arg(long)]
    calibrate: bool,
}

impl EvalArgs {
    /// The first of them that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let all = [
            (self.deadline_ms.is_some(), "--deadline-ms"),
            (!self.train.is_empty(), "--train"),
            (self.measured, "--measured"),
            (self.calibrate, "--calibrate"),
        ];
        all.into_iter()
            .find_map(|(given, name)| given.then_some(name))
    }
}

pub(super) fn deadline(text: &str) -> Result<f64, String> {
    let ms: f64 = text
        .parse()
        .map_err(|_| String::from("expected a number of milliseconds"))?;
    match (0.1..=600_000.0).contains(&ms) {
        true => Ok(ms),
        false => Err(String::from("expected 0.1 to 600000 ms")),
    }
}

pub(super) fn eval(
    model: &Path,
    task: Option<&Path>,
    data: Vec<PathBuf>,
    out: PathBuf,
    args: EvalArgs,
    as_json: bool,
) -> CommandResult {
    let task = task.and_then(Path::file_stem);
    let options = LanguageEvalOptions {
        bundle: Bundle::load(model)?,
        task: task.map(|task| task.to_string_lossy().into_owned()),
        data,
        train: args.train,
        out,
        deadlines_ms: args.deadline_ms.unwrap_or_else(|| DEADLINES_MS.to_vec()),
        measured: args.measured,
        calibrate: args.calibrate,
    };
    let report = language::eval(&options, &progress("questions"))?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", report.to_markdown());
    if let Some(fitted) = &report.calibration {
        println!("calibration:");
        for exit in fitted {
            let of = exit.calibration;
            println!(
                "- {{temperature: {:.3}, threshold: {:.3}}}",
                of.temperature, of.threshold
            );
        }
    }
    println!("written to {}", options.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Of `compare`.
#[derive(clap::Args)]
pub struct CompareArgs {
    /// Two language bundles: directories, or names of some that ship
    #[arg(long, num_args = 2, required = true, value_names = ["FIRST", "SECOND"])]
    models: Vec<String>,
    /// Questions, one JSON object per line: question and truth, or command and meaning
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    data: Vec<PathBuf>,
    /// File for the comparison as JSON
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn compare(args: CompareArgs) -> CommandResult {
    let mut bundles = Vec::new();
    for name in &args.models {
        let folder = find_bundle(name)?;
        if BundleKind::in_folder(&folder) != BundleKind::Language {
            return Err(format!(
                "{}: it is no language bundle; compare asks two of them the same questions, and eval scores a \
                 classifier on recordings",
                folder.display()
            )
            .into());
        }
        bundles.push(Bundle::load(&folder)?);
    }
    let bundles: [Bundle; 2] = bundles.try_into().map_err(|_| "name two bundles")?;
    let found = language::compare(&bundles, &args.data, &progress("answers"))?;
    let text = serde_json::to_string_pretty(&found)?;
    if let Some(out) = &args.out {
        std::fs::write(out, text.clone() + "\n")
            .map_err(|cause| format!("{}: {cause}", out.display()))?;
    }
    match args.json {
        true => println!("{text}"),
        false => print!("{found}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Of `profile`.
pub(super) fn profile(
    folder: &Path,
    runs: Option<u32>,
    question_tokens: usize,
    deadlines_ms: Option<Vec<f64>>,
    as_json: bool,
) -> CommandResult {
    /// Each step: every batch at every depth.
    const RUNS: u32 = 20;
    let bundle = Bundle::load(folder)?;
    let options = LanguageProfileOptions {
        runs: runs.unwrap_or(RUNS) as usize,
        question_tokens,
    };
    let measured = profile::profile(&bundle, options)?;
    let deadlines_ms = deadlines_ms.unwrap_or_else(|| profile::DEADLINES_MS.to_vec());
    if as_json {
        let mut facts = serde_json::to_value(&measured)?;
        let verdicts = deadlines_ms.iter().map(|ms| measured.verdict(*ms));
        facts["verdicts"] = json!(verdicts.collect::<Vec<_>>());
        println!("{}", serde_json::to_string_pretty(&facts)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{measured}\nwithin a deadline, by these bounds:");
    for ms in deadlines_ms {
        println!("  {}", measured.sentence(ms));
    }
    println!(
        "\n`reason` and `eval` go by these from now on.\nwritten to {} and {}",
        measured.cost_file.display(),
        measured.prefix_file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A bar on a terminal, nothing elsewhere.
fn progress(what: &'static str) -> impl Fn(usize, usize) {
    let shown = std::io::stderr().is_terminal();
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}");
    let bar = match (shown, style) {
        (true, Ok(style)) => ProgressBar::no_length()
            .with_style(style)
            .with_message(what),
        _ => ProgressBar::hidden(),
    };
    move |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        if done == all {
            bar.finish_and_clear();
        }
    }
}
