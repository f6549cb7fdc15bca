//! Statistics of a source's values below range_min and what they were taken for: for one line of
//! the log, and for `inspect`.

use std::fmt;

use super::range_value::NearValues;

/// Codes that are named.
const NAMED: usize = 4;

/// Counts of beams since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BelowMinStatistics {
    /// All.
    pub beams: u64,
    /// Positive and below range_min.
    pub below: u64,
    /// Of these, taken as measurements.
    pub measured: u64,
    /// -inf.
    pub minus_inf: u64,
    /// Vanished on coming near, and taken to be there still.
    pub held: u64,
    /// range_min of the newest scan, m.
    pub range_min: f32,
    /// The first constants that turned out to be codes, m.
    codes: [f32; NAMED],
    /// How many did.
    code_count: usize,
    said: [bool; 3],
    example: f32,
}

/// A finding about a source that is logged once.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ScanFinding {
    /// Values below range_min that count.
    #[error(
        "ranges below its range_min of {range_min} m are taken as measurements of something near \
         ({example} m is the first); below_min: none ignores them"
    )]
    Measured {
        /// The first, m.
        example: f32,
        /// m
        range_min: f32,
    },
    /// Values below range_min that do not.
    #[error(
        "the constant {code} m below its range_min of {range_min} m is taken as the driver's code \
         for no measurement; below_min: near takes it as something near"
    )]
    Code {
        /// The first, m.
        code: f32,
        /// m
        range_min: f32,
    },
    /// What came too near.
    #[error(
        "what came nearer than its range_min of {range_min} m and was not measured any more counts as near \
         until it is seen free; below_min: none ends that"
    )]
    Held {
        /// m
        range_min: f32,
    },
}

impl BelowMinStatistics {
    pub(super) fn count(&mut self, beams: usize, too_near: NearValues, range_min: f32) {
        self.beams += beams as u64;
        self.below += too_near.below as u64;
        self.minus_inf += too_near.minus_inf as u64;
        self.range_min = range_min;
    }

    pub(super) fn count_measured(&mut self, measured: usize, example: f32) {
        if self.measured == 0 {
            self.example = example;
        }
        self.measured += measured as u64;
    }

    pub(super) fn note_codes(&mut self, codes: &[f32]) {
        for code in codes.iter().take(NAMED).skip(self.code_count) {
            self.codes[self.code_count] = *code;
            self.code_count += 1;
        }
    }

    pub(super) fn count_held(&mut self, held: usize) {
        self.held += held as u64;
    }

    /// Constants that turned out to be codes, m; at most four.
    pub fn codes(&self) -> &[f32] {
        &self.codes[..self.code_count]
    }

    pub(super) fn news(&mut self) -> Option<ScanFinding> {
        let range_min = self.range_min;
        let known = [
            (self.measured > 0).then_some(ScanFinding::Measured {
                example: self.example,
                range_min,
            }),
            self.codes()
                .first()
                .map(|&code| ScanFinding::Code { code, range_min }),
            (self.held > 0).then_some(ScanFinding::Held { range_min }),
        ];
        let news = known.into_iter().zip(&mut self.said);
        let mut news = news.filter(|(news, said)| news.is_some() && !**said);
        let (news, said) = news.next()?;
        *said = true;
        news
    }
}

impl fmt::Display for BelowMinStatistics {
    /// One line, of those values only that occurred.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |count: u64| 100.0 * count as f64 / self.beams.max(1) as f64;
        write!(f, "range_min {} m", self.range_min)?;
        if self.minus_inf > 0 {
            let share = share(self.minus_inf);
            write!(
                f,
                "; -inf (too near) in {} beams ({share:.2} %)",
                self.minus_inf
            )?;
        }
        if self.measured > 0 {
            let share = share(self.measured);
            write!(
                f,
                "; below range_min, taken as measurements: {} beams ({share:.2} %), the first {} m",
                self.measured, self.example
            )?;
        }
        let unused = self.below - self.measured;
        if unused > 0 {
            let share = share(unused);
            write!(
                f,
                "; below range_min, taken as nothing: {unused} beams ({share:.2} %)"
            )?;
        }
        if self.code_count > 0 {
            let codes = self.codes().iter().map(|code| format!("{code} m"));
            let codes = codes.collect::<Vec<_>>().join(", ");
            write!(f, "; codes of the driver: {codes}")?;
        }
        if self.held > 0 {
            let share = share(self.held);
            write!(
                f,
                "; held as near after vanishing: {} beams ({share:.2} %)",
                self.held
            )?;
        }
        if self.minus_inf + self.below + self.held == 0 {
            write!(f, "; nothing was nearer")?;
        }
        Ok(())
    }
}
