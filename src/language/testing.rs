//! Small GGUF files for tests.

use std::io::Write;
use std::ops::ControlFlow;

use tempfile::NamedTempFile;

use super::bundle::Bundle;
use super::decoder::Decoder;
use super::gguf::Gguf;
use super::tokenizer::{Tokenizer, byte_alphabet};

/// Writes a GGUF file: keys with their type and value, tensors with dimensions, type and bytes.
#[derive(Default)]
pub struct Writer {
    pub keys: Vec<(String, u32, Vec<u8>)>,
    pub tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

/// A string as GGUF has it.
pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text].concat()
}

impl Writer {
    /// A key with text.
    pub fn text(&mut self, key: &str, text: &str) -> &mut Writer {
        self.keys.push((key.into(), 8, string(text.as_bytes())));
        self
    }

    /// A key with a number.
    pub fn number(&mut self, key: &str, number: u32) -> &mut Writer {
        self.keys
            .push((key.into(), 4, number.to_le_bytes().to_vec()));
        self
    }

    /// A key with a number that is no integer.
    pub fn float(&mut self, key: &str, number: f64) -> &mut Writer {
        self.keys
            .push((key.into(), 12, number.to_le_bytes().to_vec()));
        self
    }

    /// A key with a list: the type of its values, how many, and their bytes.
    pub fn array(&mut self, key: &str, kind: u32, count: usize, bytes: Vec<u8>) -> &mut Writer {
        let head = [&kind.to_le_bytes()[..], &(count as u64).to_le_bytes()].concat();
        self.keys.push((key.into(), 9, [head, bytes].concat()));
        self
    }

    /// A tensor of f32.
    pub fn floats(&mut self, name: &str, dimensions: &[u64], values: &[f32]) -> &mut Writer {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.tensors
            .push((name.into(), dimensions.to_vec(), 0, bytes));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            out.extend(string(key.as_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut offset = 0u64;
        for (name, dimensions, kind, bytes) in &self.tensors {
            out.extend(string(name.as_bytes()));
            out.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (bytes.len() as u64).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }

    pub fn open(&self) -> Gguf {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&self.bytes()).unwrap();
        Gguf::open(file.path()).unwrap()
    }
}

/// A small random model with a tokenizer of bytes and a few words, and a chat template.
pub struct Small {
    pub decoder: Decoder,
    pub tokenizer: Tokenizer,
    /// Fed so far by [`Small::take`].
    pub taken: Vec<u32>,
}

/// Positions that a small model has room for.
pub const SMALL_ROOM: usize = 256;

impl Small {
    pub fn new(seed: u64) -> Small {
        let file = small_model(seed).open();
        let tokenizer = Tokenizer::read(&file).unwrap();
        let decoder = Decoder::new(file, SMALL_ROOM).unwrap();
        Small {
            decoder,
            tokenizer,
            taken: Vec::new(),
        }
    }

    /// Feeds a text.
    pub fn take(&mut self, text: &str) {
        let tokens = self.tokenizer.encode(text, false);
        self.decoder
            .take(&tokens, || ControlFlow::Continue(()))
            .unwrap();
        self.taken.extend(tokens);
    }
}

/// A folder with a bundle of such a model; `more` is added to its yaml.
pub fn small_bundle(seed: u64, more: &str) -> (tempfile::TempDir, Bundle) {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!(
        "format: 1\nkind: language\nname: small\nlicence: none\nweights: {{file: small.gguf}}\n\
         prompt: {{system: You decide., thought_opener: 'Thought:', answer_cue: 'Answer:'}}\n\
         answer: {{labels: [go, stop]}}\nsafe_answer: stop\nthoughts: {{chunk: 4, chunks: 2}}\ncontext: 256\n{more}"
    );
    std::fs::write(folder.path().join("model.yaml"), yaml).unwrap();
    std::fs::write(folder.path().join("small.gguf"), small_model(seed).bytes()).unwrap();
    let bundle = Bundle::load(folder.path()).unwrap();
    (folder, bundle)
}

/// The file of such a model.
pub fn small_model(seed: u64) -> Writer {
    const WIDTH: usize = 64;
    const FFN: usize = 96;
    const LAYERS: usize = 2;
    let mut state = seed.wrapping_mul(2) + 1;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f32 / (1u64 << 30) as f32 - 1.0
    };
    let mut alphabet: Vec<(u8, char)> = byte_alphabet().into_iter().map(|(c, b)| (b, c)).collect();
    alphabet.sort_unstable();
    let mut tokens: Vec<String> = alphabet.iter().map(|(_, c)| c.to_string()).collect();
    let merges = [
        "o p",
        "s t",
        "st op",
        "\u{120} stop",
        "g o",
        "\u{120} go",
        "\u{120} s",
    ];
    tokens.extend(merges.map(|merge| merge.replace(' ', "")));
    let mut types = vec![1u32; tokens.len()];
    for control in ["<|im_start|>", "<|im_end|>"] {
        tokens.push(control.to_owned());
        types.push(3);
    }
    let mut writer = Writer::default();
    writer.text("general.architecture", "llama");
    for (key, number) in [
        ("block_count", LAYERS),
        ("embedding_length", WIDTH),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("feed_forward_length", FFN),
        ("context_length", SMALL_ROOM),
    ] {
        writer.number(&format!("llama.{key}"), number as u32);
    }
    writer.text("tokenizer.ggml.model", "gpt2");
    writer.text("tokenizer.ggml.pre", "gpt-2");
    let strings = |strings: &[String]| strings.iter().flat_map(|s| string(s.as_bytes())).collect();
    let merges = merges.map(str::to_owned);
    writer.array("tokenizer.ggml.tokens", 8, tokens.len(), strings(&tokens));
    writer.array("tokenizer.ggml.merges", 8, merges.len(), strings(&merges));
    let bytes = types.iter().flat_map(|kind| kind.to_le_bytes()).collect();
    writer.array("tokenizer.ggml.token_type", 5, types.len(), bytes);
    writer.number("tokenizer.ggml.eos_token_id", tokens.len() as u32 - 1);
    writer.text(
        "tokenizer.chat_template",
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n\
         {% endfor %}<|im_start|>assistant\n",
    );
    let mut matrix = |name: String, inputs: usize, outputs: usize, by: f32| {
        let values: Vec<f32> = (0..inputs * outputs).map(|_| by * random()).collect();
        let dimensions = [inputs as u64, outputs as u64];
        let dimensions = &dimensions[..if outputs == 1 { 1 } else { 2 }];
        writer.floats(&format!("{name}.weight"), dimensions, &values);
    };
    matrix("token_embd".into(), WIDTH, tokens.len(), 0.5);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}");
        for (part, inputs, outputs, by) in [
            ("attn_norm", WIDTH, 1, 1.0),
            ("attn_q", WIDTH, 64, 0.3),
            ("attn_k", WIDTH, 32, 0.3),
            ("attn_v", WIDTH, 32, 0.3),
            ("attn_output", 64, WIDTH, 0.3),
            ("ffn_norm", WIDTH, 1, 1.0),
            ("ffn_gate", WIDTH, FFN, 0.3),
            ("ffn_up", WIDTH, FFN, 0.3),
            ("ffn_down", FFN, WIDTH, 0.3),
        ] {
            matrix(name(part), inputs, outputs, by);
        }
    }
    matrix("output_norm".into(), WIDTH, 1, 1.0);
    writer
}
