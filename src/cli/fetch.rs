//! `edge_reasoner fetch`

use std::process::ExitCode;

use super::command_result::CommandResult;
use crate::configure::find_bundle;
use crate::language::bundle::Bundle;
use crate::language::fetch::{FetchError, fetch};

/// What the program ends with where nothing was reached, as a test that is skipped does.
const SKIPPED: u8 = 3;

#[derive(clap::Args)]
pub struct Args {
    /// Language bundle: a directory, or the name of one that ships
    model: String,
    /// The Python whose pip brings the package
    #[arg(long, default_value = "python3")]
    python: String,
}

pub fn run(args: Args) -> CommandResult {
    let bundle = Bundle::load(&find_bundle(&args.model)?)?;
    match fetch(&bundle, &args.python, &|what| eprintln!("{what}")) {
        Ok(file) => {
            println!("{}", file.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(skipped @ FetchError::Unreachable { .. }) => {
            eprintln!("{skipped}");
            Ok(ExitCode::from(SKIPPED))
        }
        Err(error) => Err(error.into()),
    }
}
