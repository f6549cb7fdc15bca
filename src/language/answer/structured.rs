//! Answers of a JSON schema or a grammar, token by token under the mask that `llguidance` gives.
//!
//! Tokens that the grammar forces are fed as a batch and never chosen. Where it allows few, only
//! their rows of the head are computed. How long an answer can be is known before it begins.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use super::Unfinished;
use super::bound::{Unbounded, longest};
use crate::language::decoder::Decoder;
use crate::language::tokenizer::Tokenizer;

/// Bytes of a schema or grammar.
pub const MAX_SOURCE: usize = 1 << 16;
/// Tokens up to which rows of the head are computed one by one.
const FEW: usize = 64;

/// A schema or grammar that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StructuredError {
    #[error("it has {0} bytes; {MAX_SOURCE} are the most")]
    Long(usize),
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error(transparent)]
    Unbounded(#[from] Unbounded),
    #[error("nothing can be answered with: {0}")]
    Grammar(String),
    #[error("this model's tokenizer has no token that ends a text")]
    NoEnd,
    #[error("the safe answer {0:?} is none of its answers")]
    Safe(String),
}

/// A grammar, compiled for one model.
pub struct Structured {
    matcher: Matcher,
    longest: usize,
    end: u32,
    /// Scratch.
    allowed: Vec<u32>,
    logits: Vec<f32>,
}

/// An answer under a grammar.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub tokens: Vec<u32>,
    /// The probability of all choices together, among what the grammar allowed.
    pub probability: f64,
}

/// What `llguidance` asks of a tokenizer.
struct Words {
    trie: TokTrie,
    tokenizer: Arc<Tokenizer>,
}

impl TokenizerEnv for Words {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<u32> {
        let encode = |text: &str| self.tokenizer.encode(text, false);
        self.trie.tokenize_with_greedy_fallback(bytes, encode)
    }
}

impl Structured {
    /// Of a JSON schema's text.
    ///
    /// # Errors
    /// No JSON, a field without a bound (named), or a schema that nothing satisfies.
    pub fn schema(text: &str, tokenizer: &Arc<Tokenizer>) -> Result<Structured, StructuredError> {
        if text.len() > MAX_SOURCE {
            return Err(StructuredError::Long(text.len()));
        }
        let mut schema: Value =
            serde_json::from_str(text).map_err(|cause| StructuredError::Json(cause.to_string()))?;
        let bytes = longest(&schema)?;
        if let Some(schema) = schema.as_object_mut() {
            let how = json!({"whitespace_flexible": false, "json_allowed_escapes": "\"\\"});
            schema.insert(String::from("x-guidance"), how);
        }
        // Every token has a byte at least; and the end.
        let grammar = TopLevelGrammar::from_json_schema(schema);
        Structured::new(grammar, bytes + 1, tokenizer)
    }

    /// Of a grammar in the words of Lark; answers are cut, and so no answers, behind `longest`
    /// tokens.
    ///
    /// # Errors
    /// What is no grammar.
    pub fn grammar(
        text: &str,
        longest: usize,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Structured, StructuredError> {
        if text.len() > MAX_SOURCE {
            return Err(StructuredError::Long(text.len()));
        }
        let grammar = TopLevelGrammar::from_lark(text.to_owned());
        Structured::new(grammar, longest, tokenizer)
    }

    fn new(
        grammar: TopLevelGrammar,
        longest: usize,
        tokenizer: &Arc<Tokenizer>,
    ) -> Result<Structured, StructuredError> {
        let refuse = |why: String| {
            let line = why.lines().find(|line| !line.trim().is_empty());
            StructuredError::Grammar(line.unwrap_or("it says no more").trim().to_owned())
        };
        let words = words(tokenizer)?;
        // It is other people's text for other people's code: a panic there is a refusal.
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            let mut factory = ParserFactory::new(&words, InferenceCapabilities::default(), &[])?;
            factory.quiet();
            *factory.limits_mut() = limits();
            factory.create_parser(grammar)
        }));
        let parser = match compiled {
            Ok(Ok(parser)) => parser,
            Ok(Err(why)) => return Err(refuse(why.to_string())),
            Err(_) => return Err(refuse(String::from("it is not understood"))),
        };
        let mut matcher = Matcher::new(Ok(parser));
        let first = matcher.compute_mask_or_eos();
        if let Some(why) = first
            .err()
            .map(|why| why.to_string())
            .or(matcher.get_error())
        {
            return Err(refuse(why));
        }
        Ok(Structured {
            matcher,
            longest,
            end: tokenizer.ends[0],
            allowed: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// Tokens of the longest answer.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Whether a text is one of its answers.
    pub fn accepts(&mut self, text: &str, tokenizer: &Tokenizer) -> bool {
        let tokens = tokenizer.encode(text, false);
        let _ = self.matcher.reset();
        let taken = self.matcher.try_consume_tokens(&tokens).ok() == Some(tokens.len());
        let whole = taken && self.matcher.is_accepting().unwrap_or(false);
        let _ = self.matcher.reset();
        whole
    }

    /// Writes the likeliest answer, choice by choice, behind what the decoder has taken and
    /// `before`, which goes in first; the decoder forgets again what was fed, also where it was
    /// given up.
    ///
    /// # Errors
    /// Where `between`, which is asked before every layer, breaks, or the grammar gives up.
    pub fn write(
        &mut self,
        decoder: &mut Decoder,
        before: &[u32],
        between: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Written, Unfinished> {
        let filled = decoder.filled();
        let mut model = Model {
            decoder: &mut *decoder,
            pending: before.to_vec(),
            logits: std::mem::take(&mut self.logits),
            log: 0.0,
            between,
        };
        let done = self.walk(&mut model);
        let probability = model.log.exp();
        self.logits = model.logits;
        decoder.rewind(filled);
        Ok(Written {
            tokens: done?,
            probability,
        })
    }

    /// Goes through the grammar by what is picked of the tokens that it allows.
    fn walk(&mut self, by: &mut dyn Pick) -> Result<Vec<u32>, Unfinished> {
        let failed = |matcher: &Matcher| {
            let why = matcher
                .get_error()
                .unwrap_or_else(|| String::from("the grammar gave up"));
            Unfinished::NoAnswer(why.lines().next().unwrap_or("").to_owned())
        };
        if self.matcher.reset().is_err() {
            return Err(failed(&self.matcher));
        }
        let mut out = Vec::new();
        let allowed = &mut self.allowed;
        loop {
            let forced = self.matcher.consume_ff_tokens();
            forced.iter().for_each(|token| by.taken(*token));
            out.extend(forced);
            if out.len() > self.longest {
                let why = format!("the answer has more than {} tokens", self.longest);
                return Err(Unfinished::NoAnswer(why));
            }
            if self.matcher.is_error() {
                return Err(failed(&self.matcher));
            }
            if self.matcher.is_stopped() {
                return Ok(out);
            }
            let Ok(mask) = self.matcher.compute_mask() else {
                return Err(failed(&self.matcher));
            };
            allowed.clear();
            allowed.extend(mask.iter());
            if allowed.is_empty() {
                return Err(failed(&self.matcher));
            }
            let token = by.pick(allowed)?;
            if self.matcher.consume_token(token).is_err() {
                return Err(failed(&self.matcher));
            }
            if token == self.end {
                return Ok(out);
            }
            by.taken(token);
            out.push(token);
        }
    }

    /// The longest that a step of the grammar was seen to take, over answers chosen at random.
    pub fn step_time(&mut self, answers: usize) -> Duration {
        let mut chance = Chance::new(1);
        for _ in 0..answers {
            chance.last = Instant::now();
            let _ = self.walk(&mut chance);
        }
        chance.most
    }
}

/// What takes one of the tokens that a grammar allows.
trait Pick {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished>;

    /// Every token of the answer, forced ones too.
    fn taken(&mut self, token: u32);
}

/// The likeliest; tokens are fed when logits are needed behind them.
struct Model<'a> {
    decoder: &'a mut Decoder,
    pending: Vec<u32>,
    logits: Vec<f32>,
    log: f64,
    between: &'a mut dyn FnMut() -> ControlFlow<()>,
}

impl Pick for Model<'_> {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished> {
        if let [only] = *allowed {
            return Ok(only);
        }
        self.decoder.take(&self.pending, &mut *self.between)?;
        self.pending.clear();
        let logits = &mut self.logits;
        match allowed.len() <= FEW {
            true => self.decoder.logits_of(allowed, logits),
            false => {
                let all = self.decoder.logits();
                logits.clear();
                logits.extend(allowed.iter().map(|token| all[*token as usize]));
            }
        }
        let better = |best: usize, other: usize| match logits[other] > logits[best] {
            true => other,
            false => best,
        };
        let best = (0..allowed.len()).reduce(better).unwrap_or(0);
        let most = logits[best];
        if !most.is_finite() {
            return Err(Unfinished::Fault(String::from(
                "the model's logits are no numbers",
            )));
        }
        let sum: f64 = logits
            .iter()
            .map(|logit| f64::from(logit - most).exp())
            .sum();
        self.log -= sum.ln();
        Ok(allowed[best])
    }

    fn taken(&mut self, token: u32) {
        self.pending.push(token);
    }
}

/// Any of them; and the longest from one choice to the next.
struct Chance {
    state: u64,
    last: Instant,
    most: Duration,
}

impl Chance {
    fn new(seed: u64) -> Chance {
        Chance {
            state: seed | 1,
            last: Instant::now(),
            most: Duration::ZERO,
        }
    }
}

impl Pick for Chance {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished> {
        self.most = self.most.max(self.last.elapsed());
        self.last = Instant::now();
        let (by, add) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.state = self.state.wrapping_mul(by).wrapping_add(add);
        Ok(allowed[(self.state >> 33) as usize % allowed.len()])
    }

    fn taken(&mut self, _: u32) {}
}

fn words(tokenizer: &Arc<Tokenizer>) -> Result<TokEnv, StructuredError> {
    let end = *tokenizer.ends.first().ok_or(StructuredError::NoEnd)?;
    let count = tokenizer.vocabulary() as u32;
    // Control tokens have no bytes, so no text leads to them.
    let bytes: Vec<Vec<u8>> = (0..count)
        .map(|token| tokenizer.bytes(token).to_vec())
        .collect();
    let trie = TokTrie::from(&TokRxInfo::new(count, end), &bytes);
    Ok(Arc::new(Words {
        trie,
        tokenizer: Arc::clone(tokenizer),
    }))
}

/// About 10 ms to compile, 3 ms a step, on a processor of 3 GHz.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 500_000,
        step_lexer_fuel: 40_000,
        step_max_items: 20_000,
        max_grammar_size: 100_000,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::language::testing::Small;

    const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["action", "speed"],
        "properties": {
            "action": {"enum": ["go", "stop", "stop now"]},
            "speed": {"type": "integer", "minimum": -2, "maximum": 12},
            "why": {"type": "string", "maxLength": 6},
            "sides": {"type": "array", "maxItems": 2, "items": {"enum": ["left", "right"]}}}}"#;

    fn go_on() -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn small(seed: u64) -> (Small, Arc<Tokenizer>) {
        let mut small = Small::new(seed);
        small.take("the robot");
        let tokenizer = Arc::new(Small::new(seed).tokenizer);
        (small, tokenizer)
    }

    fn valid(text: &str) -> bool {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return false;
        };
        let fields = value.as_object().unwrap();
        let action = ["go", "stop", "stop now"].contains(&value["action"].as_str().unwrap_or(""));
        // Among them -0, which serde_json takes for no integer.
        let whole = |speed: f64| speed.fract() == 0.0 && (-2.0..=12.0).contains(&speed);
        let speed = value["speed"].as_f64().is_some_and(whole);
        let why = fields
            .get("why")
            .is_none_or(|why| why.as_str().is_some_and(|why| why.chars().count() <= 6));
        let sides = fields.get("sides").is_none_or(|sides| {
            let sides = sides.as_array().unwrap();
            sides.len() <= 2 && sides.iter().all(|side| side == "left" || side == "right")
        });
        action && speed && why && sides && fields.len() <= 4
    }

    #[test]
    fn every_answer_of_random_models_is_valid_and_leaves_the_decoder_as_it_was() {
        for seed in 0..12 {
            let (mut small, tokenizer) = small(seed);
            let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
            let before = small.decoder.filled();
            let first = structured
                .write(&mut small.decoder, &[5, 6], &mut go_on)
                .unwrap();
            let text = tokenizer.decode(&first.tokens);
            assert!(valid(&text), "{text}");
            assert!(first.probability > 0.0 && first.probability <= 1.0);
            assert!(first.tokens.len() <= structured.longest());
            assert_eq!(small.decoder.filled(), before);
            let again = structured
                .write(&mut small.decoder, &[5, 6], &mut go_on)
                .unwrap();
            assert_eq!(again, first);
        }
    }

    #[test]
    fn choices_are_those_of_the_whole_head_token_by_token() {
        let (mut small, tokenizer) = small(3);
        let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
        let found = structured
            .write(&mut small.decoder, &[7], &mut go_on)
            .unwrap();
        let mut matcher = structured.matcher.deep_clone();
        matcher.reset().unwrap();
        small.decoder.take(&[7], go_on).unwrap();
        for token in &found.tokens {
            let mask = matcher.compute_mask().unwrap();
            let logits = small.decoder.logits();
            let best = mask.iter().reduce(|a, b| {
                if logits[b as usize] > logits[a as usize] {
                    b
                } else {
                    a
                }
            });
            // A forced stretch is cut into tokens as the tokenizer cuts it, whatever the logits
            // say.
            let forced = matcher.compute_ff_tokens();
            assert_eq!(forced.first().copied().or(best), Some(*token));
            matcher.consume_token(*token).unwrap();
            small.decoder.take(&[*token], go_on).unwrap();
        }
    }

    #[test]
    fn forced_tokens_are_fed_together() {
        let (mut small, tokenizer) = small(4);
        let text = r#"{"type": "object", "additionalProperties": false, "required": ["a_long_name"],
            "properties": {"a_long_name": {"enum": [true, false]}}}"#;
        let mut structured = Structured::schema(text, &tokenizer).unwrap();
        let mut looks = 0;
        let mut count = || {
            looks += 1;
            ControlFlow::Continue(())
        };
        let written = structured
            .write(&mut small.decoder, &[], &mut count)
            .unwrap();
        assert!(written.tokens.len() > 15);
        // One choice; what follows it needs no logits.
        assert_eq!(looks, small.decoder.architecture.layers);
    }

    #[test]
    fn what_cannot_be_answered_with_is_refused_in_a_line() {
        let (_, tokenizer) = small(5);
        let bomb = format!("start: {}\"a\"{}", "(".repeat(5000), ")*".repeat(5000));
        for (text, words) in [
            ("{", "no JSON"),
            (r#"{"type": "string"}"#, "maxLength"),
            (
                r#"{"type": "integer", "minimum": 5, "maximum": 4}"#,
                "nothing can be answered",
            ),
            (&"x".repeat(MAX_SOURCE + 1), "are the most"),
        ] {
            let said = Structured::schema(text, &tokenizer)
                .err()
                .unwrap()
                .to_string();
            assert!(said.contains(words) && !said.contains('\n'), "{said}");
        }
        for text in ["start: nowhere", "", &bomb] {
            let said = Structured::grammar(text, 9, &tokenizer)
                .err()
                .unwrap()
                .to_string();
            assert!(
                said.contains("nothing can be answered") && !said.contains('\n'),
                "{said}"
            );
        }
    }

    #[test]
    fn a_grammar_without_an_end_is_cut_and_is_no_answer() {
        let (mut small, tokenizer) = small(6);
        let mut structured = Structured::grammar("start: /a{40}/", 8, &tokenizer).unwrap();
        let said = structured.write(&mut small.decoder, &[5], &mut go_on);
        assert!(matches!(said, Err(Unfinished::NoAnswer(_))), "{said:?}");
        let mut structured = Structured::grammar("start: \"yes\" | \"no\"", 8, &tokenizer).unwrap();
        let written = structured
            .write(&mut small.decoder, &[5], &mut go_on)
            .unwrap();
        assert!(["yes", "no"].contains(&tokenizer.decode(&written.tokens).as_str()));
        assert!(structured.accepts("yes", &tokenizer) && !structured.accepts("ye", &tokenizer));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn answers_by_chance_are_valid_and_never_longer_than_was_said(seed in any::<u64>()) {
            thread_local!(static TOKENIZER: Arc<Tokenizer> = Arc::new(Small::new(0).tokenizer));
            let tokenizer = TOKENIZER.with(Arc::clone);
            let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
            let tokens = structured.walk(&mut Chance::new(seed)).unwrap();
            prop_assert!(tokens.len() <= structured.longest());
            let text = tokenizer.decode(&tokens);
            prop_assert!(valid(&text), "{text}");
        }

        #[test]
        fn an_answer_given_up_changes_none_that_follows(after in 0usize..60) {
            let (mut small, tokenizer) = small(7);
            let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
            let expected = structured.write(&mut small.decoder, &[9], &mut go_on).unwrap();
            let mut left = after;
            let mut stop = || match left {
                0 => ControlFlow::Break(()),
                _ => {
                    left -= 1;
                    ControlFlow::Continue(())
                }
            };
            let before = small.decoder.filled();
            if let Err(why) = structured.write(&mut small.decoder, &[9], &mut stop) {
                prop_assert_eq!(why, Unfinished::Abandoned);
            }
            prop_assert_eq!(small.decoder.filled(), before);
            let found = structured.write(&mut small.decoder, &[9], &mut go_on).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
