//! rosbag2 directories: `metadata.yaml` and the files it names. Versions 1 to 9 of the file
//! differ in what they add; the few fields needed here are in all of them. Storage and
//! compression are seen from the files themselves.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::BagError;
use super::merge::RecordingPart;
use super::message::Topic;

const METADATA: &str = "metadata.yaml";
/// Far above any list of topics and files.
const MAX_METADATA: u64 = 1 << 24;

/// What a recording consists of.
#[derive(Default)]
pub(super) struct Contents {
    /// Files in the order of recording, up to the first that is missing.
    pub(super) parts: Vec<RecordingPart>,
    /// As `metadata.yaml` lists them.
    pub(super) topics: Vec<Topic>,
    /// Which file is missing.
    pub(super) missing: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    rosbag2_bagfile_information: Information,
}

#[derive(Deserialize)]
struct Information {
    version: u32,
    relative_file_paths: Vec<String>,
    #[serde(default)]
    topics_with_message_count: Vec<TopicCount>,
}

#[derive(Deserialize)]
struct TopicCount {
    topic_metadata: TopicMetadata,
    #[serde(default)]
    message_count: Option<u64>,
}

#[derive(Deserialize)]
struct TopicMetadata {
    name: String,
    #[serde(default, rename = "type")]
    type_name: String,
    #[serde(default)]
    serialization_format: String,
}

/// Whether this folder is one recording.
pub(super) fn is_rosbag2(folder: &Path) -> bool {
    // Other things have a metadata.yaml, too: the key decides. One that cannot be read is taken
    // for rosbag2's, so that opening it says what is wrong.
    match read_metadata(&folder.join(METADATA)) {
        Ok(text) => text.contains("rosbag2_bagfile_information"),
        Err(_) => folder.join(METADATA).exists(),
    }
}

fn read_metadata(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_METADATA)
        .read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn open(folder: &Path) -> Result<Contents, BagError> {
    let path = folder.join(METADATA);
    if !path.exists() {
        let path = folder.to_path_buf();
        return Err(BagError::NoMetadata { path });
    }
    let bad = |what: String| BagError::Metadata {
        path: path.clone(),
        what,
    };
    let text = read_metadata(&path).map_err(BagError::io(&path, "read it"))?;
    let document: Document =
        serde_yaml::from_str(&text).map_err(|error| bad(format!("not understood: {error}")))?;
    let information = document.rosbag2_bagfile_information;
    // Later versions have kept the fields that are read here, so they are given a try.
    if information.version == 0 {
        return Err(bad("version 0 is unknown".to_owned()));
    }
    if information.relative_file_paths.is_empty() {
        return Err(bad("relative_file_paths names no file".to_owned()));
    }
    let mut contents = Contents {
        topics: topics(information.topics_with_message_count),
        ..Contents::default()
    };
    for named in &information.relative_file_paths {
        let Some(file) = locate(folder, named) else {
            if contents.parts.is_empty() {
                return Err(BagError::MissingFile {
                    path: folder.to_path_buf(),
                    file: named.clone(),
                });
            }
            contents.missing = Some(format!(
                "{}: the file {named} that metadata.yaml names is not there",
                folder.display()
            ));
            break;
        };
        match RecordingPart::open(&file) {
            Ok(part) => contents.parts.push(part),
            // A recorder that died leaves an empty or headless last file: the ones before count.
            Err(error) if !contents.parts.is_empty() => {
                contents.missing = Some(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(contents)
}

/// Versions before 4 name the files from the folder above; a recorder that died may not have
/// compressed its last file, or not have written down that it did.
fn locate(folder: &Path, named: &str) -> Option<PathBuf> {
    let name = Path::new(named).file_name()?.to_str()?;
    let bare = name.strip_suffix(".zstd").unwrap_or(name);
    [name.to_owned(), bare.to_owned(), format!("{name}.zstd")]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

fn topics(counts: Vec<TopicCount>) -> Vec<Topic> {
    let topic = |count: TopicCount| Topic {
        name: count.topic_metadata.name,
        type_name: count.topic_metadata.type_name,
        encoding: count.topic_metadata.serialization_format,
        schema_encoding: String::new(),
        messages: count.message_count,
    };
    counts.into_iter().map(topic).collect()
}
