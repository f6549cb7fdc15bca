//! Writes a report: `report.json`, `report.md` and the plots.

use std::fs;
use std::path::Path;

use super::plots;
use super::report_file::EvaluationReport;
use crate::learn::error::LearnError;

/// Writes `report.json`, `report.md` and the pictures; with edge conditions also
/// `report-conditions.md`.
pub fn write(report: &EvaluationReport, folder: &Path) -> Result<(), LearnError> {
    let put = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|source| LearnError::File {
            file,
            source,
            remedy: "check that the folder can be written",
        })
    };
    fs::create_dir_all(folder).map_err(|source| LearnError::File {
        file: folder.into(),
        source,
        remedy: "check that the folder can be written",
    })?;
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    put("report.json", json + "\n")?;
    put("report.md", report.to_markdown())?;
    match report.conditions_to_markdown() {
        Some(text) => put("report-conditions.md", text)?,
        // Of an earlier report, if it was there at all.
        None => drop(fs::remove_file(folder.join("report-conditions.md"))),
    }
    plots::draw(report, folder)
}
