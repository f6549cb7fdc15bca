//! Windows, labels and baselines' answers from recordings, with the very window code of the node.

use std::ops::AddAssign;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::LearnError;
use super::labels::{ScanTruth, TruthBuilder};
use super::recordings::{Recording, digest};
use super::task::Task;
use super::vary::Variation;
use crate::replay::bag::{Bag, End};
use crate::sense::{FaultReason, Message, SenseFault, SourceId, Window, WindowState};
use crate::time::Stamp;

/// Why scans gave no window, or windows no label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Too near the end of the recording, or followed by a gap: no truth.
    pub unlabelled: u64,
    /// Not enough frames yet, or a required input has not spoken.
    pub incomplete: u64,
    /// A required input was silent for too long.
    pub stale: u64,
    /// The scan itself was refused.
    pub invalid: u64,
    /// Time started anew with this scan.
    pub time_jump: u64,
}

/// The windows of one recording (or of a varied copy of one).
#[derive(Clone, Debug)]
pub struct Part {
    /// What it was made of.
    pub recording: Recording,
    /// SHA-256 of the recording.
    pub sha256: String,
    /// `[rows, frames * features]`, row-major.
    pub windows: Vec<f32>,
    /// Truth and baselines of each row; every row has a label.
    pub rows: Vec<ScanTruth>,
    /// Scans that gave no row.
    pub dropped: Dropped,
    /// Optional messages that were refused.
    pub refused_optional: u64,
    /// Where and why the recording is cut, if it is.
    pub cut: Option<String>,
    /// All scans that have a label, with or without a window: the baselines' share.
    pub labelled: Vec<ScanTruth>,
}

/// Windows of many recordings.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Values of one window.
    pub width: usize,
    /// One per recording and copy, in their order.
    pub parts: Vec<Part>,
    /// Recordings that could not be used, with the reason.
    pub skipped: Vec<String>,
}

struct Source {
    id: SourceId,
    name: String,
    topic: String,
    kind: crate::sense::MessageType,
    required: bool,
}

/// A recording in memory, decoded once for all its copies.
struct Decoded {
    messages: Vec<(usize, Stamp, Option<Message>)>,
    cut: Option<String>,
}

impl Dataset {
    /// Reads recordings in parallel; one that cannot be used is skipped with a word. With
    /// `copies` above 0 every recording is followed by that many varied copies, drawn from `seed`.
    pub fn load(task: &Task, recordings: &[Recording], copies: usize, seed: u64) -> Dataset {
        let loaded: Vec<Result<Vec<Part>, LearnError>> = recordings
            .par_iter()
            .enumerate()
            .map(|(index, recording)| {
                load_one(task, recording, copies, seed.wrapping_add(index as u64))
            })
            .collect();
        let mut dataset = Dataset {
            width: width(task),
            ..Dataset::default()
        };
        for (recording, parts) in recordings.iter().zip(loaded) {
            match parts {
                Ok(parts) => dataset.parts.extend(parts),
                Err(error) => dataset.skipped.push(format!("{}: {error}", recording.file)),
            }
        }
        dataset
    }

    /// Rows of all parts.
    pub fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.rows.len()).sum()
    }

    /// What was dropped in all parts.
    pub fn dropped(&self) -> Dropped {
        let mut sum = Dropped::default();
        for part in &self.parts {
            sum += part.dropped;
        }
        sum
    }
}

/// Values of one window of a task.
pub fn width(task: &Task) -> usize {
    Window::new(&task.window, &task.settings(0.0))
        .map_or(0, |window| window.frames() * window.features())
}

fn load_one(
    task: &Task,
    recording: &Recording,
    copies: usize,
    seed: u64,
) -> Result<Vec<Part>, LearnError> {
    let bag = Bag::open(&recording.path)?;
    let window = window_of(task, recording, 0.0)?;
    let sources = sources(task, &bag, &window, &recording.path)?;
    let decoded = decode(&bag, &sources)?;
    let sha256 = digest(&recording.path)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = Vec::with_capacity(1 + copies);
    for copy in 0..=copies {
        let variation = if copy == 0 {
            Variation::none(&task.window)
        } else {
            Variation::draw(&task.training.variations, &task.window, &mut random)
        };
        let mut part = Part {
            recording: recording.clone(),
            sha256: sha256.clone(),
            windows: Vec::new(),
            rows: Vec::new(),
            dropped: Dropped::default(),
            refused_optional: 0,
            cut: decoded.cut.clone(),
            labelled: Vec::new(),
        };
        fill(&mut part, task, &sources, &decoded, &variation, &mut random)?;
        parts.push(part);
    }
    Ok(parts)
}

fn window_of(task: &Task, recording: &Recording, error: f32) -> Result<Window, LearnError> {
    Window::new(&task.window, &task.settings(recording.yaw + error)).map_err(|error| {
        LearnError::Recording {
            file: recording.path.clone(),
            what: error.to_string(),
            expected: "a window as in the shipped task file".into(),
        }
    })
}

/// The inputs that this recording has. A required one that is missing or of another type makes
/// the recording useless; an optional one is just absent.
fn sources(
    task: &Task,
    bag: &Bag,
    window: &Window,
    path: &Path,
) -> Result<Vec<Source>, LearnError> {
    let mut sources = Vec::new();
    for input in &task.window.inputs {
        let name = task.topics.get(&input.source).cloned().unwrap_or_default();
        let topic = bag.topics().iter().find(|topic| topic.name == name);
        // Some recordings do not say the type; decoding will tell.
        let fits = topic.is_some_and(|topic| {
            topic.type_name.is_empty() || topic.type_name == input.message.ros_name()
        });
        match (window.source(&input.source), fits) {
            (Some(id), true) => sources.push(Source {
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
                        Some(topic) => format!("{name} is a {}", topic.type_name),
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

fn decode(bag: &Bag, sources: &[Source]) -> Result<Decoded, LearnError> {
    let topics: Vec<&str> = sources.iter().map(|source| source.topic.as_str()).collect();
    let mut messages = bag.read(&topics)?;
    let mut decoded = Vec::new();
    for message in &mut messages {
        let message = message?;
        let kind = sources[message.topic].kind;
        let content = Message::decode(kind, &message.data).ok();
        decoded.push((message.topic, message.log_time, content));
    }
    let cut = match messages.end() {
        End::Cut { why, .. } => Some(why.clone()),
        End::Whole => None,
    };
    Ok(Decoded {
        messages: decoded,
        cut,
    })
}

fn fill(
    part: &mut Part,
    task: &Task,
    sources: &[Source],
    decoded: &Decoded,
    variation: &Variation,
    random: &mut ChaCha8Rng,
) -> Result<(), LearnError> {
    let mut window = window_of(task, &part.recording, variation.yaw_error)?;
    let mut truth = TruthBuilder::new(task, part.recording.yaw);
    let mut frame = vec![0.0; window.frames() * window.features()];
    let trigger = window.trigger();
    // Number of the scan each window was assembled at.
    let mut at = Vec::new();
    let mut windows = Vec::new();
    let mut scans = 0;
    let dropped = &mut part.dropped;
    for (index, time, message) in &decoded.messages {
        let source = &sources[*index];
        if variation.withheld[usize::from(source.id.0)] {
            continue;
        }
        let message = message.clone().map(|mut message| {
            variation.apply(&mut message, random);
            message
        });
        truth.push(&source.name, *time, message.as_ref());
        let pushed = message.as_ref().map(|m| window.push(source.id, m, *time));
        if source.id != trigger {
            let refused = !matches!(pushed, Some(Ok(())));
            part.refused_optional += u64::from(refused && !source.required);
            continue;
        }
        scans += 1;
        match pushed {
            Some(Ok(())) => match window.assemble(*time, &mut frame) {
                WindowState::Ready { .. } => {
                    at.push(scans - 1);
                    windows.extend_from_slice(&frame);
                }
                WindowState::Incomplete { .. } => dropped.incomplete += 1,
                WindowState::Stale { .. } => dropped.stale += 1,
            },
            Some(Err(fault)) if jumped(&fault) => dropped.time_jump += 1,
            _ => dropped.invalid += 1,
        }
    }
    let truth = truth.finish();
    part.labelled = truth
        .scans
        .iter()
        .filter(|s| s.label.is_some())
        .copied()
        .collect();
    for (scan, window) in at.into_iter().zip(windows.chunks_exact(frame.len())) {
        let row = truth.scans[scan];
        if row.label.is_none() {
            part.dropped.unlabelled += 1;
            continue;
        }
        part.rows.push(row);
        part.windows.extend_from_slice(window);
    }
    Ok(())
}

fn jumped(fault: &SenseFault) -> bool {
    fault.reason() == FaultReason::TimeJump
}

impl AddAssign for Dropped {
    fn add_assign(&mut self, other: Dropped) {
        self.unlabelled += other.unlabelled;
        self.incomplete += other.incomplete;
        self.stale += other.stale;
        self.invalid += other.invalid;
        self.time_jump += other.time_jump;
    }
}
