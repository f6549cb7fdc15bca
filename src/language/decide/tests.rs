//! The guarantee of one question, under a fake clock.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::language::testing::small_model;

const YAML: &str = "format: 1\nkind: language\nname: small\nlicence: none\nweights: {file: small.gguf}\n\
    prompt: {system: You decide., thought_opener: 'Thought:', answer_cue: 'Answer:'}\n\
    answer: {labels: [go, stop]}\nsafe_answer: stop\nthoughts: {chunk: 4, chunks: 3}\ncontext: 256\n\
    calibration: [{temperature: 1.0, threshold: 0.999}]\n";

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["do"],
    "properties": {"do": {"enum": ["go", "stop"]}, "for_s": {"type": "integer", "minimum": 0, "maximum": 20}}}"#;

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
fn costs(layer_us: f64) -> Costs {
    Costs {
        sizes: vec![1, 64],
        depths: vec![256],
        batch_us: vec![vec![2.0 * layer_us; 2]],
        head_us: 0.0,
        rows_us: 0.0,
        mask_us: 0.0,
        layers: 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The guarantee, under a fake clock: layers take what they like up to their bound, and
    /// sometimes a lot more; the longest look apart is the only lateness there may be.
    #[test]
    fn every_question_is_answered_by_its_deadline_or_by_a_declared_fallback(
        times in prop::collection::vec(1u64..100, 1..50), stall in prop::option::of(0usize..60),
        deadline_ms in 0u64..60, length in 0usize..300, best in any::<bool>(), schema in any::<bool>(),
    ) {
        let (_folder, labels) = bundle(&small_model(1).bytes());
        let bundle = if schema { written(&labels) } else { labels };
        let mut session = bundle.open().unwrap();
        let costs = costs(100.0);
        let clock = Cell::new(Duration::ZERO);
        let looks = Cell::new(0usize);
        let longest = Cell::new(Duration::ZERO);
        let now = || {
            let look = looks.get();
            looks.set(look + 1);
            let mut step = Duration::from_micros(times[look % times.len()]);
            if stall == Some(look) {
                step = Duration::from_millis(5);
            }
            longest.set(longest.get().max(step));
            clock.set(clock.get() + step);
            clock.get()
        };
        let policy = if best { Policy::Best } else { Policy::Fastest };
        let mut reasoner = Reasoner { bundle: &bundle, session: &mut session, costs: &costs, policy };
        let question = "w".repeat(length);
        let deadline = Duration::from_millis(deadline_ms);
        let decision = reasoner.decide(&question, deadline, &now, &mut |_| ());
        let valid = match schema {
            false => ["go", "stop"].contains(&decision.answer.as_str()),
            true => {
                let answer: serde_json::Value = serde_json::from_str(&decision.answer).unwrap();
                answer["do"] == "go" || answer["do"] == "stop"
            }
        };
        prop_assert!(valid && decision.label.is_none() == schema, "{decision:?}");
        let late = clock.get().saturating_sub(deadline);
        let refused_at_once = decision.reason != Reason::None && decision.tokens.prefilled == 0;
        prop_assert!(late == Duration::ZERO || stall.is_some() || refused_at_once, "{late:?} late");
        match decision.source {
            Source::Model => {
                let sum: f64 = decision.probabilities.iter().sum();
                prop_assert!(schema || (sum - 1.0).abs() < 1e-9);
                prop_assert!(decision.confidence > 0.0 && decision.tokens.answered > 0);
                prop_assert!((1..=4).contains(&decision.exit));
            }
            Source::Fallback => {
                prop_assert_eq!(&decision.answer, &bundle.manifest.safe_answer);
                prop_assert!(decision.exit == 0 && decision.explanation.is_some());
            }
        }
        if length == 0 {
            prop_assert_eq!(decision.reason, Reason::InvalidInput);
        }
        // Whole afterwards.
        let prepared = session.prepare("again").unwrap();
        let again = session.begin(&prepared, bundle.calibration(1), &mut || ControlFlow::Continue(())).unwrap();
        let mut fresh = bundle.open().unwrap();
        let prepared = fresh.prepare("again").unwrap();
        let alone = fresh.begin(&prepared, bundle.calibration(1), &mut || ControlFlow::Continue(())).unwrap();
        prop_assert_eq!(again, alone);
    }
}

fn decided(weights: &[u8], policy: Policy, deadline_ms: u64, question: &str) -> Decision {
    let (_folder, bundle) = bundle(weights);
    let mut session = bundle.open().unwrap();
    let costs = costs(100.0);
    let mut reasoner = Reasoner {
        bundle: &bundle,
        session: &mut session,
        costs: &costs,
        policy,
    };
    let deadline = Duration::from_millis(deadline_ms);
    reasoner.decide(question, deadline, &|| Duration::ZERO, &mut |_| ())
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
    let advice: u64 = advice.unwrap().parse().unwrap();
    let taken = decided(&weights, Policy::Best, advice, "a wall");
    assert_eq!(taken.source, Source::Model, "{said}");
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
}
