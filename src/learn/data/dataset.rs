//! Builds the data set: windows, labels and baselines' answers from recordings, with the node's own
//! window code.

use std::fmt;
use std::ops::AddAssign;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::labels::TruthBuilder;
use super::link_impairments::impaired;
use super::partitions::Partitions;
use super::recording_decoder::{DecodedRecording, RecordedInput, read};
use super::recordings::{Recording, digest};
use super::truth::{ScanTruth, Truth};
use crate::features::{FaultReason, InputFault, TriggerDecimator, Window, WindowState};
use crate::learn::error::LearnError;
use crate::learn::task::task_file::Task;
use crate::time::Stamp;

/// Why scans gave no window, or windows no label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Too near the end of the recording, or followed by a gap: no truth.
    pub unlabelled: u64,
    /// Not enough frames yet, or a required input has not spoken.
    pub incomplete: u64,
    /// A required input had sent nothing for too long.
    pub stale: u64,
    /// The scan itself was refused.
    pub invalid: u64,
    /// Time started anew with this scan.
    pub time_jump: u64,
}

/// The windows of one recording (or of a varied copy of one).
#[derive(Clone, Debug)]
pub struct RecordingWindows {
    /// The recording.
    pub recording: Recording,
    /// SHA-256 of the recording.
    pub sha256: String,
    /// Times of its first and last message.
    pub span: (Stamp, Stamp),
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
    pub parts: Vec<RecordingWindows>,
    /// Recordings that could not be used, with the reason.
    pub skipped: Vec<String>,
}

impl Dataset {
    /// Reads recordings in parallel; one that cannot be used is skipped with a log line. With
    /// `copies` above 0 every recording is followed by that many varied copies, drawn from `seed`.
    pub fn load(task: &Task, recordings: &[Recording], copies: usize, seed: u64) -> Dataset {
        let loaded: Vec<Result<Vec<RecordingWindows>, LearnError>> = recordings
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

    /// Some rows of some parts; parts by number. A part that keeps no row stays, empty.
    pub fn select(
        &self,
        parts: impl Iterator<Item = usize>,
        keep: impl Fn(&RecordingWindows, &ScanTruth) -> bool,
    ) -> Dataset {
        let chosen = parts.filter_map(|number| self.parts.get(number));
        let select = |part: &RecordingWindows| {
            let mut windows = Vec::new();
            let mut rows = Vec::new();
            for (row, window) in part.rows.iter().zip(part.windows.chunks_exact(self.width)) {
                if keep(part, row) {
                    rows.push(*row);
                    windows.extend_from_slice(window);
                }
            }
            let labelled = part.labelled.iter().filter(|scan| keep(part, scan));
            RecordingWindows {
                recording: part.recording.clone(),
                sha256: part.sha256.clone(),
                span: part.span,
                windows,
                rows,
                dropped: part.dropped,
                refused_optional: part.refused_optional,
                cut: part.cut.clone(),
                labelled: labelled.copied().collect(),
            }
        };
        Dataset {
            width: self.width,
            parts: chosen.map(select).collect(),
            skipped: self.skipped.clone(),
        }
    }

    /// The windows dropped in all parts.
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
) -> Result<Vec<RecordingWindows>, LearnError> {
    let (sources, decoded) = open(task, recording)?;
    let sha256 = digest(&recording.path)?;
    let start = decoded.span().0;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut parts = Vec::with_capacity(1 + copies);
    for copy in 0..=copies {
        let variation = if copy == 0 {
            Augmentation::none(&task.window)
        } else {
            Augmentation::draw(&task.training.variations, &task.window, &mut random)
        };
        let stream = (&sources[..], &decoded);
        let impairments = &task.training.variations.impairments;
        let sensed = if copy == 0 || impairments.is_none() {
            through_window(task, recording, stream, start, (&variation, &mut random))?
        } else {
            let truth = truth_of(task, recording, stream, &variation);
            let seen = impaired(
                impairments,
                &task.window,
                stream,
                recording.yaw,
                &mut random,
            );
            let seen = (&sources[..], &seen);
            let mut sensed =
                through_window(task, recording, seen, start, (&variation, &mut random))?;
            sensed.judge_by(&truth);
            sensed
        };
        parts.push(sensed.into_part(recording, &sha256, &decoded));
    }
    Ok(parts)
}

/// A recording's inputs and messages.
pub(in crate::learn) fn open(
    task: &Task,
    recording: &Recording,
) -> Result<(Vec<RecordedInput>, DecodedRecording), LearnError> {
    read(task, &recording.path, &window_of(task, recording, 0.0)?)
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

/// A recording as windows of a task.
pub(in crate::learn) struct WindowedRecording {
    /// Truth and baselines, by number of the trigger's message.
    truth: Truth,
    /// Whether it is a trigger, by the same number.
    asked: Vec<bool>,
    /// Number of the message that each window was assembled at.
    at: Vec<usize>,
    windows: Vec<f32>,
    dropped: Dropped,
    refused_optional: u64,
}

/// Truth of a copy whose messages arrive as they are sent.
fn truth_of(
    task: &Task,
    recording: &Recording,
    (sources, decoded): (&[RecordedInput], &DecodedRecording),
    variation: &Augmentation,
) -> Truth {
    let clean = variation.clean();
    let mut unused = ChaCha8Rng::seed_from_u64(0); // a clean copy draws nothing that shows
    let mut truth = TruthBuilder::new(task, recording.yaw);
    for (index, time, message) in &decoded.messages {
        if *index == decoded.label {
            truth.label(*time, message.as_ref());
        }
        let Some(source) = sources.get(*index) else {
            continue;
        };
        let message = message.clone().map(|mut message| {
            clean.apply(&mut message, &mut unused);
            message
        });
        truth.push(&source.name, *time, message.as_ref());
    }
    truth.finish()
}

/// Sends messages through the window. `start` is that of the recording: its partitions count from
/// there.
pub(in crate::learn) fn through_window(
    task: &Task,
    recording: &Recording,
    (sources, decoded): (&[RecordedInput], &DecodedRecording),
    start: Stamp,
    (variation, random): (&Augmentation, &mut ChaCha8Rng),
) -> Result<WindowedRecording, LearnError> {
    let mut window = window_of(task, recording, variation.yaw_error)?;
    let mut truth = TruthBuilder::new(task, recording.yaw);
    let mut frame = vec![0.0; window.frames() * window.features()];
    let trigger = window.trigger();
    let mut thin = TriggerDecimator::new(task.window.every_ms);
    let mut partitions = Partitions::new(task, start);
    let mut asked = Vec::new();
    let mut at = Vec::new();
    let mut windows = Vec::new();
    let mut scans = 0;
    let mut dropped = Dropped::default();
    let mut refused_optional = 0;
    for (index, time, message) in &decoded.messages {
        if *index == decoded.label {
            truth.label(*time, message.as_ref());
        }
        let Some(source) = sources.get(*index) else {
            continue;
        };
        if partitions.begins(*time) {
            window.reset();
        }
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
            refused_optional += u64::from(refused && !source.required);
            continue;
        }
        scans += 1;
        asked.push(thin.asks(*time));
        if asked.last() == Some(&false) {
            continue;
        }
        match pushed {
            Some(Ok(())) if !partitions.holds(*time) => dropped.incomplete += 1,
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
    Ok(WindowedRecording {
        truth: truth.finish(),
        asked,
        at,
        windows,
        dropped,
        refused_optional,
    })
}

impl WindowedRecording {
    /// Truth and baselines, one entry per message of the trigger.
    pub(in crate::learn) fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The label of every message is that of the newest one that `other` knows by then.
    pub(in crate::learn) fn judge_by(&mut self, other: &Truth) {
        for scan in &mut self.truth.scans {
            let known = other.scans.partition_point(|known| known.time <= scan.time);
            let newest = known.checked_sub(1).map(|index| other.scans[index]);
            scan.label = newest.and_then(|scan| scan.label);
            scan.least_m = newest.and_then(|scan| scan.least_m);
        }
    }

    /// As a part of a dataset.
    pub(in crate::learn) fn into_part(
        self,
        recording: &Recording,
        sha256: &str,
        decoded: &DecodedRecording,
    ) -> RecordingWindows {
        let width = self.windows.len() / self.at.len().max(1);
        let scans = self.truth.scans.iter().zip(&self.asked);
        let mut part = RecordingWindows {
            recording: recording.clone(),
            sha256: sha256.into(),
            span: decoded.span(),
            windows: Vec::new(),
            rows: Vec::new(),
            dropped: self.dropped,
            refused_optional: self.refused_optional,
            cut: decoded.cut.clone(),
            labelled: scans
                .filter(|(scan, asked)| scan.label.is_some() && **asked)
                .map(|(scan, _)| *scan)
                .collect(),
        };
        for (scan, window) in self.at.iter().zip(self.windows.chunks_exact(width.max(1))) {
            let row = self.truth.scans[*scan];
            if row.label.is_none() {
                part.dropped.unlabelled += 1;
                continue;
            }
            part.rows.push(row);
            part.windows.extend_from_slice(window);
        }
        part
    }
}

fn jumped(fault: &InputFault) -> bool {
    fault.reason() == FaultReason::TimeJump
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "scans without a truth (end of a recording, gap behind): {}; without a window: {} \
             incomplete, {} stale, {} refused, {} at a time jump",
            self.unlabelled, self.incomplete, self.stale, self.invalid, self.time_jump
        )
    }
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
