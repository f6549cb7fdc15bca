//! The shape of a language model: what follows for its tensors from a handful of sizes.

use serde::Serialize;

use super::format::{Format, Role};
use super::weights::{Tensor, Weights};
use crate::language::architecture::{Architecture, KNOWN, windows};
use crate::language::gguf::{Gguf, Value};
use crate::language::weights::EMBEDDING;

/// Sizes of a decoder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shape {
    /// As in `general.architecture`.
    pub architecture: String,
    pub layers: usize,
    /// Numbers of a token's row.
    pub width: usize,
    /// Numbers of the feed-forward part.
    pub ffn: usize,
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Tokens that it was made for.
    pub context: usize,
    /// The embedding is the head as well.
    pub tied: bool,
    /// Tokens that a layer with a window looks back.
    pub window: Option<usize>,
}

impl Shape {
    /// Of a model whose header was read.
    ///
    /// # Errors
    /// An architecture that does not run here, or an embedding that is not there.
    pub fn of_file(file: &Gguf) -> Result<Shape, String> {
        let read = Architecture::read(file).map_err(|error| error.to_string())?;
        let embedding = file.tensor(EMBEDDING).map(|tensor| &tensor.dimensions[..]);
        let Some([_, vocabulary]) = embedding else {
            let path = file.path().display();
            return Err(format!(
                "{path}: {EMBEDDING} is not in it; it is no whole model"
            ));
        };
        Ok(Shape {
            vocabulary: *vocabulary as usize,
            tied: file.tensor("output.weight").is_none(),
            window: read.windows.iter().flatten().next().copied(),
            architecture: read.name,
            layers: read.layers,
            width: read.width,
            ffn: read.ffn,
            heads: read.heads,
            kv_heads: read.kv_heads,
            head: read.head,
            context: read.context,
        })
    }

    /// Of a `config.json` as training libraries write it.
    ///
    /// # Errors
    /// Names the key that is missing or out of range.
    pub fn of_config(text: &str) -> Result<Shape, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|cause| format!("it is no JSON: {cause}"))?;
        // Models with eyes keep the language part apart.
        let json = json.get("text_config").unwrap_or(&json);
        let word = json.get("model_type").and_then(|word| word.as_str());
        let architecture = match word {
            Some("llama" | "mistral" | "smollm") => "llama",
            Some("gemma3" | "gemma3_text") => "gemma3",
            Some("phi" | "phi2" | "phi-msft") => "phi2",
            Some(other) => other,
            None => {
                return Err(String::from(
                    "model_type is not there; it is no config.json of a model",
                ));
            }
        };
        let number = |key: &str| json.get(key).and_then(serde_json::Value::as_u64);
        let size = |key: &str| match number(key) {
            Some(size @ 1..=16_777_216) => Ok(size as usize),
            Some(size) => Err(format!("{key} is {size}; expected 1 to 16777216")),
            None => Err(format!("{key} is not there, or no positive number")),
        };
        let heads = size("num_attention_heads")?;
        let width = size("hidden_size")?;
        let or = |key: &str, default: usize| match json.get(key) {
            None | Some(serde_json::Value::Null) => Ok(default),
            Some(_) => size(key),
        };
        let window_off = json.get("use_sliding_window") == Some(&serde_json::Value::Bool(false));
        // Llama's family unties unless told otherwise, Gemma ties.
        let tied = json
            .get("tie_word_embeddings")
            .and_then(serde_json::Value::as_bool);
        let shape = Shape {
            architecture: architecture.to_owned(),
            layers: size("num_hidden_layers")?,
            width,
            ffn: size("intermediate_size")?,
            heads,
            kv_heads: or("num_key_value_heads", heads)?,
            head: or("head_dim", width / heads.max(1))?,
            vocabulary: size("vocab_size")?,
            context: or("max_position_embeddings", 8192)?,
            tied: tied.unwrap_or(architecture.starts_with("gemma")),
            window: match number("sliding_window") {
                Some(window) if !window_off && window > 0 => Some(window as usize),
                _ => None,
            },
        };
        shape.fault().map_or(Ok(shape), Err)
    }

    /// Why no model has these sizes, or none that this program knows the tensors of.
    pub fn fault(&self) -> Option<String> {
        if !KNOWN.contains(&self.architecture.as_str()) {
            let known = KNOWN.join(", ");
            let found = &self.architecture;
            return Some(format!(
                "its architecture is {found}; the tensors of these are known: {known}"
            ));
        }
        let sizes = [
            self.layers,
            self.width,
            self.ffn,
            self.heads,
            self.kv_heads,
            self.head,
            self.vocabulary,
        ];
        if sizes.contains(&0) || self.layers > 512 || sizes.iter().any(|size| *size > 1 << 24) {
            return Some(format!(
                "its sizes are {sizes:?}; expected positive ones of a model"
            ));
        }
        if !self.heads.is_multiple_of(self.kv_heads)
            || !self.width.is_multiple_of(32)
            || !self.ffn.is_multiple_of(32)
            || !self.head.is_multiple_of(2)
        {
            return Some(format!(
                "{} heads on {} key heads, widths {} and {}; expected a multiple of the key heads, and of 32",
                self.heads, self.kv_heads, self.width, self.ffn
            ));
        }
        None
    }

    /// By layer, how far it looks back; none: everything.
    pub fn windows(&self) -> Vec<Option<usize>> {
        windows(&self.architecture, self.layers, self.window.unwrap_or(0))
    }

    /// Numbers of all matrices.
    pub fn parameters(&self) -> u64 {
        self.weights(Format::F16, 0).parameters()
    }

    /// Numbers of the layers' matrices: without embedding and head.
    pub fn body(&self) -> u64 {
        let all = self.weights(Format::F16, 0);
        let body = all
            .tensors
            .iter()
            .filter(|tensor| tensor.name.starts_with("blk."));
        body.filter(|tensor| tensor.outputs > 1)
            .map(Tensor::elements)
            .sum()
    }

    /// Its tensors in a format, as converting and quantizing write them, and metadata of a size.
    pub fn weights(&self, format: Format, metadata_bytes: u64) -> Weights {
        let mut out = Tensors {
            shape: self,
            format,
            all: Vec::new(),
        };
        out.write();
        Weights {
            tensors: out.all,
            metadata_bytes,
        }
    }

    /// About what tokenizer and header take in a file: a vocabulary of pieces has scores beside,
    /// one of merged bytes its merges.
    pub fn metadata_bytes(&self) -> u64 {
        let pieces = self.vocabulary < 33_000 || self.architecture.starts_with("gemma");
        let tokens = self.vocabulary as u64 * if pieces { 25 } else { 40 };
        tokens + 400 * self.layers as u64 + 8_000
    }

    /// Bytes of keys and values of a context, where layers with a window keep only that.
    ///
    /// `kept` says how many tokens a layer with this window keeps.
    pub fn kv_bytes(&self, context: usize, of_32: u64, kept: impl Fn(usize) -> usize) -> u64 {
        let row = (self.kv_heads * self.head) as u64;
        let windows = self.windows();
        let tokens = windows.iter().map(|window| match window {
            Some(window) => kept(*window).min(context),
            None => context,
        });
        2 * tokens.map(|tokens| tokens as u64).sum::<u64>() * row * of_32 / 32
    }

    /// Numbers that attention multiplies for one token behind `depth` others, in all layers.
    pub fn attention_macs(&self, depth: usize) -> u64 {
        let windows = self.windows();
        let seen = windows
            .iter()
            .map(|window| window.unwrap_or(usize::MAX).min(depth));
        2 * seen.map(|seen| seen as u64).sum::<u64>() * (self.heads * self.head) as u64
    }
}

/// The names and licences that a file gives itself.
pub fn text(file: &Gguf, key: &str) -> Option<String> {
    file.get(key).and_then(Value::text).map(str::to_owned)
}

struct Tensors<'a> {
    shape: &'a Shape,
    format: Format,
    all: Vec<Tensor>,
}

impl Tensors<'_> {
    fn matrix(&mut self, name: String, inputs: usize, outputs: usize, role: Role) {
        let kind = self.format.of(role, inputs, self.shape.layers);
        self.all.push(Tensor {
            name,
            inputs,
            outputs,
            kind,
        });
    }

    fn vector(&mut self, name: String, length: usize) {
        self.all.push(Tensor::vector(name, length));
    }

    fn write(&mut self) {
        let Shape {
            layers,
            width,
            ffn,
            heads,
            kv_heads,
            head,
            vocabulary,
            tied,
            ..
        } = *self.shape;
        let (queries, keys) = (heads * head, kv_heads * head);
        let name = self.shape.architecture.clone();
        let name = name.as_str();
        let (phi2, gemma) = (name == "phi2", name.starts_with("gemma"));
        let role = if tied { Role::Head } else { Role::Embedding };
        self.matrix(EMBEDDING.into(), width, vocabulary, role);
        for layer in 0..layers {
            let part = |part: &str| format!("blk.{layer}.{part}");
            self.vector(part("attn_norm.weight"), width);
            if matches!(name, "phi2" | "phi3") {
                self.matrix(
                    part("attn_qkv.weight"),
                    width,
                    queries + 2 * keys,
                    Role::Qkv,
                );
            } else {
                self.matrix(part("attn_q.weight"), width, queries, Role::Other);
                self.matrix(part("attn_k.weight"), width, keys, Role::Other);
                self.matrix(part("attn_v.weight"), width, keys, Role::Values(layer));
            }
            self.matrix(part("attn_output.weight"), queries, width, Role::Other);
            match name {
                "phi2" => self.matrix(part("ffn_up.weight"), width, ffn, Role::Other),
                "phi3" => self.matrix(part("ffn_up.weight"), width, 2 * ffn, Role::Other),
                _ => {
                    self.matrix(part("ffn_gate.weight"), width, ffn, Role::Other);
                    self.matrix(part("ffn_up.weight"), width, ffn, Role::Other);
                }
            }
            self.matrix(part("ffn_down.weight"), ffn, width, Role::Down(layer));
            if phi2 {
                let biases = [
                    ("attn_norm", width),
                    ("attn_qkv", queries + 2 * keys),
                    ("attn_output", width),
                    ("ffn_up", ffn),
                    ("ffn_down", width),
                ];
                for (of, length) in biases {
                    self.vector(part(&format!("{of}.bias")), length);
                }
            } else {
                self.vector(part("ffn_norm.weight"), width);
            }
            if name == "qwen2" {
                for (of, length) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
                    self.vector(part(&format!("{of}.bias")), length);
                }
            }
            if matches!(name, "qwen3" | "gemma3") {
                self.vector(part("attn_q_norm.weight"), head);
                self.vector(part("attn_k_norm.weight"), head);
            }
            if gemma {
                self.vector(part("post_attention_norm.weight"), width);
                self.vector(part("post_ffw_norm.weight"), width);
            }
        }
        self.vector("output_norm.weight".into(), width);
        if phi2 {
            self.vector("output_norm.bias".into(), width);
            self.vector("output.bias".into(), vocabulary);
        }
        if !tied {
            self.matrix("output.weight".into(), width, vocabulary, Role::Head);
        }
    }
}
