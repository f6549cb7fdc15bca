//! Checks the write-ahead log beside a SQLite file. SQLite silently ignores the parts that it
//! cannot use, and with them the messages recorded last; this finds out whether it will.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// The last bit tells the byte order of the words that are summed.
const MAGIC: u32 = 0x377f_0682;

/// Beside a SQLite file, by this ending.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The endings of the files that must be read along: changes not yet in the file itself.
pub(super) fn companions(file: &Path) -> Vec<&'static str> {
    let is_filled = |ending: &&str| {
        std::fs::metadata(beside(file, ending))
            .is_ok_and(|found| found.is_file() && found.len() > 0)
    };
    ["-wal", "-journal"].into_iter().filter(is_filled).collect()
}

/// A sentence about the part of this file's log that SQLite ignores; none where all of it is read.
pub(super) fn lost(file: &Path) -> Option<String> {
    let path = beside(file, "-wal");
    let length = std::fs::metadata(&path).ok()?.len();
    if length == 0 {
        return None;
    }
    let what = match read(&path) {
        Ok(None) => return None,
        Ok(Some(what)) => what,
        Err(error) => error.to_string(),
    };
    let path = path.display();
    Some(format!(
        "{path}: {what}; messages recorded last are missing"
    ))
}

/// Goes over the frames as SQLite does.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut log = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? {
        return Ok(Some(String::from("it ends inside its header")));
    }
    let page = word(&header, 8) as usize;
    let mut sum = WalChecksum {
        big: word(&header, 0) & 1 == 1,
        sums: (0, 0),
    };
    sum.add(&header[..24]);
    let sound =
        word(&header, 0) & !1 == MAGIC && (512..=65_536).contains(&page) && sum.is(&header[24..]);
    if !sound {
        return Ok(Some(String::from("its header is damaged")));
    }
    let (mut frame, mut data) = ([0; FRAME], vec![0; page]);
    let (mut number, mut committed, mut stopped) = (0_u64, 0_u64, None);
    loop {
        if !fill(&mut log, &mut frame)? {
            break;
        }
        let whole = fill(&mut log, &mut data)?;
        // Frames of an earlier round of the log stand behind those of this one.
        let current = frame[8..16] == header[16..24];
        if stopped.is_some() {
            if current {
                return Ok(stopped);
            }
            continue;
        }
        number += 1;
        sum.add(&frame[..8]);
        sum.add(&data);
        if current && whole && sum.is(&frame[16..]) {
            if word(&frame, 4) > 0 {
                committed = number;
            }
            continue;
        }
        let damage = format!("it is damaged at page {number}");
        if current {
            return Ok(Some(match whole {
                true => damage,
                false => String::from("it ends inside a page"),
            }));
        }
        number -= 1;
        stopped = Some(damage);
    }
    Ok((number > committed).then(|| {
        let lost = number - committed;
        format!("its last {lost} pages were written and never committed")
    }))
}

/// False where the file ends before.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_be_bytes)
}

/// SQLite's checksum, carried on from frame to frame.
struct WalChecksum {
    big: bool,
    sums: (u32, u32),
}

impl WalChecksum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at: usize| {
                let word = word(pair, at);
                if self.big { word } else { word.swap_bytes() }
            };
            let (first, second) = (word(0), word(4));
            let one = self.sums.0.wrapping_add(first).wrapping_add(self.sums.1);
            let two = self.sums.1.wrapping_add(second).wrapping_add(one);
            self.sums = (one, two);
        }
    }

    fn is(&self, stored: &[u8]) -> bool {
        (word(stored, 0), word(stored, 4)) == self.sums
    }
}
