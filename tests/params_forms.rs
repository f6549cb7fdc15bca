//! Forms of params files and what rclpy makes of each, as tests/live/params_forms.py wrote it down:
//! the same values come out here, and what ROS refuses is refused with the file and, where there is
//! one, the line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use edge_reasoner::params::{NodeName, RosArguments, Value, ValueError, read_file};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Form {
    name: String,
    text: String,
    second: Option<String>,
    node: String,
    arguments: Vec<String>,
    rclpy: Option<BTreeMap<String, serde_json::Value>>,
}

fn cases() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/params"))
}

fn forms() -> Vec<Form> {
    let text = std::fs::read_to_string(cases().join("forms.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read(form: &Form, folder: &Path) -> Result<RosArguments, ValueError> {
    let mut args = vec![OsString::from("node"), OsString::from("--ros-args")];
    for (number, text) in [Some(&form.text), form.second.as_ref()]
        .into_iter()
        .flatten()
        .enumerate()
    {
        let file = folder.join(format!("form{number}.yaml"));
        std::fs::write(&file, text).unwrap();
        args.extend([OsString::from("--params-file"), file.into()]);
    }
    args.extend(form.arguments.iter().map(OsString::from));
    RosArguments::parse(args.into_iter())
}

fn as_json(value: &Value) -> serde_json::Value {
    let double = |value: &f64| match value {
        value if value.is_nan() => json!(".nan"),
        value if value.is_infinite() && *value > 0.0 => json!(".inf"),
        value if value.is_infinite() => json!("-.inf"),
        value => json!(value),
    };
    let value_of = match value {
        Value::Double(value) => double(value),
        Value::Doubles(values) => values.iter().map(double).collect(),
        Value::NotSet => json!(null),
        value => json!(value),
    };
    json!({"type": value.type_name(), "value": value_of})
}

#[test]
fn every_form_is_read_as_rclpy_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let forms = forms();
    assert!(forms.len() >= 30);
    let mut wrong = Vec::new();
    for form in &forms {
        let node: NodeName = form.node.parse().unwrap();
        let ours = read(form, folder.path()).map(|arguments| {
            let values = arguments.for_node(&node).values;
            let each = values.iter();
            each.map(|(name, value)| (name.clone(), as_json(value)))
                .collect::<BTreeMap<_, _>>()
        });
        let same = match (&ours, &form.rclpy) {
            (Ok(ours), Some(theirs)) => ours == theirs,
            (Err(_), None) => true,
            _ => false,
        };
        if !same {
            wrong.push(format!(
                "{}: rclpy {:?}, here {ours:?}\n{}",
                form.name, form.rclpy, form.text
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        forms.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_refusal_names_file_and_line_or_the_parameter() {
    let folder = tempfile::tempdir().unwrap();
    for form in forms().iter().filter(|form| form.rclpy.is_none()) {
        let refused = read(form, folder.path()).unwrap_err().to_string();
        let of_file = refused.contains("form0.yaml") && refused.contains("line ");
        let of_argument = form.arguments.iter().any(|a| refused.contains(a.as_str()));
        assert!(of_file || of_argument, "{}: {refused}", form.name);
    }
}

/// Files that were in force live while the log said that the defaults hold, or that did not start.
#[test]
fn files_that_rclpy_takes_are_taken() {
    for (name, node) in [
        ("any_ns_exact_node", "/edge_reasoner"),
        ("any_ns_exact_node", "/robot1/edge_reasoner"),
        ("any_ns_nested", "/edge_reasoner"),
        ("duplicate_top_other", "/edge_reasoner"),
        ("nested_namespace", "/robot1/edge_reasoner"),
        ("star_ns_node", "/robot1/edge_reasoner"),
        ("yes_no", "/edge_reasoner"),
    ] {
        let file = cases().join(format!("{name}.yaml"));
        let values = read_file(&file, &node.parse().unwrap()).unwrap();
        assert_eq!(values["deadline_ms"], Value::Double(33.0), "{name}");
        let required = values.get("odom.required");
        let no = (name == "yes_no").then_some(&Value::Bool(false));
        assert_eq!(required, no, "{name}");
    }
}
