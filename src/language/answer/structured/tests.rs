//! Answers of random models under a schema, and what is refused.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::language::bundle::Bundle;
use crate::language::gguf::Gguf;
use crate::language::testing::Small;

const SCHEMA: &str = r#"{"type": "object", "additionalProperties": false, "required": ["action", "speed"],
    "properties": {
        "action": {"enum": ["go", "stop", "stop now"]},
        "speed": {"type": "integer", "minimum": -2, "maximum": 12},
        "why": {"type": "string", "maxLength": 6},
        "sides": {"type": "array", "maxItems": 2, "items": {"enum": ["left", "right"]}}}}"#;

fn go_on() -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn small(seed: u64) -> (Small, Arc<Tokenizer>) {
    let mut small = Small::new(seed);
    small.take("the robot");
    let tokenizer = Arc::new(Small::new(seed).tokenizer);
    (small, tokenizer)
}

fn valid(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let fields = value.as_object().unwrap();
    let action = ["go", "stop", "stop now"].contains(&value["action"].as_str().unwrap_or(""));
    // Among them -0, which serde_json takes for no integer.
    let whole = |speed: f64| speed.fract() == 0.0 && (-2.0..=12.0).contains(&speed);
    let speed = value["speed"].as_f64().is_some_and(whole);
    let why = fields
        .get("why")
        .is_none_or(|why| why.as_str().is_some_and(|why| why.chars().count() <= 6));
    let sides = fields.get("sides").is_none_or(|sides| {
        let sides = sides.as_array().unwrap();
        sides.len() <= 2 && sides.iter().all(|side| side == "left" || side == "right")
    });
    action && speed && why && sides && fields.len() <= 4
}

#[test]
fn every_answer_of_random_models_is_valid_and_leaves_the_decoder_as_it_was() {
    for seed in 0..12 {
        let (mut small, tokenizer) = small(seed);
        let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
        let before = small.decoder.filled();
        let first = structured
            .write(&mut small.decoder, &[5, 6], &mut go_on)
            .unwrap();
        let text = tokenizer.decode(&first.tokens);
        assert!(valid(&text), "{text}");
        assert!(first.probability > 0.0 && first.probability <= 1.0);
        assert!(first.tokens.len() <= structured.longest());
        assert_eq!(small.decoder.filled(), before);
        let again = structured
            .write(&mut small.decoder, &[5, 6], &mut go_on)
            .unwrap();
        assert_eq!(again, first);
    }
}

#[test]
fn choices_are_those_of_the_whole_head_token_by_token() {
    let (mut small, tokenizer) = small(3);
    let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
    let found = structured
        .write(&mut small.decoder, &[7], &mut go_on)
        .unwrap();
    let mut matcher = structured.matcher.deep_clone();
    matcher.reset().unwrap();
    small.decoder.take(&[7], go_on).unwrap();
    let mut forced: Vec<u32> = Vec::new();
    let mut probability = 1.0;
    for token in &found.tokens {
        let mask = matcher.compute_mask().unwrap();
        let logits = small.decoder.logits();
        let best = mask.iter().reduce(|a, b| {
            if logits[b as usize] > logits[a as usize] {
                b
            } else {
                a
            }
        });
        // A forced stretch is cut into tokens as the tokenizer cuts it, whatever the logits
        // say.
        if forced.is_empty() {
            let ahead = consume_forced(&mut matcher.deep_clone()).unwrap();
            forced.extend(ahead.into_iter().rev());
        }
        let allowed = mask
            .iter()
            .map(|token| f64::from(logits[token as usize]).exp());
        match forced.pop() {
            Some(forced) => assert_eq!(forced, *token),
            None => {
                assert_eq!(best, Some(*token));
                probability *= f64::from(logits[*token as usize]).exp() / allowed.sum::<f64>();
            }
        }
        matcher.consume_token(*token).unwrap();
        small.decoder.take(&[*token], go_on).unwrap();
    }
    // The end, where that was a choice too.
    if !matcher.is_stopped() {
        let mask = matcher.compute_mask().unwrap();
        let logits = small.decoder.logits();
        let e = |token: u32| f64::from(logits[token as usize]).exp();
        probability *= e(structured.end) / mask.iter().map(e).sum::<f64>();
    }
    let close = (found.probability / probability - 1.0).abs() < 1e-4;
    assert!(close, "{} for {probability}", found.probability);
}

#[test]
fn forced_tokens_are_fed_together() {
    let (mut small, tokenizer) = small(4);
    let text = r#"{"type": "object", "additionalProperties": false, "required": ["a_long_name"],
        "properties": {"a_long_name": {"enum": [true, false]}}}"#;
    let mut structured = Structured::schema(text, &tokenizer).unwrap();
    let mut looks = 0;
    let mut count = || {
        looks += 1;
        ControlFlow::Continue(())
    };
    let written = structured
        .write(&mut small.decoder, &[], &mut count)
        .unwrap();
    assert!(written.tokens.len() > 15);
    // One choice; what follows it needs no logits.
    assert_eq!(looks, small.decoder.architecture.layers);
}

#[test]
fn what_cannot_be_answered_with_is_refused_in_a_line() {
    let (_, tokenizer) = small(5);
    let bomb = format!("start: {}\"a\"{}", "(".repeat(5000), ")*".repeat(5000));
    for (text, words) in [
        ("{", "no JSON"),
        (r#"{"type": "string"}"#, "maxLength"),
        (
            r#"{"type": "integer", "minimum": 5, "maximum": 4}"#,
            "nothing can be answered",
        ),
        (&"x".repeat(MAX_SOURCE + 1), "are the most"),
    ] {
        let said = Structured::schema(text, &tokenizer)
            .err()
            .unwrap()
            .to_string();
        assert!(said.contains(words) && !said.contains('\n'), "{said}");
    }
    for text in ["start: nowhere", "", &bomb] {
        let said = Structured::grammar(text, 9, &tokenizer)
            .err()
            .unwrap()
            .to_string();
        assert!(
            said.contains("nothing can be answered") && !said.contains('\n'),
            "{said}"
        );
    }
}

#[test]
fn a_grammar_without_an_end_is_cut_and_is_no_answer() {
    let (mut small, tokenizer) = small(6);
    let mut structured = Structured::grammar("start: /a{40}/", 8, &tokenizer).unwrap();
    let said = structured.write(&mut small.decoder, &[5], &mut go_on);
    assert!(matches!(said, Err(Unfinished::NoAnswer(_))), "{said:?}");
    let mut structured = Structured::grammar("start: \"yes\" | \"no\"", 8, &tokenizer).unwrap();
    let written = structured
        .write(&mut small.decoder, &[5], &mut go_on)
        .unwrap();
    assert!(["yes", "no"].contains(&tokenizer.decode(&written.tokens).as_str()));
    assert!(structured.accepts("yes", &tokenizer) && !structured.accepts("ye", &tokenizer));
}

/// Picks at random, now and then the shortest; and counts.
struct Counting {
    chance: Chance,
    tokenizer: Arc<Tokenizer>,
    short: bool,
    choices: usize,
    /// Since the last choice, and what was fed together.
    pending: usize,
    batches: Vec<usize>,
}

impl Pick for Counting {
    fn pick(&mut self, allowed: &[u32]) -> Result<u32, Unfinished> {
        self.choices += 1;
        self.batches.extend(
            (0..self.pending)
                .step_by(FORCED)
                .map(|from| (self.pending - from).min(FORCED)),
        );
        self.pending = 0;
        let by_chance = self.chance.pick(allowed)?;
        let bytes = |token: u32| self.tokenizer.bytes(token).len();
        let shortest = allowed.iter().copied().filter(|token| bytes(*token) > 0);
        Ok(match self.short && self.chance.pick(&[0, 0, 0, 1])? == 0 {
            true => shortest
                .min_by_key(|token| (bytes(*token), *token))
                .unwrap_or(by_chance),
            false => by_chance,
        })
    }

    fn taken(&mut self, _: u32) {
        self.pending += 1;
    }
}

/// Schemas with every way in which something can be open or follow from what stands before it.
fn schemas() -> Vec<String> {
    let object = |properties: Value, required: Value| {
        json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
            .to_string()
    };
    vec![
        SCHEMA.to_owned(),
        object(
            json!({"action": {"enum": ["go", "stop", "stop now"]}, "place": {"enum": ["dock", "door", "hall"]},
                "speed_cm_s": {"type": "integer", "minimum": -5, "maximum": 100}}),
            json!(["action", "place", "speed_cm_s"]),
        ),
        object(
            json!({"name": {"type": "string", "maxLength": 9, "pattern": "^[a-z]*$"}, "always": {"const": "the same text"},
                "steps": {"type": "array", "maxItems": 3, "items": {"enum": ["left", "right", "let go"]}}}),
            json!(["name", "always", "steps"]),
        ),
        object(
            json!({"a": {"anyOf": [{"const": 1}, {"const": 12}, {"type": "boolean"}]}, "b": {"type": ["null", "boolean"]},
                "c": {"type": "object", "additionalProperties": false, "required": ["x"],
                    "properties": {"x": {"type": "string", "maxLength": 2}, "xy": {"type": "null"}}}}),
            json!(["a", "b", "c"]),
        ),
    ]
}

fn within_its_bound(
    schema: &str,
    tokenizer: &Arc<Tokenizer>,
    seed: u64,
    short: bool,
) -> Result<(), TestCaseError> {
    let mut structured = Structured::schema(schema, tokenizer).unwrap();
    let mut counting = Counting {
        chance: Chance::new(seed),
        tokenizer: Arc::clone(tokenizer),
        short,
        choices: 0,
        pending: 0,
        batches: Vec::new(),
    };
    let tokens = structured.walk(&mut counting).unwrap();
    let text = tokenizer.decode(&tokens);
    prop_assert!(tokens.len() <= structured.longest(), "{text}");
    prop_assert!(
        counting.choices <= structured.choices(),
        "{} choices, {} are reserved: {text}",
        counting.choices,
        structured.choices()
    );
    // A larger batch costs no less than a smaller one, and one of many tokens no more than they cost
    // by themselves.
    let reserved = structured.batches();
    prop_assert!(counting.batches.len() <= reserved.len(), "{text}");
    let of = |batches: &[usize]| batches.iter().map(|size| 3 + size).sum::<usize>();
    prop_assert!(
        of(&counting.batches) <= of(&reserved),
        "{text}: {:?}",
        counting.batches
    );
    prop_assert!(counting.batches.iter().all(|size| *size <= FORCED));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn answers_by_chance_are_valid_and_never_longer_than_was_said(seed in any::<u64>()) {
        thread_local!(static TOKENIZER: Arc<Tokenizer> = Arc::new(Small::new(0).tokenizer));
        let tokenizer = TOKENIZER.with(Arc::clone);
        let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
        let tokens = structured.walk(&mut Chance::new(seed)).unwrap();
        prop_assert!(tokens.len() <= structured.longest());
        let text = tokenizer.decode(&tokens);
        prop_assert!(valid(&text), "{text}");
    }

    /// What is reserved: tokens, choices, and the batches that are fed.
    #[test]
    fn no_answer_takes_more_than_is_reserved_for_it(seed in any::<u64>(), which in 0usize..4, short in any::<bool>()) {
        thread_local!(static TOKENIZER: Arc<Tokenizer> = Arc::new(Small::new(0).tokenizer));
        let tokenizer = TOKENIZER.with(Arc::clone);
        within_its_bound(&schemas()[which], &tokenizer, seed, short)?;
    }

    #[test]
    fn an_answer_given_up_changes_none_that_follows(after in 0usize..60) {
        let (mut small, tokenizer) = small(7);
        let mut structured = Structured::schema(SCHEMA, &tokenizer).unwrap();
        let expected = structured.write(&mut small.decoder, &[9], &mut go_on).unwrap();
        let mut left = after;
        let mut stop = || match left {
            0 => ControlFlow::Break(()),
            _ => {
                left -= 1;
                ControlFlow::Continue(())
            }
        };
        let before = small.decoder.filled();
        if let Err(why) = structured.write(&mut small.decoder, &[9], &mut stop) {
            prop_assert_eq!(why, Unfinished::Abandoned);
        }
        prop_assert_eq!(small.decoder.filled(), before);
        let found = structured.write(&mut small.decoder, &[9], &mut go_on).unwrap();
        prop_assert_eq!(found, expected);
    }
}

/// By a vocabulary of tens of thousands of tokens, some of which go over several fields.
#[test]
fn the_bounds_hold_for_a_real_vocabulary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/assistant-smollm2");
    let bundle = Bundle::load(&folder).unwrap();
    let Ok(weights) = bundle.weights() else {
        eprintln!("skipped: the weights of models/assistant-smollm2 are not on this machine");
        return;
    };
    let tokenizer = Tokenizer::read(&Gguf::open(&weights).unwrap()).unwrap();
    let tokenizer = Arc::new(tokenizer);
    for schema in schemas() {
        for seed in 0..24 {
            within_its_bound(&schema, &tokenizer, seed, seed % 2 == 0).unwrap();
        }
    }
}
