use super::*;
use crate::model::BundleError;

struct Stub {
    fails: bool,
    panics: bool,
}

/// A window that begins so is one the stub never comes back from.
const HANGS: f32 = 9.0;

impl Engine for Stub {
    fn name(&self) -> &str {
        "stub"
    }
    fn exits(&self) -> usize {
        1
    }
    fn labels(&self) -> usize {
        2
    }
    fn begin(&mut self, window: &[f32]) -> Result<(), EngineFault> {
        if window[0] == HANGS {
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }
    fn advance(&mut self, out: &mut [f32]) -> Result<(), EngineFault> {
        out.fill(1.0 / out.len() as f32);
        assert!(!self.panics, "scripted");
        match self.fails {
            true => Err(EngineFault("no device".into())),
            false => Ok(()),
        }
    }
}

fn warm(names: &[&str]) -> Result<Vec<String>, ConfigureError> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let load = |name: &str| -> Result<Box<dyn Engine>, ConfigureError> {
        match name {
            "unloadable" => Err(BundleError::Engine("unloadable".into()).into()),
            "hanging" => loop {
                std::thread::park();
            },
            _ => Ok(Box::new(Stub {
                fails: name == "failing",
                panics: name == "panicking",
            })),
        }
    };
    let warm = warm_all(&mut names, (4, 0), Duration::from_secs(2), load)?;
    assert_eq!(warm.len(), names.len());
    Ok(names)
}

#[test]
fn an_engine_this_processor_cannot_run_gives_way_to_the_next() {
    let mut engines = ["abacus", "packed_f32", "flex"].map(String::from).to_vec();
    keep_available(&mut engines).unwrap();
    assert_eq!(engines, ["packed_f32", "flex"]);
    let mut engines = vec![String::from("abacus")];
    let word = keep_available(&mut engines).unwrap_err().to_string();
    assert!(
        word.contains("abacus") && word.contains("packed_int8"),
        "{word}"
    );
}

#[test]
fn engines_that_die_at_their_start_are_left_out() {
    let kept = warm(&[
        "failing",
        "good",
        "hanging",
        "panicking",
        "unloadable",
        "better",
    ]);
    assert_eq!(kept.unwrap(), ["good", "better"]);
}

#[test]
fn a_warm_engine_that_hangs_or_fails_on_a_window_is_told_of() {
    let sound = || Stub {
        fails: false,
        panics: false,
    };
    let warm = || warm_up(Box::new(sound()), (4, 0)).unwrap();
    assert!(warm().try_on(&[0.5; 4]).is_ok());
    let hangs = warm().try_within(Duration::from_millis(50), "it".into(), vec![HANGS; 4]);
    let word = hangs.err().expect("it hangs").0;
    assert!(word.contains("did not come back"), "{word}");
}

#[test]
fn with_none_left_the_last_fault_is_told() {
    let error = warm(&["panicking", "failing"]).unwrap_err().to_string();
    assert!(
        error.contains("failing") && error.contains("no device"),
        "{error}"
    );
}
