//! What a question needs of a language model, said while that may be at work.

use std::sync::Arc;
use std::time::Duration;

use crate::language::costs::{Costs, Needs, mandatory_part};
use crate::language::session::{QuestionTokens, Session, shared};
use crate::scheduler::questions::{QuestionReader, Reading, TooShort};

/// Reads questions for one model.
pub struct LanguageReader {
    tokens: QuestionTokens,
    /// The fixed part of all prompts, which is always cached.
    fixed: Vec<u32>,
    /// Of a question without its prompt.
    needs: Needs,
    costs: Arc<Costs>,
}

impl LanguageReader {
    /// For this session, which thinks so much; it must have been asked something once.
    pub fn new(session: &Session, (chunk, chunks): (usize, usize), costs: Arc<Costs>) -> Self {
        let tokens = session.question_tokens();
        LanguageReader {
            fixed: tokens.fixed(),
            tokens,
            needs: session.needs(chunk, chunks),
            costs,
        }
    }

    /// Of a prompt of which so much is cached, and new.
    fn needs(&self, cached: usize, new: usize) -> Needs {
        Needs {
            cached,
            new,
            ..self.needs.clone()
        }
    }
}

impl QuestionReader for LanguageReader {
    fn read(&self, question: &str) -> Result<Reading, String> {
        let tokens = self.tokens.of(question).map_err(|why| why.to_string())?;
        let cached = shared(&tokens, &self.fixed);
        let new = tokens.len() - cached;
        Ok(Reading {
            new,
            mandatory: mandatory_part(&self.needs(cached, new), &self.costs),
        })
    }

    fn advice(&self, reading: &Reading, short: &TooShort) -> String {
        let cached = self.fixed.len();
        let fits = |new: &usize| {
            let needs = self.needs(cached, *new);
            mandatory_part(&needs, &self.costs).needs() <= short.budget
        };
        let shorter = match (1..reading.new).rev().find(fits) {
            None => String::new(),
            Some(fits) => format!(", or ask more shortly: {fits} new tokens would fit"),
        };
        let needs = reading.mandatory.needs() + short.beside;
        format!(
            "the deadline is {} ms; {} new tokens of prompt and an answer take up to {} ms on this machine: \
             give that much{shorter}",
            milliseconds(short.deadline),
            reading.new,
            (needs.as_secs_f64() * 1e3).ceil() + 1.0,
        )
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
