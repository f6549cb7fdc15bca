//! Writes the windows of a task to one file, for models of other kinds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use safetensors::tensor::{Dtype, TensorView};

use super::dataset::Dataset;
use crate::learn::compression::compress::datasets;
use crate::learn::error::LearnError;
use crate::learn::evaluation::held_out::fits;
use crate::learn::task::train_options::TrainOptions;
use crate::model::{Backend, Bundle};

/// Which windows to write.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// Folder of the bundle: what taught it teaches, the rest judges.
    pub model: PathBuf,
    /// The task it was trained for.
    pub task: PathBuf,
    /// Folders with recordings.
    pub data: Vec<PathBuf>,
    /// The file to write, safetensors.
    pub out: PathBuf,
    /// Yaw of the laser (rad) for folders without a list.
    pub yaw: f32,
}

/// The result of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// Windows that teach.
    pub taught: usize,
    /// Windows that judge.
    pub judged: usize,
}

/// Writes the windows that taught a bundle, without their varied copies, and those that judge it:
/// `windows` f32 `[n, frames * features]`, `label`, `robot` and `group` i32 `[n]`, `judges` u8
/// `[n]`. Labels, robots and groups are numbers into the lists of names in the file's metadata
/// (`labels`, `robots`, `groups`, JSON); `model` and `task` stand there too.
pub fn export(options: &ExportOptions) -> Result<Exported, LearnError> {
    let bundle = Bundle::load(&options.model)?;
    let train = TrainOptions {
        task: options.task.clone(),
        data: options.data.clone(),
        out: options.out.clone(),
        device: Backend::Flex,
        seed: bundle.manifest.training.seed,
        yaw: options.yaw,
        split: None,
        static_depths: false,
        command: String::new(),
    };
    let (task, _) = train.task()?;
    fits(&bundle, &task)?;
    let (taught, judged) = datasets(&bundle, &train, &task)?;
    let mut columns = Columns::default();
    let copies = task.training.variations.copies;
    columns.add(&taught, copies + 1, false);
    columns.add(&judged, 1, true);
    let words = HashMap::from([
        ("model".into(), bundle.id().to_owned()),
        ("task".into(), task.name.clone()),
        ("labels".into(), json(&task.labels)),
        ("robots".into(), json(&columns.robots)),
        ("groups".into(), json(&columns.groups)),
    ]);
    columns.write(&options.out, taught.width, words)?;
    let judging = columns.judges.iter().filter(|judges| **judges == 1).count();
    Ok(Exported {
        file: options.out.clone(),
        taught: columns.judges.len() - judging,
        judged: judging,
    })
}

/// One entry per window.
#[derive(Default)]
struct Columns {
    windows: Vec<f32>,
    label: Vec<i32>,
    robot: Vec<i32>,
    group: Vec<i32>,
    judges: Vec<u8>,
    robots: Vec<String>,
    groups: Vec<String>,
}

impl Columns {
    /// Every `step`th part; the others are copies.
    fn add(&mut self, data: &Dataset, step: usize, judges: bool) {
        for part in data.parts.iter().step_by(step) {
            let robot = number(&mut self.robots, &part.recording.robot);
            let group = number(&mut self.groups, &part.recording.group);
            for row in &part.rows {
                self.label.push(row.label.map_or(-1, |label| label as i32));
                self.robot.push(robot);
                self.group.push(group);
                self.judges.push(u8::from(judges));
            }
            self.windows.extend_from_slice(&part.windows);
        }
    }

    fn write(
        &self,
        file: &Path,
        width: usize,
        words: HashMap<String, String>,
    ) -> Result<(), LearnError> {
        let bytes_of = |values: &[i32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let windows: Vec<u8> = self.windows.iter().flat_map(|v| v.to_le_bytes()).collect();
        let [label, robot, group] = [&self.label, &self.robot, &self.group].map(|v| bytes_of(v));
        let n = self.judges.len();
        let tensors = [
            ("windows", Dtype::F32, vec![n, width], &windows),
            ("label", Dtype::I32, vec![n], &label),
            ("robot", Dtype::I32, vec![n], &robot),
            ("group", Dtype::I32, vec![n], &group),
            ("judges", Dtype::U8, vec![n], &self.judges),
        ];
        let failed = |source| LearnError::File {
            file: file.into(),
            source,
            remedy: "check that its folder is there and can be written",
        };
        let views: Vec<_> = tensors
            .into_iter()
            .map(|(name, kind, shape, bytes)| Ok((name, TensorView::new(kind, shape, bytes)?)))
            .collect::<Result<_, safetensors::SafeTensorError>>()
            .map_err(|error| failed(io::Error::other(error)))?;
        let bytes = safetensors::serialize(views, Some(words));
        let bytes = bytes.map_err(|error| failed(io::Error::other(error)))?;
        fs::write(file, bytes).map_err(failed)
    }
}

/// Place of a name in a list that grows.
fn number(names: &mut Vec<String>, name: &str) -> i32 {
    let found = names.iter().position(|known| known == name);
    let place = found.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    place as i32
}

fn json(names: &[String]) -> String {
    serde_json::to_string(names).unwrap_or_default()
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} windows teach, {} judge",
            self.file.display(),
            self.taught,
            self.judged
        )
    }
}
