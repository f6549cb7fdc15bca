//! Conversion between the node's parameters and ROS messages, and the parameters that are declared
//! first.

use std::time::Duration;

use r2r::rcl_interfaces::msg::ParameterValue as ParameterValueMsg;

use crate::params::{ParamFaults, Value, Values};

// As `rcl_interfaces/msg/ParameterType` numbers types.
const NOT_SET: u8 = 0;
const BOOL: u8 = 1;
const INTEGER: u8 = 2;
const DOUBLE: u8 = 3;
const STRING: u8 = 4;
const BOOL_ARRAY: u8 = 6;
const INTEGER_ARRAY: u8 = 7;
const DOUBLE_ARRAY: u8 = 8;
const STRING_ARRAY: u8 = 9;

/// A value from its message; none: not set.
pub fn from_message(message: &ParameterValueMsg) -> Option<Value> {
    Some(match message.type_ {
        NOT_SET => return None,
        BOOL => Value::Bool(message.bool_value),
        INTEGER => Value::Integer(message.integer_value),
        DOUBLE => Value::Double(message.double_value),
        STRING => Value::String(message.string_value.clone()),
        STRING_ARRAY => Value::Strings(message.string_array_value.clone()),
        BOOL_ARRAY => Value::Bools(message.bool_array_value.clone()),
        INTEGER_ARRAY => Value::Integers(message.integer_array_value.clone()),
        DOUBLE_ARRAY => Value::Doubles(message.double_array_value.clone()),
        _ => Value::Other("byte array"),
    })
}

/// A value as its message.
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
        Value::Bools(values) => message.bool_array_value = values.clone(),
        Value::Integers(values) => message.integer_array_value = values.clone(),
        Value::Doubles(values) => message.double_array_value = values.clone(),
        Value::NotSet | Value::Other(_) => {}
    }
    message
}

/// The type of a parameter's value.
pub fn type_number(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => BOOL,
        Value::Integer(_) => INTEGER,
        Value::Double(_) => DOUBLE,
        Value::String(_) => STRING,
        Value::Strings(_) => STRING_ARRAY,
        Value::Bools(_) => BOOL_ARRAY,
        Value::Integers(_) => INTEGER_ARRAY,
        Value::Doubles(_) => DOUBLE_ARRAY,
        Value::NotSet | Value::Other(_) => NOT_SET,
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
