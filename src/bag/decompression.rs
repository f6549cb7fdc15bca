//! Opens the bytes of a recording: the file itself, a zstd-compressed file unpacked for as long as
//! it is read, or a copy where the original cannot be read in its place. Single messages may be
//! compressed as well.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::error::BagError;
use super::message::Payload;
use super::sqlite_wal::beside;

const ZSTD: &[u8] = b"\x28\xB5\x2F\xFD";
/// A recording that unpacks to more than this is taken for a decompression bomb.
const MAX_FILE: u64 = 1 << 36;
/// The same for one message.
const MAX_MESSAGE: u64 = 1 << 28;

/// A file to read from.
#[derive(Debug)]
pub(super) struct RecordingFile {
    /// The name to show: what the user gave, not the unpacked copy.
    pub(super) shown: PathBuf,
    pub(super) kind: StorageKind,
    /// Why the unpacked copy is not whole.
    pub(super) cut: Option<String>,
    copy: Option<Unpacked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StorageKind {
    Mcap,
    Sqlite,
}

impl RecordingFile {
    /// Looks at the first bytes; unpacks the file beside the other temporary ones if need be.
    pub(super) fn open(path: &Path) -> Result<RecordingFile, BagError> {
        let front = front(path)?;
        let (mut copy, mut cut) = (None, None);
        let kind = if front.starts_with(ZSTD) {
            let unpacked = unpack(path)?;
            cut = unpacked.1;
            copy = Some(unpacked.0);
            let file = copy.as_ref().map_or(path, |copy| &copy.0);
            kind(path, &self::front(file)?)?
        } else {
            kind(path, &front)?
        };
        Ok(RecordingFile {
            shown: path.to_path_buf(),
            kind,
            cut,
            copy,
        })
    }

    /// Copies the file, and those beside it with these endings, to where temporary ones are.
    pub(super) fn copy_with(&mut self, endings: &[&str]) -> io::Result<()> {
        let copy = Unpacked(temporary());
        std::fs::copy(self.file(), &copy.0)?;
        for ending in endings {
            let from = beside(self.file(), ending);
            std::fs::copy(from, beside(&copy.0, ending))?;
        }
        // Those that may only be read are copied as such.
        for file in std::iter::once("").chain(endings.iter().copied()) {
            let file = beside(&copy.0, file);
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
        }
        self.copy = Some(copy);
        Ok(())
    }

    /// The file that holds the bytes.
    pub(super) fn file(&self) -> &Path {
        self.copy.as_ref().map_or(&self.shown, |copy| &copy.0)
    }
}

fn front(path: &Path) -> Result<Vec<u8>, BagError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut bytes))
        .map_err(BagError::io(path, "read the recording"))?;
    Ok(bytes)
}

fn kind(path: &Path, front: &[u8]) -> Result<StorageKind, BagError> {
    let found = if front.starts_with(super::mcap_records::MAGIC) {
        return Ok(StorageKind::Mcap);
    } else if front.starts_with(b"SQLite format 3\0") {
        return Ok(StorageKind::Sqlite);
    } else if front.is_empty() {
        "it is empty".to_owned()
    } else if front.starts_with(b"#ROSBAG V2") {
        "it is a ROS 1 bag (rosbags-convert makes a ROS 2 recording of it)".to_owned()
    } else if super::mcap_records::MAGIC.starts_with(front) {
        format!("it ends after {} bytes, inside the MCAP magic", front.len())
    } else {
        let shown = &front[..front.len().min(8)];
        format!("it begins with the bytes {shown:02X?}")
    };
    Err(BagError::NotARecording {
        path: path.to_path_buf(),
        found,
    })
}

/// A temporary file, gone with its last reader.
#[derive(Debug)]
struct Unpacked(PathBuf);

impl Drop for Unpacked {
    fn drop(&mut self) {
        // Nothing can be done about a file that will not go; the system clears its folder.
        for ending in ["", "-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(beside(&self.0, ending));
        }
    }
}

/// A unique name for a temporary file.
fn temporary() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "edge_reasoner-{}-{}.unpacked",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    std::env::temp_dir().join(name)
}

/// Unpacks a whole file; a cut or damaged one gives its beginning and the reason.
fn unpack(path: &Path) -> Result<(Unpacked, Option<String>), BagError> {
    let copy = temporary();
    let doing = "unpack it into the folder for temporary files";
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&copy)
        .map_err(BagError::io(path, doing))?;
    let copy = Unpacked(copy);
    let file = File::open(path).map_err(BagError::io(path, "read the recording"))?;
    let mut packed = zstd::stream::read::Decoder::new(file).map_err(BagError::io(path, doing))?;
    let (mut buffer, mut total) = (vec![0; 1 << 18], 0u64);
    loop {
        match packed.read(&mut buffer) {
            Ok(0) => return Ok((copy, None)),
            Ok(len) => {
                out.write_all(buffer.get(..len).unwrap_or_default())
                    .map_err(BagError::io(path, doing))?;
                total = total.saturating_add(len as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let why = format!(
                    "{}: unpacking stops after {total} bytes: {error}",
                    path.display()
                );
                return Ok((copy, Some(why)));
            }
        }
        if total > MAX_FILE {
            let why = format!("{}: unpacks to more than {MAX_FILE} bytes", path.display());
            return Ok((copy, Some(why)));
        }
    }
}

/// Unpacks one message if it is compressed. No CDR encapsulation begins as zstd does, so the
/// message tells by itself, whatever `metadata.yaml` says or whether there is one.
pub(super) fn message(payload: Payload) -> Result<Payload, String> {
    if !payload.starts_with(ZSTD) {
        return Ok(payload);
    }
    let mut bytes = Vec::new();
    zstd::stream::read::Decoder::new(&payload[..])
        .and_then(|packed| packed.take(MAX_MESSAGE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("a compressed message cannot be unpacked: {error}"))?;
    if bytes.len() as u64 > MAX_MESSAGE {
        return Err(format!(
            "a compressed message unpacks to more than {MAX_MESSAGE} bytes"
        ));
    }
    Ok(Payload::whole(bytes))
}
