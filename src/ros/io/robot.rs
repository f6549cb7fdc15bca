//! The robots a node serves: one, with the node's own topics, or those of a gateway, each in its
//! namespace.

use crate::params::Params;

/// A robot: the namespace of its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Robot {
    /// Its namespace; none where there is one robot and no parameter `robots`.
    name: Option<String>,
}

impl Robot {
    /// All of them, in the order of the parameter.
    pub fn all(params: &Params) -> Vec<Robot> {
        match params.robots.as_slice() {
            [] => vec![Robot { name: None }],
            names => {
                let named = names.iter().cloned();
                named.map(|name| Robot { name: Some(name) }).collect()
            }
        }
    }

    /// The topic in its namespace, as a node called `node` would have it there: absolute topics
    /// stay absolute, private ones are those of a node of this name beside the robot's others.
    pub fn topic(&self, topic: &str, node: &str) -> String {
        let Some(name) = &self.name else {
            return topic.to_owned();
        };
        if let Some(absolute) = topic.strip_prefix('/') {
            format!("/{name}/{absolute}")
        } else if let Some(private) = topic.strip_prefix("~/") {
            format!("{name}/{node}/{private}")
        } else {
            format!("{name}/{topic}")
        }
    }

    /// A sentence about it.
    pub fn says(&self, sentence: impl std::fmt::Display) -> String {
        match &self.name {
            Some(name) => format!("{name}: {sentence}"),
            None => sentence.to_string(),
        }
    }

    /// A node's full name as others may expect it in the robot's namespace.
    pub fn full_name(&self, full: &str) -> String {
        match (&self.name, full.rsplit_once('/')) {
            (Some(name), Some((namespace, node))) => format!("{namespace}/{name}/{node}"),
            _ => full.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn robot(name: &str) -> Robot {
        Robot {
            name: Some(name.into()),
        }
    }

    #[test]
    fn a_single_robot_has_the_topics_as_they_are() {
        let robot = Robot { name: None };
        for topic in ["/scan", "scan", "~/decision"] {
            assert_eq!(robot.topic(topic, "edge_reasoner"), topic);
        }
        assert_eq!(robot.says("it"), "it");
        assert_eq!(robot.full_name("/ns/node"), "/ns/node");
    }

    #[test]
    fn a_gateways_robot_has_them_in_its_namespace() {
        let robot = robot("fleet/r1");
        assert_eq!(robot.topic("/scan", "guard"), "/fleet/r1/scan");
        assert_eq!(robot.topic("cmd_vel", "guard"), "fleet/r1/cmd_vel");
        assert_eq!(
            robot.topic("~/decision", "guard"),
            "fleet/r1/guard/decision"
        );
        assert_eq!(robot.says("it"), "fleet/r1: it");
        assert_eq!(robot.full_name("/guard"), "/fleet/r1/guard");
        assert_eq!(robot.full_name("/ns/guard"), "/ns/fleet/r1/guard");
    }
}
