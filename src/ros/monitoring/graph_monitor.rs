//! Watches the ROS graph: finds why a topic is not received (types, QoS), and who else drives the
//! robot. It looks now and then, never for a decision.

use std::time::Duration;

use r2r::QosProfile;

use super::graph_view::GraphView;
use super::topic_faults::{
    GateTopics, GraphPublisher, Topic, echo, mute, second_driver, unpublished, why_silent,
};
use super::topic_query::{QueryResult, TopicQuery};
use crate::act::velocity_gate::topic_type;
use crate::configure::Configuration;
use crate::ros::error::RunError;
use crate::ros::io::names::RosNames;
use crate::ros::io::robot::Robot;
use crate::time::Mono;

/// Between two looks for sources whose messages ceased.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks for a second driver, and for sources without a first message.
const SELDOM: Duration = Duration::from_secs(5);
/// DDS may take this long to show all publishers; before that, no publisher is reported missing.
const SETTLED: Duration = Duration::from_secs(3);
/// Another line about the same topic is logged no sooner than this after the last.
const ANOTHER: Duration = Duration::from_secs(10);

/// Looks at the publishers of the node's topics and reports each fault once.
pub struct GraphMonitor {
    me: ThisNode,
    sources: Vec<Topic>,
    gate: Option<GateTopics>,
    speed_limit: Option<String>,
    next_for_unheard: Mono,
    next: Mono,
    next_seldom: Mono,
    /// The line logged last, and when: for each source, and for the gate.
    said: Vec<Option<(Mono, String)>>,
    /// All there is, where a source that is needed has no publisher.
    topic_query: Option<TopicQuery>,
}

/// How long ago a source sent a message.
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

    /// Lines for the log: the topics read and published, by their names on the graph.
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

    /// Sources that read what the gate publishes: the model then sees what was let through and not
    /// what was asked for.
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
                    // Only the node's own gate: `echoes` reports that.
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
    /// for, and the line waits for them.
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

/// The line, where it is another than the last about its topic, and the last is a while ago. Only
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
