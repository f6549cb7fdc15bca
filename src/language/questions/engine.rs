//! A session of a language model as an engine of the scheduler's deliberate lane.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{LanguageAnswer, Tokens};
use super::reader::LanguageReader;
use crate::language::answer::{Answer, Calibration, Unfinished};
use crate::language::bundle::Bundle;
use crate::language::costs::{Costs, Needs, fault_time, mandatory_part, thought_part};
use crate::language::decoder::Abandoned;
use crate::language::session::{Prepared, Session};
use crate::scheduler::EngineFault;
use crate::scheduler::questions::{Exit, Part, PartFault, QuestionEngine, TakeFault};

/// Two exits that agree this closely on the answer's probability: the thought changed nothing.
const UNCHANGED: f64 = 0.01;
/// From this exit on that ends a `fastest` thought: one that agrees at once may have said nothing
/// yet.
const SETTLED_FROM: usize = 3;
/// What a sound engine is asked, and how far its confidence may be off.
const PROBE: &str = "Are you there?";
const TOLERANCE: f64 = 1e-3;

/// Answers by one session.
pub struct LanguageEngine {
    name: String,
    session: Session,
    /// By exit; the last holds for those behind it too.
    calibrations: Vec<Calibration>,
    chunk: usize,
    chunks: usize,
    costs: Arc<Costs>,
    in_hand: Option<InHand>,
    /// Every question costs as much as if it were the first.
    forgets: bool,
    /// What it answered to [`PROBE`] when it was made; none where it could not.
    sound: Option<Answer>,
}

/// The question that it answers.
struct InHand {
    prepared: Prepared,
    needs: Needs,
    exits: usize,
    ended: bool,
    tokens: Tokens,
    last: Option<Answer>,
}

impl LanguageEngine {
    /// Of a session of this bundle, and what its steps cost at most.
    pub fn new(bundle: &Bundle, session: Session, costs: Arc<Costs>) -> LanguageEngine {
        let thoughts = bundle.manifest.thoughts;
        let exits = 1..=thoughts.chunks + 1;
        let mut engine = LanguageEngine {
            name: bundle.manifest.name.clone(),
            session,
            calibrations: exits.map(|exit| bundle.calibration(exit)).collect(),
            chunk: thoughts.chunk,
            chunks: thoughts.chunks,
            costs,
            in_hand: None,
            forgets: false,
            sound: None,
        };
        engine.sound = engine.probe(&mut || ControlFlow::Continue(())).ok();
        engine
    }

    /// From now on it keeps nothing of a question but the fixed part of the prompt, so that one
    /// that is asked again costs as much.
    pub fn forgetting(mut self) -> LanguageEngine {
        self.forgets = true;
        self
    }

    /// What reads questions for it.
    pub fn reader(&self) -> LanguageReader {
        let thoughts = (self.chunk, self.chunks);
        LanguageReader::new(&self.session, thoughts, Arc::clone(&self.costs))
    }

    /// How long it may be silent before it counts as stalled.
    pub fn fault_time(&self) -> Duration {
        fault_time(&self.costs)
    }

    /// Exits of an answer.
    pub fn exits(&self) -> usize {
        self.chunks + 1
    }

    fn calibration(&self, exit: usize) -> Calibration {
        self.calibrations[exit - 1]
    }

    /// Forgets all, and answers the question of its own.
    fn probe(&mut self, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Answer, EngineFault> {
        self.in_hand = None;
        self.session.forget_all();
        let prepared = self.session.prepare(PROBE);
        let prepared = prepared.map_err(|why| EngineFault(why.to_string()))?;
        let plain = Calibration::default();
        let answer = self.session.begin(&prepared, plain, look);
        answer.map_err(|why| match why {
            Unfinished::Abandoned => EngineFault(String::from("was not left to it")),
            Unfinished::Fault(why) | Unfinished::NoAnswer(why) => EngineFault(why),
        })
    }

    /// The answer of the next exit; none where there is no more to think.
    fn next_answer(
        &mut self,
        look: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Answer>, Unfinished> {
        let Some(in_hand) = &mut self.in_hand else {
            return Ok(None);
        };
        let calibration = self.calibrations[in_hand.exits];
        if in_hand.exits == 0 {
            return self
                .session
                .begin(&in_hand.prepared, calibration, look)
                .map(Some);
        }
        let thought = match self.session.think(self.chunk, look) {
            Ok(thought) => thought,
            Err(Abandoned) => return Err(Unfinished::Abandoned),
        };
        in_hand.ended = thought.ended;
        if thought.tokens == 0 {
            return Ok(None);
        }
        self.session.answer(calibration, look).map(Some)
    }
}

impl QuestionEngine<LanguageAnswer> for LanguageEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn take(&mut self, question: &str) -> Result<Part, TakeFault> {
        self.in_hand = None;
        if self.forgets {
            self.session.forget_question();
        }
        let prepared = self.session.prepare(question);
        let prepared = prepared.map_err(|why| TakeFault::Unusable(why.to_string()))?;
        let needs = Needs {
            cached: prepared.cached,
            new: prepared.to_feed(),
            ..self.session.needs(self.chunk, self.chunks)
        };
        let part = mandatory_part(&needs, &self.costs);
        let tokens = Tokens {
            prefilled: needs.new,
            cached: needs.cached,
            ..Tokens::default()
        };
        self.in_hand = Some(InHand {
            prepared,
            needs,
            exits: 0,
            ended: false,
            tokens,
            last: None,
        });
        Ok(part)
    }

    fn next_part(&self) -> Option<Part> {
        let in_hand = self.in_hand.as_ref().filter(|it| !it.ended)?;
        let done = in_hand.exits.checked_sub(1)?;
        (done < self.chunks).then(|| thought_part(&in_hand.needs, &self.costs, done))
    }

    fn advance(
        &mut self,
        look: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Exit<LanguageAnswer>>, PartFault> {
        let answer = self.next_answer(look).map_err(|why| match why {
            Unfinished::Abandoned => PartFault::GivenUp,
            Unfinished::NoAnswer(why) => PartFault::NoAnswer(why),
            Unfinished::Fault(why) => PartFault::Engine(EngineFault(why)),
        })?;
        let (Some(answer), Some(in_hand)) = (answer, &mut self.in_hand) else {
            return Ok(None);
        };
        in_hand.exits += 1;
        in_hand.tokens.answered += answer.fed;
        in_hand.tokens.thought = self.session.thought_tokens();
        let same = |last: &Answer| {
            answer.text == last.text && (answer.confidence - last.confidence).abs() < UNCHANGED
        };
        let unchanged = in_hand.exits >= SETTLED_FROM && in_hand.last.as_ref().is_some_and(same);
        let tokens = in_hand.tokens;
        let exit = in_hand.exits;
        in_hand.last = Some(answer.clone());
        Ok(Some(Exit {
            confidence: answer.confidence as f32,
            threshold: self.calibration(exit).threshold as f32,
            unchanged,
            answer: LanguageAnswer {
                text: answer.text,
                label: answer.label,
                probabilities: answer.probabilities,
                confidence: answer.confidence,
                thought: self.session.thought(),
                tokens,
            },
        }))
    }

    fn check(&mut self, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), EngineFault> {
        let found = self.probe(look)?;
        let same = self.sound.as_ref().is_some_and(|sound| {
            found.text == sound.text && (found.confidence - sound.confidence).abs() <= TOLERANCE
        });
        match same {
            true => Ok(()),
            false => Err(EngineFault(String::from("answers otherwise than before"))),
        }
    }
}
