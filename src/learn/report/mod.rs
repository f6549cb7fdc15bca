//! The report of an evaluation: `report.json` for machines, `report.md` and plots for people.

pub(super) mod budget_curves;
pub(super) mod markdown;
pub(super) mod plots;
pub(super) mod report_file;
pub(super) mod robustness_scores;
pub(super) mod variant;
pub(super) mod write;
