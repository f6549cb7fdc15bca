//! Settings of a laser, from the parameters.

/// What positive values below range_min mean, and values that tell nothing where something was
/// near.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BelowMin {
    /// Measurements are told from a driver's codes.
    #[default]
    Auto,
    /// All of them are measurements.
    Near,
    /// None of them is, nor is -inf, and nothing is remembered.
    None,
}

impl BelowMin {
    /// As parameters say them.
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
    /// As parameters say them; `off` would be a boolean in a params file.
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
