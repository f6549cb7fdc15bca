//! `edge_reasoner train`, `compress` and `eval`: their arguments, and what they print.

use std::path::PathBuf;
use std::process::ExitCode;

use super::command_result::CommandResult;
use super::language;
use crate::bundle_kind::BundleKind;
use crate::learn::{
    self, CompressOptions, EvalOptions, ExportOptions, SplitBy, TeachingLicences, TrainOptions,
};
use crate::model::{Backend, EngineKind, WeightPrecision};

/// What a bundle is taught with, for `train` and `compress`.
#[derive(clap::Args)]
struct Teaching {
    /// Task file: labels, truth, window, sizes, schedule; of a bundle that is there, the one it was
    /// trained with
    #[arg(long)]
    task: PathBuf,
    /// Folders with recordings; where a bundle is compressed, those that taught it teach again and
    /// the others judge
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Folder of the bundle to write
    #[arg(long)]
    out: PathBuf,
    /// Where to compute: flex, or ndarray and wgpu where they are built in
    #[arg(long, default_value = "flex")]
    device: Backend,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Turn of the laser in rad, for folders without a list of recordings
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    yaw: f32,
}

#[derive(clap::Args)]
pub struct TrainArgs {
    #[command(flatten)]
    teaching: Teaching,
    /// What to leave out to validate on, instead of what the task says: groups, time or partitions
    #[arg(long)]
    split: Option<SplitBy>,
    /// Train once per fold, score on the fold left out, and write folds-SPLIT.json and .md with
    /// mean and spread to --out, but no bundle
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=100))]
    folds: Option<u64>,
    /// Let recordings teach the folds that may not teach a bundle
    #[arg(long, requires = "folds")]
    all_licences: bool,
    /// Train a model of every fixed depth too, with one exit each, and compare with them in the
    /// report
    #[arg(long, conflicts_with = "folds")]
    static_depths: bool,
}

pub fn train(args: TrainArgs) -> CommandResult {
    let folds = args.folds;
    let teach = match args.all_licences {
        true => TeachingLicences::AllLicences,
        false => TeachingLicences::Licensed,
    };
    let options = TrainOptions {
        command: command(),
        task: args.teaching.task,
        data: args.teaching.data,
        out: args.teaching.out,
        device: args.teaching.device,
        seed: args.teaching.seed,
        yaw: args.teaching.yaw,
        split: args.split,
        static_depths: args.static_depths,
    };
    match folds {
        Some(folds) => println!(
            "{}",
            learn::cross_validate(&options, folds as usize, teach)?
        ),
        None => println!("{}", learn::train(&options)?),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct CompressArgs {
    /// Folder of the bundle to start from
    #[arg(long)]
    model: PathBuf,
    /// Share of the blocks' weights that goes at least, 0 to 0.9; 0 leaves the sizes as they are
    #[arg(long, default_value_t = 0.4, value_parser = share)]
    prune: f64,
    /// What the weights are written in: f32, int8 or int4
    #[arg(long, default_value = "int8")]
    precision: WeightPrecision,
    /// Passes of the recovery after pruning [default: a quarter of the task's student_epochs]
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    epochs: Option<u64>,
    #[command(flatten)]
    teaching: Teaching,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=0.9).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 0.9".into()),
    }
}

pub fn compress(args: CompressArgs) -> CommandResult {
    let summary = learn::compress(&CompressOptions {
        command: command(),
        model: args.model,
        task: args.teaching.task,
        data: args.teaching.data,
        out: args.teaching.out,
        prune: args.prune,
        precision: args.precision,
        epochs: args.epochs.map(|epochs| epochs as usize),
        device: args.teaching.device,
        seed: args.teaching.seed,
        yaw: args.teaching.yaw,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&summary.report)?),
        false => println!("{summary}"),
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct EvalArgs {
    /// Folder of the bundle
    #[arg(long)]
    model: PathBuf,
    /// Task file; a language bundle needs none
    #[arg(long)]
    task: Option<PathBuf>,
    /// Folders with recordings, of which those that taught the bundle are left out; for a language
    /// bundle files of questions, one JSON object per line: question and truth, or command and
    /// meaning, and kind where there is one
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    language: language::EvalArgs,
    /// Folder for report.json, report.md and the pictures
    #[arg(long)]
    out: PathBuf,
    /// Score under edge conditions too: beams lost, noise, blocked sectors, sources missing or
    /// late, a wrong yaw. Takes some fifty times as long
    #[arg(long)]
    conditions: bool,
    /// Seed of what is random in the conditions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Engine that computes: flex, packed_f32, packed_bf16, packed_int8, or ndarray and wgpu where
    /// they are built in
    #[arg(long, default_value = "flex")]
    engine: EngineKind,
    /// Turn of the laser in rad, for folders without a list of recordings
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    yaw: f32,
    /// Write the windows too, as safetensors: those that taught the bundle and those that judge it,
    /// for models of other kinds
    #[arg(long, value_name = "FILE")]
    windows: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub fn eval(args: EvalArgs) -> CommandResult {
    if BundleKind::in_folder(&args.model) == BundleKind::Language {
        if args.conditions || args.windows.is_some() {
            return Err("--conditions and --windows are of bundles that decide on features; leave them away".into());
        }
        let task = args.task.as_deref();
        return language::eval(
            &args.model,
            task,
            args.data,
            args.out,
            args.language,
            args.json,
        );
    }
    if let Some(name) = args.language.given() {
        return Err(format!("{name} is of language bundles; leave it away").into());
    }
    let task = args.task.ok_or(
        "name the task that the bundle was trained for: --task params/tasks/clearance.yaml",
    )?;
    if let Some(out) = args.windows {
        let exported = learn::export(&ExportOptions {
            model: args.model.clone(),
            task: task.clone(),
            data: args.data.clone(),
            out,
            yaw: args.yaw,
        })?;
        eprintln!("{exported}");
    }
    let report = learn::eval(&EvalOptions {
        model: args.model,
        task,
        data: args.data,
        out: args.out,
        yaw: args.yaw,
        engine: args.engine,
        conditions: args.conditions,
        seed: args.seed,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => println!("{}", report.to_markdown()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line, with the program by its name alone.
fn command() -> String {
    let arguments = std::env::args().skip(1);
    std::iter::once(String::from("edge_reasoner"))
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
