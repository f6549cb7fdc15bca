//! Models with bins: every engine sums them into the same labels, and odd ones are refused.

use super::engines::{run, tolerance};
use super::*;
use crate::bins::Bins;

fn binned() -> Manifest {
    let bins = Bins {
        edges_m: vec![0.2, 0.4, 0.5, 0.8, 1.5],
        bounds_m: vec![0.8, 0.4],
        horizon_s: 1.0,
    };
    Manifest {
        bins: Some(bins),
        ..manifest()
    }
}

#[test]
fn all_engines_sum_their_bins_into_the_same_labels() {
    let bundle = Bundle::untrained(binned(), 7).unwrap();
    let mut flex = bundle.engine(Backend::Flex.into()).unwrap();
    for kind in EngineKind::ALL {
        let mut engine = bundle.engine(kind).unwrap();
        assert_eq!(engine.labels(), 3);
        for seed in 0..5 {
            let window = window(&bundle, seed);
            let (expected, found) = (run(flex.as_mut(), &window), run(engine.as_mut(), &window));
            for (a, b) in expected.iter().flatten().zip(found.iter().flatten()) {
                assert!(f64::from((a - b).abs()) < 2.0 * tolerance(kind), "{kind}");
            }
            let deepest = found.last().unwrap();
            let way = engine.free_way(0).expect("a model with bins tells");
            let mut sums = [0.0; 3];
            way.bins.merge(way.probabilities, &mut sums);
            assert_eq!(deepest[..], sums, "{kind}");
            let near = way.quantile_m(0.1).unwrap();
            assert!(0.0 < near && way.quantile_m(0.4).is_none_or(|far| near <= far) && near <= 1.5);
        }
    }
}

#[test]
fn windows_side_by_side_have_their_own_free_way() {
    let bundle = Bundle::untrained(binned(), 7).unwrap();
    let mut engine = bundle.engine(Backend::Flex.into()).unwrap();
    let windows = [window(&bundle, 1), window(&bundle, 9)];
    let alone = windows.each_ref().map(|window| {
        run(engine.as_mut(), window);
        engine.free_way(0).unwrap().probabilities.to_vec()
    });
    assert_ne!(alone[0], alone[1]);
    engine.begin(&windows.concat()).unwrap();
    for _ in 0..engine.exits() {
        engine.advance(&mut [0.0; 6]).unwrap();
    }
    for (row, alone) in alone.iter().enumerate() {
        let found = engine.free_way(row).unwrap().probabilities;
        let pairs = found.iter().zip(alone);
        assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5));
    }
    assert!(engine.free_way(2).is_none());
}

#[test]
fn a_model_without_bins_tells_no_free_way() {
    let bundle = Bundle::untrained(manifest(), 7).unwrap();
    for kind in EngineKind::ALL {
        let mut engine = bundle.engine(kind).unwrap();
        run(engine.as_mut(), &window(&bundle, 1));
        assert!(engine.free_way(0).is_none(), "{kind}");
    }
}

#[test]
fn bins_come_back_from_disk_and_make_another_model() {
    let folder = tempdir().unwrap();
    let bundle = Bundle::untrained(binned(), 3).unwrap();
    bundle.save(folder.path()).unwrap();
    let again = Bundle::load(folder.path()).unwrap();
    assert_eq!(again.manifest, bundle.manifest);
    assert_eq!(again.weights(), bundle.weights());
    let mut other = binned();
    other.bins.as_mut().unwrap().edges_m[0] = 0.3;
    assert_ne!(Bundle::untrained(other, 3).unwrap().id(), bundle.id());
}

#[test]
fn bins_and_weights_that_do_not_fit_are_refused() {
    let mut lacking = binned();
    lacking.bins.as_mut().unwrap().edges_m.remove(3);
    let word = Bundle::untrained(lacking, 3).unwrap_err().to_string();
    assert!(word.contains("bins.edges_m lacks 0.8"), "{word}");
    let plain = Bundle::untrained(manifest(), 3).unwrap();
    let word = Bundle::new(binned(), plain.weights().clone()).unwrap_err();
    assert!(word.to_string().contains("exits.0"), "{word}");
}
