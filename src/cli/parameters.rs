//! `edge_reasoner parameters`: prints the table of parameters, or the values that files and `-p`
//! give a node.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, json};

use super::command_result::CommandResult;
use crate::configure::home_expanded;
use crate::params::{NodeName, ParameterOverrides, RosArguments, Value, ValueError, table};

#[derive(clap::Args)]
pub struct Args {
    /// ROS 2 params file, as for the live node; several in the order of their --params-file
    #[arg(long)]
    params: Vec<PathBuf>,
    /// A parameter, as on a ROS command line behind the files: name:=value
    #[arg(short = 'p', value_name = "NAME:=VALUE")]
    overrides: Vec<String>,
    /// Name of the node with its namespace: which sections are for it
    #[arg(long, value_name = "/NS/NAME", default_value_t)]
    node: NodeName,
    /// Print JSON: each parameter with its type and value
    #[arg(long)]
    json: bool,
}

pub fn parameters(args: Args) -> CommandResult {
    let nothing_given = args.params.is_empty() && args.overrides.is_empty();
    if nothing_given && !args.json {
        print!("{}", table::markdown());
        return Ok(ExitCode::SUCCESS);
    }
    let arguments = arguments(&args.params, &args.overrides)?;
    let ParameterOverrides { values, remarks } = arguments.for_node(&args.node);
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    if args.json {
        let each = values.iter().map(|(name, value)| {
            let overrides = json!({"type": value.type_name(), "value": as_json(value)});
            (name.clone(), overrides)
        });
        let whole = json!({
            "node": args.node.to_string(),
            "parameters": each.collect::<Map<_, _>>(),
        });
        println!("{}", serde_json::to_string_pretty(&whole)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (name, value) in &values {
        println!("{name}: {value}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What files and `-p` say for a node of a replay: the files as for the live node, and a `-p` has
/// the last word. A file without a section for the node is an error.
pub fn overrides(
    files: &[PathBuf],
    overrides: &[String],
    node: &NodeName,
) -> Result<ParameterOverrides, ValueError> {
    let arguments = arguments(files, overrides)?;
    if let Some(error) = arguments.file_for_others(node) {
        return Err(error);
    }
    let overrides = arguments.for_node_overrides_last(node);
    for remark in &overrides.remarks {
        tracing::warn!("{remark}");
    }
    Ok(overrides)
}

fn arguments(files: &[PathBuf], overrides: &[String]) -> Result<RosArguments, ValueError> {
    let mut arguments = RosArguments::default();
    for file in files {
        let expanded = file.to_str().map(home_expanded);
        arguments.add_file(&expanded.map_or_else(|| file.clone(), PathBuf::from))?;
    }
    for text in overrides {
        arguments.add_override(text)?;
    }
    Ok(arguments)
}

/// JSON cannot write infinity and NaN.
fn as_json(value: &Value) -> serde_json::Value {
    let double = |value: &f64| match value {
        value if value.is_nan() => json!(".nan"),
        value if *value == f64::INFINITY => json!(".inf"),
        value if *value == f64::NEG_INFINITY => json!("-.inf"),
        value => json!(value),
    };
    match value {
        Value::Double(value) => double(value),
        Value::Doubles(values) => values.iter().map(double).collect(),
        Value::NotSet => serde_json::Value::Null,
        value => json!(value),
    }
}
