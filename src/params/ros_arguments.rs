//! Reads the parameters in the arguments behind `--ros-args`, by the rules of rcl; and params files
//! alone, for commands without such arguments.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::file::{LARGEST, read, read_value, value};
use super::file_sections::{ParameterOverrides, Sections};
use super::names::NodeName;
use super::typed_reader::nearest;
use super::value::{Value, ValueError, Values};

/// Arguments with something behind them.
const WITH_VALUE: [(&str, &str); 10] = [
    ("-p", "a parameter, as in deadline_ms:=10.0"),
    ("--param", "a parameter, as in deadline_ms:=10.0"),
    ("--params-file", "the path of a params file"),
    ("-r", "a remapping, as in scan:=front_scan"),
    ("--remap", "a remapping, as in scan:=front_scan"),
    ("--log-level", "debug, info, warn, error or fatal"),
    ("--log-file-name", "a prefix of log files"),
    ("--log-config-file", "a file"),
    ("-e", "an enclave"),
    ("--enclave", "an enclave"),
];
const FLAGS: [&str; 6] = [
    "--enable-stdout-logs",
    "--disable-stdout-logs",
    "--enable-rosout-logs",
    "--disable-rosout-logs",
    "--enable-external-lib-logs",
    "--disable-external-lib-logs",
];
/// The section that is for every node.
const ANY: &str = "/**";

/// Params files and `-p`, in the order in which they were given.
#[derive(Debug, Default)]
pub struct RosArguments {
    sections: Sections,
    sources: Vec<ParameterOrigin>,
}

/// One file or one `-p` by itself.
#[derive(Debug)]
struct ParameterOrigin {
    /// For errors and remarks.
    label: String,
    is_file: bool,
    alone: Sections,
    names: Vec<String>,
}

impl RosArguments {
    /// From the arguments of the process. Refuses what ROS would ignore without notice.
    pub fn parse(
        args: impl Iterator<Item = std::ffi::OsString>,
    ) -> Result<RosArguments, ValueError> {
        let wrong = |text: String| Err(ValueError::Argument(text));
        let mut arguments = RosArguments::default();
        let mut of_ros = false;
        let mut ended = false;
        let mut args = args;
        while let Some(arg) = args.next() {
            let Ok(arg) = arg.into_string() else {
                return wrong(String::from("an argument is not UTF-8; expected text"));
            };
            match (of_ros, arg.as_str()) {
                (_, "--ros-args") => (of_ros, ended) = (true, false),
                (true, "--") => (of_ros, ended) = (false, true),
                (false, arg) if ended => {
                    return wrong(format!(
                        "\"{arg}\" stands behind --, which ends the arguments of ROS; put it before --"
                    ));
                }
                (false, _) => {}
                (true, flag) => {
                    if let Some((_, expected)) = WITH_VALUE.iter().find(|(name, _)| *name == flag) {
                        let value = args.next().and_then(|value| value.into_string().ok());
                        let Some(value) = value else {
                            return wrong(format!(
                                "{flag} stands alone; expected {expected} behind it"
                            ));
                        };
                        match flag {
                            "-p" | "--param" => arguments.add_override(&value)?,
                            "--params-file" => arguments.add_file(Path::new(&value))?,
                            // rcl reads the others, and reports what it refuses.
                            _ => {}
                        }
                    } else if !FLAGS.contains(&flag) {
                        return wrong(unknown(flag));
                    }
                }
            }
        }
        Ok(arguments)
    }

    /// Adds a params file.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ValueError> {
        let file = path.display().to_string();
        let open = |cause| ValueError::Open {
            file: file.clone(),
            cause,
        };
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(path).map_err(open)?;
        let bounded = &mut opened.take(LARGEST as u64 + 1);
        bounded.read_to_end(&mut bytes).map_err(open)?;
        if bytes.len() > LARGEST {
            return Err(ValueError::Large {
                file,
                most: LARGEST,
            });
        }
        let mut alone = Sections::default();
        for sections in [&mut alone, &mut self.sections] {
            read(&bytes, sections).map_err(|fault| ValueError::Form {
                file: file.clone(),
                line: fault.line,
                what: fault.what,
            })?;
        }
        let names = alone.named();
        self.sources.push(ParameterOrigin {
            label: file,
            is_file: true,
            alone,
            names,
        });
        Ok(())
    }

    /// Adds a `-p`: `name:=value`, or `node:name:=value`.
    pub fn add_override(&mut self, text: &str) -> Result<(), ValueError> {
        let (section, name, value) = split_override(text)?;
        let mut alone = Sections::default();
        for sections in [&mut alone, &mut self.sections] {
            let index = sections.section(section);
            let place = sections.entry(index, name);
            read_value(value, place, sections).map_err(|what| wrong_override(text, what))?;
        }
        self.sources.push(ParameterOrigin {
            label: format!("-p {text}"),
            is_file: false,
            alone,
            names: vec![section.to_owned()],
        });
        Ok(())
    }

    /// The values for a node, as rcl and its clients find them; remarks on what is not in force
    /// although it was given last, and on files and `-p` that are for other nodes only.
    pub fn for_node(&self, node: &NodeName) -> ParameterOverrides {
        self.overrides(node, false)
    }

    /// As [`RosArguments::for_node`], except that a `-p` overrides every file.
    pub fn for_node_overrides_last(&self, node: &NodeName) -> ParameterOverrides {
        self.overrides(node, true)
    }

    fn overrides(&self, node: &NodeName, overrides_last: bool) -> ParameterOverrides {
        const WHY: &str = "for ROS, sections count in the order in which their names first appear, and \
                           one type of two for one name, whatever was said last; say it once, or under \
                           the same section as before";
        let mut overrides = self.sections.for_node(node);
        overrides.remarks.extend(self.for_others(node));
        for (name, (source, value)) in self.last_said(node) {
            let by_ros = overrides.values.get(&name).unwrap_or(&Value::NotSet);
            if same(by_ros, &value) {
                continue;
            }
            let label = &source.label;
            if overrides_last && !source.is_file {
                overrides.remarks.push(format!(
                    "{label} holds here; the live node would take {by_ros} for {name}: {WHY}"
                ));
                overrides.values.insert(name, value);
            } else {
                overrides.remarks.push(format!(
                    "{label} says {value} for {name}, and {by_ros} is in force: {WHY}"
                ));
            }
        }
        overrides
    }

    /// The first file that has nothing for a node.
    pub fn file_for_others(&self, node: &NodeName) -> Option<ValueError> {
        let file = self.sources.iter().find(|source| {
            source.is_file && !source.names.iter().any(|section| node.takes(section))
        })?;
        Some(ValueError::NotForUs {
            file: file.label.clone(),
            node: node.clone(),
            sections: file.names.clone(),
        })
    }

    fn for_others(&self, node: &NodeName) -> Vec<String> {
        let others = self
            .sources
            .iter()
            .filter(|source| !source.names.iter().any(|section| node.takes(section)));
        let remark = |source: &ParameterOrigin| match source.is_file {
            true => ValueError::NotForUs {
                file: source.label.clone(),
                node: node.clone(),
                sections: source.names.clone(),
            }
            .to_string(),
            false => format!("{} is not for this node, {node}", source.label),
        };
        others
            .map(|source| format!("{}; nothing of it is in force", remark(source)))
            .collect()
    }

    /// The last value of each name, and where it was given.
    fn last_said(&self, node: &NodeName) -> BTreeMap<String, (&ParameterOrigin, Value)> {
        let mut last = BTreeMap::new();
        for source in &self.sources {
            for (name, value) in source.alone.for_node(node).values {
                last.insert(name, (source, value));
            }
        }
        last
    }
}

/// Equal, where a NaN equals itself.
fn same(a: &Value, b: &Value) -> bool {
    a == b || a.to_string() == b.to_string()
}

fn unknown(flag: &str) -> String {
    let known = || {
        let with_value = WITH_VALUE.iter().map(|(name, _)| *name);
        with_value.chain(FLAGS).map(String::from).collect()
    };
    let (word, behind) = flag.split_once('=').unwrap_or((flag, ""));
    let meant = match nearest(word, &known()) {
        Some(meant) if behind.is_empty() => format!("; did you mean {meant}?"),
        Some(meant) => format!("; did you mean {meant} {behind}, without the =?"),
        None if flag.contains(":=") => format!("; did you mean -p {flag} or -r {flag}?"),
        None => {
            String::from("; expected -p, --params-file, -r, --log-level or another argument of ROS")
        }
    };
    format!("ROS knows no argument {flag}{meant}")
}

fn wrong_override(text: &str, what: impl Into<String>) -> ValueError {
    ValueError::Override {
        text: text.to_owned(),
        what: what.into(),
    }
}

/// Section, name and value.
fn split_override(text: &str) -> Result<(&str, &str, &str), ValueError> {
    let (name, value) = text
        .split_once(":=")
        .ok_or_else(|| wrong_override(text, "there is no :="))?;
    let (section, name) = name.split_once(':').unwrap_or((ANY, name));
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/'))
    };
    if !is_name(name) || (section != ANY && section.contains('/')) || section.is_empty() {
        return Err(wrong_override(text, "no name is in front of :="));
    }
    match value {
        "" => Err(wrong_override(text, "no value is behind :=")),
        value => Ok((section, name, value)),
    }
}

/// Reads `name:=value` as a ROS command line does.
pub fn parse_override(text: &str) -> Result<(String, Value), ValueError> {
    let (_, name, written) = split_override(text)?;
    let value = value(written).map_err(|what| wrong_override(text, what))?;
    Ok((name.to_owned(), value))
}

/// The values of a params file for a node; an error where it has none.
pub fn read_file(path: &Path, node: &NodeName) -> Result<Values, ValueError> {
    let mut arguments = RosArguments::default();
    arguments.add_file(path)?;
    match arguments.file_for_others(node) {
        Some(error) => Err(error),
        None => Ok(arguments.for_node(node).values),
    }
}

#[cfg(test)]
mod tests;
