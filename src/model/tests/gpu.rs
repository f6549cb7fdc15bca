//! The engine wgpu, on whatever Vulkan device there is; a software one will do. Where there is
//! none, these tests say so and pass.

use std::io::Write;

use proptest::test_runner::{Config, TestRunner};

use super::engines::{answers_side_by_side, apart_from_flex, run, tolerance};
use super::*;

/// The engine on the best device here, else on a software one; none where Vulkan shows nothing.
/// Of `test`, for the word where it is skipped.
pub(crate) fn engine_here(test: &str) -> Option<EngineKind> {
    let tried = [Gpu::Any, Gpu::First(GpuKind::Software)].map(Gpu::found);
    let found = tried.into_iter().find_map(Result::ok);
    if found.is_none() {
        // Not by eprintln, which the test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test} needs a Vulkan device; Debian's mesa-vulkan-drivers has one in software"
        );
    }
    found.map(|(gpu, _)| Backend::Wgpu(gpu, GpuFloat::F32).into())
}

/// The same in half precision, which not every device computes in.
fn half_engine_here(test: &str) -> Option<EngineKind> {
    let single = engine_here(test)?;
    let half: EngineKind = format!("{single}_f16").parse().unwrap();
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    match bundle.engine(half) {
        Ok(_) => Some(half),
        Err(error) => {
            let word = error.to_string();
            assert!(word.contains("half precision"), "{word}");
            let _ = writeln!(std::io::stderr(), "skipped: {test}: {word}");
            None
        }
    }
}

#[test]
fn it_agrees_with_the_scalar_forward_at_every_exit_and_in_one_go() {
    let test = "agreement of wgpu with the scalar forward";
    let engines = [engine_here(test), half_engine_here(test)];
    engines
        .into_iter()
        .flatten()
        .for_each(agrees_with_the_scalar_forward);
}

fn agrees_with_the_scalar_forward(kind: EngineKind) {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    let mut engine = bundle.engine(kind).unwrap();
    assert_eq!(engine.name(), kind.name());
    assert!(engine.reads_are_dear());
    for seed in 0..5 {
        let window = window(&bundle, seed);
        let expected = scalar::forward(&bundle, &window);
        let close = |exit: usize, found: &[f32]| {
            for (a, b) in expected[exit].iter().zip(found) {
                let apart = (a - f64::from(*b)).abs();
                assert!(apart < tolerance(kind), "exit {exit}: {apart}");
            }
        };
        for (exit, found) in run(engine.as_mut(), &window).iter().enumerate() {
            close(exit, found);
        }
        for looks in 0..3 {
            let mut found = [0.0; 3];
            engine.begin(&window).unwrap();
            for _ in 0..looks {
                engine.advance(&mut found).unwrap();
            }
            engine.finish(&mut found).unwrap();
            close(2, &found);
            assert!(engine.finish(&mut found).is_err(), "past the last exit");
        }
    }
}

#[test]
fn it_answers_several_windows_at_once_as_one_by_one() {
    if let Some(kind) = engine_here("several windows at once on wgpu") {
        answers_side_by_side(kind);
    }
}

#[test]
fn it_is_flex_on_the_shipped_bundles() {
    let Some(kind) = engine_here("parity of wgpu with flex on the shipped bundles") else {
        return;
    };
    is_near_flex_on_the_shipped_bundles(kind, 5e-5);
}

#[test]
fn in_half_precision_it_is_near_flex_on_the_shipped_bundles() {
    let Some(kind) = half_engine_here("nearness of wgpu in half precision to flex") else {
        return;
    };
    is_near_flex_on_the_shipped_bundles(kind, 2e-2);
}

fn is_near_flex_on_the_shipped_bundles(kind: EngineKind, tolerance: f32) {
    for (name, bundle) in shipped() {
        let apart = apart_from_flex(&bundle, kind, 10);
        assert!(apart < tolerance, "{name}: {apart}");
    }
}

#[test]
fn it_is_flex_whatever_the_sizes() {
    let Some(kind) = engine_here("parity of wgpu with flex over random sizes") else {
        return;
    };
    // Every new size is tuned anew, which takes seconds in software.
    let config = Config {
        cases: 4,
        ..Config::default()
    };
    let sizes = (
        1_usize..130,
        1_usize..30,
        1_usize..6,
        1_usize..4,
        1_usize..150,
    );
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&sizes, |sizes| {
        let bundle = sized(sizes, 7);
        let apart = apart_from_flex(&bundle, kind, 2);
        proptest::prop_assert!(apart < 1e-5, "{}", apart);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn it_says_what_it_was_not_made_for() {
    let Some(kind) = engine_here("refusals of wgpu") else {
        return;
    };
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    let mut engine = bundle.engine(kind).unwrap();
    let window = window(&bundle, 1);
    assert!(engine.finish(&mut [0.0; 3]).is_err(), "no window yet");
    assert!(engine.begin(&[0.0; 3]).is_err(), "a short window");
    engine.begin(&window).unwrap();
    assert!(engine.finish(&mut [0.0; 2]).is_err(), "a label missing");
    engine.begin(&vec![f32::NAN; window.len()]).unwrap();
    assert!(engine.advance(&mut [0.0; 3]).is_err(), "no numbers");
    run(engine.as_mut(), &window);
}

#[test]
fn a_device_that_was_lost_is_an_error_and_is_not_asked_again() {
    if engine_here("loss of a wgpu device").is_some() {
        // A lost device is lost to the whole process: in one of its own.
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("model::tests::gpu::the_device_is_lost_to_this_process")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[child.stdout, child.stderr].concat()).into_owned();
        assert!(child.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
    }
}

#[test]
#[ignore = "run by a_device_that_was_lost_is_an_error_and_is_not_asked_again"]
fn the_device_is_lost_to_this_process() {
    let kind = engine_here("loss of a wgpu device").unwrap();
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    let mut engine = bundle.engine(kind).unwrap();
    let window = window(&bundle, 1);
    run(engine.as_mut(), &window);
    crate::model::engines::gpu::tests::lose_all();
    let mut fault = None;
    for _ in 0..20 {
        // As the worker calls it: what panics below must not end the thread.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            engine.begin(&window)?;
            engine.advance(&mut [0.0; 3])
        }));
        if let Ok(Err(error)) = outcome {
            fault = Some(error);
            break;
        }
    }
    let fault = fault.expect("answers on a device that is gone");
    assert!(fault.0.contains("the device was lost"), "{fault}");
    assert_eq!(engine.begin(&window), Err(fault), "asked again");
}
