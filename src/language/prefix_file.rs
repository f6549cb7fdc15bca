//! The saved prefix of a bundle: keys and values of the fixed part of its prompt, and what the model
//! answers without content, beside the costs in the user's cache.
//!
//! Of one model, prompt, room and processor path; a sum over all of these stands in the file, and
//! one over the file's bytes at its end.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::bundle::Bundle;
use super::costs::CostFile;
use super::session::{Prefix, Session};

const MAGIC: &[u8; 8] = b"ERPREFX1";
/// Of SHA-256.
const SUM: usize = 32;

/// The file.
pub struct PrefixFile(PathBuf);

impl PrefixFile {
    /// Beside the bundle's costs; none where those have no place.
    pub fn of(bundle: &Bundle) -> Option<PrefixFile> {
        let costs = CostFile::of(bundle)?;
        Some(PrefixFile(costs.path().with_extension("prefix")))
    }

    /// At a place of the caller's choice.
    pub fn at(path: PathBuf) -> PrefixFile {
        PrefixFile(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What is saved for this session; `None` where there is no file.
    ///
    /// # Errors
    /// In a sentence: a file that cannot be read, is damaged, or is of something else.
    pub fn read(&self, bundle: &Bundle, session: &Session) -> Result<Option<Prefix>, String> {
        let name = self.0.display();
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(format!("{name}: {cause}")),
        };
        let damaged = || format!("{name}: it is no saved prompt, or a damaged one");
        let head = MAGIC.len() + SUM;
        if bytes.len() < head + SUM || !bytes.starts_with(MAGIC) {
            return Err(damaged());
        }
        let (content, sum) = bytes.split_at(bytes.len() - SUM);
        if content[MAGIC.len()..head] != of_what(bundle, session) {
            return Err(format!(
                "{name}: it was saved for another model, template, prompt or processor path"
            ));
        }
        if Sha256::digest(content)[..] != *sum {
            return Err(damaged());
        }
        let prefix = Prefix::from_bytes(&content[head..]).ok_or_else(damaged)?;
        Ok(Some(prefix))
    }

    /// Saves what a session holds of the fixed part of its prompt.
    ///
    /// # Errors
    /// The file, and why not.
    pub fn write(&self, bundle: &Bundle, session: &Session) -> Result<(), String> {
        let wrong = |cause: std::io::Error| format!("{}: {cause}", self.0.display());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(of_what(bundle, session));
        session.prefix().to_bytes(&mut bytes);
        let sum = Sha256::digest(&bytes);
        bytes.extend(&sum[..]);
        fs::create_dir_all(self.0.parent().unwrap_or(Path::new("."))).map_err(wrong)?;
        let part = self.0.with_extension(format!("part{}", std::process::id()));
        fs::write(&part, bytes).map_err(wrong)?;
        fs::rename(&part, &self.0).map_err(wrong)
    }
}

/// A sum over all that keys, values and the answers without content follow from: this build, the
/// weights, the prompt as tokens (so the template and the tokenizer too), the answers, the room and
/// the processor path.
fn of_what(bundle: &Bundle, session: &Session) -> [u8; SUM] {
    let manifest = &bundle.manifest;
    let weights = bundle.weights().ok();
    let facts = weights.as_ref().and_then(|path| fs::metadata(path).ok());
    let all = format!(
        "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        env!("CARGO_PKG_VERSION"),
        manifest.weights.sha256,
        facts.as_ref().map(fs::Metadata::len),
        facts.and_then(|facts| facts.modified().ok()),
        manifest.prompt,
        manifest.answer,
        manifest.prior,
        session.prefix_identity(),
    );
    Sha256::digest(all).into()
}
