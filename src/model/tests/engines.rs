//! Every engine answers as the model says, within its precision, and says what it was not made for.

use proptest::prelude::*;

use super::*;
use crate::scheduler::Engine;

/// Largest difference of a probability from the exact one.
pub(super) fn tolerance(kind: EngineKind) -> f64 {
    match kind {
        #[cfg(feature = "wgpu")]
        EngineKind::Burn(Backend::Wgpu(_, GpuFloat::F16)) => 5e-3,
        EngineKind::Burn(_) | EngineKind::Packed(Precision::F32) => 2e-6,
        EngineKind::Packed(Precision::Bf16) => 1e-2,
        EngineKind::Packed(Precision::Int8) => 2e-2,
    }
}

/// How far two ways of doing the same in f32 may come apart. A norm over a few channels divides by
/// what little they differ.
pub(super) fn rounding(width: usize) -> f32 {
    if width < 8 { 2e-3 } else { 1e-5 }
}

/// Probabilities of every exit.
pub(super) fn run(engine: &mut dyn Engine, window: &[f32]) -> Vec<Vec<f32>> {
    run_several(engine, &[window])
}

/// Of windows side by side, one behind the other.
fn run_several(engine: &mut dyn Engine, windows: &[&[f32]]) -> Vec<Vec<f32>> {
    engine.begin(&windows.concat()).unwrap();
    (0..engine.exits())
        .map(|_| {
            let mut probabilities = vec![0.0; engine.labels() * windows.len()];
            engine.advance(&mut probabilities).unwrap();
            probabilities
        })
        .collect()
}

#[test]
fn all_engines_agree_with_the_scalar_forward_at_every_exit() {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    for kind in EngineKind::ALL {
        let mut engine = bundle.engine(kind).unwrap();
        assert_eq!(engine.name(), kind.name());
        for seed in 0..5 {
            let window = window(&bundle, seed);
            let expected = scalar::forward(&bundle, &window);
            let found = run(engine.as_mut(), &window);
            assert_eq!(found.len(), 3);
            for (exit, (expected, found)) in expected.iter().zip(&found).enumerate() {
                for (a, b) in expected.iter().zip(found) {
                    assert!(
                        (a - f64::from(*b)).abs() < tolerance(kind),
                        "{kind} exit {exit}: {expected:?} against {found:?}"
                    );
                }
                assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
    }
}

/// Largest difference of packed f32 from flex at any exit.
fn apart(bundle: &Bundle, seeds: u32) -> f32 {
    apart_from_flex(bundle, EngineKind::Packed(Precision::F32), seeds)
}

/// Largest difference of an engine from flex at any exit.
pub(super) fn apart_from_flex(bundle: &Bundle, kind: EngineKind, seeds: u32) -> f32 {
    let mut engine = bundle.engine(kind).unwrap();
    let mut flex = bundle.engine(Backend::Flex.into()).unwrap();
    let mut most = 0.0_f32;
    for seed in 0..seeds {
        let window = window(bundle, seed);
        let found = run(engine.as_mut(), &window);
        let expected = run(flex.as_mut(), &window);
        for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
            most = most.max((a - b).abs());
        }
    }
    most
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..Default::default() })]

    #[test]
    fn packed_f32_is_flex_whatever_the_sizes(
        width in 1_usize..130, head_width in 1_usize..30, heads in 1_usize..6,
        depth in 1_usize..4, ffn in 1_usize..150, seed: u64,
    ) {
        let bundle = sized((width, head_width, heads, depth, ffn), seed);
        let apart = apart(&bundle, 2);
        prop_assert!(apart < rounding(width), "{apart}");
    }
}

#[test]
fn packed_f32_is_flex_on_the_shipped_bundles() {
    for (name, bundle) in shipped() {
        let apart = apart(&bundle, 20);
        assert!(apart < 5e-5, "{name}: {apart}");
    }
}

#[test]
fn an_answer_does_not_depend_on_the_window_before() {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    for kind in EngineKind::ALL {
        let mut engine = bundle.engine(kind).unwrap();
        let fresh = run(engine.as_mut(), &window(&bundle, 1));
        let other = run(engine.as_mut(), &window(&bundle, 2));
        assert_ne!(fresh, other);
        engine.begin(&window(&bundle, 2)).unwrap();
        engine.advance(&mut [0.0; 3]).unwrap(); // stopped early
        assert_eq!(run(engine.as_mut(), &window(&bundle, 1)), fresh, "{kind}");
    }
}

/// Several windows at once, and after them one alone, are answered as one by one.
pub(super) fn answers_side_by_side(kind: EngineKind) {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    let mut engine = bundle.engine(kind).unwrap();
    let count = engine.capacity().min(5) as u32;
    let windows: Vec<Vec<f32>> = (0..count).map(|seed| window(&bundle, seed)).collect();
    let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();
    let alone: Vec<_> = windows.iter().map(|w| run(engine.as_mut(), w)).collect();
    let together = run_several(engine.as_mut(), &windows);
    for (exit, row) in together.iter().enumerate() {
        for (window, found) in row.chunks(engine.labels()).enumerate() {
            for (a, b) in alone[window][exit].iter().zip(found) {
                let apart = f64::from((a - b).abs());
                assert!(apart < tolerance(kind), "{kind}, window {window}: {apart}");
            }
        }
    }
    assert_eq!(run(engine.as_mut(), windows[0]), alone[0], "{kind}");
    let many = window(&bundle, 0).repeat(engine.capacity() + 1);
    assert!(
        engine.begin(&many).is_err(),
        "{kind}: more than it can take"
    );
    engine.begin(windows[0]).unwrap();
    let room = &mut vec![0.0; 2 * engine.labels()];
    assert!(
        engine.advance(room).is_err(),
        "{kind}: room for two answers"
    );
}

#[test]
fn windows_side_by_side_are_answered_as_one_by_one() {
    EngineKind::ALL.into_iter().for_each(answers_side_by_side);
}

#[test]
fn an_engine_says_what_it_was_not_made_for() {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    for kind in EngineKind::ALL {
        let mut engine = bundle.engine(kind).unwrap();
        assert!(engine.advance(&mut [0.0; 3]).is_err(), "no window yet");
        let window = window(&bundle, 1);
        engine.begin(&window).unwrap();
        assert!(engine.begin(&[0.0; 3]).is_err(), "a short window");
        assert!(engine.advance(&mut [0.0; 3]).is_err(), "after a short one");
        engine.begin(&window).unwrap();
        assert!(engine.advance(&mut [0.0; 2]).is_err(), "a label missing");
        run(engine.as_mut(), &window);
        assert!(engine.advance(&mut [0.0; 3]).is_err(), "past the last exit");
        for bad in [f32::NAN, f32::INFINITY] {
            engine.begin(&vec![bad; window.len()]).unwrap();
            assert!(engine.advance(&mut [0.0; 3]).is_err(), "{kind}: {bad}");
            assert!(engine.advance(&mut [0.0; 3]).is_err(), "{kind}: after it");
        }
        run(engine.as_mut(), &window);
    }
}

#[test]
fn engines_are_known_by_their_names() {
    for kind in EngineKind::ALL {
        assert_eq!(kind.name().parse::<EngineKind>().unwrap(), kind);
        assert_eq!(kind.found().unwrap().0, kind);
    }
    assert_eq!("flex".parse::<Backend>().unwrap(), Backend::Flex);
    let word = "packed_int8".parse::<Backend>().unwrap_err().to_string();
    assert!(word.contains("cannot train"), "{word}");
    #[cfg(not(feature = "ndarray"))]
    {
        let word = "ndarray".parse::<EngineKind>().unwrap_err().to_string();
        assert!(word.contains("Cargo feature ndarray"), "{word}");
    }
    let word = "cuda".parse::<EngineKind>().unwrap_err().to_string();
    assert!(
        word.contains("unknown; choose one of packed_int8"),
        "{word}"
    );
    let word = "packed".parse::<EngineKind>().unwrap_err().to_string();
    assert!(word.contains("packed_int8"), "{word}");
}

#[test]
fn stage_costs_are_kept_by_engine_and_a_list_is_flexes() {
    let costs: StageCosts = serde_yaml::from_str("[1.0, 2.0]").unwrap();
    let int8 = EngineKind::Packed(Precision::Int8);
    assert_eq!(costs.of(Backend::Flex.into()), [1.0, 2.0]);
    assert_eq!(costs.of(int8), [1.0, 2.0], "not measured: flex's");
    let mut both = costs.clone();
    both.insert(int8, vec![0.1, 0.2]);
    let text = serde_yaml::to_string(&both).unwrap();
    assert_eq!(serde_yaml::from_str::<StageCosts>(&text).unwrap(), both);
    assert_eq!(both.of(int8), [0.1, 0.2]);
    assert_eq!(both.flex(), [1.0, 2.0]);

    // What it costs is no part of what decides.
    let mut other = manifest();
    other.stage_cost_us.insert(int8, vec![1.0; 3]);
    let one = Bundle::untrained(manifest(), 3).unwrap();
    let two = Bundle::untrained(other.clone(), 3).unwrap();
    assert_eq!(one.id(), two.id());

    other.stage_cost_us.insert(int8, vec![1.0, -1.0]);
    let word = Bundle::untrained(other, 3).unwrap_err().to_string();
    assert!(word.contains("2 stage costs for packed_int8"), "{word}");
    assert!(word.contains("numbers of 0 or more"), "{word}");
}
