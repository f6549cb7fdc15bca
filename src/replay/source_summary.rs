//! What a replay found out about one source of a recording.

use super::clock_check::ClockCheck;
use super::sources::RecordedSource;
use crate::bag::BagMessage;

/// The messages of one source: taken, refused, and their clocks.
pub(super) struct SourceSummary<'s> {
    pub(super) source: &'s RecordedSource<'s>,
    messages: u64,
    pub(super) refused: u64,
    pub(super) first_fault: Option<String>,
    pub(super) clocks: ClockCheck,
}

impl<'s> SourceSummary<'s> {
    pub(super) fn new(source: &'s RecordedSource<'s>) -> SourceSummary<'s> {
        SourceSummary {
            source,
            messages: 0,
            refused: 0,
            first_fault: None,
            clocks: ClockCheck::of(&source.params.message),
        }
    }

    pub(super) fn note(&mut self, message: &BagMessage, fault: Option<String>) {
        self.messages += 1;
        self.refused += u64::from(fault.is_some());
        self.first_fault = self.first_fault.take().or(fault);
        self.clocks.note(&message.data, message.log_time);
    }

    /// A sentence where it is there and yet gave nothing.
    pub(super) fn nothing_used(&self, cut: bool) -> Option<String> {
        let (name, topic) = (&self.source.params.name, &self.source.topic);
        match (self.messages, &self.first_fault) {
            (0, _) if cut => None,
            (0, _) => Some(format!("{name}: {topic} is recorded without a message")),
            (all, Some(fault)) if self.refused == all => Some(format!(
                "{name}: none of {all} messages could be used: first {fault}"
            )),
            _ => None,
        }
    }
}
