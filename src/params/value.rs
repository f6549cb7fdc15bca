//! Parameter values as ROS 2 knows them, and where they come from outside a live node.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;

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
    /// Any other type ROS 2 allows, by its name; no parameter here has it.
    Other(&'static str),
}

impl Value {
    /// The type's name as `ros2 param` says it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::Integer(_) => "integer",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Strings(_) => "string array",
            Value::Other(name) => name,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::String(value) => write!(f, "\"{value}\""),
            Value::Strings(values) => write!(f, "{values:?}"),
            Value::Other(name) => write!(f, "a value of type {name}"),
        }
    }
}

/// Values by full name, such as `scan.topic`.
pub type Values = BTreeMap<String, Value>;

/// Why a params file or a `-p` override could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The file cannot be opened.
    #[error("params file {file}: {cause}; give the path of a ROS 2 params file")]
    Open {
        /// The file.
        file: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is no YAML, or not of the form ROS 2 params files have.
    #[error(
        "params file {file}: {what}; expected `/**:` (or `edge_reasoner:`), under it \
         `ros__parameters:`, under that the parameters"
    )]
    Form {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// All its sections are for other nodes.
    #[error(
        "params file {file}: no section is for this node; expected `/**:`, `{}:` or `{}:`",
        node.name, node.full()
    )]
    NotForUs {
        /// The file.
        file: String,
        /// The node.
        node: NodeName,
    },
    /// An override without `:=`.
    #[error("parameter override \"{0}\": expected name:=value, as in scan.yaw:=3.14159")]
    Override(String),
}

/// Whom sections of a params file are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// `/`, or such as `/robot1`.
    pub namespace: String,
    /// Without its namespace.
    pub name: String,
}

impl Default for NodeName {
    fn default() -> NodeName {
        NodeName {
            namespace: "/".into(),
            name: "edge_reasoner".into(),
        }
    }
}

impl NodeName {
    fn full(&self) -> String {
        format!("{}/{}", self.namespace.trim_end_matches('/'), self.name)
    }

    /// As rcl and r2r take sections: anybody's, or the name with or without the whole namespace.
    fn takes(&self, section: &str) -> bool {
        section == "/**" || section == "**" || section == self.name || section == self.full()
    }
}

/// Reads a ROS 2 params file: the sections `/**`, `**` and those of a node by its name or its full
/// name, later ones over earlier ones.
pub fn read_file(path: &Path, node: &NodeName) -> Result<Values, ValueError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|cause| ValueError::Open {
        file: file.clone(),
        cause,
    })?;
    match parse_file(&text, node) {
        Ok(Some(values)) => Ok(values),
        Ok(None) => Err(ValueError::NotForUs {
            file,
            node: node.clone(),
        }),
        Err(what) => Err(ValueError::Form { file, what }),
    }
}

/// None: no section is for this node.
fn parse_file(text: &str, node: &NodeName) -> Result<Option<Values>, String> {
    let root: serde_yaml::Value = serde_yaml::from_str(text).map_err(|cause| cause.to_string())?;
    let root = root.as_mapping().ok_or("it holds no sections")?;
    let mut values = Values::new();
    let mut found = false;
    for (name, section) in root {
        let name = name.as_str().unwrap_or_default();
        if !node.takes(name) {
            continue;
        }
        let parameters = section
            .get("ros__parameters")
            .and_then(|parameters| parameters.as_mapping())
            .ok_or_else(|| format!("section {name} holds no ros__parameters"))?;
        found = true;
        flatten("", parameters, &mut values);
    }
    Ok(found.then_some(values))
}

fn flatten(prefix: &str, mapping: &serde_yaml::Mapping, values: &mut Values) {
    for (key, value) in mapping {
        let key = match key {
            serde_yaml::Value::String(key) => key.clone(),
            other => serde_yaml::to_string(other)
                .unwrap_or_default()
                .trim()
                .to_owned(),
        };
        let name = match prefix {
            "" => key,
            prefix => format!("{prefix}.{key}"),
        };
        match value {
            serde_yaml::Value::Mapping(inner) => flatten(&name, inner, values),
            value => {
                values.insert(name, from_yaml(value));
            }
        }
    }
}

/// Reads `name:=value` as a ROS 2 command line does.
pub fn parse_override(text: &str) -> Result<(String, Value), ValueError> {
    let wrong = || ValueError::Override(text.to_owned());
    let (name, value) = text.split_once(":=").ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    let value = match value.is_empty() {
        true => Value::String(String::new()),
        false => from_yaml(&serde_yaml::from_str(value).map_err(|_| wrong())?),
    };
    Ok((name.to_owned(), value))
}

fn from_yaml(value: &serde_yaml::Value) -> Value {
    match value {
        serde_yaml::Value::Bool(value) => Value::Bool(*value),
        serde_yaml::Value::Number(value) => match value.as_i64() {
            Some(value) => Value::Integer(value),
            None => Value::Double(value.as_f64().unwrap_or(f64::NAN)),
        },
        serde_yaml::Value::String(value) => Value::String(value.clone()),
        serde_yaml::Value::Sequence(values) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map_or(Value::Other("array"), Value::Strings),
        serde_yaml::Value::Null => Value::Other("null"),
        _ => Value::Other("mapping"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_are_joined_and_other_nodes_left_alone() {
        let values = parse_file(
            "/**:\n  ros__parameters:\n    deadline_ms: 20\n    scan:\n      yaw: 0.5\n\
             controller_server:\n  ros__parameters:\n    speed: 1\n\
             edge_reasoner:\n  ros__parameters:\n    deadline_ms: 5.0\n    sources: [scan, odom]\n",
            &NodeName::default(),
        )
        .unwrap()
        .unwrap();
        assert_eq!(values["deadline_ms"], Value::Double(5.0));
        assert_eq!(values["scan.yaw"], Value::Double(0.5));
        assert_eq!(
            values["sources"],
            Value::Strings(vec!["scan".into(), "odom".into()])
        );
        assert!(!values.contains_key("speed"));
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_the_form() {
        let node = NodeName::default();
        let others = parse_file("other:\n  ros__parameters: {}", &node);
        assert!(others.unwrap().is_none());
        for text in ["", "3", "/**: 3", "a: [", "/**:\n  x: 1"] {
            assert!(parse_file(text, &node).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_section_is_for_the_node_as_it_is_called_now() {
        let node = NodeName {
            namespace: "/robot1".into(),
            name: "guard".into(),
        };
        let taken = |section: &str| {
            let text = format!("{section}:\n  ros__parameters: {{deadline_ms: 5.0}}");
            parse_file(&text, &node).unwrap().is_some()
        };
        for section in ["/**", "'**'", "guard", "/robot1/guard"] {
            assert!(taken(section), "{section}");
        }
        for section in [
            "edge_reasoner",
            "/guard",
            "robot1/guard",
            "/robot1/edge_reasoner",
        ] {
            assert!(!taken(section), "{section}");
        }
    }

    #[test]
    fn overrides_are_typed_as_ros_types_them() {
        let read = |text| parse_override(text).unwrap();
        assert_eq!(read("a.b:=3"), ("a.b".into(), Value::Integer(3)));
        assert_eq!(read("a:=3.0").1, Value::Double(3.0));
        assert_eq!(read("a:=true").1, Value::Bool(true));
        assert_eq!(read("a:=/scan").1, Value::String("/scan".into()));
        assert_eq!(
            read("a:=[x, y]").1,
            Value::Strings(vec!["x".into(), "y".into()])
        );
        assert!(parse_override("a=3").is_err());
        assert!(parse_override(":=3").is_err());
    }
}
