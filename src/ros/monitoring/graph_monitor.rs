//! Watches the ROS graph: finds why a topic is not received (types, QoS), and who else drives the
//! robot. It looks now and then, never for a decision.

use std::time::Duration;

use r2r::QosProfile;

use super::graph_view::GraphView;
use super::topic_query::{QueryResult, TopicQuery};
use crate::act::velocity_gate::topic_type;
use crate::configure::Configuration;
use crate::ros::error::RunError;
use crate::ros::io::names::RosNames;
use crate::ros::io::robot::Robot;
use crate::time::Mono;

/// Between two looks for sources that are silent, and for a second driver and sources that never
/// spoke.
const SOON: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);
/// DDS may take this long to show all publishers; before that, no publisher is reported missing.
const SETTLED: Duration = Duration::from_secs(3);
/// Another word about the same topic is said no sooner than this after the last.
const ANOTHER: Duration = Duration::from_secs(10);

/// Looks at the publishers of our topics and says each thing once.
pub struct GraphMonitor {
    me: ThisNode,
    sources: Vec<Topic>,
    gate: Option<GateTopics>,
    speed_limit: Option<String>,
    next_for_unheard: Mono,
    next: Mono,
    next_seldom: Mono,
    /// What was said last, and when: of each source, and of the gate.
    said: Vec<Option<(Mono, String)>>,
    /// All there is, where a source that is needed has no publisher.
    topic_query: Option<TopicQuery>,
}

struct Topic {
    parameter: String,
    name: String,
    message: String,
    reliable: bool,
    triggers: bool,
    /// Decisions wait for it.
    needed: bool,
}

struct GateTopics {
    input: String,
    output: String,
    message: &'static str,
}

/// How long ago a source spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastHeard {
    /// Not once.
    Never,
    /// Once, and not of late.
    Before,
    /// Just now.
    Lately,
}

/// The node itself.
struct ThisNode {
    node: String,
    namespace: String,
}

impl ThisNode {
    fn is_me(&self, node: &str, namespace: &str) -> bool {
        self.node == node && self.namespace == namespace
    }
}

/// A publisher as the graph shows it.
struct GraphPublisher {
    node: String,
    mine: bool,
    message: String,
    best_effort: bool,
}

impl GraphMonitor {
    /// Resolves one robot's topics. Refuses a gate whose two topics are one after remapping.
    pub fn new(
        names: &RosNames,
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
                needed: source.required || source.name == params.trigger,
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
        Ok(GraphMonitor {
            me: ThisNode {
                node: names.node(),
                namespace: names.namespace(),
            },
            said: sources.iter().map(|_| None).chain([None]).collect(),
            sources,
            gate: gate_topics,
            speed_limit,
            next_for_unheard: now + SETTLED,
            next: now + SOON,
            next_seldom: now + SOON,
            topic_query: None,
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

    /// Faults that were not logged yet. `heard` has the time of each source's last message.
    pub fn look(
        &mut self,
        view: &GraphView,
        now: Mono,
        heard: impl Fn(usize) -> LastHeard,
    ) -> Vec<String> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + SOON;
        let seldom = now >= self.next_seldom;
        if seldom {
            self.next_seldom = now + SELDOM;
        }
        let unheard = now >= self.next_for_unheard;
        if unheard {
            self.next_for_unheard = now + SELDOM;
        }
        let mut words: Vec<(usize, String)> = Vec::new();
        for index in 0..self.sources.len() {
            let never = match heard(index) {
                LastHeard::Lately => continue,
                LastHeard::Before => false,
                LastHeard::Never => unheard,
            };
            let topic = &self.sources[index];
            let publishers = self.publishers(view, &topic.name);
            match why_silent(topic, &publishers) {
                Some(word) => words.push((index, word)),
                None if !never => {}
                None if !publishers.is_empty() => {
                    // Only the node's own gate: `echoes` has said what that means.
                    let others = publishers.iter().find(|p| !p.mine);
                    words.extend(others.map(|publisher| (index, mute(topic, publisher))));
                }
                None => match self.unpublished(view, index) {
                    Some(word) => words.push((index, word)),
                    None => self.next_for_unheard = now + SOON,
                },
            }
        }
        if let Some(gate) = &self.gate
            && seldom
        {
            let word = second_driver(gate, &self.publishers(view, &gate.output));
            words.extend(word.map(|word| (self.sources.len(), word)));
        }
        let news = words.into_iter();
        news.filter_map(|(of, word)| is_news(&mut self.said[of], now, word))
            .collect()
    }

    /// Nobody publishes a source's topic. Where decisions need it, those of its type are looked
    /// for, and the word waits for them.
    fn unpublished(&mut self, view: &GraphView, source: usize) -> Option<String> {
        let topic = &self.sources[source];
        if !topic.needed {
            return Some(unpublished(topic, None));
        }
        let topic_query = self.topic_query.get_or_insert_with(TopicQuery::begin);
        let QueryResult::Topics(all) = topic_query.found()? else {
            return Some(unpublished(topic, None));
        };
        let of_type = all
            .iter()
            .filter(|(_, types)| types.contains(&topic.message));
        let names: Vec<String> = of_type.map(|(name, _)| name.clone()).collect();
        let published = |name: &String| self.publishers(view, name).iter().any(|p| !p.mine);
        let names: Vec<String> = names.into_iter().filter(published).collect();
        Some(unpublished(&self.sources[source], Some(&names)))
    }

    fn publishers(&self, view: &GraphView, topic: &str) -> Vec<GraphPublisher> {
        // A graph that cannot be asked now is asked again at the next look.
        let found = view.publishers_of(topic).into_iter();
        let described = found.map(|info| GraphPublisher {
            mine: self.me.is_me(&info.node, &info.namespace),
            node: format!("{}/{}", info.namespace.trim_end_matches('/'), info.node),
            best_effort: is_best_effort(&info.qos),
            message: info.message,
        });
        described.collect()
    }
}

/// The word, where it is another than the last about its topic, and the last is a while ago. Only
/// the last is kept: publishers that come and go under ever other names fill neither memory nor
/// disk.
fn is_news(last: &mut Option<(Mono, String)>, now: Mono, word: String) -> Option<String> {
    let holds = |(at, said): &(Mono, String)| *said == word || now.since(*at) < ANOTHER;
    if last.as_ref().is_some_and(holds) {
        return None;
    }
    *last = Some((now, word.clone()));
    Some(word)
}

fn is_best_effort(qos: &QosProfile) -> bool {
    qos.reliability == r2r::qos::ReliabilityPolicy::BestEffort
}

/// A source is silent: the first cause that the graph shows. A missing publisher is not one:
/// discovery takes its time, and [`unpublished`] reports it later.
fn why_silent(topic: &Topic, publishers: &[GraphPublisher]) -> Option<String> {
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
fn mute(topic: &Topic, publisher: &GraphPublisher) -> String {
    let Topic {
        parameter, name, ..
    } = topic;
    format!(
        "{parameter}: nothing was ever heard on {name}, though {} is its publisher; see that it sends \
         (ros2 topic hz {name})",
        publisher.node
    )
}

/// Nobody publishes the topic; `others` are those of its type that somebody does, where they were
/// looked for.
fn unpublished(topic: &Topic, others: Option<&[String]>) -> String {
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
fn echo(parameter: &str, gate: &GateTopics) -> String {
    let GateTopics { input, output, .. } = gate;
    format!(
        "{parameter}.topic is {output}, which the velocity gate itself publishes: the model sees what \
         was let through, not what was asked for; set {parameter}.topic to {input} \
         (act.velocity_gate.in)"
    )
}

/// Whoever publishes beside the gate drives the robot past it.
fn second_driver(gate: &GateTopics, publishers: &[GraphPublisher]) -> Option<String> {
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
    fn a_word_is_said_once_and_another_not_at_once() {
        let start = Mono(1_000_000_000);
        let mut last = None;
        let mut says = |seconds: u64, word: &str| {
            let now = start + Duration::from_secs(seconds);
            is_news(&mut last, now, word.into()).is_some()
        };
        assert!(says(0, "a"));
        assert!(!says(1, "a") && !says(99, "a"), "once");
        assert!(says(100, "b"));
        assert!(
            !says(101, "c") && !says(109, "d"),
            "every ten seconds at most"
        );
        assert!(says(110, "e"));
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
