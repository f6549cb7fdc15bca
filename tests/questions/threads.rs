//! The same on real threads and the real clock: races and lost wake-ups. Nothing here asserts
//! milliseconds.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Instant;

use edge_reasoner::scheduler::Policy;
use edge_reasoner::scheduler::questions::{
    Answered, Asker, FallbackReason, LaneConfig, Outcome, Question, QuestionLane, QuestionReader,
    QuestionWorker, Refused, Terms, Ticket,
};
use edge_reasoner::scheduler::threaded::SchedulerThreads;
use edge_reasoner::time::SystemClock;

use crate::quiet_panics;
use crate::world::*;

#[derive(Default)]
struct Ear(Mutex<Vec<Answered<Said>>>);

impl Asker<Said> for Ear {
    fn answered(&self, answered: Answered<Said>) {
        self.0.lock().unwrap().push(answered);
    }
}

struct Live {
    threads: SchedulerThreads<QuestionLane<Said>>,
    ear: Arc<Ear>,
}

impl Live {
    fn new(fault_ms: u32, engines: Vec<Scripted>) -> Live {
        let config = LaneConfig {
            margin: MARGIN,
            fault_time: MS * fault_ms,
            room: ROOM,
        };
        let reader = Arc::new(Reader) as Arc<dyn QuestionReader>;
        let readers = engines.iter().map(|_| Arc::clone(&reader)).collect();
        let clock = Arc::new(SystemClock::new());
        let lane = Arc::new(QuestionLane::new(clock, config, PARTS, readers));
        let workers = engines.into_iter().enumerate();
        let workers = workers
            .map(|(slot, engine)| QuestionWorker::new(Arc::clone(&lane), slot, Box::new(engine)));
        let workers = workers.collect();
        Live {
            threads: SchedulerThreads::start(vec![lane], workers, |_| {}).unwrap(),
            ear: Arc::new(Ear::default()),
        }
    }

    fn lane(&self) -> &Arc<QuestionLane<Said>> {
        &self.threads.schedulers()[0]
    }

    fn ask(&self, text: &str, deadline_ms: u32) -> Result<Ticket, Refused> {
        let policy = Policy::Best;
        let question = Question {
            text: text.to_owned(),
            arrival: self.lane().now(),
            terms: Terms {
                deadline: MS * deadline_ms,
                policy,
            },
            asker: Arc::clone(&self.ear) as _,
        };
        self.threads.offer(0, question)
    }

    /// Waits until everything accepted is answered; panics when that does not come.
    fn settle(&self) {
        let begun = Instant::now();
        loop {
            let counts = self.lane().counts();
            let answered = counts.values.decisions + counts.cancelled;
            let told = self.ear.0.lock().unwrap().len() as u64;
            if answered == counts.values.accepted && told == answered {
                return;
            }
            assert!(begun.elapsed() < 20_000 * MS, "never answered: {counts:?}");
            sleep(MS);
        }
    }
}

/// An engine that at random sleeps, fails, panics or is slow, by the number of its layer.
fn wild(seed: u64) -> Scripted {
    let mut engine = Scripted::new(vec![]);
    let mut layer = 0u64;
    engine.layer = Box::new(move || {
        layer += 1;
        let mut x = layer.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x ^= x >> 31;
        match x % 199 {
            0 => panic!("scripted panic"),
            1 => sleep(40 * MS),
            2..12 => sleep(MS),
            _ => {}
        }
    });
    engine
}

#[test]
fn floods_stalls_panics_and_cancels_leave_one_answer_per_accepted_question() {
    quiet_panics();
    let live = Live::new(15, vec![wild(1), wild(2)]);
    let refused = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for asker in 0..3u64 {
            let (live, refused) = (&live, &refused);
            scope.spawn(move || {
                for number in 0..300u64 {
                    let text = "w".repeat((number * 7 % 40) as usize + 1);
                    match live.ask(&text, 6 + (number * 13 % 50) as u32) {
                        Ok(ticket) if number % 11 == asker => {
                            live.lane().cancel(ticket);
                        }
                        Ok(_) => {}
                        Err(_) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    match number % 20 {
                        0..8 => {}
                        8..15 => std::thread::yield_now(),
                        _ => sleep(3 * MS),
                    }
                }
            });
        }
    });
    live.settle();
    let counts = live.lane().counts();
    assert_eq!(counts.values.received, 900);
    assert_eq!(counts.values.refused, refused.load(Ordering::Relaxed));
    let answered = live.ear.0.lock().unwrap();
    let tickets: HashSet<Ticket> = answered.iter().map(|it| it.ticket).collect();
    assert_eq!(
        tickets.len(),
        answered.len(),
        "a question was answered twice"
    );
    assert_eq!(answered.len() as u64, counts.values.accepted);
    let by_model = answered
        .iter()
        .filter(|it| matches!(it.outcome, Outcome::Model(_)));
    assert!(by_model.count() > 0 && counts.cancelled > 0 && counts.values.engine_changes > 0);
    assert!(!live.threads.has_panicked());
}

#[test]
fn a_question_that_waits_when_its_engine_fails_or_hangs_is_taken_by_the_next() {
    for hangs in [false, true] {
        let mut first = Scripted::new(vec![Act::Fail]);
        let time = if hangs { 3000 * MS } else { 10 * MS };
        first.layer = Box::new(move || sleep(time));
        let live = Live::new(60, vec![first, Scripted::new(vec![])]);
        live.ask("first", 2000).unwrap();
        sleep(5 * MS);
        live.ask("waits", 2000).unwrap();
        live.settle();
        let answered = live.ear.0.lock().unwrap();
        for answered in answered.iter() {
            let Outcome::Model(by) = &answered.outcome else {
                panic!("{answered:?}");
            };
            assert_eq!((by.engine, by.exit.get()), (1, PARTS), "hangs: {hangs}");
        }
    }
}

#[test]
fn a_new_engine_takes_over_from_a_lone_one_that_hangs_and_all_end_together() {
    let mut stuck = Scripted::new(vec![]);
    stuck.layer = Box::new(|| sleep(5000 * MS));
    let mut live = Live::new(20, vec![stuck]);
    live.ask("first", 3000).unwrap();
    sleep(50 * MS);
    let worker = QuestionWorker::new(Arc::clone(live.lane()), 0, Box::new(Scripted::new(vec![])));
    live.threads.replace(0, worker).unwrap();
    live.settle();
    sleep(20 * MS);
    // Sooner than an idle worker looks up by itself.
    live.ask("second", 1000).unwrap();
    live.settle();
    let answered = live.ear.0.lock().unwrap().clone();
    let by_model = |it: &Answered<Said>| matches!(it.outcome, Outcome::Model(_));
    assert!(
        answered.len() == 2 && answered.iter().all(by_model),
        "{answered:?}"
    );
    let begun = Instant::now();
    drop(live);
    assert!(begun.elapsed() < 2000 * MS, "{:?}", begun.elapsed());
}

#[test]
fn what_is_open_when_the_threads_end_is_answered() {
    let mut stuck = Scripted::new(vec![]);
    stuck.layer = Box::new(|| sleep(1500 * MS));
    let live = Live::new(10_000, vec![stuck]);
    for _ in 0..3 {
        live.ask("why", 60_000).unwrap();
    }
    let ear = Arc::clone(&live.ear);
    drop(live);
    let answered = ear.0.lock().unwrap();
    assert_eq!(answered.len(), 3);
    for answered in answered.iter() {
        let reason = match &answered.outcome {
            Outcome::Fallback { reason, .. } => *reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason, FallbackReason::Inactive);
    }
}
