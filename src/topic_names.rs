//! Resolves relative topic names as ROS does: the node's namespace, `~`, and remappings.

use crate::params::NodeName;

/// The topic as it is on the graph before remappings: an absolute name stays, `~` is the node,
/// anything else lives in the node's namespace.
pub fn expand(topic: &str, node: &NodeName) -> String {
    let namespace = node.namespace.trim_end_matches('/');
    if topic.starts_with('/') {
        topic.to_owned()
    } else if let Some(private) = topic.strip_prefix('~') {
        format!("{namespace}/{}{private}", node.name)
    } else {
        format!("{namespace}/{topic}")
    }
}

/// Resolves names where there is no node to do it: in a replay, as the node of this name would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicNames {
    node: NodeName,
    /// From and to, expanded.
    rules: Vec<(String, String)>,
}

/// A remapping that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "remapping \"{rule}\": {what}; expected from:=to, as in scan:=/front/scan or __ns:=/robot1"
)]
pub struct RemapError {
    rule: String,
    what: &'static str,
}

impl TopicNames {
    /// For a node of this name, with the remappings of a ROS command line, `from:=to` each (`__ns`
    /// and `__node` rename the node); of several that match a name the first counts. Rules for
    /// other nodes (`other:from:=to`) are passed over.
    pub fn new(node: NodeName, rules: &[String]) -> Result<TopicNames, RemapError> {
        let wrong = |rule: &String, what| RemapError {
            rule: rule.clone(),
            what,
        };
        let mut names = TopicNames {
            node,
            rules: Vec::new(),
        };
        let mut pairs = Vec::new();
        for rule in rules {
            let (from, to) = rule.split_once(":=").ok_or_else(|| wrong(rule, "no :="))?;
            if from.is_empty() || to.is_empty() {
                return Err(wrong(rule, "a side is empty"));
            }
            pairs.push((rule, from, to));
        }
        // The node's own name first: the other rules are read in its namespace.
        for (rule, from, to) in &pairs {
            match *from {
                "__ns" if !to.starts_with('/') => {
                    return Err(wrong(rule, "a namespace begins with a slash"));
                }
                "__ns" => names.node.namespace = (*to).to_owned(),
                "__node" | "__name" => names.node.name = (*to).to_owned(),
                _ => {}
            }
        }
        for (_, from, to) in pairs {
            let from = match from.split_once(':') {
                Some((node, from)) if node == names.node.name => from,
                Some(_) => continue,
                None => from,
            };
            if !from.starts_with("__") {
                let rule = (expand(from, &names.node), expand(to, &names.node));
                names.rules.push(rule);
            }
        }
        Ok(names)
    }

    /// Whose names they are.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// The topic as it is recorded.
    pub fn resolve(&self, topic: &str) -> String {
        let expanded = expand(topic, &self.node);
        let rule = self.rules.iter().find(|(from, _)| *from == expanded);
        rule.map_or(expanded, |(_, to)| to.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rules: &[&str]) -> TopicNames {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        TopicNames::new(NodeName::default(), &rules).unwrap()
    }

    #[test]
    fn names_are_resolved_as_ros_does() {
        let plain = names(&[]);
        let robot = names(&["__ns:=/r1", "__node:=guard"]);
        for (written, at_root, in_namespace) in [
            ("/cmd_vel", "/cmd_vel", "/cmd_vel"),
            ("cmd_vel", "/cmd_vel", "/r1/cmd_vel"),
            ("front/scan", "/front/scan", "/r1/front/scan"),
            (
                "~/decision",
                "/edge_reasoner/decision",
                "/r1/guard/decision",
            ),
        ] {
            assert_eq!(plain.resolve(written), at_root);
            assert_eq!(robot.resolve(written), in_namespace);
        }
    }

    #[test]
    fn remappings_count_in_the_namespace_and_the_first_wins() {
        let names = names(&[
            "scan:=front/scan",
            "/r1/scan:=/never",
            "other:odom:=/never",
            "edge_reasoner:odom:=wheels",
            "__ns:=/r1",
        ]);
        assert_eq!(names.resolve("scan"), "/r1/front/scan");
        assert_eq!(names.resolve("/r1/scan"), "/r1/front/scan");
        assert_eq!(names.resolve("/scan"), "/scan");
        assert_eq!(names.resolve("odom"), "/r1/wheels");
    }

    #[test]
    fn what_is_no_remapping_is_refused() {
        for rule in ["scan", "scan=x", ":=x", "scan:=", "__ns:=r1"] {
            let error = TopicNames::new(NodeName::default(), &[rule.to_owned()])
                .unwrap_err()
                .to_string();
            assert!(error.contains(rule), "{error}");
        }
    }
}
