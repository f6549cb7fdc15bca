//! The node's parameters as ROS hands them over.

use std::path::Path;

use r2r::{Node, ParameterValue};

use crate::params::{Value, ValueError, Values, read_file};

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

/// Looks at the params files before rcl does, whose words on a bad one are fewer.
pub fn check_files(args: impl Iterator<Item = String>) -> Result<(), ValueError> {
    let args: Vec<String> = args.collect();
    for pair in args.windows(2).filter(|pair| pair[0] == "--params-file") {
        match read_file(Path::new(&pair[1])) {
            Ok(_) => {}
            // A file for other nodes only, or an empty one: ROS lets it pass, so do we.
            Err(ValueError::Form { what, .. }) if what == "no section is for this node" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
