//! `edge_reasoner profile`: its arguments, and what it prints.

use std::path::PathBuf;
use std::process::ExitCode;

use super::command_result::CommandResult;
use super::language;
use crate::bundle_kind::BundleKind;
use crate::configure::find_bundle;
use crate::language::profile::QUESTION;
use crate::model::{Bundle, EngineKind};
use crate::profile::{DEADLINES_MS, Machine, Profile, ProfileOptions, profile};

#[derive(clap::Args)]
pub struct Args {
    /// Bundle: a directory, or the name of one that ships
    #[arg(long, default_value = "clearance")]
    model: String,
    /// File to write [default: where `run` looks for it, in the user's cache folder]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Engines to measure [default: all that this processor can run]
    #[arg(long, value_delimiter = ',')]
    engines: Vec<EngineKind>,
    /// Runs per condition [default: 2000; of a language bundle 20]
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    runs: Option<u32>,
    /// Deadlines to give a verdict on, in ms [default: 0.2 to 20; of a language bundle 50 to 3000]
    #[arg(long, value_delimiter = ',')]
    deadline_ms: Option<Vec<f64>>,
    /// Language bundle: tokens of a question that verdicts are given for
    #[arg(long, default_value_t = QUESTION, value_parser = question_tokens)]
    question_tokens: usize,
    /// Print the profile as JSON
    #[arg(long)]
    json: bool,
}

/// Runs of an engine per condition.
const RUNS: u32 = 2000;

fn question_tokens(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(tokens) if (1..=100_000).contains(&tokens) => Ok(tokens),
        _ => Err(String::from("expected 1 to 100000 tokens")),
    }
}

pub fn run(args: Args) -> CommandResult {
    let folder = find_bundle(&args.model)?;
    if BundleKind::in_folder(&folder) == BundleKind::Language {
        if args.out.is_some() || !args.engines.is_empty() {
            return Err("--out and --engines are of bundles that decide on features; leave them away: what a \
                        language bundle costs is kept where `reason` finds it"
                .into());
        }
        let Args {
            runs,
            question_tokens,
            deadline_ms,
            json,
            ..
        } = args;
        return language::profile(&folder, runs, question_tokens, deadline_ms, json);
    }
    let bundle = Bundle::load(&folder)?;
    let engines = match args.engines.is_empty() {
        true => EngineKind::ALL.to_vec(),
        false => args.engines,
    };
    let measured = profile(
        &bundle,
        &ProfileOptions {
            engines,
            runs: args.runs.unwrap_or(RUNS) as usize,
        },
    )?;
    let file = args
        .out
        .or_else(|| Profile::place(bundle.id(), &Machine::this()))
        .ok_or("there is neither XDG_CACHE_HOME nor HOME; name a file with --out")?;
    measured.save(&file)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{measured}\nwithin a deadline, with 99.9 %, beside a busy thread per processor:");
    let deadlines_ms = args.deadline_ms.unwrap_or_else(|| DEADLINES_MS.to_vec());
    for verdict in measured.verdicts(&deadlines_ms) {
        println!("  {verdict}");
    }
    println!(
        "\nOf the model alone: a message's way through DDS and the system's scheduling come on top; \
         ~/statistics has them.\nwritten to {}",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}
