//! Questions with their truth: what a language model is scored on.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::LanguageEvalError;
use crate::language::question_file;

/// Faults that are named at once.
const NAMED: usize = 8;
/// The kind of a line that names none.
const ANY: &str = "any";

/// A question whose right answer is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As the line names it.
    pub id: Value,
    /// In words.
    pub text: String,
    /// The right answer: text, or JSON.
    pub truth: Value,
    /// What sort of question it is.
    pub kind: String,
}

/// Of these files, in their order.
///
/// # Errors
/// A file that cannot be read, or lines without a question or a truth, all of them named.
pub fn read(files: &[PathBuf]) -> Result<Vec<Question>, LanguageEvalError> {
    let mut questions = Vec::new();
    let mut faults = Vec::new();
    for file in files {
        one(file, &mut questions, &mut faults)?;
    }
    match faults.len() {
        0 => Ok(questions),
        more if more > NAMED => {
            faults.truncate(NAMED);
            let these = faults.join("; ");
            Err(LanguageEvalError::Lines(format!(
                "{these}; and {} more",
                more - NAMED
            )))
        }
        _ => Err(LanguageEvalError::Lines(faults.join("; "))),
    }
}

fn one(
    file: &Path,
    questions: &mut Vec<Question>,
    faults: &mut Vec<String>,
) -> Result<(), LanguageEvalError> {
    let unread = |cause: String| LanguageEvalError::File {
        file: file.to_owned(),
        cause: cause
            .trim_start_matches(&format!("{}: ", file.display()))
            .to_owned(),
        to: "read",
    };
    for line in question_file::read(file).map_err(unread)? {
        let line = line.map_err(unread)?;
        match (line.question, line.truth) {
            (Err(why), _) => faults.push(why),
            (Ok(_), None) => faults.push(format!(
                "{}, line {}: it has neither truth nor meaning",
                file.display(),
                line.number
            )),
            (Ok(text), Some(truth)) => questions.push(Question {
                id: line.id,
                text,
                truth,
                kind: line.kind.unwrap_or_else(|| ANY.to_owned()),
            }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_a_truth_are_named_together() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("q.jsonl");
        let good = r#"{"question": "a", "truth": "go", "kind": "ways"}"#;
        let meant = r#"{"command": "b", "meaning": {"action": "go"}}"#;
        std::fs::write(&file, format!("{good}\n\n{meant}\n")).unwrap();
        let questions = read(&[file.clone(), file.clone()]).unwrap();
        let kinds: Vec<&str> = questions.iter().map(|q| q.kind.as_str()).collect();
        assert_eq!(kinds, ["ways", "any", "ways", "any"]);
        std::fs::write(&file, format!("{good}\n{{\"question\": \"b\"}}\n{{\n")).unwrap();
        let said = read(std::slice::from_ref(&file)).unwrap_err().to_string();
        assert!(said.contains("line 2") && said.contains("line 3"), "{said}");
        std::fs::write(&file, "{\n".repeat(20)).unwrap();
        let said = read(&[file]).unwrap_err().to_string();
        assert!(said.contains("and 12 more"), "{said}");
        let said = read(&[folder.path().join("none")]).unwrap_err().to_string();
        assert!(said.contains("none") && said.contains("read"), "{said}");
    }
}
