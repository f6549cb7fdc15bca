//! The counts behind a report's figures. Those of several reports are added up, where their figures
//! cannot be: a fold with three stops among its windows would weigh as much as one with three
//! hundred.

use std::collections::BTreeMap;

use super::baselines::{ARC, BaselineTallies};
use super::scores::{ConfusionCounts, Scores};

/// By robot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportCounts(BTreeMap<String, RobotCounts>);

/// Of one robot.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::learn) struct RobotCounts {
    pub baselines: BaselineTallies,
    /// Where the task has an arc among its inputs.
    pub arc: Option<ConfusionCounts>,
    pub exits: Vec<ConfusionCounts>,
    /// Of the policy.
    pub fastest: ConfusionCounts,
}

impl ReportCounts {
    pub(in crate::learn) fn insert(&mut self, robot: &str, counts: RobotCounts) {
        self.0.insert(robot.to_owned(), counts);
    }

    /// Adds the counts of another report on the same task.
    pub(in crate::learn) fn merge(&mut self, other: &ReportCounts) {
        for (robot, theirs) in &other.0 {
            match self.0.get_mut(robot) {
                Some(mine) => mine.merge(theirs),
                None => self.insert(robot, theirs.clone()),
            }
        }
    }

    /// One figure of every robot.
    pub(in crate::learn) fn per_robot(
        &self,
        pick: impl Fn(&RobotCounts) -> Scores,
    ) -> BTreeMap<String, Scores> {
        let each = |(robot, counts): (&String, &RobotCounts)| (robot.clone(), pick(counts));
        self.0.iter().map(each).collect()
    }

    /// Robot to `[truth][answer]` of the deepest exit.
    pub(in crate::learn) fn confusion(&self) -> BTreeMap<String, Vec<Vec<u64>>> {
        let deepest = |(robot, counts): (&String, &RobotCounts)| {
            Some((robot.clone(), counts.exits.last()?.confusion()))
        };
        self.0.iter().filter_map(deepest).collect()
    }

    /// Robot to the figures of the baselines, every exit and the policy, in the order of reports.
    pub(in crate::learn) fn scores(&self) -> BTreeMap<String, Vec<(String, Scores)>> {
        let robots = self.0.iter();
        robots
            .map(|(robot, counts)| (robot.clone(), counts.scores()))
            .collect()
    }
}

impl RobotCounts {
    fn merge(&mut self, other: &RobotCounts) {
        self.baselines.merge(&other.baselines);
        if let (Some(mine), Some(theirs)) = (&mut self.arc, &other.arc) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.exits.iter_mut().zip(&other.exits) {
            mine.merge(theirs);
        }
        self.fastest.merge(&other.fastest);
    }

    fn scores(&self) -> Vec<(String, Scores)> {
        let baselines = self.baselines.by_name();
        let mut named: Vec<(String, Scores)> = baselines
            .into_iter()
            .map(|(name, scores)| (name.to_owned(), scores))
            .collect();
        named.extend(self.arc.iter().map(|arc| (ARC.to_owned(), arc.scores())));
        let depth = self.exits.len();
        let exits = self.exits.iter().enumerate();
        named.extend(exits.map(|(i, exit)| (format!("exit {} of {depth}", i + 1), exit.scores())));
        named.push(("policy `fastest`".to_owned(), self.fastest.scores()));
        named
    }
}
