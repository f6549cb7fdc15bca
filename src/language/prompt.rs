//! What stands around a question: the system's words, how a thought is opened and closed, how the
//! answer is asked for.

use serde::{Deserialize, Serialize};

use super::gguf::{Gguf, Value};
use super::template::{Message, Role, Template, TemplateError};
use super::tokenizer::Tokenizer;

/// The words, as a bundle has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// What the model is told before every question; the same for all, so it is fed once.
    pub system: String,
    /// Stands before a question, such as `State:`; may be empty.
    #[serde(default)]
    pub question_opener: String,
    /// Whether the model's chat template is used, where it has one; otherwise the words follow one
    /// another in lines, as examples within `system` may do too.
    #[serde(default = "chat")]
    pub chat: bool,
    /// Opens a thought, such as `Thought:`; may be empty.
    #[serde(default)]
    pub thought_opener: String,
    /// Closes a thought; a thought that writes it has ended.
    #[serde(default)]
    pub thought_closer: String,
    /// Asks for the answer, such as `Answer:`; labels follow it behind a blank.
    pub answer_cue: String,
}

fn chat() -> bool {
    true
}

/// Words or a template that make no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("answer_cue is empty; expected words that ask for the answer, such as \"Answer:\"")]
    NoCue,
}

/// Prompts of one model.
pub struct Prompt {
    words: Words,
    /// None: the model has no chat template, the words follow one another in lines.
    template: Option<Template>,
    pub opener: Vec<u32>,
    pub closer: Vec<u32>,
    pub cue: Vec<u32>,
}

impl Prompt {
    /// Of these words and the file's chat template.
    ///
    /// # Errors
    /// A template that cannot be compiled, or an empty cue.
    pub fn new(words: Words, file: &Gguf, tokenizer: &Tokenizer) -> Result<Prompt, PromptError> {
        if words.answer_cue.trim().is_empty() {
            return Err(PromptError::NoCue);
        }
        let name = |key: &str| {
            let index = file.get(key).and_then(Value::unsigned)?;
            let tokens = file.get("tokenizer.ggml.tokens").and_then(Value::array)?;
            let token = file.strings(tokens).nth(usize::try_from(index).ok()?)?;
            Some(String::from_utf8_lossy(token).into_owned())
        };
        let source = file.get("tokenizer.chat_template").and_then(Value::text);
        let source = source.filter(|_| words.chat);
        let template = source.map(|source| {
            let begin = name("tokenizer.ggml.bos_token_id").unwrap_or_default();
            let end = name("tokenizer.ggml.eos_token_id").unwrap_or_default();
            Template::new(source, &begin, &end)
        });
        let encode = |text: &str| tokenizer.encode(text, false);
        Ok(Prompt {
            template: template.transpose()?,
            opener: encode(&words.thought_opener),
            closer: encode(&words.thought_closer),
            cue: encode(words.answer_cue.trim_end()),
            words,
        })
    }

    /// The tokens of a question, up to where the model's thought or answer begins. Control tokens
    /// in the question are text.
    ///
    /// # Errors
    /// Where the template cannot be rendered.
    pub fn tokens(&self, tokenizer: &Tokenizer, question: &str) -> Result<Vec<u32>, PromptError> {
        let system = self.words.system.trim();
        let asked;
        let question = match self.words.question_opener.trim() {
            "" => question,
            opener => {
                asked = format!("{opener} {}", question.trim_start());
                &asked
            }
        };
        if let Some(template) = &self.template {
            let user = Message {
                role: Role::User,
                text: question,
            };
            let told = Message {
                role: Role::System,
                text: system,
            };
            return Ok(match system {
                "" => template.tokens(tokenizer, &[user])?,
                _ => template.tokens(tokenizer, &[told, user])?,
            });
        }
        let mut tokens: Vec<u32> = tokenizer.begin.into_iter().collect();
        // Apart, so that a question never changes the tokens before it.
        if !system.is_empty() {
            tokens.extend(tokenizer.encode(&format!("{system}\n\n"), true));
        }
        let first = system.is_empty();
        tokens.extend(tokenizer.encode(&format!("{question}\n"), first));
        Ok(tokens)
    }

    /// Whether a thought of this text has written its closer.
    pub fn ends_thought(&self, thought: &str) -> bool {
        let closer = &self.words.thought_closer;
        // A closer of blanks or line ends ends what has begun only.
        let thought = match closer.trim().is_empty() {
            true => thought.trim_start(),
            false => thought,
        };
        !closer.is_empty() && thought.contains(closer.as_str())
    }
}
