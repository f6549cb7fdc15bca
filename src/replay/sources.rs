//! Finds the topics of a recording that are the configured sources.

use std::collections::BTreeMap;

use super::options::ReplayError;
use crate::bag::{Bag, Topic};
use crate::configure::{Configuration, words};
use crate::features::SourceId;
use crate::ingest::Ingest;
use crate::params::{SourceParams, Values};
use crate::topic_names::TopicNames;

/// A source that the recording has.
pub struct RecordedSource<'c> {
    /// Its number.
    pub id: SourceId,
    /// Its parameters.
    pub params: &'c SourceParams,
    /// Its topic, resolved.
    pub topic: String,
}

/// The configured sources that a recording has, and those that it lacks.
pub struct Sources<'c> {
    /// To be read.
    pub recorded: Vec<RecordedSource<'c>>,
    /// Optional ones that it does not have, and why not, as a sentence.
    pub without: BTreeMap<String, String>,
}

/// Finds the configured sources. A required one that is missing or cannot be read is an error.
pub fn find<'c>(
    (bag, recording): (&Bag, &str),
    configuration: &'c Configuration,
    values: &Values,
    names: &TopicNames,
    ingest: &Ingest,
) -> Result<Sources<'c>, ReplayError> {
    let mut found = Sources {
        recorded: Vec::new(),
        without: BTreeMap::new(),
    };
    for params in &configuration.params.sources {
        let Some(id) = ingest.source(&params.name) else {
            continue;
        };
        let topic = names.resolve(&params.topic);
        let what = match bag.topics().iter().find(|known| known.name == topic) {
            Some(known) => match misfit(known, params, configuration, values) {
                None => {
                    found.recorded.push(RecordedSource { id, params, topic });
                    continue;
                }
                Some(misfit) => misfit,
            },
            // What is missing may lie behind the cut; the report says where that is.
            None if bag.cut().is_some() => continue,
            None => {
                let others = of_type(bag, &params.message);
                let advice = match others.is_empty() {
                    true => format!("no topic is of type {}", params.message),
                    false => format!("set {}.topic to one of: {others}", params.name),
                };
                format!(
                    "there is no topic {topic} for source {}; {advice}",
                    params.name
                )
            }
        };
        if params.required || params.name == configuration.params.trigger {
            return Err(ReplayError::Topic {
                recording: recording.to_owned(),
                what,
            });
        }
        found.without.insert(params.name.clone(), what);
    }
    Ok(found)
}

/// Why a topic cannot be this source, with what to do.
fn misfit(
    topic: &Topic,
    params: &SourceParams,
    configuration: &Configuration,
    values: &Values,
) -> Option<String> {
    let (name, message) = (&params.name, &params.message);
    if let Some(what) = topic.unreadable() {
        return Some(format!("{} holds {what}", topic.name));
    }
    if topic.type_name == *message {
        return None;
    }
    let parameter = format!("{name}.type");
    if topic.type_name.is_empty() {
        let stated = values.contains_key(&parameter);
        return (!stated).then(|| {
            format!(
                "{} is recorded without a schema, so its type is not known; state it if you know it: \
                 -p {parameter}:={message}",
                topic.name
            )
        });
    }
    let words = words(&configuration.bundle);
    let known = words.sources.iter().find(|source| source.name == *name);
    let readable = known.is_some_and(|source| source.types.contains(&topic.type_name));
    let advice = match readable {
        true => format!("set {parameter} to {}", topic.type_name),
        false => format!("set {name}.topic to a topic of that type"),
    };
    Some(format!(
        "{} is recorded as {}, but source {name} reads {message}; {advice}",
        topic.name, topic.type_name
    ))
}

fn of_type(bag: &Bag, message: &str) -> String {
    let topics = bag.topics().iter();
    let of_type = topics.filter(|topic| topic.type_name == message);
    let names: Vec<&str> = of_type.map(|topic| topic.name.as_str()).collect();
    names.join(", ")
}
