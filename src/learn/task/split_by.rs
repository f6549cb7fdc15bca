//! How recordings are split into training and validation.

use serde::{Deserialize, Serialize};

/// What is left out of the training to validate on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Whole groups.
    #[default]
    Groups,
    /// The last part of every recording.
    Time,
    /// Partitions of the recordings, every class alike; no window reaches out of its partition.
    Partitions,
}

impl SplitBy {
    /// As in task files.
    pub fn name(self) -> &'static str {
        match self {
            SplitBy::Groups => "groups",
            SplitBy::Time => "time",
            SplitBy::Partitions => "partitions",
        }
    }
}

impl std::str::FromStr for SplitBy {
    type Err = String;

    fn from_str(text: &str) -> Result<SplitBy, String> {
        let all = [SplitBy::Groups, SplitBy::Time, SplitBy::Partitions];
        let found = all.into_iter().find(|split| split.name() == text);
        found.ok_or_else(|| format!("{text:?} is no split; expected groups, time or partitions"))
    }
}
