//! Quantiles, computed the same way in every report.

use serde::{Deserialize, Serialize};

/// Quantiles by rank: values that were seen, none interpolated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 99 in 100 are at most this.
    pub p99: f64,
    /// 999 in 1000 are at most this.
    pub p999: f64,
    /// The greatest.
    pub max: f64,
}

impl Quantiles {
    /// Computes them; zeros when there are no values.
    pub fn of(mut values: Vec<f64>) -> Quantiles {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (values.len() as f64 * share).ceil() as usize;
            values.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Quantiles {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let Quantiles {
            p50,
            p99,
            p999,
            max,
        } = Quantiles::of((1..=1000).map(f64::from).collect());
        assert_eq!([p50, p99, p999, max], [500.0, 990.0, 999.0, 1000.0]);
        assert_eq!(Quantiles::of(vec![7.0]).p50, 7.0);
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
