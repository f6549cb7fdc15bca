//! Writes a report as JSON, in words, and as a picture.

use std::fs;
use std::path::Path;

use super::error::LanguageEvalError;
use super::plot;
use super::report::LanguageReport;

impl LanguageReport {
    /// Writes it into a folder.
    ///
    /// # Errors
    /// The file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), LanguageEvalError> {
        let failed = |file: &Path| {
            let file = file.to_owned();
            move |cause: std::io::Error| LanguageEvalError::File {
                file,
                cause: cause.to_string(),
                to: "written",
            }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        for (name, text) in [
            ("report.json", json + "\n"),
            ("report.md", self.to_markdown()),
        ] {
            let file = folder.join(name);
            fs::write(&file, text).map_err(failed(&file))?;
        }
        let file = folder.join("report.svg");
        plot::draw(self, &file).map_err(|what| LanguageEvalError::Picture { file, what })
    }
}
