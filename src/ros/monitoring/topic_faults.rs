//! What the ROS graph shows to be wrong with a topic, as sentences that say what to do about it.

/// A topic that a source is read from.
pub struct Topic {
    pub parameter: String,
    pub name: String,
    pub message: String,
    pub reliable: bool,
    pub triggers: bool,
    /// Decisions wait for it.
    pub needed: bool,
}

/// The topics of the velocity gate.
pub struct GateTopics {
    pub input: String,
    pub output: String,
    pub message: &'static str,
}

/// A publisher as the graph shows it.
pub struct GraphPublisher {
    pub node: String,
    pub mine: bool,
    pub message: String,
    pub best_effort: bool,
}

/// A source is silent: the first cause that the graph shows. A missing publisher is not one:
/// discovery takes its time, and [`unpublished`] reports it later.
pub fn why_silent(topic: &Topic, publishers: &[GraphPublisher]) -> Option<String> {
    let Topic {
        parameter, name, ..
    } = topic;
    if let Some(other) = publishers.iter().find(|p| p.message != topic.message) {
        return Some(format!(
            "{parameter}: {} publishes {} on {name}, expected {}; set {parameter}.topic or \
             {parameter}.type",
            other.node, other.message, topic.message
        ));
    }
    let unheard = publishers.iter().find(|p| topic.reliable && p.best_effort);
    unheard.map(|publisher| {
        format!(
            "{parameter}: {} publishes {name} best effort, but {parameter}.qos asks for reliable, so \
             nothing is heard; set {parameter}.qos to sensor_data",
            publisher.node
        )
    })
}

/// The graph shows no fault, and still nothing came.
pub fn mute(topic: &Topic, publisher: &GraphPublisher) -> String {
    let Topic {
        parameter, name, ..
    } = topic;
    format!(
        "{parameter}: nothing was ever heard on {name}, though {} is its publisher; see that it sends \
         (ros2 topic hz {name})",
        publisher.node
    )
}

/// The topic has no publisher; `others` are the topics of its type that have one, where they were
/// looked for.
pub fn unpublished(topic: &Topic, others: Option<&[String]>) -> String {
    let Topic {
        parameter,
        name,
        message,
        ..
    } = topic;
    let nobody = format!("{parameter}: nothing was ever heard on {name}: nobody publishes it");
    match others {
        None => format!(
            "{nobody}; where it has another name set {parameter}.topic (ros2 topic list -t shows what \
             there is of the type {message}){}",
            match topic.needed {
                true => "",
                false => "; decisions are made without it",
            }
        ),
        Some([]) => format!(
            "{nobody}, nor any other topic of the type {message}; see that its driver runs, in this \
             ROS_DOMAIN_ID"
        ),
        Some(found) => format!(
            "{nobody}; of the type {message} there is {}: set {parameter}.topic",
            found.join(", ")
        ),
    }
}

/// A source reads what the gate publishes.
pub fn echo(parameter: &str, gate: &GateTopics) -> String {
    let GateTopics { input, output, .. } = gate;
    format!(
        "{parameter}.topic is {output}, which the velocity gate itself publishes: the model sees what \
         was let through, not what was asked for; set {parameter}.topic to {input} \
         (act.velocity_gate.in)"
    )
}

/// Another publisher on the gate's output drives the robot past it.
pub fn second_driver(gate: &GateTopics, publishers: &[GraphPublisher]) -> Option<String> {
    let others = publishers.iter().filter(|p| !p.mine);
    let others: Vec<&str> = others.map(|p| p.node.as_str()).collect();
    let GateTopics {
        input,
        output,
        message,
    } = gate;
    (!others.is_empty()).then(|| {
        format!(
            "{} also publishes {output} and drives the robot past the velocity gate; let it publish \
             {input} instead (act.velocity_gate.in, {message})",
            others.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(reliable: bool) -> Topic {
        Topic {
            parameter: "scan".into(),
            name: "/scan".into(),
            message: "sensor_msgs/msg/LaserScan".into(),
            reliable,
            triggers: true,
            needed: true,
        }
    }

    fn gate() -> GateTopics {
        GateTopics {
            input: "/cmd_vel_raw".into(),
            output: "/cmd_vel".into(),
            message: "geometry_msgs/msg/Twist",
        }
    }

    fn publisher(message: &str, best_effort: bool, mine: bool) -> GraphPublisher {
        GraphPublisher {
            node: "/lidar".into(),
            mine,
            message: message.into(),
            best_effort,
        }
    }

    #[test]
    fn a_mismatch_is_named_with_its_remedy() {
        let scan = |best_effort| publisher("sensor_msgs/msg/LaserScan", best_effort, false);
        let cloud = publisher("sensor_msgs/msg/PointCloud2", true, false);
        assert_eq!(why_silent(&topic(false), &[]), None);
        assert_eq!(why_silent(&topic(false), &[scan(true)]), None);
        assert_eq!(why_silent(&topic(true), &[scan(false)]), None);
        let qos = why_silent(&topic(true), &[scan(true)]).unwrap();
        assert!(
            qos.contains("/lidar") && qos.contains("set scan.qos to sensor_data"),
            "{qos}"
        );
        let kind = why_silent(&topic(false), &[cloud]).unwrap();
        assert!(
            kind.contains("PointCloud2") && kind.contains("scan.topic"),
            "{kind}"
        );
    }

    #[test]
    fn a_topic_that_was_never_heard_is_named_with_those_of_its_type() {
        let two = ["/front_scan", "/rear_scan"].map(String::from);
        let nobody = unpublished(&topic(false), Some(&two));
        assert!(
            nobody.contains("nothing was ever heard on /scan")
                && nobody.contains("LaserScan there is /front_scan, /rear_scan: set scan.topic"),
            "{nobody}"
        );
        let none = unpublished(&topic(false), Some(&[]));
        assert!(none.contains("nor any other topic of the type"), "{none}");
        let unknown = unpublished(&topic(false), None);
        assert!(
            unknown.contains("ros2 topic list -t") && !unknown.contains("nor any other"),
            "{unknown}"
        );
        let optional = Topic {
            needed: false,
            ..topic(false)
        };
        let optional = unpublished(&optional, None);
        assert!(
            optional.contains("decisions are made without it"),
            "{optional}"
        );
        let silent = publisher("sensor_msgs/msg/LaserScan", true, false);
        let silent = mute(&topic(false), &silent);
        assert!(
            silent.contains("though /lidar is its publisher"),
            "{silent}"
        );
    }

    #[test]
    fn who_reads_what_the_gate_says_is_told_what_to_read() {
        let word = echo("cmd", &gate());
        assert!(word.contains("set cmd.topic to /cmd_vel_raw"), "{word}");
    }

    #[test]
    fn only_others_are_a_second_driver() {
        const TWIST: &str = "geometry_msgs/msg/Twist";
        let me = publisher(TWIST, false, true);
        assert_eq!(second_driver(&gate(), &[me]), None);
        let other = publisher(TWIST, false, false);
        let word = second_driver(&gate(), &[other]).unwrap();
        assert!(word.contains("/lidar also publishes /cmd_vel"), "{word}");
    }
}
