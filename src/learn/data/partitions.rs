//! Partitions: pieces of a recording that can be validated on by themselves.

use crate::learn::task::split_by::SplitBy;
use crate::learn::task::task_file::Task;
use crate::time::Stamp;

/// Parts of a recording that no window may reach out of; the recording as a whole, if the task
/// does not split by them.
pub(in crate::learn) struct Partitions {
    start: Stamp,
    length_ns: i64,
    window_ns: i64,
    now: i64,
}

impl Partitions {
    pub(in crate::learn) fn new(task: &Task, start: Stamp) -> Partitions {
        let length_s = match task.recordings.split {
            SplitBy::Partitions => task.recordings.partition_s,
            _ => 0.0,
        };
        Partitions {
            start,
            length_ns: (f64::from(length_s) * 1e9) as i64,
            window_ns: task.window.frames as i64 * i64::from(task.window.period_ms) * 1_000_000,
            now: 0,
        }
    }

    /// Whether a message at this time is the first of a partition.
    pub(in crate::learn) fn begins(&mut self, time: Stamp) -> bool {
        if self.length_ns == 0 {
            return false;
        }
        let number = time.delta_ns(self.start).div_euclid(self.length_ns);
        let begins = number != self.now;
        self.now = number;
        begins
    }

    /// Whether the window at this time lies within its partition.
    pub(in crate::learn) fn holds(&self, time: Stamp) -> bool {
        self.length_ns == 0
            || time.delta_ns(self.start).rem_euclid(self.length_ns) >= self.window_ns
    }
}
