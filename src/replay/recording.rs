//! Replays one recording.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::clock_check::ClockRelation;
use super::decision_log::DecisionLog;
use super::options::{ReplayError, ReplayOptions};
use super::recorded_transforms::{FoundMounting, RecordedTransforms};
use super::recording_replay::{PAUSE, RecordingReplay};
use super::replayed::ReplayedRecording;
use super::source_summary::SourceSummary;
use super::sources;
use crate::bag::{Bag, BagMessage, ReadEnd};
use crate::configure::Configuration;
use crate::learn::{Task, Truth};
use crate::time::Stamp;
use crate::topic_names::TopicNames;

/// Replays one recording and writes its decisions to `NAME.mcap` in the output folder.
pub fn replay_one(
    path: &Path,
    name: &Arc<str>,
    robot: String,
    configuration: &Configuration,
    task: Option<&Task>,
    options: &ReplayOptions,
) -> Result<ReplayedRecording, ReplayError> {
    let bag = Bag::open(path)?;
    let mut ingest = configuration.ingest()?;
    let names = &options.names;
    let found = sources::find((&bag, name), configuration, &options.values, names, &ingest)?;
    let trigger = found.recorded.iter().find(|s| s.id == ingest.trigger());
    let frames = RecordedTransforms::of(&bag, trigger.map_or("", |source| source.topic.as_str()))?;
    ingest.set_tree(frames.tree().clone());
    let mut notices = Vec::new();
    let truth = task.and_then(|task| {
        let truth = read_truth(&bag, task, configuration, (names, &frames));
        truth
            .map_err(|why| notices.push(format!("no scores: {why}")))
            .ok()
    });

    let mut door = RecordingReplay::new(
        name,
        configuration,
        options,
        ingest,
        DecisionLog::new(truth, task),
    )?;
    let mut heard: Vec<SourceSummary> = found.recorded.iter().map(SourceSummary::new).collect();
    door.remarks = frames.faults().to_vec();
    let topics = found.recorded.iter().map(|s| s.topic.as_str());
    let topics: Vec<&str> = topics
        .chain(frames.moving().iter().map(String::as_str))
        .collect();
    let mut messages = bag.read(&topics)?;
    let mut next = messages.next().transpose()?;
    let (first, last) = span(&bag, next.as_ref(), &mut notices);
    door.first = first;
    let mut newest = first;
    while let Some(message) = next {
        newest = newest.max(message.log_time);
        door.keep_silence(message.log_time, &mut notices)?;
        match heard.get_mut(message.topic) {
            Some(heard) => heard.note(&message, door.take(heard.source, &message)?),
            // Behind the sources' topics come those of tf.
            None => door.take_transforms(topics[message.topic], &message.data),
        }
        next = messages.next().transpose()?;
    }
    let cut = match messages.end() {
        ReadEnd::Whole => None,
        ReadEnd::Cut { at, why } => Some(match at {
            Some(at) => format!("{name}: used up to {at} s; {why}"),
            None => format!("{name}: nothing could be used; {why}"),
        }),
    };
    // Behind a cut it is not known which sources sent nothing.
    if cut.is_none() && last.since(newest) > PAUSE {
        notices.push(format!(
            "the recording ends {:.0} s after the last message that is read; that is left out",
            last.since(newest).as_secs_f64()
        ));
    } else if cut.is_none() {
        newest = newest.max(last);
        door.keep_silence(newest + Duration::from_nanos(1), &mut notices)?;
    }
    door.drain()?;
    door.writer.finish()?;
    notices.append(&mut door.news);
    judge_clocks(name, &heard, &mut notices)?;
    notices.extend(
        heard
            .iter()
            .filter_map(|heard| heard.nothing_used(cut.is_some())),
    );
    Ok(ReplayedRecording {
        name: Arc::clone(name),
        robot,
        tally: door.logical.scheduler(0).counts().tally(),
        points: door.record.points,
        seconds: newest.since(first).as_secs_f64(),
        silences: door.silences,
        without: found.without,
        notices,
        refused: (
            heard.iter().map(|heard| heard.refused).sum(),
            door.first_fault,
        ),
        remarks: door.remarks,
        cut,
        scored: door.record.scored,
    })
}

/// First and last log time, on any topic. Topics that are far from those that are read do not
/// count: they were not recorded along with them.
fn span(bag: &Bag, next: Option<&BagMessage>, notices: &mut Vec<String>) -> (Stamp, Stamp) {
    let read = next.map(|message| message.log_time);
    let (begin, end) = match (bag.time_range(), read) {
        (Some((begin, end)), Some(read)) => (begin.min(read), end.max(read)),
        (None, Some(read)) => (read, read),
        (Some(range), None) => range,
        (None, None) => (Stamp(0), Stamp(0)),
    };
    match read {
        Some(read) if read.since(begin) > PAUSE => {
            notices.push(format!(
                "the recording begins {:.0} s before the first message that is read; that is left out",
                read.since(begin).as_secs_f64()
            ));
            (read, end)
        }
        _ => (begin, end),
    }
}

/// Refuses a recording whose log times are in another unit; says what else differs.
fn judge_clocks(
    name: &str,
    heard: &[SourceSummary<'_>],
    notices: &mut Vec<String>,
) -> Result<(), ReplayError> {
    let seconds = |span: Duration| span.as_secs_f64();
    let paced = heard
        .iter()
        .filter_map(|heard| Some((heard, heard.clocks.pace()?)));
    let paced: Vec<(&SourceSummary<'_>, ClockRelation)> = paced.collect();
    let all = paced
        .iter()
        .all(|(_, pace)| matches!(pace, ClockRelation::OtherUnit(..)));
    for (heard, pace) in paced {
        let source = &heard.source.params.name;
        match pace {
            ClockRelation::OtherUnit(headers, logs) if all => {
                return Err(ReplayError::LogTimes {
                    recording: name.to_owned(),
                    source_name: source.clone(),
                    headers_s: seconds(headers),
                    logs_s: seconds(logs),
                });
            }
            ClockRelation::OtherUnit(headers, logs) | ClockRelation::Apart(headers, logs) => notices.push(format!(
                "{source}: its header stamps span {:.3} s, their log times {:.3} s; was it played or \
                 simulated at another rate, or stamped wrongly? Ages are those of the log times",
                seconds(headers),
                seconds(logs)
            )),
            ClockRelation::Alike => {}
        }
    }
    Ok(())
}

/// Why not, where the truth cannot be computed from this recording; its decisions stand all the
/// same.
fn read_truth(
    bag: &Bag,
    task: &Task,
    configuration: &Configuration,
    (names, frames): (&TopicNames, &RecordedTransforms),
) -> Result<Truth, String> {
    if task.labels != configuration.bundle.manifest.labels {
        return Err(String::from("the task's labels are not the model's"));
    }
    let sources = &configuration.params.sources;
    let topics: BTreeMap<String, String> = sources
        .iter()
        .map(|source| (source.name.clone(), names.resolve(&source.topic)))
        .collect();
    let scan = task.truth.scan().unwrap_or(&configuration.params.trigger);
    // The truth is seen by the same laser, mounted as tf says.
    let mut laser = configuration.settings(scan);
    let said = configuration.params.mounting_parameters(scan);
    let topic = topics.get(scan).map_or("", String::as_str);
    if let Ok(Some(FoundMounting {
        mounting: Ok(mount),
        ..
    })) = frames.look(bag, topic, &said)
    {
        laser = laser.mounted(mount);
    }
    Truth::read(bag, task, &topics, &laser).map_err(|error| error.to_string())
}
