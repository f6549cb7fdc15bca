//! The guarantee with real sessions of small random models, under a fake clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::language::bundle::{Bundle, Form};
use crate::language::costs::Costs;
use crate::language::testing::small_model;
use crate::scheduler::questions::{
    Answered, Asker, ExitAnswer, FallbackReason, LaneConfig, Outcome, Question, QuestionLane,
    QuestionReader, QuestionWorker, Refused, Terms, Ticket,
};
use crate::scheduler::simulated::{MachineModel, SimulatedClock, SimulatedScheduler};
use crate::scheduler::{DecisionSource, Policy, Reason};
use crate::time::{Clock, Mono};

const YAML: &str = "format: 1\nkind: language\nname: small\nlicence: none\nweights: {file: small.gguf}\n\
    prompt: {system: You decide., thought_opener: 'Thought:', answer_cue: 'Answer:'}\n\
    answer: {labels: [go, stop]}\nsafe_answer: stop\nthoughts: {chunk: 4, chunks: 3}\ncontext: 256\n\
    calibration: [{temperature: 1.0, threshold: 0.999}]\n";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["do"],
    "properties": {"do": {"enum": ["go", "stop"]}, "for_s": {"type": "integer", "minimum": 0, "maximum": 20}}}"#;

const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);
const FAULT_TIME: Duration = Duration::from_millis(8);

/// The same with answers of a schema.
fn written(bundle: &Bundle) -> Bundle {
    std::fs::write(bundle.folder.join("do.json"), SCHEMA).unwrap();
    let form = Form::Schema("do.json".into());
    bundle
        .clone()
        .with_answers(form, r#"{"do":"stop"}"#.into())
        .unwrap()
}

fn bundle(weights: &[u8]) -> (tempfile::TempDir, Bundle) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.yaml"), YAML).unwrap();
    std::fs::write(folder.path().join("small.gguf"), weights).unwrap();
    let bundle = Bundle::load(folder.path()).unwrap();
    (folder, bundle)
}

/// Every layer takes `layer_us` at most; heads and rows nothing.
fn costs(layer_us: f64) -> Arc<Costs> {
    Arc::new(Costs {
        sizes: vec![1, 64],
        depths: vec![256],
        batch_us: vec![vec![2.0 * layer_us; 2]],
        head_us: 0.0,
        rows_us: 0.0,
        mask_us: 0.0,
        layers: 2,
    })
}

fn engine(bundle: &Bundle) -> LanguageEngine {
    LanguageEngine::new(bundle, bundle.open().unwrap(), costs(100.0))
}

/// Hands out what layers take from a list, over and over.
struct Layers {
    costs: Vec<Option<Duration>>,
    looks: usize,
}

impl MachineModel for Layers {
    fn stage_cost(&mut self, _slot: usize, _part: usize) -> Option<Duration> {
        let cost = self.costs[self.looks % self.costs.len()];
        self.looks += 1;
        cost
    }
}

struct Ear {
    clock: Arc<SimulatedClock>,
    answered: Mutex<Vec<(Mono, Answered<LanguageAnswer>)>>,
    so_far: Mutex<Vec<ExitAnswer<LanguageAnswer>>>,
}

impl Asker<LanguageAnswer> for Ear {
    fn so_far(&self, exit: &ExitAnswer<LanguageAnswer>) {
        self.so_far.lock().unwrap().push(exit.clone());
    }

    fn answered(&self, answered: Answered<LanguageAnswer>) {
        let now = self.clock.now();
        self.answered.lock().unwrap().push((now, answered));
    }
}

struct World {
    simulated: SimulatedScheduler<Layers, QuestionLane<LanguageAnswer>>,
    ear: Arc<Ear>,
}

impl World {
    fn new(engines: Vec<LanguageEngine>, costs: Vec<Option<Duration>>) -> World {
        let clock = Arc::new(SimulatedClock::default());
        let config = LaneConfig {
            margin: MS,
            fault_time: FAULT_TIME,
            room: 4,
        };
        let readers = engines.iter();
        let readers = readers.map(|engine| Arc::new(engine.reader()) as Arc<dyn QuestionReader>);
        let lane = QuestionLane::new(Arc::clone(&clock) as _, config, 4, readers.collect());
        let lane = Arc::new(lane);
        let workers = engines.into_iter().enumerate();
        let workers = workers
            .map(|(slot, engine)| QuestionWorker::new(Arc::clone(&lane), slot, Box::new(engine)));
        let workers = workers.collect();
        let ear = Arc::new(Ear {
            clock: Arc::clone(&clock),
            answered: Mutex::default(),
            so_far: Mutex::default(),
        });
        let machine = Layers { costs, looks: 0 };
        let mut simulated = SimulatedScheduler::new(clock, vec![lane], workers, machine);
        simulated.advance_to(Mono(1_000_000_000));
        World { simulated, ear }
    }

    fn ask(&mut self, text: &str, deadline: Duration, policy: Policy) -> Result<Ticket, Refused> {
        let question = Question {
            text: text.to_owned(),
            arrival: self.simulated.scheduler(0).now(),
            terms: Terms { deadline, policy },
            asker: Arc::clone(&self.ear) as _,
        };
        self.simulated.offer(0, question)
    }

    fn after(&mut self, span: Duration) {
        let now = self.simulated.scheduler(0).now();
        self.simulated.advance_to(now + span);
    }

    fn drain(&mut self) -> Vec<(Mono, Answered<LanguageAnswer>)> {
        self.simulated.drain();
        self.ear.answered.lock().unwrap().clone()
    }
}

fn decided(weights: &[u8], policy: Policy, deadline_ms: u32, question: &str) -> Decision {
    let (_folder, bundle) = bundle(weights);
    let mut world = World::new(vec![engine(&bundle)], vec![Some(Duration::ZERO)]);
    let safe = SafeAnswer::of(&bundle);
    match world.ask(question, MS * deadline_ms, policy) {
        Ok(_) => Decision::of(world.drain().remove(0).1, &safe),
        Err(refused) => Decision::refused(&refused, &safe, Duration::ZERO),
    }
}

#[test]
fn a_longer_deadline_gives_deeper_exits_and_one_too_short_says_what_would_fit() {
    let weights = small_model(1).bytes();
    let exits = [2, 4, 6, 9].map(|ms| decided(&weights, Policy::Best, ms, "a wall").exit);
    assert!(
        exits[0] == 1 && exits.is_sorted() && exits[3] == 4,
        "{exits:?}"
    );
    let refused = decided(&weights, Policy::Best, 1, "a wall");
    assert_eq!((refused.reason, refused.ms), (Reason::Deadline, 0.0));
    let said = refused.explanation.unwrap();
    let advice = said
        .split("up to ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let advice: u32 = advice.unwrap().parse().unwrap();
    let taken = decided(&weights, Policy::Best, advice, "a wall");
    assert_eq!(taken.source, DecisionSource::Model, "{said}");
}

#[test]
fn weights_that_give_no_numbers_are_a_fault_and_no_answer() {
    let mut writer = small_model(1);
    let norm = writer
        .tensors
        .iter_mut()
        .find(|(name, ..)| name == "output_norm.weight");
    norm.unwrap().3[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let decision = decided(&writer.bytes(), Policy::Best, 1000, "a wall");
    assert_eq!(decision.reason, Reason::BackendFault);
    assert_eq!(decision.answer, "stop");
    // Another model takes over, and the broken one does not come back.
    let (_broken, broken) = bundle(&writer.bytes());
    let (_sound, sound) = bundle(&small_model(2).bytes());
    let engines = vec![engine(&broken), engine(&sound)];
    let mut world = World::new(engines, vec![Some(US)]);
    world.ask("a wall", MS * 100, Policy::Best).unwrap();
    let (_, answered) = world.drain().remove(0);
    let Outcome::Model(by) = answered.outcome else {
        panic!("{answered:?}");
    };
    assert_eq!((by.engine, by.exit.get()), (1, 4));
    assert!(world.simulated.check_health(0));
    assert_eq!(world.simulated.scheduler(0).active_engine(), 1);
}

#[test]
fn what_was_thought_so_far_is_told_and_the_answer_has_all_of_it() {
    let (_folder, bundle) = bundle(&small_model(1).bytes());
    let mut world = World::new(vec![engine(&bundle)], vec![Some(US)]);
    world.ask("a wall", MS * 100, Policy::Best).unwrap();
    let (_, answered) = world.drain().remove(0);
    let Outcome::Model(last) = answered.outcome else {
        panic!("{answered:?}");
    };
    let told = world.ear.so_far.lock().unwrap();
    let exits: Vec<_> = told.iter().map(|exit| exit.exit.get()).collect();
    assert_eq!((exits, last.exit.get()), (vec![1, 2, 3], 4));
    let thoughts: Vec<_> = told.iter().map(|exit| exit.answer.tokens.thought).collect();
    assert_eq!((thoughts, last.answer.tokens.thought), (vec![0, 4, 8], 12));
    assert!(told.iter().all(|exit| exit.answer.tokens.cached > 0));
}

#[test]
fn an_engine_that_was_given_up_anywhere_answers_its_next_question_as_if_it_were_the_first() {
    let (_folder, labels) = bundle(&small_model(1).bytes());
    for bundle in [written(&labels), labels] {
        let alone = |question: &str| {
            let mut world = World::new(vec![engine(&bundle)], vec![Some(US)]);
            world.ask(question, MS * 400, Policy::Best).unwrap();
            world.drain().remove(0).1.outcome
        };
        let Outcome::Model(alone) = alone("again") else {
            panic!("no answer");
        };
        for layers in 0..60 {
            let mut world = World::new(vec![engine(&bundle)], vec![Some(US * 10)]);
            let ticket = world.ask("a wall", MS * 400, Policy::Best).unwrap();
            world.after(US * 10 * layers);
            let open = world.simulated.scheduler(0).cancel(ticket);
            world.ask("again", MS * 400, Policy::Best).unwrap();
            let all = world.drain();
            let Outcome::Model(again) = &all[1].1.outcome else {
                panic!("{all:?}");
            };
            let (found, expected) = (&again.answer, &alone.answer);
            let same = (&found.text, &found.probabilities, &found.thought)
                == (&expected.text, &expected.probabilities, &expected.thought);
            assert!(same, "given up ({open}) after {layers} layers");
        }
    }
}

#[test]
fn real_threads_answer_whoever_waits() {
    let (_folder, bundle) = bundle(&small_model(1).bytes());
    let engines = vec![engine(&bundle).forgetting()];
    let lane = LanguageLane::start(engines, SafeAnswer::of(&bundle)).unwrap();
    let terms = |ms: u32, policy| Terms {
        deadline: MS * ms,
        policy,
    };
    let mut written = String::new();
    let best = terms(30_000, Policy::Best);
    let decision = lane.answer("a wall", best, &mut |more| written.push_str(more));
    assert_eq!((decision.source, decision.exit), (DecisionSource::Model, 4));
    assert_eq!(written, decision.thought);
    let again = lane.answer("a wall", best, &mut |_| ());
    assert_eq!(again.probabilities, decision.probabilities);
    assert_eq!(again.tokens, decision.tokens, "nothing was kept of it");
    for (question, ms, reason) in [
        ("", 900, Reason::InvalidInput),
        ("a wall", 0, Reason::Deadline),
    ] {
        let refused = lane.answer(question, terms(ms, Policy::Fastest), &mut |_| ());
        assert_eq!((refused.reason, &*refused.answer), (reason, "stop"));
    }
}

#[derive(Clone, Debug)]
struct Asked {
    gap_us: u32,
    length: usize,
    deadline_ms: u32,
    best: bool,
    cancel: bool,
}

fn arb_asked() -> impl Strategy<Value = Asked> {
    let length = prop_oneof![6 => 1usize..40, 2 => 40usize..300, 1 => Just(0)];
    let gap_us = prop_oneof![2 => 0u32..500, 1 => 500u32..40_000];
    let cancel = prop_oneof![5 => Just(false), 1 => Just(true)];
    (gap_us, length, 0u32..60, any::<bool>(), cancel).prop_map(
        |(gap_us, length, deadline_ms, best, cancel)| Asked {
            gap_us,
            length,
            deadline_ms,
            best,
            cancel,
        },
    )
}

fn arb_cost() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        80 => (1u32..100).prop_map(|us| Some(us * US)),
        2 => (100u32..12_000).prop_map(|us| Some(us * US)),
        1 => Just(None),
    ]
}

fn is_valid(text: &str, schema: bool) -> bool {
    match schema {
        false => ["go", "stop"].contains(&text),
        true => serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|answer| answer["do"] == "go" || answer["do"] == "stop"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Layers take what they like up to their bound, sometimes a lot more, and sometimes they do
    /// not come back; one engine or two, floods, long prompts, and askers that change their minds.
    #[test]
    fn every_question_is_answered_by_its_deadline_or_by_a_declared_fallback(
        times in prop::collection::vec(arb_cost(), 1..120), all in prop::collection::vec(arb_asked(), 1..8),
        second in any::<bool>(), schema in any::<bool>(),
    ) {
        let (_folder, labels) = bundle(&small_model(1).bytes());
        let bundle = if schema { written(&labels) } else { labels };
        let mut engines = vec![engine(&bundle)];
        if second {
            engines.push(engine(&bundle));
        }
        let calm = times.iter().all(|time| time.is_some_and(|time| time <= US * 100));
        let mut world = World::new(engines, times);
        let reader = engine(&bundle).reader();
        let safe = SafeAnswer::of(&bundle);
        let mut accepted = Vec::new();
        for asked in &all {
            world.after(US * asked.gap_us);
            let text = "w".repeat(asked.length);
            let deadline = MS * asked.deadline_ms;
            let policy = if asked.best { Policy::Best } else { Policy::Fastest };
            let arrival = world.simulated.scheduler(0).now();
            let fits = reader.read(&text).map(|reading| reading.mandatory.needs() + MS <= deadline);
            match world.ask(&text, deadline, policy) {
                Ok(ticket) => {
                    prop_assert_eq!(fits, Ok(true));
                    if asked.cancel {
                        world.after(US * 300);
                        world.simulated.scheduler(0).cancel(ticket);
                    }
                    accepted.push((ticket, arrival, deadline));
                }
                Err(Refused::Unusable(_)) => prop_assert!(fits.is_err()),
                Err(Refused::TooShort(_)) => prop_assert_eq!(fits, Ok(false)),
                Err(Refused::Full { .. }) => {}
                Err(Refused::Closed) => prop_assert!(false),
            }
        }
        let answered = world.drain();
        let mut tickets: Vec<Ticket> = answered.iter().map(|(_, it)| it.ticket).collect();
        tickets.sort();
        let expected: Vec<Ticket> = accepted.iter().map(|(ticket, ..)| *ticket).collect();
        prop_assert_eq!(tickets, expected);
        let alone = accepted.len() == 1;
        for (when, answered) in answered {
            let index = accepted.iter().position(|(ticket, ..)| *ticket == answered.ticket).unwrap();
            let (_, arrival, deadline) = accepted[index];
            prop_assert!(when <= arrival + deadline, "{answered:?}");
            if let Outcome::Model(by) = &answered.outcome {
                let sum: f64 = by.answer.probabilities.iter().sum();
                prop_assert!(schema || (sum - 1.0).abs() < 1e-9);
                prop_assert!(by.answer.confidence > 0.0 && by.answer.tokens.answered > 0);
                prop_assert!((1..=4).contains(&by.exit.get()));
            }
            if let Outcome::Fallback { reason, .. } = &answered.outcome {
                prop_assert!(!(calm && alone), "on a calm machine: {answered:?}");
                prop_assert!(matches!(reason, FallbackReason::Deadline | FallbackReason::BackendFault));
            }
            let decision = Decision::of(answered, &safe);
            prop_assert!(is_valid(&decision.answer, schema), "{decision:?}");
            prop_assert_eq!(decision.label.is_none(), schema);
            let by_model = decision.source == DecisionSource::Model;
            prop_assert_eq!(decision.exit > 0, by_model);
            prop_assert_eq!(decision.explanation.is_none(), by_model);
        }
    }
}
