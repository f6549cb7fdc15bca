//! The truth of one recording.

use crate::time::Stamp;

/// Truth of one recording: one entry per message on the scan topic, in log-time order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// In the order of the scans.
    pub scans: Vec<ScanTruth>,
}

/// Truth and baselines at one scan; classes are indices into the task's labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanTruth {
    /// Log time.
    pub time: Stamp,
    /// The class to be decided; none near the end of the recording or where nothing followed
    /// within the horizon.
    pub label: Option<usize>,
    /// Class of the clearance now: what persistence answers.
    pub now: usize,
    /// The kinematic baseline: the class of the clearance less the way of one horizon.
    pub kinematic: usize,
    /// The distance behind `label`, m: infinite where nothing was seen; none where the truth is
    /// none.
    pub least_m: Option<f32>,
    /// That behind `kinematic`.
    pub kinematic_m: Option<f32>,
}
