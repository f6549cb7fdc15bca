//! `edge_reasoner replay`: its arguments, and what it prints.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::command_result::CommandResult;
use super::parameters::overrides;
use crate::params::{NodeName, Value, ValueError, Values, model_name};
use crate::replay::expectations::write_junit;
use crate::replay::{self, ReplayOptions};
use crate::topic_names::TopicNames;

#[derive(clap::Args)]
pub struct Args {
    /// Recordings: .mcap or .db3 files, rosbag2 directories, or folders of them
    #[arg(required = true)]
    bags: Vec<PathBuf>,
    /// Bundle: a directory, or the name of one that ships [default: as the params file says, else
    /// clearance]
    #[arg(long)]
    model: Option<String>,
    /// Folder for decisions (one .mcap per recording), report.json and the picture
    #[arg(long)]
    out: PathBuf,
    /// ROS 2 params file, as for the live node; several in the order of their --params-file
    #[arg(long)]
    params: Vec<PathBuf>,
    /// Name of the node with its namespace: which sections of the params files are for it
    #[arg(long, value_name = "/NS/NAME", default_value_t)]
    node: NodeName,
    /// A parameter, as on a ROS command line: name:=value
    #[arg(short = 'p', value_name = "NAME:=VALUE")]
    overrides: Vec<String>,
    /// A remapping, as on a ROS command line: scan:=/front/scan, or __ns:=/robot1
    #[arg(short = 'r', long = "remap", value_name = "FROM:=TO")]
    remappings: Vec<String>,
    /// Task whose truth the decisions are scored against [default: the bundle's, where it ships]
    #[arg(long)]
    task: Option<PathBuf>,
    /// Same as -p deadline_ms:=X
    #[arg(long, allow_negative_numbers = true)]
    deadline_ms: Option<f64>,
    /// Same as -p policy:=X
    #[arg(long, value_parser = ["fastest", "best"])]
    policy: Option<String>,
    /// As if the machine were this many times slower
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    slowdown: f64,
    /// Name the scores are reported under [default: the recording's folder]
    #[arg(long)]
    robot: Option<String>,
    /// What is expected of the recordings (tests/expectations.yaml shows the form); exit code 1
    /// when something is not met
    #[arg(long)]
    expect: Option<PathBuf>,
    /// Write what came of the expectations as JUnit XML
    #[arg(long, requires = "expect")]
    junit: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// `ros_args` is what follows --ros-args: the same as for the live node.
pub fn replay(mut args: Args, ros_args: Vec<String>) -> CommandResult {
    args.take_ros_args(ros_args)?;
    let names = TopicNames::new(args.node.clone(), &args.remappings)?;
    let values = values(&args, names.node())?;
    let task = match args.task {
        Some(task) => Some(task),
        None => shipped_task(&model_name(&values)),
    };
    let report = replay::replay(&ReplayOptions {
        recordings: args.bags,
        out: args.out.clone(),
        values,
        names,
        task,
        slowdown: args.slowdown,
        robot: args.robot,
        expectations: args.expect,
    })?;
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false if report.recordings.is_empty() => {
            print!("{report}");
            println!("nothing was decided; {}: report.json", args.out.display());
        }
        false => {
            print!("{report}");
            println!(
                "written to {}: report.json, report.svg, and the decisions as .mcap",
                args.out.display()
            );
        }
    }
    if let Some(file) = &args.junit {
        write_junit(&report.expectations, file)?;
    }
    let met = report.expectations.iter().all(|o| o.failures.is_empty());
    Ok(match report.failed.is_empty() && met {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

impl Args {
    /// Takes over parameters and remappings; what a replay has no use for is refused.
    fn take_ros_args(&mut self, ros_args: Vec<String>) -> Result<(), String> {
        let mut words = ros_args.into_iter();
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("{word} behind --ros-args lacks its value"))
            };
            match word.as_str() {
                "-r" | "--remap" => self.remappings.push(value()?),
                "-p" | "--param" => self.overrides.push(value()?),
                "--params-file" => self.params.push(value()?.into()),
                "--ros-args" | "--" => {}
                _ => {
                    return Err(format!(
                        "\"{word}\" behind --ros-args is nothing that replay knows; expected \
                         -r from:=to, -p name:=value or --params-file"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn values(args: &Args, node: &NodeName) -> Result<Values, ValueError> {
    let mut values = overrides(&args.params, &args.overrides, node)?.values;
    if let Some(model) = &args.model {
        values.insert("model".into(), Value::String(model.clone()));
    }
    if let Some(deadline) = args.deadline_ms {
        values.insert("deadline_ms".into(), Value::Double(deadline));
    }
    if let Some(policy) = &args.policy {
        values.insert("policy".into(), Value::String(policy.clone()));
    }
    Ok(values)
}

/// The task of a bundle's name, beside the checkout or in the package's share folder.
fn shipped_task(model: &str) -> Option<PathBuf> {
    let name = Path::new(model).file_name()?.to_str()?;
    let file = format!("params/tasks/{name}.yaml");
    let prefixes = std::env::var_os("AMENT_PREFIX_PATH").unwrap_or_default();
    let shares = std::env::split_paths(&prefixes).map(|p| p.join("share/edge_reasoner"));
    std::iter::once(PathBuf::new())
        .chain(shares)
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
}
