//! Language models at work: the deliberate lane on threads of its own.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::answer::LanguageAnswer;
use super::decision::{Decision, SafeAnswer};
use super::engine::LanguageEngine;
use crate::scheduler::questions::{
    Answered, Asker, ExitAnswer, LaneConfig, Question, QuestionLane, QuestionReader,
    QuestionWorker, Refused, Terms, Ticket,
};
use crate::scheduler::threaded::SchedulerThreads;
use crate::time::{Clock, Mono, SystemClock};

/// Kept of a deadline for writing the answer down.
const MARGIN: Duration = Duration::from_millis(1);
/// Questions that may wait.
const ROOM: usize = 32;

/// Questions in, one answer to each by its deadline.
pub struct LanguageLane {
    threads: SchedulerThreads<QuestionLane<LanguageAnswer>>,
    clock: Arc<SystemClock>,
    safe: SafeAnswer,
}

impl LanguageLane {
    /// Starts the threads of these engines, the preferred first; the others take over where it
    /// fails or stalls.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(engines: Vec<LanguageEngine>, safe: SafeAnswer) -> io::Result<LanguageLane> {
        let clock = Arc::new(SystemClock::new());
        let times = engines.iter().map(LanguageEngine::fault_time);
        let config = LaneConfig {
            margin: MARGIN,
            fault_time: times.max().unwrap_or_default(),
            room: ROOM,
        };
        let exits = engines.iter().map(LanguageEngine::exits).max();
        let readers = engines.iter();
        let readers = readers.map(|engine| Arc::new(engine.reader()) as Arc<dyn QuestionReader>);
        let lane = Arc::new(QuestionLane::new(
            Arc::clone(&clock) as _,
            config,
            exits.unwrap_or(1),
            readers.collect(),
        ));
        let workers = engines.into_iter().enumerate();
        let workers = workers
            .map(|(slot, engine)| QuestionWorker::new(Arc::clone(&lane), slot, Box::new(engine)));
        let workers = workers.collect();
        let threads = SchedulerThreads::start(vec![lane], workers, |_| {})?;
        Ok(LanguageLane {
            threads,
            clock,
            safe,
        })
    }

    /// The present moment, from which deadlines of questions count.
    pub fn now(&self) -> Mono {
        self.clock.now()
    }

    /// What the scheduler knows of it.
    pub fn state(&self) -> &Arc<QuestionLane<LanguageAnswer>> {
        &self.threads.schedulers()[0]
    }

    /// What fallbacks carry.
    pub fn safe(&self) -> &SafeAnswer {
        &self.safe
    }

    /// Asks and goes on; the asker is told.
    ///
    /// # Errors
    /// Where the question is not taken, and why.
    pub fn ask(&self, question: Question<LanguageAnswer>) -> Result<Ticket, Refused> {
        self.threads.offer(0, question)
    }

    /// Whoever asked does not want the answer any more, and is told what there was.
    pub fn cancel(&self, ticket: Ticket) -> bool {
        self.state().cancel(ticket)
    }

    /// Another session in the place of one that failed or does not come back.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn replace(&mut self, slot: usize, engine: LanguageEngine) -> io::Result<()> {
        let lane = Arc::clone(self.state());
        let worker = QuestionWorker::new(lane, slot, Box::new(engine));
        self.threads.replace(slot, worker)
    }

    /// Asks and waits; `thinking` gets what is thought as it is written.
    pub fn answer(&self, question: &str, terms: Terms, thinking: &mut dyn FnMut(&str)) -> Decision {
        let arrival = self.now();
        let (tell, told) = channel();
        let asked = self.ask(Question {
            text: question.to_owned(),
            arrival,
            terms,
            asker: Arc::new(Waiting(Mutex::new(tell))),
        });
        if let Err(refused) = asked {
            let took = self.now().since(arrival);
            return Decision::refused(&refused, &self.safe, took);
        }
        let mut shown = 0;
        for said in told {
            match said {
                Said::SoFar(thought) => {
                    // Bytes of a letter that is not whole are replaced, and shown when it is.
                    let more = thought.get(shown..);
                    if let Some(more) = more.filter(|more| !more.ends_with('\u{fffd}')) {
                        thinking(more);
                        shown = thought.len();
                    }
                }
                Said::Answered(answered) => {
                    let decision = Decision::of(answered, &self.safe);
                    if let Some(more) = decision.thought.get(shown..) {
                        thinking(more);
                    }
                    return decision;
                }
            }
        }
        // The lane answers every question before it lets its asker go.
        Decision::refused(&Refused::Closed, &self.safe, self.now().since(arrival))
    }
}

enum Said {
    SoFar(String),
    Answered(Answered<LanguageAnswer>),
}

/// Sends it to whoever waits.
struct Waiting(Mutex<Sender<Said>>);

impl Waiting {
    fn send(&self, said: Said) {
        let sender = self.0.lock().unwrap_or_else(|held| held.into_inner());
        // Nobody listens once it was answered.
        let _ = sender.send(said);
    }
}

impl Asker<LanguageAnswer> for Waiting {
    fn so_far(&self, exit: &ExitAnswer<LanguageAnswer>) {
        self.send(Said::SoFar(exit.answer.thought.clone()));
    }

    fn answered(&self, answered: Answered<LanguageAnswer>) {
        self.send(Said::Answered(answered));
    }
}
