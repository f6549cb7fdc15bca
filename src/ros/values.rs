//! The node's parameters as ROS hands them over.

use std::path::Path;

use r2r::{Node, ParameterValue};

use crate::params::{ParamFaults, Value, ValueError, Values, parse_override, read_file};

/// What `--params-file` and `-p` say for this node.
pub fn of_node(node: &Node) -> Values {
    let parameters = match node.params.lock() {
        Ok(parameters) => parameters,
        Err(poisoned) => poisoned.into_inner(),
    };
    let value = |value: &ParameterValue| match value {
        ParameterValue::Bool(value) => Value::Bool(*value),
        ParameterValue::Integer(value) => Value::Integer(*value),
        ParameterValue::Double(value) => Value::Double(*value),
        ParameterValue::String(value) => Value::String(value.clone()),
        ParameterValue::StringArray(values) => Value::Strings(values.clone()),
        other => Value::Other(other.type_name()),
    };
    parameters
        .iter()
        .map(|(name, parameter)| (name.clone(), value(&parameter.value)))
        .collect()
}

/// Whether the node configures and activates itself. Checked here, since it is asked for before
/// everything else is read.
pub fn autostart(values: &Values) -> Result<bool, ParamFaults> {
    match values.get("autostart") {
        None => Ok(true),
        Some(Value::Bool(autostart)) => Ok(*autostart),
        Some(other) => Err(ParamFaults(vec![format!(
            "autostart is {other}; expected true or false"
        )])),
    }
}

/// Looks at parameters and params files before rcl does, whose words on bad ones are fewer. Files
/// for other nodes only come back: ROS lets them pass, but one would like to know.
pub fn check_arguments(args: impl Iterator<Item = String>) -> Result<Vec<ValueError>, ValueError> {
    let args: Vec<String> = args.skip_while(|arg| arg != "--ros-args").collect();
    let mut for_others = Vec::new();
    for pair in args.windows(2) {
        match pair[0].as_str() {
            "-p" | "--param" => drop(parse_override(&pair[1])?),
            "--params-file" => match read_file(Path::new(&pair[1])) {
                Ok(_) => {}
                Err(error @ ValueError::NotForUs { .. }) => for_others.push(error),
                Err(error) => return Err(error),
            },
            _ => {}
        }
    }
    Ok(for_others)
}
