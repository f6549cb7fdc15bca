//! The architecture of a decoder, as data: what differs between llama, qwen2, qwen3, gemma2,
//! gemma3, phi2 and phi3 is a value here, read from a GGUF file's metadata.

use super::gguf::{Fault, Gguf, GgufError, Value};

/// Architectures that run, by the names in `general.architecture`.
pub const KNOWN: [&str; 7] = [
    "llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi2", "phi3",
];

/// Which pairs of numbers of a head RoPE turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// 2 i and 2 i + 1.
    Neighbours,
    /// i and i + half of the rotated numbers (NeoX).
    Halves,
}

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub pairs: Pairs,
    /// Numbers of a head that are turned.
    pub size: usize,
    pub base: f64,
    /// Positions are multiplied by this.
    pub scale: f64,
    /// Cosines and sines are multiplied by this (long contexts).
    pub amplitude: f64,
}

/// The feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// silu(gate) x up.
    SwiGlu,
    /// gelu(gate) x up, by tanh.
    GeGlu,
    /// gelu(up), without a gate.
    Gelu,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    pub name: String,
    pub layers: usize,
    pub width: usize,
    pub ffn: usize,
    pub heads: usize,
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Tokens that it was made for.
    pub context: usize,
    pub eps: f32,
    pub rope: Rope,
    /// Up to this many positions RoPE's factors are those of short contexts, where there are two
    /// kinds.
    pub short_context: usize,
    /// Of layers with a window, where it is another one.
    pub rope_windowed: Option<Rope>,
    /// Tokens that a layer looks back, itself included; by layer.
    pub windows: Vec<Option<usize>>,
    pub feed_forward: FeedForward,
    /// Embeddings are multiplied by this.
    pub embedding_scale: f32,
    /// Scores are multiplied by this.
    pub attention_scale: f32,
    /// cap x tanh(score / cap); 0: none.
    pub attention_cap: f32,
    pub logit_cap: f32,
}

impl Architecture {
    pub fn read(file: &Gguf) -> Result<Architecture, GgufError> {
        let reader = Reader { file };
        let name = reader.text("general.architecture")?;
        if !KNOWN.contains(&name.as_str()) {
            return Err(reader.wrong(
                "general.architecture",
                format!(
                    "it is {name}, which does not run here; these do: {}",
                    KNOWN.join(", ")
                ),
            ));
        }
        let key = |what: &str| format!("{name}.{what}");
        let layers = reader.size(&key("block_count"), 1, 512)?;
        let width = reader.size(&key("embedding_length"), 32, 65_536)?;
        let heads = reader.size(&key("attention.head_count"), 1, 1024)?;
        let kv_heads = reader.size_or(&key("attention.head_count_kv"), heads, 1, 1024)?;
        let head = reader.size_or(&key("attention.key_length"), width / heads, 1, 1024)?;
        let ffn = reader.size(&key("feed_forward_length"), 32, 1 << 20)?;
        let context = reader.size(&key("context_length"), 1, 1 << 24)?;
        if heads % kv_heads != 0 || head % 16 != 0 || width % 32 != 0 || ffn % 32 != 0 {
            return Err(reader.wrong(
                &key("attention.head_count"),
                format!(
                    "{heads} heads of {head} numbers, {kv_heads} key heads, width {width} and {ffn}; expected \
                     heads a multiple of the key heads, numbers of a head a multiple of 16, widths of 32"
                ),
            ));
        }
        let gemma = name.starts_with("gemma");
        let pairs = match name.as_str() {
            "llama" => Pairs::Neighbours,
            _ => Pairs::Halves,
        };
        let rope = Rope {
            pairs,
            size: reader.size_or(&key("rope.dimension_count"), head, 2, head)?,
            base: reader.number_or(&key("rope.freq_base"), 10_000.0)?,
            scale: match file.get(&key("rope.scaling.type")).and_then(Value::text) {
                None | Some("linear") => {
                    let factor = reader.number_or(&key("rope.scaling.factor"), 1.0)?;
                    if factor == 0.0 { 1.0 } else { factor.recip() }
                }
                Some("none" | "longrope") => 1.0,
                Some(other) => {
                    let why = format!(
                        "it is {other}, which does not run here; none, linear and longrope do"
                    );
                    return Err(reader.wrong(&key("rope.scaling.type"), why));
                }
            },
            amplitude: reader.number_or(&key("rope.scaling.attn_factor"), 1.0)?,
        };
        let original = &key("rope.scaling.original_context_length");
        let short_context = reader.size_or(original, context, 1, 1 << 24)?;
        let window = reader.size_or(&key("attention.sliding_window"), 0, 0, 1 << 24)?;
        let query_scale = match name.as_str() {
            // 27B alone differs: its queries are scaled by width / heads.
            "gemma2" | "gemma3" if layers == 46 || layers == 62 => width as f64 / heads as f64,
            _ => head as f64,
        };
        Ok(Architecture {
            rope_windowed: match name.as_str() {
                "gemma3" => Some(Rope {
                    base: reader.number_or(&key("rope.freq_base_swa"), 10_000.0)?,
                    scale: 1.0,
                    ..rope.clone()
                }),
                _ => None,
            },
            windows: windows(&name, layers, window),
            feed_forward: match name.as_str() {
                "phi2" => FeedForward::Gelu,
                _ if gemma => FeedForward::GeGlu,
                _ => FeedForward::SwiGlu,
            },
            embedding_scale: if gemma { (width as f32).sqrt() } else { 1.0 },
            attention_scale: query_scale.sqrt().recip() as f32,
            attention_cap: reader.number_or(&key("attn_logit_softcapping"), 0.0)? as f32,
            logit_cap: reader.number_or(&key("final_logit_softcapping"), 0.0)? as f32,
            eps: reader.number_or(
                &key("attention.layer_norm_rms_epsilon"),
                reader.number_or(&key("attention.layer_norm_epsilon"), 1e-5)?,
            )? as f32,
            layers,
            width,
            ffn,
            heads,
            kv_heads,
            head,
            context,
            rope,
            short_context,
            name,
        })
    }
}

/// By layer, how many tokens it looks back where it has a window; `window` 0: none has.
pub fn windows(architecture: &str, layers: usize, window: usize) -> Vec<Option<usize>> {
    // Every n-th layer sees everything.
    let every = match architecture {
        "gemma2" => 2,
        "gemma3" => 6,
        _ => 0,
    };
    let of = |layer: usize| match (window, every) {
        (0, _) => None,
        (_, 0) => (architecture == "phi3").then_some(window),
        _ => (!(layer + 1).is_multiple_of(every)).then_some(window),
    };
    (0..layers).map(of).collect()
}

struct Reader<'a> {
    file: &'a Gguf,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, why: String) -> GgufError {
        self.file.error(Fault::Value {
            what: key.to_owned(),
            why,
        })
    }

    fn text(&self, key: &str) -> Result<String, GgufError> {
        let text = self.file.get(key).and_then(Value::text);
        text.map(str::to_owned)
            .ok_or_else(|| self.wrong(key, String::from("it is not there, or no text")))
    }

    fn size(&self, key: &str, least: usize, most: usize) -> Result<usize, GgufError> {
        let Some(value) = self.file.get(key) else {
            return Err(self.wrong(
                key,
                String::from("it is not there; the file is no whole model"),
            ));
        };
        let size = value.unsigned().and_then(|size| usize::try_from(size).ok());
        size.filter(|size| (least..=most).contains(size))
            .ok_or_else(|| self.wrong(key, format!("it is {value}; expected {least} to {most}")))
    }

    fn size_or(
        &self,
        key: &str,
        default: usize,
        least: usize,
        most: usize,
    ) -> Result<usize, GgufError> {
        match self.file.get(key) {
            None => Ok(default),
            Some(_) => self.size(key, least, most),
        }
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64, GgufError> {
        match self.file.get(key) {
            None => Ok(default),
            Some(value) => value
                .number()
                .filter(|number| number.is_finite())
                .ok_or_else(|| self.wrong(key, format!("it is {value}; expected a finite number"))),
        }
    }
}
