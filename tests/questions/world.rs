//! Machines on which engines of a script answer questions, layer by layer, and what their askers
//! were told.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edge_reasoner::scheduler::questions::{
    Answer, Answered, Asker, Exit, ExitAnswer, LaneConfig, Part, PartFault, Question,
    QuestionEngine, QuestionLane, QuestionReader, QuestionWorker, Reading, Refused, TakeFault,
    Terms, Ticket, TooShort,
};
use edge_reasoner::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use edge_reasoner::scheduler::{EngineFault, Policy};
use edge_reasoner::time::{Clock, Mono};

pub const US: Duration = Duration::from_micros(1);
pub const MS: Duration = Duration::from_millis(1);
pub const MARGIN: Duration = MS;
pub const FAULT_TIME: Duration = Duration::from_millis(40);
/// Upper bound of a layer, and layers of a part.
pub const LAYER: Duration = MS;
pub const LAYERS: usize = 3;
pub const PARTS: usize = 5;
pub const ROOM: usize = 6;

/// What was said: to which question, after how many parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub question: String,
    pub part: usize,
    pub confidence: f32,
}

impl Answer for Said {
    fn fault(&self) -> Option<String> {
        let wrong = !(0.0..=1.0).contains(&self.confidence);
        wrong.then(|| String::from("scripted nonsense"))
    }
}

/// How a part of an engine ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Answer { confidence: f32 },
    Unchanged,
    NotANumber,
    NoAnswer,
    NothingMore,
    Fail,
    Panic,
}

/// Every eight bytes of a question take a layer more.
pub fn mandatory(question: &str) -> Part {
    Part {
        whole: LAYER * (LAYERS + question.len() / 8) as u32,
        step: LAYER,
    }
}

pub const THOUGHT: Part = Part {
    whole: Duration::from_millis(LAYERS as u64),
    step: LAYER,
};

pub struct Reader;

impl QuestionReader for Reader {
    fn read(&self, question: &str) -> Result<Reading, String> {
        match question.trim() {
            "" => Err(String::from("the question is empty")),
            _ => Ok(Reading {
                new: question.len(),
                mandatory: mandatory(question),
            }),
        }
    }

    fn advice(&self, _: &Reading, short: &TooShort) -> String {
        format!("{:?} are left", short.budget)
    }
}

/// Goes through a script of acts, one a part.
pub struct Scripted {
    script: Vec<Act>,
    question: String,
    parts: usize,
    ended: bool,
    /// What a layer is.
    pub layer: Box<dyn FnMut() + Send>,
    pub sound: Arc<Mutex<bool>>,
}

impl Scripted {
    pub fn new(mut script: Vec<Act>) -> Scripted {
        script.reverse();
        Scripted {
            script,
            question: String::new(),
            parts: 0,
            ended: false,
            layer: Box::new(|| ()),
            sound: Arc::new(Mutex::new(true)),
        }
    }
}

impl QuestionEngine<Said> for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn take(&mut self, question: &str) -> Result<Part, TakeFault> {
        self.question = question.to_owned();
        self.parts = 0;
        self.ended = false;
        Ok(mandatory(question))
    }

    fn next_part(&self) -> Option<Part> {
        (self.parts < PARTS && !self.ended).then_some(THOUGHT)
    }

    fn advance(
        &mut self,
        look: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Exit<Said>>, PartFault> {
        let layers = match self.parts {
            0 => LAYERS + self.question.len() / 8,
            _ => LAYERS,
        };
        for _ in 0..layers {
            if look().is_break() {
                return Err(PartFault::GivenUp);
            }
            (self.layer)();
        }
        let act = self.script.pop();
        let (confidence, unchanged) = match act.unwrap_or(Act::Answer { confidence: 0.6 }) {
            Act::Answer { confidence } => (confidence, false),
            Act::Unchanged => (0.6, true),
            Act::NotANumber => (f32::NAN, false),
            Act::NoAnswer => return Err(PartFault::NoAnswer(String::from("scripted"))),
            Act::NothingMore => {
                self.ended = true;
                return Ok(None);
            }
            Act::Fail => return Err(PartFault::Engine(EngineFault(String::from("scripted")))),
            Act::Panic => panic!("scripted panic"),
        };
        self.parts += 1;
        let answer = Said {
            question: self.question.clone(),
            part: self.parts,
            confidence,
        };
        Ok(Some(Exit {
            answer,
            confidence,
            threshold: 0.8,
            unchanged,
        }))
    }

    fn check(&mut self, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<(), EngineFault> {
        let _ = look();
        match *self.sound.lock().unwrap() {
            true => Ok(()),
            false => Err(EngineFault(String::from("not yet"))),
        }
    }
}

/// Hands out costs of layers from a list and remembers when each was begun.
pub struct Layers {
    clock: Arc<SimulatedClock>,
    pub costs: Vec<Option<Duration>>,
    pub watchdog_delays: Vec<Duration>,
    /// When, on which engine, of which part.
    pub begun: Vec<(Mono, usize, usize)>,
}

impl MachineModel for Layers {
    fn stage_cost(&mut self, slot: usize, part: usize) -> Option<Duration> {
        self.begun.push((self.clock.now(), slot, part));
        self.costs.pop().unwrap_or(Some(LAYER))
    }

    fn watchdog_delay(&mut self) -> Duration {
        self.watchdog_delays.pop().unwrap_or_default()
    }
}

/// Remembers what it is told.
pub struct Ear {
    clock: Arc<SimulatedClock>,
    pub answered: Mutex<Vec<(Mono, Answered<Said>)>>,
    pub so_far: Mutex<Vec<ExitAnswer<Said>>>,
}

impl Asker<Said> for Ear {
    fn so_far(&self, exit: &ExitAnswer<Said>) {
        self.so_far.lock().unwrap().push(exit.clone());
    }

    fn answered(&self, answered: Answered<Said>) {
        let now = self.clock.now();
        self.answered.lock().unwrap().push((now, answered));
    }
}

pub struct World {
    pub simulated: SimulatedScheduler<Layers, QuestionLane<Said>>,
    pub ear: Arc<Ear>,
}

impl World {
    pub fn new(engines: Vec<Scripted>, mut costs: Vec<Option<Duration>>) -> World {
        let clock = Arc::new(SimulatedClock::default());
        let config = LaneConfig {
            margin: MARGIN,
            fault_time: FAULT_TIME,
            room: ROOM,
        };
        let reader = Arc::new(Reader) as Arc<dyn QuestionReader>;
        let readers = engines.iter().map(|_| Arc::clone(&reader)).collect();
        let lane = QuestionLane::new(Arc::clone(&clock) as _, config, PARTS, readers);
        let lane = Arc::new(lane);
        let workers = engines.into_iter().enumerate();
        let workers = workers
            .map(|(slot, engine)| QuestionWorker::new(Arc::clone(&lane), slot, Box::new(engine)));
        costs.reverse();
        let machine = Layers {
            clock: Arc::clone(&clock),
            costs,
            watchdog_delays: Vec::new(),
            begun: Vec::new(),
        };
        let workers = workers.collect();
        let ear = Arc::new(Ear {
            clock: Arc::clone(&clock),
            answered: Mutex::default(),
            so_far: Mutex::default(),
        });
        let mut simulated = SimulatedScheduler::new(clock, vec![lane], workers, machine);
        simulated.advance_to(at(0));
        World { simulated, ear }
    }

    pub fn lane(&self) -> Arc<QuestionLane<Said>> {
        Arc::clone(self.simulated.scheduler(0))
    }

    /// At a time, with a deadline in ms.
    pub fn ask(
        &mut self,
        when: Mono,
        text: &str,
        deadline_ms: u32,
        policy: Policy,
    ) -> Result<Ticket, Refused> {
        self.simulated.advance_to(when);
        let asker = Arc::clone(&self.ear) as Arc<dyn Asker<Said>>;
        let question = Question {
            text: text.to_owned(),
            arrival: when,
            terms: Terms {
                deadline: MS * deadline_ms,
                policy,
            },
            asker,
        };
        self.simulated.offer(0, question)
    }

    pub fn cancel(&mut self, when: Mono, ticket: Ticket) -> bool {
        self.simulated.advance_to(when);
        self.lane().cancel(ticket)
    }

    /// Lets all be answered; what was told, with when.
    pub fn drain(&mut self) -> Vec<(Mono, Answered<Said>)> {
        self.simulated.drain();
        self.ear.answered.lock().unwrap().clone()
    }
}

/// Microseconds from the beginning.
pub fn at(us: u64) -> Mono {
    Mono(1_000_000_000 + us * 1000)
}
