//! What is asked of the planner, and what of it contradicts itself.

use std::time::Duration;

use serde::Serialize;

use super::device::Device;
use super::time::Question;
use super::units;

/// What a team asks.
#[derive(Clone, Debug)]
pub struct Request {
    pub device: Device,
    /// In words; told the model before every question.
    pub task: Option<String>,
    pub ram_free: u64,
    pub deadline: Duration,
    pub question: Question,
    /// Only models whose weights are on this machine.
    pub offline_only: bool,
}

/// As a report repeats it.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    pub device: String,
    pub ram_free_bytes: u64,
    pub deadline_ms: f64,
    pub question: Question,
    pub offline_only: bool,
}

impl Request {
    /// Why nothing could answer this.
    pub fn fault(&self) -> Option<String> {
        let Question {
            prompt,
            answer,
            thoughts,
            ..
        } = self.question;
        let most = 1 << 20;
        for (flag, found, least) in [
            ("--prompt-tokens", prompt, 1),
            ("--answer-tokens", answer, 1),
            ("--thoughts", thoughts, 0),
        ] {
            if !(least..=most).contains(&found) {
                return Some(format!(
                    "{flag} is {found}; expected {least} to {most} tokens"
                ));
            }
        }
        let total = self.device.memory_bytes();
        if self.ram_free > total {
            return Some(format!(
                "--ram-free {} contradicts the device: {} has {} of memory in all; expected at most that, less what \
                 else runs there",
                units::shown(self.ram_free),
                self.device.name,
                units::shown(total)
            ));
        }
        None
    }

    pub fn asked(&self) -> Asked {
        Asked {
            device: self.device.name.clone(),
            ram_free_bytes: self.ram_free,
            deadline_ms: self.deadline.as_secs_f64() * 1e3,
            question: self.question,
            offline_only: self.offline_only,
        }
    }
}

/// Tokens of a text, before a tokenizer was asked: about one for each three and a half letters.
pub fn about_tokens(text: &str) -> usize {
    (text.chars().count() as f64 / 3.5).ceil() as usize
}
