//! Reads a csv as a recording: one sample per row, the last column its label.

use std::path::Path;

use crate::learn::error::LearnError;
use crate::messages::{Float32MultiArray, Message, RosString};
use crate::time::Stamp;

/// One row: when it counts as arrived, its sample and its label.
pub(in crate::learn) type TableRow = (Stamp, Message, Message);

/// Reads a table with `rate_hz` rows per second, from time 0 on.
pub(in crate::learn) fn read(file: &Path, rate_hz: f32) -> Result<Vec<TableRow>, LearnError> {
    let fail = |what: String| LearnError::Recording {
        file: file.into(),
        what,
        expected: "a csv without a header, numbers and then a label in every row".into(),
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|error| fail(error.to_string()))?;
    let mut rows = Vec::new();
    for (number, row) in reader.records().enumerate() {
        let row = row.map_err(|error| fail(error.to_string()))?;
        let last = row.len().saturating_sub(1);
        let mut data = Vec::with_capacity(last);
        for cell in row.iter().take(last) {
            let value = cell
                .parse()
                .map_err(|_| fail(format!("row {}: {cell:?} is no number", number + 1)))?;
            data.push(value);
        }
        let time = Stamp((number as f64 / f64::from(rate_hz) * 1e9).round() as i64);
        let sample = Message::Float32MultiArray(Float32MultiArray {
            data,
            ..Float32MultiArray::default()
        });
        let label = row.get(last).unwrap_or_default().to_owned();
        rows.push((time, sample, Message::String(RosString { data: label })));
    }
    if rows.is_empty() {
        return Err(fail("no row".into()));
    }
    Ok(rows)
}
