//! The list of recordings: which there are, to which group each belongs, and which may be trained
//! on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bag::{BagError, find_recordings};
use crate::learn::error::LearnError;
use crate::learn::task::task_file::{Columns, RecordingsSpec};

/// Behind the robot type of simulated recordings.
pub const SIMULATED: &str = " (sim)";

/// Licence class of recordings in a folder without a list: they are the user's own, and may teach
/// what the user trains.
pub const OWN: &str = "own";

/// One recording with its row in the list of its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its path.
    pub path: PathBuf,
    /// Path relative to the data folder, with `/`.
    pub file: String,
    /// Recordings of one group are never split.
    pub group: String,
    /// Robot type; simulated ones end in ` (sim)`.
    pub robot: String,
    /// Made by a simulator.
    pub simulated: bool,
    /// Licence class from the list, or [`OWN`].
    pub licence: String,
    /// Yaw of the laser, rad.
    pub yaw: f32,
}

/// Recordings by their part in training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// They teach.
    pub training: Vec<Recording>,
    /// They validate: groups the model has never seen.
    pub validation: Vec<Recording>,
}

/// All recordings below these folders, without duplicates. A folder with a list (see the task's
/// `recordings`) is read by it; elsewhere every recording is its own group with the laser's yaw
/// `yaw` (rad) and the licence class [`OWN`].
pub fn find(
    folders: &[PathBuf],
    spec: &RecordingsSpec,
    yaw: f32,
) -> Result<Vec<Recording>, LearnError> {
    let mut found = Vec::new();
    for folder in folders {
        let list = folder.join(&spec.list);
        if list.is_file() {
            found.extend(listed(folder, &list, &spec.columns)?);
            continue;
        }
        for path in files(folder)? {
            let file = path.strip_prefix(folder).unwrap_or(&path);
            let file = file.to_string_lossy().replace('\\', "/");
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let file = if file.is_empty() {
                name.to_string()
            } else {
                file
            };
            found.push(Recording {
                group: file.clone(),
                file,
                path,
                robot: "unknown".into(),
                simulated: false,
                licence: OWN.into(),
                yaw,
            });
        }
    }
    if found.is_empty() {
        return Err(LearnError::Nothing {
            what: format!("no recording in {folders:?}"),
            remedy: "name folders with .mcap or .db3 recordings or rosbag2 directories".into(),
        });
    }
    Ok(found)
}

/// Recordings at or below a path: bags, or tables where there is none.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LearnError> {
    let none = match find_recordings(&[folder.to_owned()]) {
        Err(error @ BagError::NothingFound { .. }) => error,
        found => return Ok(found?),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut tables: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    tables.retain(|path| path.extension().is_some_and(|end| end == "csv"));
    tables.sort();
    if tables.is_empty() {
        return Err(none.into());
    }
    Ok(tables)
}

/// Whether a recording may teach.
pub fn may_teach(recording: &Recording, spec: &RecordingsSpec) -> bool {
    recording.licence == OWN || spec.licences.contains(&recording.licence)
}

fn listed(folder: &Path, list: &Path, columns: &Columns) -> Result<Vec<Recording>, LearnError> {
    let fail = |what: String| LearnError::List {
        file: list.into(),
        what,
    };
    let mut reader = csv::Reader::from_path(list).map_err(|error| fail(error.to_string()))?;
    let headers = reader
        .headers()
        .map_err(|error| fail(error.to_string()))?
        .clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| fail(format!("no column {name:?}")))
    };
    let file = column(&columns.file)?;
    let group = column(&columns.group)?;
    let robot = column(&columns.robot)?;
    let licence = column(&columns.licence)?;
    let optional = |name: &str| match name {
        "" => Ok(None),
        _ => column(name).map(Some),
    };
    let kind = optional(&columns.kind)?;
    let yaw = optional(&columns.yaw)?;
    let duplicate = optional(&columns.duplicate_of)?;
    let mut recordings = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| fail(error.to_string()))?;
        let cell = |index: usize| row.get(index).unwrap_or_default().trim().to_owned();
        if duplicate.is_some_and(|column| !cell(column).is_empty()) {
            continue;
        }
        let turned: f32 = match yaw {
            None => 0.0,
            Some(yaw) => cell(yaw)
                .parse()
                .ok()
                .filter(|yaw: &f32| yaw.is_finite())
                .ok_or_else(|| fail(format!("{}: yaw {:?} is no number", cell(file), cell(yaw))))?,
        };
        let simulated = kind.is_some_and(|column| cell(column) == "sim");
        let suffix = if simulated { SIMULATED } else { "" };
        recordings.push(Recording {
            path: folder.join(cell(file)),
            file: cell(file),
            group: cell(group),
            robot: format!("{}{suffix}", cell(robot)),
            simulated,
            licence: cell(licence),
            yaw: turned,
        });
    }
    Ok(recordings)
}

/// Decides what teaches and what validates. A group with a recording that may not teach validates
/// as a whole. Robots that would have no real recording to validate on give some whole groups, as
/// chosen by `seed`.
pub fn split(recordings: Vec<Recording>, spec: &RecordingsSpec, seed: u64) -> Split {
    let mut held: BTreeSet<String> = recordings
        .iter()
        .filter(|recording| !may_teach(recording, spec))
        .map(|recording| recording.group.clone())
        .collect();
    // Robot to the groups of its real recordings.
    let mut robots: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for recording in recordings.iter().filter(|recording| !recording.simulated) {
        let groups = robots.entry(&recording.robot).or_default();
        groups.insert(&recording.group);
    }
    let mut chosen = Vec::new();
    for (number, groups) in robots.values().enumerate() {
        let mut left: Vec<&str> = groups.iter().copied().collect();
        if left.iter().any(|group| held.contains(*group)) || left.len() < 2 {
            continue;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number as u64);
        let count = (left.len() as f64 * spec.hold_out).ceil() as usize;
        for _ in 0..count.min(left.len() - 1) {
            let pick = random.next_u32() as usize % left.len();
            chosen.push(left.swap_remove(pick).to_owned());
        }
    }
    held.extend(chosen);
    let (validation, training) = recordings
        .into_iter()
        .partition(|recording| held.contains(&recording.group));
    Split {
        training,
        validation,
    }
}

/// SHA-256 of a recording: of the file, or of the files of a directory in the order of their
/// names.
pub fn digest(path: &Path) -> Result<String, LearnError> {
    let fail = |file: &Path| {
        let file = file.to_owned();
        move |source| LearnError::File {
            file,
            source,
            remedy: "check that the recording can be read",
        }
    };
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = fs::read_dir(path)
            .map_err(fail(path))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(fail(path))?;
        files.sort();
    }
    let mut hash = Sha256::new();
    for file in files.iter().filter(|file| file.is_file()) {
        hash.update(fs::read(file).map_err(fail(file))?);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Which recordings teach the models of a cross-validation, of which only the scores are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeachingLicences {
    /// Those that may teach a bundle; the others are left aside.
    #[default]
    Licensed,
    /// All.
    AllLicences,
}

impl TeachingLicences {
    /// The suffix of the reports' names.
    pub(in crate::learn) fn suffix(self) -> &'static str {
        match self {
            TeachingLicences::Licensed => "",
            TeachingLicences::AllLicences => "-all-licences",
        }
    }
}
