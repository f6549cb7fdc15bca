//! Joints are told by their names, wherever they stand in the message.

use crate::made::{answers, case, run_with};

#[test]
fn joints_in_another_order_are_the_same_joints() {
    let folder = tempfile::tempdir().unwrap();
    let labels = ["left_right", "right_left_named"].map(|name| {
        let bag = case(&format!("joint_states/{name}.mcap"));
        let report = run_with("terrain", &[bag], folder.path(), 1.0, &[]);
        assert!(report.failed.is_empty(), "{report}");
        let answers = answers(&folder.path().join(format!("{name}.mcap")));
        let each = answers.into_iter();
        each.map(|answer| (answer.label, answer.source, answer.exit))
            .collect::<Vec<_>>()
    });
    assert!(labels[0].len() > 40);
    assert_eq!(labels[0], labels[1]);
}
