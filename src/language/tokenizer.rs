//! Text to tokens and back, by what a GGUF file says of its tokenizer.
//!
//! Byte-level BPE (`gpt2`) and SentencePiece's BPE (`llama`) run on the crate `tokenizers`; what is
//! here reads the vocabulary, and keeps control tokens out of text: in [`Tokenizer::encode`] a text
//! that looks like a control token is text. Only [`Tokenizer::control`] gives one, by name.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

use super::gguf::{Fault, Gguf, GgufError, Value};

/// What a token is (`tokenizer.ggml.token_type`).
const CONTROL: f64 = 3.0;
const USER_DEFINED: f64 = 4.0;
const UNUSED: f64 = 5.0;
const BYTE: f64 = 6.0;

/// Text to tokens and back.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes that each token stands for; empty for control tokens.
    bytes: Vec<Vec<u8>>,
    /// Control tokens by name.
    controls: HashMap<String, u32>,
    /// Before every text, where the model wants one.
    pub begin: Option<u32>,
    /// End an answer: end of text, end of turn.
    pub ends: Vec<u32>,
    /// Pieces of text that are one token wherever they stand, by their first character, longest
    /// first.
    whole: HashMap<char, Vec<(String, u32)>>,
    spm: bool,
    /// Whether a blank is put before a text.
    blank_first: bool,
}

/// The regular expressions by which text is cut before BPE, by `tokenizer.ggml.pre`.
///
/// Source: those that the models' own `tokenizer.json` files carry.
fn cuts(pre: &str) -> Option<&'static [&'static str]> {
    const GPT2: &str =
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const DIGIT: &str = r"\p{N}";
    Some(match pre {
        "gpt-2" | "phi-2" | "mpt" | "olmo" => &[GPT2],
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => &[DIGIT, GPT2],
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" => &[LLAMA3],
        "qwen2" | "deepseek-r1-qwen" => &[QWEN2],
        _ => return None,
    })
}

impl Tokenizer {
    /// Reads the tokenizer of a file.
    pub fn read(file: &Gguf) -> Result<Tokenizer, GgufError> {
        let wrong = |key: &str, why: String| {
            file.error(Fault::Value {
                what: key.to_owned(),
                why,
            })
        };
        let array = |key: &str| {
            let array = file.get(key).and_then(Value::array);
            array.ok_or_else(|| {
                wrong(
                    key,
                    String::from("it is not there, or no list; the file has no tokenizer"),
                )
            })
        };
        let text = |key: &str| file.get(key).and_then(Value::text);
        let model = text("tokenizer.ggml.model");
        let spm = match model {
            Some("gpt2") => false,
            Some("llama") => true,
            other => {
                let other = other.unwrap_or("not there");
                let why = format!(
                    "it is {other}; expected gpt2 (byte-level BPE) or llama (SentencePiece)"
                );
                return Err(wrong("tokenizer.ggml.model", why));
            }
        };
        let tokens: Vec<String> = file
            .strings(array("tokenizer.ggml.tokens")?)
            .map(|token| String::from_utf8_lossy(token).into_owned())
            .collect();
        let types: Vec<f64> = match file.get("tokenizer.ggml.token_type").and_then(Value::array) {
            Some(types) => file.numbers(types).collect(),
            None => Vec::new(),
        };
        let kind = |token: usize| types.get(token).copied().unwrap_or(1.0);
        let (vocab, merges): (Vocab, Merges) = match spm {
            false => {
                let vocab = tokens.iter().cloned().zip(0..).collect();
                let merges = file
                    .strings(array("tokenizer.ggml.merges")?)
                    .filter_map(|merge| {
                        let merge = String::from_utf8_lossy(merge);
                        // A part may itself begin with a blank's stand-in, never with a blank.
                        let (one, two) = merge.split_once(' ')?;
                        Some((one.to_owned(), two.to_owned()))
                    });
                (vocab, merges.collect())
            }
            true => {
                let scores: Vec<f64> = file.numbers(array("tokenizer.ggml.scores")?).collect();
                let plain = |token: usize| !matches!(kind(token), CONTROL | UNUSED | BYTE);
                (
                    tokens.iter().cloned().zip(0..).collect(),
                    merges_by_score(&tokens, &scores, plain),
                )
            }
        };
        let bpe = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .byte_fallback(spm)
            .fuse_unk(false)
            .build()
            .map_err(|cause| wrong("tokenizer.ggml.merges", cause.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(bpe);
        if !spm {
            let pre = text("tokenizer.ggml.pre").unwrap_or("gpt-2");
            let Some(cuts) = cuts(pre) else {
                let why = format!("it is {pre}, which this program does not know");
                return Err(wrong("tokenizer.ggml.pre", why));
            };
            let mut steps = Vec::new();
            for cut in cuts {
                let split = Split::new(
                    SplitPattern::Regex((*cut).to_owned()),
                    SplitDelimiterBehavior::Isolated,
                    false,
                );
                let split =
                    split.map_err(|cause| wrong("tokenizer.ggml.pre", cause.to_string()))?;
                steps.push(PreTokenizerWrapper::Split(split));
            }
            steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(
                false, false, false,
            )));
            inner.with_pre_tokenizer(Some(Sequence::new(steps)));
        }
        let mut controls = HashMap::new();
        let mut whole: HashMap<char, Vec<(String, u32)>> = HashMap::new();
        let mut bytes = Vec::with_capacity(tokens.len());
        let alphabet = byte_alphabet();
        for (index, token) in tokens.iter().enumerate() {
            bytes.push(match kind(index) {
                CONTROL => {
                    controls.insert(token.clone(), index as u32);
                    Vec::new()
                }
                BYTE => byte_of(token).into_iter().collect(),
                USER_DEFINED => {
                    // Of byte-level BPE only blanks: other models have marks of their own there,
                    // such as <think>, which are no text from outside.
                    if let Some(first) = token.chars().next()
                        && (spm || token.trim().is_empty())
                    {
                        let these = whole.entry(first).or_default();
                        these.push((token.clone(), index as u32));
                    }
                    token.clone().into_bytes()
                }
                _ if spm => token.replace('\u{2581}', " ").into_bytes(),
                _ => token
                    .chars()
                    .filter_map(|c| alphabet.get(&c).copied())
                    .collect(),
            });
        }
        for these in whole.values_mut() {
            these.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        }
        let id = |key: &str| {
            let id = file.get(key).and_then(Value::unsigned);
            id.filter(|&id| id < tokens.len() as u64)
                .map(|id| id as u32)
        };
        let adds_begin = match file.get("tokenizer.ggml.add_bos_token") {
            Some(Value::Bool(adds)) => *adds,
            _ => spm,
        };
        let mut ends: Vec<u32> = [
            id("tokenizer.ggml.eos_token_id"),
            id("tokenizer.ggml.eot_token_id"),
        ]
        .into_iter()
        .flatten()
        .collect();
        for name in [
            "<|im_end|>",
            "<|eot_id|>",
            "<end_of_turn>",
            "<|end|>",
            "<|endoftext|>",
        ] {
            ends.extend(controls.get(name));
        }
        ends.sort_unstable();
        ends.dedup();
        Ok(Tokenizer {
            inner,
            bytes,
            controls,
            begin: id("tokenizer.ggml.bos_token_id").filter(|_| adds_begin),
            ends,
            whole,
            spm,
            blank_first: !matches!(
                file.get("tokenizer.ggml.add_space_prefix"),
                Some(Value::Bool(false))
            ),
        })
    }

    /// Tokens of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.bytes.len()
    }

    /// The control token of this name.
    pub fn control(&self, name: &str) -> Option<u32> {
        self.controls.get(name).copied()
    }

    /// Names of the control tokens.
    pub fn controls(&self) -> impl Iterator<Item = &str> {
        self.controls.keys().map(String::as_str)
    }

    /// The tokens of a text, none of them a control token. `first`: whether the text begins a
    /// prompt (SentencePiece puts a blank before it).
    pub fn encode(&self, text: &str, first: bool) -> Vec<u32> {
        let mut out = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(next) = text[at..].chars().next() {
            let whole = self.whole.get(&next).and_then(|these| {
                let mut these = these.iter();
                these.find(|(token, _)| text[at..].starts_with(token.as_str()))
            });
            match whole {
                Some((token, id)) => {
                    self.piece(&text[from..at], first && from == 0, &mut out);
                    out.push(*id);
                    at += token.len();
                    from = at;
                }
                None => at += next.len_utf8(),
            }
        }
        self.piece(&text[from..], first && from == 0, &mut out);
        out
    }

    /// The tokens of a text between such as are whole.
    fn piece(&self, text: &str, first: bool, out: &mut Vec<u32>) {
        let text = match (self.spm, first) {
            (_, _) if text.is_empty() => return,
            (false, _) => text.to_owned(),
            (true, true) if self.blank_first => {
                format!("\u{2581}{}", text.replace(' ', "\u{2581}"))
            }
            (true, _) => text.replace(' ', "\u{2581}"),
        };
        // The models used here give an id to every byte.
        if let Ok(encoding) = self.inner.encode_fast(text, false) {
            out.extend(encoding.get_ids());
        }
    }

    /// Bytes of the longest token.
    pub fn longest(&self) -> usize {
        self.bytes.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The bytes of a token; none for control tokens.
    pub fn bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// The text of tokens; bytes that are no UTF-8 are replaced.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|&token| self.bytes(token))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The characters that byte-level BPE writes bytes as.
pub(super) fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    (0..=255u8)
        .map(|byte| {
            let code = if printable(byte) {
                u32::from(byte)
            } else {
                next += 1;
                next - 1
            };
            (char::from_u32(code).unwrap_or('?'), byte)
        })
        .collect()
}

/// Of `<0x0A>`.
fn byte_of(token: &str) -> Option<u8> {
    u8::from_str_radix(token.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// SentencePiece joins the two neighbours whose union scores best: as merges, every way to cut a
/// token into two tokens, best tokens first.
fn merges_by_score(tokens: &[String], scores: &[f64], plain: impl Fn(usize) -> bool) -> Merges {
    let index: HashMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
    let mut merges = Vec::new();
    for (token, text) in tokens.iter().enumerate().filter(|(token, _)| plain(*token)) {
        for (at, _) in text.char_indices().skip(1) {
            let (one, two) = text.split_at(at);
            if let (Some(&first), Some(&second)) = (index.get(one), index.get(two))
                && plain(first)
                && plain(second)
            {
                merges.push((token, first, second));
            }
        }
    }
    let score = |token: usize| scores.get(token).copied().unwrap_or(f64::NEG_INFINITY);
    merges.sort_by(|a, b| score(b.0).total_cmp(&score(a.0)).then(a.cmp(b)));
    let pair = |(_, one, two): (usize, usize, usize)| (tokens[one].clone(), tokens[two].clone());
    merges.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::testing::{Writer, string};

    fn read(model: &str, tokens: &[(&str, u32)]) -> Tokenizer {
        let mut writer = Writer::default();
        writer.text("tokenizer.ggml.model", model);
        let strings = tokens.iter().flat_map(|(text, _)| string(text.as_bytes()));
        writer.array("tokenizer.ggml.tokens", 8, tokens.len(), strings.collect());
        let kinds = tokens.iter().flat_map(|(_, kind)| kind.to_le_bytes());
        let kinds = kinds.collect();
        writer.array("tokenizer.ggml.token_type", 5, tokens.len(), kinds);
        let scores = (0..tokens.len()).flat_map(|n| (-(n as f32)).to_le_bytes());
        let scores = scores.collect();
        writer.array("tokenizer.ggml.scores", 6, tokens.len(), scores);
        writer.array("tokenizer.ggml.merges", 8, 0, Vec::new());
        Tokenizer::read(&writer.open()).unwrap()
    }

    #[test]
    fn tokens_of_the_user_are_whole_wherever_they_stand_and_the_longest_wins() {
        let tokens = [
            ("\u{2581}", 1),
            ("a", 1),
            ("  ", 4),
            ("   ", 4),
            ("<b>", 4),
            ("<c>", 3),
            ("<", 1),
            ("c", 1),
            (">", 1),
        ];
        let spm = read("llama", &tokens);
        for (text, expected) in [
            ("a   a  a a", &[1, 3, 1, 2, 1, 0, 1][..]),
            ("     ", &[3, 2]),
            ("a<b>", &[1, 4]),
            // A control token stays text.
            ("<c>", &[6, 7, 8]),
            ("", &[]),
        ] {
            assert_eq!(spm.encode(text, false), expected, "{text:?}");
            assert_eq!(spm.decode(expected), text);
        }
        // A blank is put before a text that begins a prompt, not behind a token of the user.
        assert_eq!(spm.encode("a<b>a", true), [0, 1, 4, 1]);
        let alphabet = [("\u{120}", 1), ("a", 1), ("<", 1), ("b", 1), (">", 1)];
        let bpe = read("gpt2", &[&alphabet[..], &[("  ", 4), ("<b>", 4)]].concat());
        assert_eq!(bpe.encode("a  a", false), [1, 5, 1]);
        // Marks such as <think> are no text from outside.
        assert_eq!(bpe.encode("<b>", false), [2, 3, 4]);
    }
}
