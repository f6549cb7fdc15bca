//! Finds the recordings below some paths.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::BagError;

const EXTENSIONS: [&str; 4] = [".mcap", ".db3", ".mcap.zstd", ".db3.zstd"];

/// The recordings under these paths, each once: files as they are named, rosbag2 directories as
/// one recording, other folders searched through, in the order of names. Hidden files and
/// folders inside a folder are passed over.
pub fn find_recordings(paths: &[PathBuf]) -> Result<Vec<PathBuf>, BagError> {
    let mut search = Search::default();
    for path in paths {
        let found = fs::metadata(path).map_err(BagError::io(path, "look for recordings"))?;
        if found.is_dir() {
            search.folder(path)?;
        } else {
            // Named outright: whether it is one is for opening to say.
            search.add(path);
        }
    }
    if search.found.is_empty() {
        let shown: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let searched = if shown.is_empty() {
            "an empty list of paths".to_owned()
        } else {
            shown.join(", ")
        };
        return Err(BagError::NothingFound { searched });
    }
    Ok(search.found)
}

#[derive(Default)]
struct Search {
    found: Vec<PathBuf>,
    /// Real paths of what was seen, so that links lead nowhere twice.
    seen: HashSet<PathBuf>,
}

impl Search {
    fn new_to_us(&mut self, path: &Path) -> bool {
        self.seen
            .insert(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()))
    }

    fn add(&mut self, path: &Path) {
        if self.new_to_us(path) {
            self.found.push(path.to_path_buf());
        }
    }

    fn folder(&mut self, path: &Path) -> Result<(), BagError> {
        // On the heap, not the stack: folders may nest deeply.
        let mut todo = vec![path.to_path_buf()];
        while let Some(folder) = todo.pop() {
            if !folder.is_dir() || super::rosbag2_directory::is_rosbag2(&folder) {
                self.add(&folder);
                continue;
            }
            if !self.new_to_us(&folder) {
                continue;
            }
            let reading = || BagError::io(&folder, "look for recordings");
            let mut inside = Vec::new();
            for entry in fs::read_dir(&folder).map_err(reading())? {
                let path = entry.map_err(reading())?.path();
                if worth_a_look(&path) {
                    inside.push(path);
                }
            }
            inside.sort();
            todo.extend(inside.into_iter().rev());
        }
        Ok(())
    }
}

fn worth_a_look(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return false;
    };
    !name.starts_with('.')
        && (path.is_dir() || EXTENSIONS.iter().any(|extension| name.ends_with(extension)))
}
