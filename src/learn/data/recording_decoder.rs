//! Decodes what a task needs of one recording, once: the messages of its inputs and labels.

use std::path::Path;

use super::csv_table;
use crate::bag::{Bag, ReadEnd};
use crate::features::{SourceId, Window};
use crate::learn::error::LearnError;
use crate::learn::task::label_rule::LabelRule;
use crate::learn::task::task_file::Task;
use crate::messages::{Message, MessageType};
use crate::time::Stamp;

/// An input that a recording has.
pub(in crate::learn) struct RecordedInput {
    pub id: SourceId,
    pub name: String,
    pub topic: String,
    pub kind: MessageType,
    pub required: bool,
}

/// A recording in memory, decoded once for all its copies.
pub(in crate::learn) struct DecodedRecording {
    /// By number of the source; the number behind the last is the label topic's.
    pub messages: Vec<(usize, Stamp, Option<Message>)>,
    /// Source whose messages are also the labels, if any.
    pub label: usize,
    pub cut: Option<String>,
}

impl DecodedRecording {
    /// Times of the first and the last message.
    pub fn span(&self) -> (Stamp, Stamp) {
        let ends = (self.messages.first(), self.messages.last());
        match ends {
            (Some(first), Some(last)) => (first.1, last.1),
            _ => (Stamp(0), Stamp(0)),
        }
    }
}

/// Reads a bag, or a table where the task's labels are a column.
pub(in crate::learn) fn read(
    task: &Task,
    path: &Path,
    window: &Window,
) -> Result<(Vec<RecordedInput>, DecodedRecording), LearnError> {
    if let LabelRule::Column { rate_hz, .. } = &task.truth {
        return tabled(task, path, window, *rate_hz);
    }
    let bag = Bag::open(path)?;
    let sources = sources(task, &bag, window, path)?;
    let decoded = decode(&bag, task, &sources, path)?;
    Ok((sources, decoded))
}

/// The inputs that this recording has. A required one that is missing or of another type makes
/// the recording useless; an optional one is just absent.
fn sources(
    task: &Task,
    bag: &Bag,
    window: &Window,
    path: &Path,
) -> Result<Vec<RecordedInput>, LearnError> {
    let mut sources = Vec::new();
    for input in &task.window.inputs {
        let name = task.topics.get(&input.source).cloned().unwrap_or_default();
        let topic = bag.topics().iter().find(|topic| topic.name == name);
        // Some recordings do not say the type; decoding will tell.
        let fits = topic.is_some_and(|topic| {
            topic.type_name.is_empty() || topic.type_name == input.message.ros_name()
        });
        match (window.source(&input.source), fits) {
            (Some(id), true) => sources.push(RecordedInput {
                id,
                name: input.source.clone(),
                topic: name,
                kind: input.message,
                required: input.required,
            }),
            _ if input.required => {
                return Err(LearnError::Recording {
                    file: path.into(),
                    what: match topic {
                        Some(topic) => match topic.unreadable() {
                            Some(what) => format!("{name} holds {what}"),
                            None => format!("{name} is a {}", topic.type_name),
                        },
                        None => format!("no topic {name}"),
                    },
                    expected: format!("{} on {name}", input.message.ros_name()),
                });
            }
            _ => {}
        }
    }
    Ok(sources)
}

/// A table as a recording of its only input.
fn tabled(
    task: &Task,
    path: &Path,
    window: &Window,
    rate_hz: f32,
) -> Result<(Vec<RecordedInput>, DecodedRecording), LearnError> {
    let mut messages = Vec::new();
    for (time, sample, label) in csv_table::read(path, rate_hz)? {
        messages.push((0, time, Some(sample)));
        messages.push((1, time, Some(label)));
    }
    let source = RecordedInput {
        id: window.trigger(),
        name: task.window.trigger.clone(),
        topic: String::new(),
        kind: MessageType::Float32MultiArray,
        required: true,
    };
    let decoded = DecodedRecording {
        messages,
        label: 1,
        cut: None,
    };
    Ok((vec![source], decoded))
}

fn decode(
    bag: &Bag,
    task: &Task,
    sources: &[RecordedInput],
    path: &Path,
) -> Result<DecodedRecording, LearnError> {
    let mut topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
    let mut label = usize::MAX;
    if let Some((topic, kind)) = task.truth.label_topic() {
        let fits = |name: &str| name.is_empty() || name == kind.ros_name();
        if !bag
            .topics()
            .iter()
            .any(|t| t.name == topic && fits(&t.type_name))
        {
            return Err(LearnError::Recording {
                file: path.into(),
                what: format!("no topic {topic} to take the labels from"),
                expected: format!("{} on {topic}", kind.ros_name()),
            });
        }
        label = topics
            .iter()
            .position(|name| *name == topic)
            .unwrap_or_else(|| {
                topics.push(topic);
                sources.len()
            });
    }
    let kind_of_labels = task.truth.label_topic().map(|(_, kind)| kind);
    let mut messages = bag.read(&topics)?;
    let mut decoded = Vec::new();
    for message in &mut messages {
        let message = message?;
        let kind = match sources.get(message.topic) {
            Some(source) => source.kind,
            None => kind_of_labels.unwrap_or(MessageType::String),
        };
        let content = Message::decode(kind, &message.data).ok();
        decoded.push((message.topic, message.log_time, content));
    }
    let cut = match messages.end() {
        ReadEnd::Cut { why, .. } => Some(why.clone()),
        ReadEnd::Whole => None,
    };
    Ok(DecodedRecording {
        messages: decoded,
        label,
        cut,
    })
}
