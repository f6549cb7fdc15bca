//! Compiles a grammar for one tokenizer, by `llguidance`, within limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenizerEnv};
use llguidance::{Matcher, ParserFactory};

use super::error::StructuredError;
use crate::language::tokenizer::Tokenizer;

/// What goes through a grammar from its beginning.
///
/// # Errors
/// What is no grammar, is too large, or allows nothing.
pub fn compile(
    grammar: TopLevelGrammar,
    tokenizer: &Arc<Tokenizer>,
) -> Result<Matcher, StructuredError> {
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
    Ok(matcher)
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
