//! The grid of corruptions: which ones a task's inputs allow, and in which steps each is increased.

use crate::features::FieldNoise;
use crate::learn::data::corruptions::Corruption;
use crate::learn::task::task_file::Task;
use crate::messages::MessageType;

/// A condition to try.
pub(in crate::learn) struct CorruptionAxis {
    pub name: String,
    /// Of the levels' values; empty where they are cases.
    pub unit: &'static str,
    /// Name, value and what it does to a recording; the one without it is understood.
    pub levels: Vec<(String, f64, Corruption)>,
}

/// Every condition that makes sense for a task's inputs.
pub(in crate::learn) fn corruption_grid(task: &Task) -> Vec<CorruptionAxis> {
    let inputs = &task.window.inputs;
    let trigger = inputs
        .iter()
        .position(|input| input.source == task.window.trigger);
    let mut plans = Vec::new();
    let mut plan = |name: String, unit, levels| plans.push(CorruptionAxis { name, unit, levels });
    let share = |value: f32| format!("{:.0} %", 100.0 * value);
    let degrees = |value: f32| format!("{value:.0}°");
    let series = |values: &[f32], word: &dyn Fn(f32) -> String, of: fn(f32) -> Corruption| {
        let level = |value: &f32| (word(*value), f64::from(*value), of(*value));
        values.iter().map(level).collect::<Vec<_>>()
    };
    if inputs
        .iter()
        .any(|input| input.message == MessageType::LaserScan)
    {
        let shares = [0.1, 0.3, 0.5, 0.7, 0.9];
        plan(
            "beams lost singly".into(),
            "share of the beams",
            series(&shares, &share, Corruption::BeamsLost),
        );
        plan(
            "beams lost in blocks".into(),
            "share of the beams",
            series(&shares, &share, Corruption::BlocksLost),
        );
        plan(
            "range noise".into(),
            "standard deviation, m",
            series(
                &[0.01, 0.02, 0.05, 0.1, 0.2],
                &|value| format!("{value} m"),
                Corruption::RangeNoise,
            ),
        );
        plan(
            "sector blocked ahead".into(),
            "degrees",
            series(
                &[10.0, 20.0, 45.0, 90.0],
                &degrees,
                Corruption::BlockedAhead,
            ),
        );
        plan(
            "sector blocked anywhere".into(),
            "degrees",
            series(&[45.0, 90.0, 180.0], &degrees, Corruption::BlockedAnywhere),
        );
        plan(
            "yaw error".into(),
            "degrees",
            series(&[2.0, 5.0, 10.0, 20.0, 45.0], &degrees, Corruption::Turned),
        );
    }
    for (index, input) in inputs.iter().enumerate() {
        if !FieldNoise::of(input).is_empty() {
            let level = |value: f64| {
                let noisy = Corruption::Noisy {
                    input: index,
                    share: value,
                };
                (format!("{} %", 100.0 * value), value, noisy)
            };
            plan(
                format!("noise on {}", input.source),
                "standard deviation, share of the scale",
                [0.002, 0.01, 0.02, 0.05, 0.2].map(level).into(),
            );
        }
    }
    for (index, input) in inputs.iter().enumerate() {
        let level = |ms: u32| {
            let late = Corruption::Late { input: index, ms };
            (format!("{ms} ms"), f64::from(ms), late)
        };
        plan(
            format!("{} late", input.source),
            "ms",
            [100, 200, 500, 1000].map(level).into(),
        );
    }
    let others: Vec<usize> = (0..inputs.len()).filter(|i| Some(*i) != trigger).collect();
    let mut sets: Vec<Vec<usize>> = others.iter().map(|index| vec![*index]).collect();
    if others.len() > 1 {
        sets.push(others);
    }
    if !sets.is_empty() {
        let name = |set: &Vec<usize>| {
            let names: Vec<&str> = set.iter().map(|i| inputs[*i].source.as_str()).collect();
            names.join(" and ")
        };
        let level = |(number, set): (usize, Vec<usize>)| {
            let value = number as f64 + 1.0;
            (name(&set), value, Corruption::Missing(set))
        };
        let levels = sets.into_iter().enumerate().map(level).collect();
        plan("source missing".into(), "", levels);
    }
    plans
}
