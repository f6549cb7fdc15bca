//! What the graph says about our topics: why nothing is heard, and who else drives the robot.
//! Looked at now and then, never for a decision.

use std::time::Duration;

use r2r::{Node, QosProfile};

use super::RunError;
use super::names::Names;
use super::robot::Robot;
use crate::act::gate::topic_type;
use crate::configure::Configuration;
use crate::time::Mono;

/// Between two looks for sources that are silent, and for a second driver and sources that never
/// spoke.
const SOON: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);
/// DDS may take this long to show all publishers; before that, nobody is said to be missing.
const SETTLED: Duration = Duration::from_secs(4);

/// Looks at the publishers of our topics and says each thing once.
pub struct Graph {
    names: Names,
    sources: Vec<Topic>,
    gate: Option<GateTopics>,
    speed_limit: Option<String>,
    settled: Mono,
    next: Mono,
    next_seldom: Mono,
    said: Vec<String>,
}

struct Topic {
    parameter: String,
    name: String,
    message: String,
    reliable: bool,
    triggers: bool,
}

struct GateTopics {
    input: String,
    output: String,
    message: &'static str,
}

/// How long ago a source spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not once.
    Never,
    /// Once, and not of late.
    Before,
    /// Just now.
    Lately,
}

/// A publisher as the graph shows it.
struct Publisher {
    node: String,
    mine: bool,
    message: String,
    best_effort: bool,
}

impl Graph {
    /// Resolves one robot's topics. Refuses a gate whose two topics are one after remapping.
    pub fn new(
        names: Names,
        configuration: &Configuration,
        robot: &Robot,
        now: Mono,
    ) -> Result<Self, RunError> {
        let params = &configuration.params;
        let resolve = |topic: &str| names.resolve(&robot.topic(topic, &names.node()));
        let mut sources = Vec::new();
        for source in &params.sources {
            sources.push(Topic {
                parameter: source.name.clone(),
                name: resolve(&source.topic)?,
                message: source.message.clone(),
                reliable: source.reliable,
                triggers: source.name == params.trigger,
            });
        }
        let mut gate_topics = None;
        if let Some(gate) = &params.gate {
            let input = resolve(&gate.input)?;
            let output = resolve(&gate.output)?;
            if input == output {
                return Err(RunError::GateHearsItself {
                    input: gate.input.clone(),
                    output: gate.output.clone(),
                    topic: input,
                });
            }
            gate_topics = Some(GateTopics {
                input,
                output,
                message: topic_type(gate.stamped).ros_name(),
            });
        }
        let speed_limit = params.speed_limit.as_ref();
        let speed_limit = speed_limit.map(|limit| resolve(&limit.topic)).transpose()?;
        Ok(Graph {
            names,
            sources,
            gate: gate_topics,
            speed_limit,
            settled: now + SETTLED,
            next: now + SOON,
            next_seldom: now + SOON,
            said: Vec::new(),
        })
    }

    /// The sources' topics as they are on the graph.
    pub fn topics(&self) -> Vec<String> {
        self.sources
            .iter()
            .map(|topic| topic.name.clone())
            .collect()
    }

    /// What is listened to and published, topics as they are on the graph: lines for the log.
    pub fn announcement(&self) -> Vec<String> {
        let sources = self.sources.iter().map(|topic| {
            let triggers = match topic.triggers {
                true => ", triggers",
                false => "",
            };
            let Topic {
                parameter, name, ..
            } = topic;
            format!("{parameter}: {name} ({}){triggers}", topic.message)
        });
        let gate = self.gate.iter().map(|gate| {
            let GateTopics {
                input,
                output,
                message,
            } = gate;
            format!("velocity gate: {input} → {output} ({message})")
        });
        let speed = self.speed_limit.iter();
        let speed = speed.map(|topic| format!("speed limit: {topic}"));
        sources.chain(gate).chain(speed).collect()
    }

    /// Sources that read what the gate says: the model then sees what was let through and not what
    /// was asked for.
    pub fn echoes(&self) -> Vec<String> {
        let Some(gate) = &self.gate else {
            return Vec::new();
        };
        let reads = self.sources.iter().filter(|t| t.name == gate.output);
        let said = reads.map(|topic| echo(&topic.parameter, gate));
        said.collect()
    }

    /// What is amiss and was not said yet. `heard` tells per source when it spoke.
    pub fn look(&mut self, node: &Node, now: Mono, heard: impl Fn(usize) -> Heard) -> Vec<String> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + SOON;
        let seldom = now >= self.next_seldom;
        if seldom {
            self.next_seldom = now + SELDOM;
        }
        let mut words = Vec::new();
        for (index, topic) in self.sources.iter().enumerate() {
            let never = match heard(index) {
                Heard::Lately => continue,
                Heard::Before => false,
                Heard::Never => seldom && now >= self.settled,
            };
            let publishers = self.publishers(node, &topic.name);
            let others = || self.others_of_type(node, topic);
            let word = why_silent(topic, &publishers, &others);
            words.extend(word.or_else(|| never.then(|| never_heard(topic, &publishers, &others))));
        }
        if let Some(gate) = &self.gate
            && seldom
        {
            words.extend(second_driver(gate, &self.publishers(node, &gate.output)));
        }
        words.retain(|word| !self.said.contains(word));
        self.said.extend(words.iter().cloned());
        words
    }

    /// Topics of a source's type that somebody else publishes, in order.
    fn others_of_type(&self, node: &Node, source: &Topic) -> Vec<String> {
        let known = node.get_topic_names_and_types().unwrap_or_default();
        let of_type = known.into_iter().filter(|(name, types)| {
            *name != source.name
                && types.contains(&source.message)
                && self.publishers(node, name).iter().any(|p| !p.mine)
        });
        let mut names: Vec<String> = of_type.map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    }

    fn publishers(&self, node: &Node, topic: &str) -> Vec<Publisher> {
        // A graph that cannot be asked now is asked again at the next look.
        let found = node.get_publishers_info_by_topic(topic, false);
        let described = found.unwrap_or_default().into_iter().map(|info| Publisher {
            mine: self.names.is_me(&info.node_name, &info.node_namespace),
            node: format!(
                "{}/{}",
                info.node_namespace.trim_end_matches('/'),
                info.node_name
            ),
            best_effort: is_best_effort(&info.qos_profile),
            message: info.topic_type,
        });
        described.collect()
    }
}

fn is_best_effort(qos: &QosProfile) -> bool {
    qos.reliability == r2r::qos::ReliabilityPolicy::BestEffort
}

/// Nothing is heard: the first cause that the graph shows. Nobody publishing is not one: discovery
/// takes its time, and [`never_heard`] says it later.
fn why_silent(
    topic: &Topic,
    publishers: &[Publisher],
    others: &impl Fn() -> Vec<String>,
) -> Option<String> {
    let Topic {
        parameter, name, ..
    } = topic;
    if let Some(other) = publishers.iter().find(|p| p.message != topic.message) {
        return Some(format!(
            "{parameter}: {} publishes {} on {name}, expected {}{}; set {parameter}.topic or \
             {parameter}.type",
            other.node,
            other.message,
            topic.message,
            match others().as_slice() {
                [] => String::new(),
                found => format!(", which is on {}", found.join(", ")),
            }
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
fn never_heard(
    topic: &Topic,
    publishers: &[Publisher],
    others: &impl Fn() -> Vec<String>,
) -> String {
    let Topic {
        parameter,
        name,
        message,
        ..
    } = topic;
    if let Some(publisher) = publishers.first() {
        return format!(
            "{parameter}: nothing was ever heard on {name}, though {} is its publisher; see that it \
             sends (ros2 topic hz {name})",
            publisher.node
        );
    }
    match others().as_slice() {
        [] => format!(
            "{parameter}: nothing was ever heard on {name}: nobody publishes it, nor any other topic \
             of the type {message}; see that its driver runs, in this ROS_DOMAIN_ID"
        ),
        found => format!(
            "{parameter}: nothing was ever heard on {name}: nobody publishes it; of the type \
             {message} there is {}: set {parameter}.topic",
            found.join(", ")
        ),
    }
}

/// A source reads what the gate says.
fn echo(parameter: &str, gate: &GateTopics) -> String {
    let GateTopics { input, output, .. } = gate;
    format!(
        "{parameter}.topic is {output}, which the velocity gate itself publishes: the model sees what \
         was let through, not what was asked for; set {parameter}.topic to {input} \
         (act.velocity_gate.in)"
    )
}

/// Whoever publishes beside the gate drives the robot past it.
fn second_driver(gate: &GateTopics, publishers: &[Publisher]) -> Option<String> {
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
        }
    }

    fn nothing_else() -> Vec<String> {
        Vec::new()
    }

    fn gate() -> GateTopics {
        GateTopics {
            input: "/cmd_vel_raw".into(),
            output: "/cmd_vel".into(),
            message: "geometry_msgs/msg/Twist",
        }
    }

    fn publisher(message: &str, best_effort: bool, mine: bool) -> Publisher {
        Publisher {
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
        let why = |reliable, publishers: &[Publisher]| {
            why_silent(&topic(reliable), publishers, &nothing_else)
        };
        assert_eq!(why(false, &[]), None);
        assert_eq!(why(false, &[scan(true)]), None);
        assert_eq!(why(true, &[scan(false)]), None);
        let qos = why(true, &[scan(true)]).unwrap();
        assert!(
            qos.contains("/lidar") && qos.contains("set scan.qos to sensor_data"),
            "{qos}"
        );
        let front = || vec![String::from("/front_scan")];
        let kind = why_silent(&topic(false), &[cloud], &front).unwrap();
        assert!(
            kind.contains("PointCloud2")
                && kind.contains("which is on /front_scan")
                && kind.contains("scan.topic"),
            "{kind}"
        );
    }

    #[test]
    fn a_topic_that_was_never_heard_is_named_with_those_of_its_type() {
        let two = || vec![String::from("/front_scan"), String::from("/rear_scan")];
        let nobody = never_heard(&topic(false), &[], &two);
        assert!(
            nobody.contains("nothing was ever heard on /scan")
                && nobody.contains("LaserScan there is /front_scan, /rear_scan: set scan.topic"),
            "{nobody}"
        );
        let none = never_heard(&topic(false), &[], &nothing_else);
        assert!(none.contains("nor any other topic of the type"), "{none}");
        let mute = publisher("sensor_msgs/msg/LaserScan", true, false);
        let mute = never_heard(&topic(false), &[mute], &nothing_else);
        assert!(mute.contains("though /lidar is its publisher"), "{mute}");
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
