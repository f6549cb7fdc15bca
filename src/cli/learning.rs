//! `edge_reasoner train` and `edge_reasoner eval`

use std::path::PathBuf;
use std::process::ExitCode;

use super::Done;
use crate::learn::{self, EvalOptions, SplitBy, TrainOptions};
use crate::model::{Backend, EngineKind};

#[derive(clap::Args)]
pub struct TrainArgs {
    /// Task file: labels, truth, window, sizes, schedule
    #[arg(long)]
    task: PathBuf,
    /// Folders with recordings
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Folder of the bundle to write
    #[arg(long)]
    out: PathBuf,
    /// Where to compute: flex or ndarray
    #[arg(long, default_value = "flex")]
    device: Backend,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Turn of the laser in rad, for folders without a list of recordings
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    yaw: f32,
    /// What to leave out to validate on, instead of what the task says: groups, time or partitions
    #[arg(long)]
    split: Option<SplitBy>,
    /// Train once per fold, score on the fold left out, and write folds-SPLIT.json and .md with mean
    /// and spread to --out, but no bundle
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=100))]
    folds: Option<u64>,
}

pub fn train(args: TrainArgs) -> Done {
    let folds = args.folds;
    let options = TrainOptions {
        command: command(),
        task: args.task,
        data: args.data,
        out: args.out,
        device: args.device,
        seed: args.seed,
        yaw: args.yaw,
        split: args.split,
    };
    match folds {
        Some(folds) => println!("{}", learn::cross_validate(&options, folds as usize)?),
        None => println!("{}", learn::train(&options)?),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct EvalArgs {
    /// Folder of the bundle
    #[arg(long)]
    model: PathBuf,
    /// Task file
    #[arg(long)]
    task: PathBuf,
    /// Folders with recordings; those that taught the bundle are left out
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Folder for report.json, report.md and report.svg
    #[arg(long)]
    out: PathBuf,
    /// What computes: flex, ndarray, packed_f32, packed_bf16 or packed_int8
    #[arg(long, default_value = "flex")]
    engine: EngineKind,
    /// Turn of the laser in rad, for folders without a list of recordings
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    yaw: f32,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub fn eval(args: EvalArgs) -> Done {
    let report = learn::eval(&EvalOptions {
        model: args.model,
        task: args.task,
        data: args.data,
        out: args.out,
        yaw: args.yaw,
        engine: args.engine,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => println!("{}", report.to_markdown()),
    }
    Ok(ExitCode::SUCCESS)
}

/// What the user typed, with the program by its name alone.
fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once(String::from("edge_reasoner"))
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
