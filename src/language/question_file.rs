//! Questions of a file, one JSON object per line, with the right answer where there is one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Value, json};

/// A line, or why it has no question.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionLine {
    /// From 1.
    pub number: usize,
    /// The line's own, else its number.
    pub id: Value,
    /// `question`, or `command`; else what is wrong with the line, as a sentence.
    pub question: Result<String, String>,
    /// `truth`, or `meaning`: text, or an object that an answer is compared with field by field.
    pub truth: Option<Value>,
    /// What sort of question it is, where the line says so.
    pub kind: Option<String>,
}

/// The lines of a file, as they are read; empty ones are passed over.
///
/// # Errors
/// A file that cannot be opened or, among the items, read.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<QuestionLine, String>>, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|cause| format!("{name}: {cause}"))?;
    let lines = BufReader::new(file).split(b'\n').enumerate();
    Ok(lines.filter_map(move |(index, line)| match line {
        Err(cause) => Some(Err(format!("{name}: {cause}"))),
        Ok(line) if line.trim_ascii().is_empty() => None,
        Ok(line) => Some(Ok(parse(&name, index + 1, &line))),
    }))
}

fn parse(name: &str, number: usize, line: &[u8]) -> QuestionLine {
    let parsed = serde_json::from_slice::<Value>(line);
    let id = match &parsed {
        Ok(line) if !line["id"].is_null() => line["id"].clone(),
        _ => json!(number),
    };
    let question = match &parsed {
        Err(cause) => Err(format!("{name}, line {number}: {cause}")),
        Ok(line) => match line["question"].as_str().or(line["command"].as_str()) {
            Some(question) => Ok(question.to_owned()),
            None => Err(format!(
                "{name}, line {number}: it has no text as question; expected {{\"id\": ..., \"question\": \"...\"}}"
            )),
        },
    };
    let line = parsed.unwrap_or_default();
    QuestionLine {
        number,
        id,
        question,
        truth: line.get("truth").or(line.get("meaning")).cloned(),
        kind: line["kind"].as_str().map(str::to_owned),
    }
}

/// Whether an answer is the right one: the same text, or JSON with the same values.
pub fn is_right(truth: &Value, answer: &str) -> bool {
    let text = truth.as_str() == Some(answer);
    text || serde_json::from_str(answer).is_ok_and(|answer| same(truth, &answer))
}

/// Whether the foremost action is the right one: the field `action`, of the first step where there
/// are several; what has none is taken whole.
pub fn is_right_action(truth: &Value, answer: &str) -> bool {
    match serde_json::from_str::<Value>(answer) {
        Ok(answer) if !truth.is_string() => same(action(truth), action(&answer)),
        _ => is_right(truth, answer),
    }
}

fn action(meaning: &Value) -> &Value {
    match meaning {
        Value::Object(fields) => {
            match (fields.get("action"), fields.values().find(|v| v.is_array())) {
                (Some(found), _) => found,
                (None, Some(steps)) => action(steps),
                (None, None) => meaning,
            }
        }
        Value::Array(steps) => steps.first().map_or(meaning, action),
        _ => meaning,
    }
}

/// As JSON means it: 1 and 1.0 are one number, and fields have no order.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let found = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(found)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_question_or_says_why_not() {
        let of = |line: &str| parse("q.jsonl", 7, line.as_bytes());
        let one = of(r#"{"id": "a", "question": "who?", "kind": "names"}"#);
        assert_eq!((one.id, one.question), (json!("a"), Ok("who?".into())));
        assert_eq!((one.truth, one.kind.as_deref()), (None, Some("names")));
        let one = of(r#"{"command": "go home", "meaning": {}}"#);
        assert_eq!((one.id, one.question), (json!(7), Ok("go home".into())));
        assert_eq!(one.truth, Some(json!({})));
        for wrong in ["{", "[]", "{\"question\": 3}", "\u{1}"] {
            let one = of(wrong);
            assert!(
                one.question.unwrap_err().contains("q.jsonl, line 7"),
                "{wrong}"
            );
        }
        assert!(parse("q", 1, b"{\"question\": \"\xff\"}").question.is_err());
    }

    #[test]
    fn answers_are_compared_by_what_they_mean() {
        for (truth, answer, right, action) in [
            (json!("go"), "go", true, true),
            (json!("go"), "gone", false, false),
            (
                json!({"action": "go", "m": 1}),
                r#"{"m":1.0,"action":"go"}"#,
                true,
                true,
            ),
            (
                json!({"action": "go", "m": 1}),
                r#"{"action":"go","m":2}"#,
                false,
                true,
            ),
            (
                json!({"action": "go"}),
                r#"{"action":"go","m":2}"#,
                false,
                true,
            ),
            (
                json!({"action": "go"}),
                r#"{"action":"stop"}"#,
                false,
                false,
            ),
            (
                json!([{"action": "go"}, 2]),
                r#"[{"action":"go"}]"#,
                false,
                true,
            ),
            (
                json!({"steps": [{"action": "go"}]}),
                r#"{"steps":[{"action":"go","n":1}]}"#,
                false,
                true,
            ),
            (
                json!(["left", "right"]),
                r#"["right","left"]"#,
                false,
                false,
            ),
            (json!({"do": "go"}), "no JSON", false, false),
        ] {
            assert_eq!(is_right(&truth, answer), right, "{truth} {answer}");
            assert_eq!(is_right_action(&truth, answer), action, "{truth} {answer}");
        }
    }
}
