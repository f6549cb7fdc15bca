//! Prompts from the chat template that a GGUF file carries.
//!
//! The template is rendered with marks in place of what people and topics say. Control tokens are
//! looked for in the template's own text alone, so no message can contain one.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

use super::tokenizer::Tokenizer;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub role: Role,
    pub text: &'a str,
}

/// A template that cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the chat template: {0}")]
pub struct TemplateError(String);

/// The chat template of a model.
pub struct Template {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

/// Stands for a message while the template is rendered. The messages themselves are put in behind
/// that, so one that has this character changes nothing.
const MARK: char = '\u{f8ff}';

impl Template {
    /// Compiles a template; `begin` and `end` are the texts of the tokens that it may name.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Template, TemplateError> {
        let wrap = |cause: minijinja::Error| TemplateError(cause.to_string());
        let mut environment = Environment::new();
        // As `transformers` sets Jinja up.
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(wrap)?);
        environment.set_unknown_method_callback(|_, value, method, args| {
            match (method, value.as_str()) {
                ("strip" | "trim", Some(text)) => Ok(Value::from(text.trim())),
                ("startswith", Some(text)) => {
                    let with = args.first().and_then(Value::as_str).unwrap_or("");
                    Ok(Value::from(text.starts_with(with)))
                }
                _ => Err(minijinja::Error::from(minijinja::ErrorKind::UnknownMethod)),
            }
        });
        let refuse = |text: String| {
            Err::<String, _>(minijinja::Error::new(
                minijinja::ErrorKind::InvalidOperation,
                text,
            ))
        };
        environment.add_function("raise_exception", refuse);
        let added = environment.add_template_owned("chat", source.to_owned());
        added.map_err(wrap)?;
        Ok(Template {
            environment,
            begin: begin.to_owned(),
            end: end.to_owned(),
        })
    }

    /// The tokens of a conversation, up to where the model's answer begins.
    pub fn tokens(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message<'_>],
    ) -> Result<Vec<u32>, TemplateError> {
        let wrap = |cause: minijinja::Error| TemplateError(cause.to_string());
        let marked = messages.iter().enumerate().map(|(index, message)| {
            context! { role => message.role.name(), content => format!("{MARK}{index}{MARK}") }
        });
        let text = self
            .environment
            .get_template("chat")
            .map_err(wrap)?
            .render(context! {
                messages => marked.collect::<Vec<_>>(),
                add_generation_prompt => true,
                bos_token => self.begin.as_str(),
                eos_token => self.end.as_str(),
            });
        let text = text.map_err(wrap)?;
        let mut tokens = Vec::new();
        let mut plain = String::new();
        let flush = |plain: &mut String, tokens: &mut Vec<u32>| {
            if !plain.is_empty() {
                let more = tokenizer.encode(plain, tokens.is_empty());
                tokens.extend(more);
                plain.clear();
            }
        };
        for (index, part) in text.split(MARK).enumerate() {
            if index % 2 == 1 {
                let message = part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| messages.get(index));
                let said = message.map_or("", |message| message.text);
                // Joined with the template's text around it: what a blank or a line end belongs to
                // is decided over both.
                plain.push_str(said);
                continue;
            }
            let mut rest = part;
            while let Some((at, name)) = first_control(tokenizer, rest) {
                plain.push_str(&rest[..at]);
                flush(&mut plain, &mut tokens);
                tokens.extend(tokenizer.control(name));
                rest = &rest[at + name.len()..];
            }
            plain.push_str(rest);
        }
        flush(&mut plain, &mut tokens);
        if let Some(begin) = tokenizer.begin
            && tokens.first() != Some(&begin)
        {
            tokens.insert(0, begin);
        }
        Ok(tokens)
    }
}

/// The first control token in a text of the template, the longest where several begin there.
fn first_control<'t>(tokenizer: &'t Tokenizer, text: &str) -> Option<(usize, &'t str)> {
    let found = tokenizer
        .controls()
        .filter_map(|name| Some((text.find(name)?, name)));
    found.min_by_key(|(at, name)| (*at, usize::MAX - name.len()))
}
