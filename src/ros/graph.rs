//! What the graph says about our topics: why nothing is heard, and who else drives the robot.
//! Looked at now and then, never for a decision.

use std::time::Duration;

use r2r::QosProfile;

use super::RunError;
use super::names::Names;
use super::node_view::NodeView;
use super::robot::Robot;
use crate::act::gate::topic_type;
use crate::configure::Configuration;
use crate::time::Mono;

/// Between two looks for sources that are silent, and for a second driver.
const SOON: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);

/// Another word about the same topic is said no sooner than this after the last.
const ANOTHER: Duration = Duration::from_secs(10);

/// Looks at the publishers of our topics and says each thing once.
pub struct Graph {
    me: Me,
    sources: Vec<Topic>,
    gate_output: Option<(String, &'static str)>,
    next: Mono,
    next_for_gate: Mono,
    /// What was said last, and when: of each source, and of the gate.
    said: Vec<Option<(Mono, String)>>,
}

struct Topic {
    parameter: String,
    name: String,
    message: String,
    reliable: bool,
}

/// The node itself.
struct Me {
    node: String,
    namespace: String,
}

impl Me {
    fn is_me(&self, node: &str, namespace: &str) -> bool {
        self.node == node && self.namespace == namespace
    }
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
        names: &Names,
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
            });
        }
        let mut gate_output = None;
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
            gate_output = Some((output, topic_type(gate.stamped).ros_name()));
        }
        Ok(Graph {
            me: Me {
                node: names.node(),
                namespace: names.namespace(),
            },
            said: sources.iter().map(|_| None).chain([None]).collect(),
            sources,
            gate_output,
            next: now + SOON,
            next_for_gate: now + SOON,
        })
    }

    /// What is amiss and was not said yet. `heard` tells per source whether it spoke lately.
    pub fn look(
        &mut self,
        view: &NodeView,
        now: Mono,
        heard: impl Fn(usize) -> bool,
    ) -> Vec<String> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + SOON;
        let silent = (0..self.sources.len()).filter(|index| !heard(*index));
        let silences = silent.filter_map(|index| {
            let topic = &self.sources[index];
            let word = why_silent(topic, &self.publishers(view, &topic.name))?;
            Some((index, word))
        });
        let mut words: Vec<(usize, String)> = silences.collect();
        if let Some((output, message)) = &self.gate_output
            && now >= self.next_for_gate
        {
            self.next_for_gate = now + SELDOM;
            let word = second_driver(output, message, &self.publishers(view, output));
            words.extend(word.map(|word| (self.sources.len(), word)));
        }
        let news = words.into_iter();
        news.filter_map(|(of, word)| is_news(&mut self.said[of], now, word))
            .collect()
    }

    fn publishers(&self, view: &NodeView, topic: &str) -> Vec<Publisher> {
        // A graph that cannot be asked now is asked again at the next look.
        let found = view.publishers_of(topic).into_iter();
        let described = found.map(|info| Publisher {
            mine: self.me.is_me(&info.node, &info.namespace),
            node: format!("{}/{}", info.namespace.trim_end_matches('/'), info.node),
            best_effort: is_best_effort(&info.qos),
            message: info.message,
        });
        described.collect()
    }
}

/// The word, where it is another than the last about its topic, and the last is a while ago. Only the
/// last is kept: publishers that come and go under ever other names fill neither memory nor disk.
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

/// Nothing is heard: the first cause that the graph shows. Nobody publishing is not one; the
/// log says that with every decision that lacks its input.
fn why_silent(topic: &Topic, publishers: &[Publisher]) -> Option<String> {
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

/// Whoever publishes beside the gate drives the robot past it.
fn second_driver(topic: &str, message: &str, publishers: &[Publisher]) -> Option<String> {
    let others = publishers.iter().filter(|p| !p.mine);
    let others: Vec<&str> = others.map(|p| p.node.as_str()).collect();
    (!others.is_empty()).then(|| {
        format!(
            "{} also publishes {topic} and drives the robot past the velocity gate; let it publish \
             act.velocity_gate.in instead ({message})",
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
        assert_eq!(second_driver("/cmd_vel", TWIST, &[me]), None);
        let other = publisher(TWIST, false, false);
        let word = second_driver("/cmd_vel", TWIST, &[other]).unwrap();
        assert!(word.contains("/lidar also publishes /cmd_vel"), "{word}");
    }
}
