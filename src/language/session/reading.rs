//! Reads questions as tokens, beside a session that may be at work.

use std::sync::Arc;

use crate::language::prompt::{Prompt, PromptError};
use crate::language::tokenizer::Tokenizer;

/// A question that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    #[error("the question is empty")]
    Empty,
    #[error(
        "the question takes {found} tokens or more with its prompt, the context of {room} leaves {left}; \
         ask more shortly, or give the bundle a larger context"
    )]
    TooLong {
        found: usize,
        left: usize,
        room: usize,
    },
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

/// What makes a prompt of a question.
#[derive(Clone)]
pub struct QuestionTokens {
    pub tokenizer: Arc<Tokenizer>,
    pub prompt: Arc<Prompt>,
    /// Positions that there is room for.
    pub room: usize,
    /// Positions that closing a thought and answering take at most.
    pub reserve: usize,
}

/// Questions that begin differently: what their prompts share is the fixed part.
const DIFFERENT: [&str; 6] = ["?", "1", "a", "Z", "\u{e9}", "\u{4e16}"];

impl QuestionTokens {
    /// The prompt of a question.
    ///
    /// # Errors
    /// Where it is empty or does not fit beside an answer.
    pub fn of(&self, question: &str) -> Result<Vec<u32>, QuestionError> {
        if question.trim().is_empty() {
            return Err(QuestionError::Empty);
        }
        let room = self.room;
        let left = room.saturating_sub(self.reserve);
        let too_long = |found| QuestionError::TooLong { found, left, room };
        // Not to be cut into tokens first: no token has more bytes than the longest.
        let least = question.len() / self.tokenizer.longest().max(1);
        if least > left {
            return Err(too_long(least));
        }
        let tokens = self.prompt.tokens(&self.tokenizer, question)?;
        match tokens.len() > left {
            true => Err(too_long(tokens.len())),
            false => Ok(tokens),
        }
    }

    /// What the prompts of all questions begin with; a session holds it once it was asked anything.
    pub fn fixed(&self) -> Vec<u32> {
        let mut fixed: Option<Vec<u32>> = None;
        for question in DIFFERENT {
            let tokens = self.of(question).unwrap_or_default();
            match &mut fixed {
                None => fixed = Some(tokens),
                Some(fixed) => fixed.truncate(shared(fixed, &tokens)),
            }
        }
        fixed.unwrap_or_default()
    }
}

/// How many tokens two lists begin with alike.
pub fn shared(one: &[u32], other: &[u32]) -> usize {
    let both = one.iter().zip(other);
    both.take_while(|(a, b)| a == b).count()
}
