//! What is done to have a candidate run: commands, and the bundle that `reason` takes.

use std::path::Path;

use super::Lang;
use crate::language::bundle::manifest::FORMAT;
use crate::plan::candidates::Candidate;
use crate::plan::engine::Engine;
use crate::plan::time::Question;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub what: String,
    pub command: String,
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A name for files, of a model's.
fn file_name(model: &str) -> String {
    model
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

/// From the weights to an answer.
pub fn steps(one: &Candidate, deadline_ms: f64, lang: Lang) -> Vec<Step> {
    let mut all = Vec::new();
    let mut add = |en: &str, es: &str, command: String| {
        all.push(Step {
            what: lang.pick(en, es).to_owned(),
            command,
        });
    };
    let name = file_name(&one.model);
    let gguf = match &one.file {
        Some(path) => path.clone(),
        None if one.other_file.is_some() => {
            let from = quoted(one.other_file.as_deref().unwrap_or_default());
            let made = format!("{name}-{}.gguf", one.format);
            add(
                "Quantize from the file that is here (llama.cpp); from an F16 file it loses less",
                "Comprima desde el archivo que está aquí (llama.cpp); desde uno F16 pierde menos",
                format!(
                    "llama-quantize --allow-requantize {from} {made} {}",
                    one.format
                ),
            );
            made
        }
        None => {
            let from = match one.repository.as_str() {
                "" => name.clone(),
                repository => repository.to_owned(),
            };
            add(
                "Fetch the weights, once, where there is a network (pip install huggingface_hub)",
                "Traiga los pesos, una vez, donde haya red (pip install huggingface_hub)",
                format!("hf download {} --local-dir {name}", quoted(&from)),
            );
            add(
                "Convert (in a checkout of llama.cpp)",
                "Convierta (en una copia de llama.cpp)",
                format!(
                    "python convert_hf_to_gguf.py {name} --outtype f16 --outfile {name}-F16.gguf"
                ),
            );
            let made = format!("{name}-{}.gguf", one.format);
            if one.format != "F16" {
                add(
                    "Quantize (llama.cpp)",
                    "Comprima (llama.cpp)",
                    format!("llama-quantize {name}-F16.gguf {made} {}", one.format),
                );
            }
            made
        }
    };
    let gguf = quoted(&gguf);
    match one.engine {
        Engine::Ours => {
            let bundle = quoted(&name.to_ascii_lowercase());
            add(
                "Look into the file",
                "Mire el archivo",
                format!("edge_reasoner inspect {gguf}"),
            );
            add(
                "Write a bundle; put your prompt, labels and examples into its model.yaml",
                "Escriba un paquete; ponga su pregunta, etiquetas y ejemplos en su model.yaml",
                format!("edge_reasoner plan --model {gguf} --bundle {bundle}"),
            );
            add(
                "Measure its costs here and ask",
                "Mida sus costes aquí y pregunte",
                format!(
                    "edge_reasoner reason --model {bundle} --measure --question 'A wall is 0.3 m ahead.' --deadline-ms {deadline_ms}"
                ),
            );
            add(
                "Calibrate: answers with a truth beside, by this deadline (docs/language.md)",
                "Calibre: respuestas con su verdad al lado, en este plazo (docs/language.md)",
                format!(
                    "edge_reasoner reason --model {bundle} --file questions.jsonl --deadline-ms {deadline_ms} --out answers.jsonl"
                ),
            );
        }
        Engine::LlamaCpp { threads } => {
            add(
                "Measure",
                "Mida",
                format!("llama-bench -m {gguf} -t {threads} -p 200 -n 32"),
            );
            add(
                "Run",
                "Ejecute",
                format!(
                    "llama-server -m {gguf} -t {threads} -c {} -np 1",
                    one.context
                ),
            );
        }
        Engine::LlamaCppGpu => {
            add(
                "Measure (a build of llama.cpp for this GPU)",
                "Mida (una compilación de llama.cpp para esta GPU)",
                format!("llama-bench -m {gguf} -ngl 99 -p 200 -n 32"),
            );
            add(
                "Run",
                "Ejecute",
                format!("llama-server -m {gguf} -ngl 99 -c {} -np 1", one.context),
            );
        }
    }
    all
}

/// The `model.yaml` of a bundle with these weights, for `reason`.
///
/// # Errors
/// Where yaml has no words for it.
pub fn bundle(
    name: &str,
    licence: &str,
    weights: &Path,
    task: Option<&str>,
    question: &Question,
) -> Result<String, String> {
    let name: String = file_name(name).replace('.', "-").to_ascii_lowercase();
    let licence = if licence.is_empty() {
        "not stated"
    } else {
        licence
    };
    let system =
        task.unwrap_or("A robot decides from its state what it does next: go, slow, stop or help.");
    let manifest = serde_json::json!({
        "format": FORMAT,
        "kind": "language",
        "name": name,
        "licence": licence,
        "weights": {"file": weights},
        "prompt": {"system": system, "answer_cue": "Answer:", "thought_opener": "Thought:", "thought_closer": "\n"},
        "answer": {"labels": ["go", "slow", "stop", "help"]},
        "safe_answer": "stop",
        "thoughts": {"chunk": question.chunk, "chunks": question.thoughts.div_ceil(question.chunk).min(63)},
        "context": question.context().max(32).next_multiple_of(64),
    });
    serde_yaml::to_string(&manifest).map_err(|cause| cause.to_string())
}
