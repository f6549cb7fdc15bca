//! Errors that keep a recording from being opened.

use std::io;
use std::path::PathBuf;

/// A recording that cannot be opened, or that stopped being readable. Damage inside a recording
/// is no error: reading ends there and [`End::Cut`](super::End::Cut) says where and why.
#[derive(Debug, thiserror::Error)]
pub enum BagError {
    /// The operating system refused.
    #[error("{path}: cannot {doing}: {source}; check that it is there and may be read")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, to follow "cannot".
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A file that is neither container.
    #[error(
        "{path}: not a recording: {found}; expected an MCAP file (.mcap), a SQLite file (.db3), \
         either of them zstd-compressed, or a rosbag2 directory"
    )]
    NotARecording {
        /// The file.
        path: PathBuf,
        /// How it begins, as a clause.
        found: String,
    },
    /// A folder without `metadata.yaml`.
    #[error(
        "{path}: not a rosbag2 directory: it holds no metadata.yaml; name the recordings inside \
         one by one, or have `ros2 bag reindex` write the file anew"
    )]
    NoMetadata {
        /// The folder.
        path: PathBuf,
    },
    /// `metadata.yaml` cannot be used.
    #[error(
        "{path}: {what}; expected the file that rosbag2 writes (versions 1 to 9); `ros2 bag \
         reindex` writes it anew"
    )]
    Metadata {
        /// The metadata file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file that `metadata.yaml` names is missing, and nothing before it can be read either.
    #[error(
        "{path}: metadata.yaml names the file {file}, which is not there; put it back, or take \
         its line out of relative_file_paths"
    )]
    MissingFile {
        /// The rosbag2 directory.
        path: PathBuf,
        /// The missing file, as named.
        file: String,
    },
    /// A SQLite file that is no rosbag2 recording, or is damaged at its head.
    #[error(
        "{path}: not readable as a rosbag2 SQLite recording: {what}; expected the tables topics \
         and messages; copy it anew from where it was recorded"
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The error of SQLite or the table.
        what: String,
    },
    /// A topic whose messages are not ROS 2's.
    #[error("{path}: topic {topic} holds {what}")]
    Encoding {
        /// The recording.
        path: PathBuf,
        /// The topic asked for.
        topic: String,
        /// What it holds and what to do, as a clause.
        what: String,
    },
    /// A search that met no recording.
    #[error(
        "no recording in {searched}; expected .mcap or .db3 files, rosbag2 directories, or \
         folders that hold some"
    )]
    NothingFound {
        /// The paths that were searched.
        searched: String,
    },
}

impl BagError {
    pub(super) fn io(
        path: impl Into<PathBuf>,
        doing: &'static str,
    ) -> impl FnOnce(io::Error) -> BagError {
        let path = path.into();
        move |source| BagError::Io {
            path,
            doing,
            source,
        }
    }
}
