//! A bundle of a small random model, scored from its files to its report.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::language::bundle::{Bundle, Form};
use crate::language::testing::small_bundle;

fn questions(folder: &Path, count: usize) -> PathBuf {
    let file = folder.join("questions.jsonl");
    let line = |n: usize| {
        let truth = ["go", "stop"][n % 2];
        let kind = ["walls", "people"][n % 3 / 2];
        format!(
            "{{\"id\": {n}, \"question\": \"case {n}\", \"truth\": \"{truth}\", \"kind\": \"{kind}\"}}\n"
        )
    };
    fs::write(&file, (0..count).map(line).collect::<String>()).unwrap();
    file
}

fn options(bundle: &Bundle, folder: &Path, count: usize) -> LanguageEvalOptions {
    LanguageEvalOptions {
        bundle: bundle.clone(),
        task: None,
        data: vec![questions(folder, count)],
        train: Vec::new(),
        out: folder.join("out"),
        deadlines_ms: vec![60_000.0, 0.001],
        measured: false,
        calibrate: false,
    }
}

fn scored(options: &LanguageEvalOptions) -> LanguageReport {
    eval(options, &|_, _| ()).unwrap()
}

#[test]
fn a_bundle_is_scored_by_exit_kind_and_deadline_beside_its_baselines() {
    let (folder, bundle) = small_bundle(1, "");
    let mut options = options(&bundle, folder.path(), 24);
    options.calibrate = true;
    let report = scored(&options);
    assert_eq!(
        (report.model.as_str(), report.task.as_str()),
        ("small", "questions")
    );
    let scores = &report.scores;
    assert_eq!(scores.by_exit.len(), 3);
    assert!(scores.by_exit.iter().all(|exit| exit.score.n == 24));
    assert!(
        scores
            .by_exit
            .is_sorted_by(|a, b| a.within_ms <= b.within_ms)
    );
    assert!(scores.by_exit[0].thought_tokens == 0.0 && scores.by_exit[2].thought_tokens > 4.0);
    let kinds: Vec<(&str, u64)> = scores
        .per_kind
        .iter()
        .map(|(k, s)| (k.as_str(), s.n))
        .collect();
    assert_eq!(kinds, [("people", 8), ("walls", 16)]);
    assert_eq!(scores.all.exact, scores.by_exit[2].score.exact);
    // The shortest first; nothing fits a microsecond, and the safe answer is right half the time.
    let [short, long] = &scores.by_deadline[..] else {
        panic!("{:?}", scores.by_deadline)
    };
    assert_eq!(
        (short.fallback_share, short.exact, short.exit),
        (1.0, 0.5, 0.0)
    );
    assert_eq!((long.fallback_share, long.exact), (0.0, scores.all.exact));
    assert_eq!(report.baselines.random_answer.exact, 0.5);
    assert_eq!(report.calibration.as_ref().unwrap().len(), 3);
    let json = fs::read_to_string(folder.path().join("out/report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["time"], "bounds");
    for key in ["n", "exact", "top_action", "ece"] {
        assert!(
            json["scores"]["per_kind"]["walls"][key].is_number(),
            "{key}"
        );
    }
    for key in ["deadline_ms", "exact", "fallback_share"] {
        assert!(json["scores"]["by_deadline"][0][key].is_number(), "{key}");
    }
    let words = fs::read_to_string(folder.path().join("out/report.md")).unwrap();
    assert!(
        words.contains("## By deadline") && words.contains("| walls | 16 |"),
        "{words}"
    );
    let svg = fs::read_to_string(folder.path().join("out/report.svg")).unwrap();
    assert!(svg.contains("right answers on questions"));
}

#[test]
fn by_the_clock_every_question_is_answered_by_every_deadline() {
    let (folder, bundle) = small_bundle(2, "");
    let mut options = options(&bundle, folder.path(), 4);
    options.measured = true;
    let report = scored(&options);
    let [short, long] = &report.scores.by_deadline[..] else {
        panic!("{:?}", report.scores.by_deadline)
    };
    assert_eq!((short.fallback_share, long.fallback_share), (1.0, 0.0));
    assert_eq!(long.exact, report.scores.all.exact);
    assert!(long.late == Some(0) && long.exit == 3.0, "{long:?}");
}

#[test]
fn written_answers_are_compared_as_json_and_have_no_temperature() {
    let (folder, bundle) = small_bundle(3, "");
    let schema = r#"{"type": "object", "additionalProperties": false, "required": ["action"],
        "properties": {"action": {"enum": ["go", "stop"]}}}"#;
    fs::write(folder.path().join("do.json"), schema).unwrap();
    let form = Form::Schema("do.json".into());
    let bundle = bundle
        .with_answers(form, r#"{"action":"stop"}"#.into())
        .unwrap();
    let file = folder.path().join("meant.jsonl");
    let line = |action: &str| {
        format!("{{\"command\": \"do it\", \"meaning\": {{\"action\": \"{action}\"}}}}\n")
    };
    fs::write(&file, line("go") + &line("stop")).unwrap();
    let mut options = options(&bundle, folder.path(), 0);
    options.data = vec![file];
    let report = scored(&options);
    // One of the two, and the same for both.
    assert_eq!(
        (report.scores.all.exact, report.scores.all.top_action),
        (0.5, 0.5)
    );
    let chance = report.baselines.random_answer.exact;
    assert!((chance - 0.5).abs() < 1e-9, "{chance}");
    options.calibrate = true;
    let said = eval(&options, &|_, _| ()).unwrap_err().to_string();
    assert!(said.contains("--calibrate"), "{said}");
}

#[test]
fn what_cannot_be_scored_is_said() {
    let (folder, bundle) = small_bundle(1, "");
    let mut options = options(&bundle, folder.path(), 4);
    options.calibrate = true;
    let said = eval(&options, &|_, _| ()).unwrap_err().to_string();
    assert!(said.contains("4 questions, expected 20"), "{said}");
    options.calibrate = false;
    let long = format!(
        "{{\"question\": \"{}\", \"truth\": \"stop\"}}\n",
        "w".repeat(999)
    );
    fs::write(
        &options.data[0],
        long + "{\"question\": \"a\", \"truth\": \"go\"}\n",
    )
    .unwrap();
    let report = scored(&options);
    assert_eq!((report.questions, report.refused), (2, 1));
    assert!(report.to_markdown().contains("1 of them cannot be asked"));
    fs::write(&options.data[0], "").unwrap();
    let said = eval(&options, &|_, _| ()).unwrap_err().to_string();
    assert!(said.contains("0 questions, expected 1"), "{said}");
}

#[test]
fn a_bundle_agrees_with_itself_and_seldom_with_another() {
    let (folder, one) = small_bundle(1, "");
    let (_other_folder, other) = small_bundle(5, "");
    let data = [questions(folder.path(), 12)];
    let same = compare(&[one.clone(), one.clone()], &data, &|_, _| ()).unwrap();
    assert_eq!(same.equal.share, 1.0);
    assert_eq!(
        (same.equal.only_first_right, same.equal.only_second_right),
        (0.0, 0.0)
    );
    let found = compare(&[one, other], &data, &|_, _| ()).unwrap();
    let scores = |model: usize| found.models[model].deepest.exact;
    let difference = found.equal.only_first_right - found.equal.only_second_right;
    assert!(
        (difference - (scores(0) - scores(1))).abs() < 1e-9,
        "{found:?}"
    );
    let words = found.to_string();
    assert!(
        words.contains("12 questions") && words.contains("are the same"),
        "{words}"
    );
}
