//! Parameter values as ROS 2 has them, and why a value was refused.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::names::NodeName;

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// true, false
    Bool(bool),
    /// 64-bit integer
    Integer(i64),
    /// 64-bit float
    Double(f64),
    /// text
    String(String),
    /// list of text
    Strings(Vec<String>),
    /// list of true, false; no parameter here has it
    Bools(Vec<bool>),
    /// list of 64-bit integers; no parameter here has it
    Integers(Vec<i64>),
    /// list of 64-bit floats; no parameter here has it
    Doubles(Vec<f64>),
    /// Named, and without a value: what ROS makes of an empty list, whose type it cannot know.
    NotSet,
    /// Any other type ROS 2 allows, by its name; no parameter here has it.
    Other(&'static str),
}

impl Value {
    /// The type's name as `ros2 param` prints it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::Integer(_) => "integer",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Strings(_) => "string array",
            Value::Bools(_) => "bool array",
            Value::Integers(_) => "integer array",
            Value::Doubles(_) => "double array",
            Value::NotSet => "not set",
            Value::Other(name) => name,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value:?}"),
            Value::String(value) => write!(f, "\"{value}\""),
            Value::Strings(values) => write!(f, "{values:?}"),
            Value::Bools(values) => write!(f, "{values:?}"),
            Value::Integers(values) => write!(f, "{values:?}"),
            Value::Doubles(values) => write!(f, "{values:?}"),
            Value::NotSet => write!(f, "[], which has no type in ROS and so no value"),
            Value::Other(name) => write!(f, "a value of type {name}"),
        }
    }
}

/// Values by full name, such as `scan.topic`.
pub type Values = BTreeMap<String, Value>;

/// Why a params file or an argument of ROS was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The file cannot be opened.
    #[error(
        "params file {file}: {cause}; give the path of a ROS 2 params file{}",
        home_advice(file)
    )]
    Open {
        /// The file.
        file: String,
        /// The system's error.
        cause: std::io::Error,
    },
    /// It is no YAML, or not of the form ROS 2 params files have.
    #[error("params file {file}{}: {what}", at_line(line))]
    Form {
        /// The file.
        file: String,
        /// From 1, where it is known.
        line: Option<u64>,
        /// What is wrong, what was expected.
        what: String,
    },
    /// Larger than any params file has a reason to be.
    #[error("params file {file} is larger than {most} bytes; expected a ROS 2 params file")]
    Large {
        /// The file.
        file: String,
        /// Most bytes taken.
        most: usize,
    },
    /// All its sections are for other nodes.
    #[error(
        "params file {file}: no section is for this node, {node}; it has {}; expected `/**:`, \
         `/**/{}:` or `{node}:`",
        listed(sections),
        node.name
    )]
    NotForUs {
        /// The file.
        file: String,
        /// The node.
        node: NodeName,
        /// The sections that it has.
        sections: Vec<String>,
    },
    /// A `-p` that sets nothing.
    #[error(
        "parameter \"{text}\": {what}; expected name:=value, as in scan.yaw:=3.14159 (an empty text is '')"
    )]
    Override {
        /// As it was written.
        text: String,
        /// What is wrong.
        what: String,
    },
    /// An argument behind `--ros-args` that ROS does not know, or that lacks what must follow it.
    #[error("{0}")]
    Argument(String),
}

fn at_line(line: &Option<u64>) -> String {
    line.map_or(String::new(), |line| format!(", line {line}"))
}

fn home_advice(file: &str) -> &'static str {
    match file.starts_with('~') {
        true => " (ROS does not expand ~: write the whole path)",
        false => "",
    }
}

fn listed(sections: &[String]) -> String {
    const SHOWN: usize = 5;
    match sections.len() {
        0 => String::from("no sections"),
        1..=SHOWN => sections.join(", "),
        all => format!("{} and {} more", sections[..SHOWN].join(", "), all - SHOWN),
    }
}
