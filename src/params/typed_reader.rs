//! Reads typed values out of [`Values`] and collects every fault on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::parameter::{Parameter, ParameterType};
use super::table;
use super::value::{Value, Values};
use crate::realtime::parse_cpus;

/// Every fault found in the parameters, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} in the parameters:\n  - {}", count(.0.len()), .0.join("\n  - "))]
pub struct ParamFaults(pub Vec<String>);

fn count(faults: usize) -> String {
    match faults {
        1 => String::from("1 fault"),
        n => format!("{n} faults"),
    }
}

/// The result of reading: every parameter as it is in force, with its row of the table.
pub type Effective = BTreeMap<String, (Value, &'static Parameter)>;

/// A parameter's name, and where it stands in the table: under its name, or under a pattern such as
/// `<source>.topic`.
#[derive(Clone, Copy)]
pub(super) struct ParameterKey<'k> {
    row: &'k str,
    name: &'k str,
}

impl<'k> From<&'k str> for ParameterKey<'k> {
    fn from(name: &'k str) -> ParameterKey<'k> {
        ParameterKey { row: name, name }
    }
}

impl<'k> From<&'k String> for ParameterKey<'k> {
    fn from(name: &'k String) -> ParameterKey<'k> {
        name.as_str().into()
    }
}

impl<'k> From<(&'k str, &'k String)> for ParameterKey<'k> {
    fn from((row, name): (&'k str, &'k String)) -> ParameterKey<'k> {
        ParameterKey { row, name }
    }
}

pub(super) struct Reader<'a> {
    values: &'a Values,
    asked: BTreeSet<String>,
    effective: Effective,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    pub fn new(values: &'a Values) -> Self {
        Reader {
            values,
            asked: BTreeSet::new(),
            effective: Effective::new(),
            faults: Vec::new(),
        }
    }

    pub fn fault(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Refuses parameters that do not exist; every fault, none if all is well.
    pub fn finish(mut self) -> (Effective, Vec<String>) {
        for name in self.values.keys() {
            if !self.asked.contains(name) && !is_ros_own(name) {
                let hint = nearest(name, &self.asked)
                    .map(|known| format!("; did you mean {known}?"))
                    .unwrap_or_else(|| String::from("; remove it"));
                self.faults.push(format!("{name} is unknown{hint}"));
            }
        }
        (self.effective, self.faults)
    }

    pub fn boolean<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: bool) -> bool {
        let key = key.into();
        let overrides = match self.take(key) {
            Some(Value::Bool(value)) => value,
            _ => default,
        };
        self.keep(key, Value::Bool(overrides));
        overrides
    }

    /// Without a default: it is in force only where it is given.
    pub fn given_boolean<'k>(&mut self, key: impl Into<ParameterKey<'k>>) -> Option<bool> {
        let key = key.into();
        let Some(Value::Bool(overrides)) = self.take(key) else {
            return None;
        };
        self.keep(key, Value::Bool(overrides));
        Some(overrides)
    }

    /// Empty unless it is set.
    pub fn doubles<'k>(&mut self, key: impl Into<ParameterKey<'k>>) -> Vec<f64> {
        let key = key.into();
        let overrides = match self.take(key) {
            Some(Value::Doubles(values)) => values,
            Some(Value::Integers(values)) => values.iter().map(|value| *value as f64).collect(),
            _ => Vec::new(),
        };
        self.keep(key, Value::Doubles(overrides.clone()));
        overrides
    }

    pub fn double<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: f64) -> f64 {
        let key = key.into();
        let overrides = self.given_double(key).unwrap_or(default);
        self.keep(key, Value::Double(overrides));
        overrides
    }

    /// Without a default: it is in force only where it is given.
    pub fn given_double<'k>(&mut self, key: impl Into<ParameterKey<'k>>) -> Option<f64> {
        let key = key.into();
        let overrides = match self.take(key)? {
            Value::Double(value) => value,
            Value::Integer(value) => value as f64,
            _ => return None,
        };
        self.keep(key, Value::Double(overrides));
        Some(overrides)
    }

    pub fn count<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: u32) -> u32 {
        let key = key.into();
        let overrides = match self.take(key) {
            Some(Value::Integer(value)) => u32::try_from(value).unwrap_or(default),
            _ => default,
        };
        self.keep(key, Value::Integer(i64::from(overrides)));
        overrides
    }

    pub fn word<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: &str) -> String {
        let key = key.into();
        let overrides = match self.take(key) {
            Some(Value::String(value)) => value,
            Some(Value::Integer(number)) => number.to_string(),
            _ => default.to_owned(),
        };
        self.keep(key, Value::String(overrides.clone()));
        overrides
    }

    pub fn cpus<'k>(&mut self, key: impl Into<ParameterKey<'k>>) -> Vec<usize> {
        let key = key.into();
        let text = match self.take(key) {
            Some(Value::String(text)) => text,
            Some(Value::Integer(cpu)) => cpu.to_string(),
            _ => String::new(),
        };
        let cpus = parse_cpus(&text).unwrap_or_default();
        self.keep(key, Value::String(text));
        cpus
    }

    pub fn words<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: &[&str]) -> Vec<String> {
        let key = key.into();
        let overrides = match self.take(key) {
            Some(Value::Strings(values)) => values,
            _ => default.iter().map(|word| (*word).to_owned()).collect(),
        };
        self.keep(key, Value::Strings(overrides.clone()));
        overrides
    }

    pub fn millis<'k>(&mut self, key: impl Into<ParameterKey<'k>>, default: Duration) -> Duration {
        let ms = self.double(key, default.as_secs_f64() * 1e3);
        Duration::from_secs_f64(ms / 1e3)
    }

    /// The value if it is there and as the table's row wants it; else a fault is noted.
    fn take(&mut self, ParameterKey { row, name }: ParameterKey<'_>) -> Option<Value> {
        self.asked.insert(name.to_owned());
        let value = self.values.get(name)?;
        match check(parameter(row)?, value) {
            Ok(()) => Some(value.clone()),
            Err(wanted) => {
                self.faults
                    .push(format!("{name} is {value}; expected {wanted}"));
                None
            }
        }
    }

    fn keep(&mut self, ParameterKey { row, name }: ParameterKey<'_>, value: Value) {
        if let Some(parameter) = parameter(row) {
            self.effective.insert(name.to_owned(), (value, parameter));
        }
    }
}

fn parameter(row: &str) -> Option<&'static Parameter> {
    table::all().find(|parameter| parameter.name == row)
}

fn check(parameter: &Parameter, value: &Value) -> Result<(), String> {
    match (parameter.kind, value) {
        // An empty list, which has no type in ROS.
        (ParameterType::Doubles, Value::Doubles(_) | Value::Integers(_) | Value::NotSet) => Ok(()),
        (ParameterType::Bool, Value::Bool(_)) | (ParameterType::Words, Value::Strings(_)) => Ok(()),
        (_, Value::NotSet) => Err(format!(
            "{}; leave it out for the default",
            match parameter.kind {
                ParameterType::Words => "a list with something in it",
                _ => "a value",
            }
        )),
        (ParameterType::Bool, _) => Err(String::from("true or false")),
        (ParameterType::Doubles, _) => Err(String::from("a list of numbers, such as [1.2, 1.9]")),
        (ParameterType::Words, _) => Err(String::from("a list of strings, such as [scan, odom]")),
        (ParameterType::Word(allowed), Value::String(word)) => {
            match allowed.is_empty() || allowed.contains(&word.as_str()) {
                true => Ok(()),
                false => Err(format!("one of {}", allowed.join(", "))),
            }
        }
        (ParameterType::Word(allowed), Value::Integer(number))
            if allowed.contains(&number.to_string().as_str()) =>
        {
            Ok(())
        }
        (ParameterType::Word([]), _) => Err(String::from("a string")),
        (ParameterType::Word(allowed), _) => Err(format!("one of {}", allowed.join(", "))),
        (ParameterType::Cpus, Value::String(text)) if parse_cpus(text).is_some() => Ok(()),
        (ParameterType::Cpus, Value::Integer(0..)) => Ok(()),
        (ParameterType::Cpus, _) => Err(String::from("processors, such as \"2\" or \"0,2-3\"")),
        (ParameterType::Count { least, most }, Value::Integer(number))
            if (least..=most).contains(number) =>
        {
            Ok(())
        }
        (ParameterType::Count { least, most }, _) => {
            Err(format!("a whole number from {least} to {most}"))
        }
        (
            ParameterType::Double {
                least_milli,
                most_milli,
            },
            value,
        ) => {
            let (least, most) = (least_milli as f64 / 1e3, most_milli as f64 / 1e3);
            let number = match value {
                Value::Double(number) => *number,
                Value::Integer(number) => *number as f64,
                _ => f64::NAN,
            };
            match (least..=most).contains(&number) {
                true => Ok(()),
                false => Err(format!("a number from {least} to {most}")),
            }
        }
    }
}

/// Names a launch file or ROS itself may set on any node.
fn is_ros_own(name: &str) -> bool {
    name.starts_with("qos_overrides.") || name == "start_type_description_service"
}

/// The known name that a wrong one is nearest to, if it is near.
pub(super) fn nearest<'n>(name: &str, known: &'n BTreeSet<String>) -> Option<&'n String> {
    known
        .iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(far, _)| *far <= 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}
