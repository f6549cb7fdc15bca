//! From a bundle to a session that can be asked at once: opened, its costs known, the fixed part of
//! its prompt in the cache.

use super::bundle::{Bundle, BundleError};
use super::costs::{CostFile, Costs};
use super::prefix_file::PrefixFile;
use super::session::{QuestionError, Session};

/// Times that a step is measured where nothing was measured before: seconds in all.
pub const QUICK_RUNS: usize = 5;

/// A session, and what its steps cost on this machine.
pub struct Ready {
    pub session: Session,
    pub costs: Costs,
    /// Whether the costs were measured just now; else they were read.
    pub measured: bool,
    /// Whether the fixed part of the prompt was read; else it was fed.
    pub prefix_read: bool,
    /// What did not go as it should and is mended, as sentences.
    pub notes: Vec<String>,
}

/// Opens a bundle. Costs that were measured before are taken, unless `runs` says to measure each
/// step so many times; new ones are written down. A saved prefix is taken where it is of this very
/// model, prompt and processor path.
///
/// # Errors
/// Whatever of the bundle is wrong, by name.
pub fn ready(bundle: &Bundle, runs: Option<usize>) -> Result<Ready, BundleError> {
    let mut session = bundle.open_unfed()?;
    let mut notes = Vec::new();
    let file = CostFile::of(bundle);
    let known = file.as_ref().and_then(CostFile::read);
    let (costs, measured) = match known.filter(|_| runs.is_none()) {
        Some(costs) => (costs, false),
        None => {
            let costs = session.measure(runs.unwrap_or(QUICK_RUNS));
            let written = file.as_ref().map(|file| file.write(&costs));
            if let Some(Err(cause)) = written {
                notes.push(format!("{cause}; costs are measured again next time"));
            }
            (costs, true)
        }
    };
    let saved = PrefixFile::of(bundle).map(|file| file.read(bundle, &session));
    let prefix_read = match saved {
        Some(Ok(Some(prefix))) => session.hold_prefix(prefix, bundle.manifest.prior.strength),
        Some(Err(why)) => {
            notes.push(format!(
                "{why}; the prompt is fed instead; `edge_reasoner profile --model {}` saves it anew",
                bundle.folder.display()
            ));
            false
        }
        Some(Ok(None)) | None => false,
    };
    if !prefix_read {
        feed(bundle, &mut session).map_err(|cause| BundleError::Question {
            name: bundle.manifest.name.clone(),
            cause,
        })?;
    }
    Ok(Ready {
        session,
        costs,
        measured,
        prefix_read,
        notes,
    })
}

/// Feeds the fixed part of the prompt, and takes what the model answers without content.
fn feed(bundle: &Bundle, session: &mut Session) -> Result<(), QuestionError> {
    let prior = &bundle.manifest.prior;
    session.warm(&prior.questions, prior.strength)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::language::testing::small_bundle;

    fn saved_in(folder: &std::path::Path, bundle: &Bundle) -> PrefixFile {
        let mut session = bundle.open().unwrap();
        let file = PrefixFile::at(folder.join("small.prefix"));
        session.forget_question();
        file.write(bundle, &session).unwrap();
        file
    }

    fn answered(session: &mut Session) -> Vec<f64> {
        let prepared = session.prepare("a wall ahead").unwrap();
        let plain = Default::default();
        let answer = session.begin(&prepared, plain, &mut || ControlFlow::Continue(()));
        answer.unwrap().probabilities
    }

    #[test]
    fn a_prefix_that_was_saved_answers_as_one_that_was_fed() {
        let (folder, bundle) = small_bundle(1, "prior: {strength: 1.0, questions: [x, y z]}\n");
        let file = saved_in(folder.path(), &bundle);
        let mut fed = bundle.open().unwrap();
        let mut read = bundle.open_unfed().unwrap();
        let prefix = file.read(&bundle, &read).unwrap().unwrap();
        assert!(read.hold_prefix(prefix, bundle.manifest.prior.strength));
        let fixed = read.filled();
        assert!(fixed > 10);
        assert_eq!(read.prepare("a wall ahead").unwrap().cached, fixed);
        assert_eq!(answered(&mut read), answered(&mut fed));
    }

    #[test]
    fn a_prefix_of_something_else_is_refused() {
        let (folder, bundle) = small_bundle(1, "");
        let file = saved_in(folder.path(), &bundle);
        let mut said = Vec::new();
        // Another model; then other words that are taken out, another prompt, less room.
        let (_other, other) = small_bundle(2, "");
        said.push(file.read(&other, &other.open_unfed().unwrap()).unwrap_err());
        let mut other = bundle.clone();
        other.manifest.prior.questions = vec![String::from("x")];
        said.push(file.read(&other, &other.open_unfed().unwrap()).unwrap_err());
        let mut other = bundle.clone();
        other.manifest.prompt.system = String::from("You decide otherwise.");
        said.push(file.read(&other, &other.open_unfed().unwrap()).unwrap_err());
        let mut other = bundle.clone();
        other.manifest.context = 128;
        said.push(file.read(&other, &other.open_unfed().unwrap()).unwrap_err());
        for said in said {
            assert!(
                said.contains("small.prefix") && said.contains("another model"),
                "{said}"
            );
        }
        let session = bundle.open_unfed().unwrap();
        assert!(
            PrefixFile::at(folder.path().join("none"))
                .read(&bundle, &session)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_session_holds_no_prefix_of_another_prompt_or_with_too_few_numbers() {
        let (folder, bundle) = small_bundle(1, "");
        let file = saved_in(folder.path(), &bundle);
        let mut session = bundle.open_unfed().unwrap();
        let prefix = file.read(&bundle, &session).unwrap().unwrap();
        assert!(
            !session.hold_prefix(prefix.clone(), 1.0),
            "it has no answers without content"
        );
        assert!(session.hold_prefix(prefix.clone(), 0.0));
        let mut other = bundle.clone();
        other.manifest.prompt.system = String::from("You recite.");
        let mut other = other.open_unfed().unwrap();
        assert!(!other.hold_prefix(prefix, 0.0));
        assert_eq!(other.filled(), 0);
    }

    #[test]
    fn a_prefix_that_is_damaged_is_refused() {
        let (folder, bundle) = small_bundle(1, "");
        let file = saved_in(folder.path(), &bundle);
        let session = bundle.open_unfed().unwrap();
        let path = folder.path().join("small.prefix");
        let whole = std::fs::read(&path).unwrap();
        let ends = [0, 1, 39, whole.len() / 2, whole.len() - 1];
        let cuts = ends.map(|end| whole[..end].to_vec());
        let flips = [8, 45, whole.len() / 2, whole.len() - 1].map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            bytes
        });
        for bytes in cuts.into_iter().chain(flips) {
            std::fs::write(&path, &bytes).unwrap();
            let said = file.read(&bundle, &session).unwrap_err();
            assert!(said.contains("small.prefix"), "{said}");
        }
    }
}
