//! The node's parameters as ROS hands them over.

use std::path::Path;
use std::time::Duration;

use r2r::rcl_interfaces::msg::ParameterValue as ParameterValueMsg;
use r2r::{Node, ParameterValue};

use crate::params::{NodeName, ParamFaults, Value, ValueError, Values, parse_override, read_file};

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

// As `rcl_interfaces/msg/ParameterType` numbers types.
const NOT_SET: u8 = 0;
const BOOL: u8 = 1;
const INTEGER: u8 = 2;
const DOUBLE: u8 = 3;
const STRING: u8 = 4;
const STRING_ARRAY: u8 = 9;

/// A value as it comes over the wire; none: not set.
pub fn from_message(message: &ParameterValueMsg) -> Option<Value> {
    Some(match message.type_ {
        NOT_SET => return None,
        BOOL => Value::Bool(message.bool_value),
        INTEGER => Value::Integer(message.integer_value),
        DOUBLE => Value::Double(message.double_value),
        STRING => Value::String(message.string_value.clone()),
        STRING_ARRAY => Value::Strings(message.string_array_value.clone()),
        _ => Value::Other("array"),
    })
}

/// A value as it goes over the wire.
pub fn to_message(value: &Value) -> ParameterValueMsg {
    let mut message = ParameterValueMsg {
        type_: type_number(value),
        ..ParameterValueMsg::default()
    };
    match value {
        Value::Bool(value) => message.bool_value = *value,
        Value::Integer(value) => message.integer_value = *value,
        Value::Double(value) => message.double_value = *value,
        Value::String(value) => message.string_value = without_zeros(value),
        Value::Strings(values) => {
            message.string_array_value = values.iter().map(|value| without_zeros(value)).collect();
        }
        Value::Other(_) => {}
    }
    message
}

/// Of a parameter's value.
pub fn type_number(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => BOOL,
        Value::Integer(_) => INTEGER,
        Value::Double(_) => DOUBLE,
        Value::String(_) => STRING,
        Value::Strings(_) => STRING_ARRAY,
        Value::Other(_) => NOT_SET,
    }
}

/// Strings of C end at the first zero; r2r would panic on one inside.
pub fn without_zeros(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
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

/// Between two heartbeats of the bond, zero: none. Checked here, as `autostart` is.
pub fn bond_heartbeat_period(values: &Values) -> Result<Duration, ParamFaults> {
    let seconds = match values.get("bond_heartbeat_period") {
        None => Ok(0.1),
        Some(Value::Double(seconds)) => Ok(*seconds),
        Some(Value::Integer(seconds)) => Ok(*seconds as f64),
        Some(other) => Err(other.to_string()),
    };
    match seconds {
        Ok(seconds) if (0.0..=10.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(seconds) => Err(seconds.to_string()),
        Err(other) => Err(other),
    }
    .map_err(|found| {
        ParamFaults(vec![format!(
            "bond_heartbeat_period is {found}; expected seconds, 0 to 10"
        )])
    })
}

/// Looks at parameters and params files before rcl does, whose words on bad ones are fewer. Files
/// for other nodes only come back: ROS lets them pass, but one would like to know.
pub fn check_arguments(args: impl Iterator<Item = String>) -> Result<Vec<ValueError>, ValueError> {
    let args: Vec<String> = args.skip_while(|arg| arg != "--ros-args").collect();
    let node = node_name(&args);
    let mut for_others = Vec::new();
    for pair in args.windows(2) {
        match pair[0].as_str() {
            "-p" | "--param" => drop(parse_override(&pair[1])?),
            "--params-file" => match read_file(Path::new(&pair[1]), &node) {
                Ok(_) => {}
                Err(error @ ValueError::NotForUs { .. }) => for_others.push(error),
                Err(error) => return Err(error),
            },
            _ => {}
        }
    }
    Ok(for_others)
}

/// As remapping rules call the node; of several rules the first counts, as in rcl.
fn node_name(args: &[String]) -> NodeName {
    let rules: Vec<(&str, &str)> = args
        .windows(2)
        .filter(|pair| matches!(pair[0].as_str(), "-r" | "--remap"))
        .filter_map(|pair| pair[1].split_once(":="))
        .collect();
    let rule = |names: &[&str]| {
        let ours = |from: &str| names.contains(&from.trim_start_matches("edge_reasoner:"));
        let found = rules.iter().find(|(from, _)| ours(from));
        found.map(|(_, to)| (*to).to_owned())
    };
    let plain = NodeName::default();
    NodeName {
        namespace: rule(&["__ns"]).unwrap_or(plain.namespace),
        name: rule(&["__node", "__name"]).unwrap_or(plain.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_called_as_the_rules_say() {
        let named = |rules: &[&str]| {
            let args = rules.iter().flat_map(|rule| ["-r", rule]);
            let node = node_name(&args.map(str::to_owned).collect::<Vec<_>>());
            (node.namespace, node.name)
        };
        let of = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
        assert_eq!(named(&[]), of("/", "edge_reasoner"));
        assert_eq!(
            named(&["scan:=front", "__ns:=/r1"]),
            of("/r1", "edge_reasoner")
        );
        let rules = [
            "edge_reasoner:__node:=guard",
            "__node:=late",
            "other:__ns:=/r2",
        ];
        assert_eq!(named(&rules), of("/", "guard"));
    }
}
