//! Settings of a laser, from the parameters.

/// What positive values below range_min mean, and values that tell nothing where something was
/// near.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BelowMin {
    /// Measurements and a driver's codes are distinguished.
    #[default]
    Auto,
    /// All of them are measurements.
    Near,
    /// None of them is, nor is -inf, and nothing is remembered.
    None,
}

impl BelowMin {
    /// The values of the parameter.
    pub const NAMES: &'static [&'static str] = &["auto", "near", "none"];

    /// None for any other word.
    pub fn from_name(name: &str) -> Option<BelowMin> {
        match name {
            "auto" => Some(BelowMin::Auto),
            "near" => Some(BelowMin::Near),
            "none" => Some(BelowMin::None),
            _ => None,
        }
    }
}

/// Whether a return that stands alone is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpeckFilter {
    /// Every return counts.
    #[default]
    None,
    /// One that no neighbouring beam agrees with is dropped.
    Beams,
    /// One that the scans before do not agree with is dropped.
    Scans,
}

impl SpeckFilter {
    /// The values of the parameter; `off` would be a boolean in a params file.
    pub const NAMES: &'static [&'static str] = &["none", "beams", "scans"];

    /// None for any other word.
    pub fn from_name(name: &str) -> Option<SpeckFilter> {
        match name {
            "none" => Some(SpeckFilter::None),
            "beams" => Some(SpeckFilter::Beams),
            "scans" => Some(SpeckFilter::Scans),
            _ => None,
        }
    }
}
