//! What a GGUF file holds, in figures: for `inspect`, and for a check of whether it fits into
//! memory.

use std::collections::BTreeMap;

use serde::Serialize;

use super::architecture::{Architecture, KNOWN};
use super::blocks;
use super::gguf::{Gguf, Value};
use super::tokenizer::Tokenizer;

/// A file's facts.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Of the format.
    pub version: u32,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// As the file calls itself.
    pub name: Option<String>,
    /// As the file says.
    pub licence: Option<String>,
    /// `general.architecture`.
    pub architecture: String,
    /// Numbers in all tensors.
    pub parameters: u64,
    /// Tensors and bytes by type.
    pub types: BTreeMap<&'static str, Count>,
    /// Its sizes, where the architecture runs here.
    pub sizes: Option<Sizes>,
    /// Tokens of the vocabulary, and what cuts text into them.
    pub tokens: Option<u64>,
    /// `tokenizer.ggml.model`, and `tokenizer.ggml.pre` behind a slash.
    pub tokenizer: Option<String>,
    /// Whether a chat template is inside.
    pub chat_template: bool,
    /// Why it does not run here; none where it does.
    pub does_not_run: Option<String>,
}

/// Of one type of tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Count {
    /// Tensors.
    pub tensors: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Of a model that runs.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    /// Layers.
    pub layers: usize,
    /// Numbers of a token's row.
    pub width: usize,
    /// Numbers of the feed-forward part.
    pub ffn: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Tokens that it was made for.
    pub context: usize,
    /// Layers that look back over a window only.
    pub windowed_layers: usize,
    /// Bytes of keys and values of one token, in f16, without regard to windows.
    pub kv_bytes_per_token: usize,
}

impl Summary {
    /// Of an open file.
    pub fn of(file: &Gguf) -> Summary {
        let text = |key: &str| file.get(key).and_then(Value::text).map(str::to_owned);
        let mut types: BTreeMap<&'static str, Count> = BTreeMap::new();
        for tensor in file.tensors() {
            let count = types.entry(tensor.kind.name()).or_default();
            count.tensors += 1;
            count.bytes += tensor.size;
        }
        let architecture = Architecture::read(file);
        let unknown = file.tensors().iter().find(|t| !blocks::runs(t.kind));
        let does_not_run = match (&architecture, unknown) {
            (Err(error), _) => Some(error.fault.to_string()),
            (Ok(_), Some(tensor)) => Some(format!(
                "tensor {} is of type {}, which does not run here",
                tensor.name, tensor.kind
            )),
            (Ok(_), None) => Tokenizer::read(file).err().map(|why| why.fault.to_string()),
        };
        let sizes = architecture.ok().map(|a| Sizes {
            kv_bytes_per_token: 2 * 2 * a.layers * a.kv_heads * a.head,
            windowed_layers: a.windows.iter().flatten().count(),
            layers: a.layers,
            width: a.width,
            ffn: a.ffn,
            heads: a.heads,
            kv_heads: a.kv_heads,
            head: a.head,
            context: a.context,
        });
        let tokens = file.get("tokenizer.ggml.tokens").and_then(Value::array);
        let pre = text("tokenizer.ggml.pre").map_or_else(String::new, |pre| format!("/{pre}"));
        Summary {
            version: file.version(),
            file_bytes: file.file_size(),
            name: text("general.name"),
            licence: text("general.license"),
            architecture: text("general.architecture").unwrap_or_default(),
            parameters: file.tensors().iter().map(|tensor| tensor.elements()).sum(),
            types,
            sizes,
            tokens: tokens.map(|tokens| tokens.len()),
            tokenizer: text("tokenizer.ggml.model").map(|model| model + &pre),
            chat_template: file.get("tokenizer.chat_template").is_some(),
            does_not_run,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let name = self
            .name
            .as_deref()
            .unwrap_or("a language model without a name");
        writeln!(
            f,
            "{name}: GGUF version {}, {:.1} MB, {:.1} million parameters, licence {}",
            self.version,
            megabytes(self.file_bytes),
            self.parameters as f64 / 1e6,
            self.licence.as_deref().unwrap_or("not stated")
        )?;
        if let Some(sizes) = &self.sizes {
            writeln!(
                f,
                "{}: {} layers ({} windowed), width {}, ffn {}, {} heads of {} ({} of keys), context {}",
                self.architecture,
                sizes.layers,
                sizes.windowed_layers,
                sizes.width,
                sizes.ffn,
                sizes.heads,
                sizes.head,
                sizes.kv_heads,
                sizes.context
            )?;
            writeln!(
                f,
                "keys and values: {:.1} KiB a token, {:.0} MB at 2048 tokens",
                sizes.kv_bytes_per_token as f64 / 1024.0,
                megabytes(2048 * sizes.kv_bytes_per_token as u64)
            )?;
        }
        for (kind, count) in &self.types {
            writeln!(
                f,
                "  {kind:8} {:4} tensors {:9.1} MB",
                count.tensors,
                megabytes(count.bytes)
            )?;
        }
        writeln!(
            f,
            "tokenizer: {}, {} tokens; chat template: {}",
            self.tokenizer.as_deref().unwrap_or("none"),
            self.tokens.unwrap_or(0),
            if self.chat_template { "inside" } else { "none" }
        )?;
        match &self.does_not_run {
            None => Ok(()),
            Some(why) => writeln!(
                f,
                "! does not run here: {why} (architectures that do: {})",
                KNOWN.join(", ")
            ),
        }
    }
}
