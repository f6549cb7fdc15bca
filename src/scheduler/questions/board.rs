//! All open questions: those that wait, the most urgent first, and the one that each engine works
//! on.

use std::sync::Arc;
use std::time::Duration;

use super::open_question::OpenQuestion;
use super::question::Ticket;
use crate::time::Mono;

pub(super) struct Board<A> {
    /// By due time.
    waiting: Vec<Arc<OpenQuestion<A>>>,
    in_work: Box<[Option<Arc<OpenQuestion<A>>>]>,
    /// The newest number.
    pub newest: u64,
    pub is_closed: bool,
}

impl<A> Board<A> {
    pub fn new(engines: usize) -> Board<A> {
        Board {
            waiting: Vec::new(),
            in_work: (0..engines).map(|_| None).collect(),
            newest: 0,
            is_closed: false,
        }
    }

    pub fn waiting(&self) -> &[Arc<OpenQuestion<A>>] {
        &self.waiting
    }

    /// What engines work on, with their numbers.
    pub fn in_work(&self) -> impl Iterator<Item = (usize, &Arc<OpenQuestion<A>>)> {
        let all = self.in_work.iter().enumerate();
        all.filter_map(|(engine, question)| Some((engine, question.as_ref()?)))
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<OpenQuestion<A>>> {
        self.waiting.iter().chain(self.in_work.iter().flatten())
    }

    /// Behind those that are due no later.
    pub fn wait(&mut self, question: Arc<OpenQuestion<A>>) {
        let place = self
            .waiting
            .partition_point(|other| other.due <= question.due);
        self.waiting.insert(place, question);
    }

    /// The most urgent, for an engine that works on nothing.
    pub fn take(&mut self, engine: usize) -> Option<&Arc<OpenQuestion<A>>> {
        if self.in_work[engine].is_some() || self.waiting.is_empty() {
            return None;
        }
        self.in_work[engine] = Some(self.waiting.remove(0));
        self.in_work[engine].as_ref()
    }

    /// What an engine works on waits again.
    pub fn put_back(&mut self, engine: usize) {
        if let Some(question) = self.in_work[engine].take() {
            self.wait(question);
        }
    }

    pub fn remove(&mut self, ticket: Ticket) {
        self.waiting.retain(|question| question.ticket != ticket);
        for place in &mut self.in_work {
            if place.as_ref().is_some_and(|it| it.ticket == ticket) {
                *place = None;
            }
        }
    }

    /// When an engine must be free at the latest, so that the mandatory parts of all that wait fit
    /// one behind the other.
    pub fn needed_at(&self, engine: usize) -> Option<Mono> {
        let mut sum = Duration::ZERO;
        let starts = self.waiting.iter().filter_map(|question| {
            sum += (*question.needs.get(engine)?)?;
            Some(question.due - sum)
        });
        starts.min()
    }
}
