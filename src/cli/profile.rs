//! `edge_reasoner profile`: its arguments, and what it prints.

use std::path::PathBuf;
use std::process::ExitCode;

use super::command_result::CommandResult;
use crate::configure::find_bundle;
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
    /// Runs per condition
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    runs: u32,
    /// Deadlines to give a verdict on, in ms
    #[arg(long, value_delimiter = ',', default_values_t = DEADLINES_MS)]
    deadline_ms: Vec<f64>,
    /// Print the profile as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> CommandResult {
    let bundle = Bundle::load(&find_bundle(&args.model)?)?;
    let engines = match args.engines.is_empty() {
        true => EngineKind::ALL.to_vec(),
        false => args.engines,
    };
    let measured = profile(
        &bundle,
        &ProfileOptions {
            engines,
            runs: args.runs as usize,
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
    for verdict in measured.verdicts(&args.deadline_ms) {
        println!("  {verdict}");
    }
    println!(
        "\nOf the model alone: a message's way through DDS and the system's scheduling come on top; \
         ~/statistics has them.\nwritten to {}",
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}
