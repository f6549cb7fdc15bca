//! Names of nodes, and which sections of a params file apply to which node.

use std::fmt;

/// Whom sections of a params file are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName {
    /// `/`, or such as `/robot1`.
    pub namespace: String,
    /// Without its namespace.
    pub name: String,
}

impl Default for NodeName {
    fn default() -> NodeName {
        NodeName {
            namespace: "/".into(),
            name: "edge_reasoner".into(),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace.trim_end_matches('/'), self.name)
    }
}

/// No full name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no name of a node; expected its namespace and its name, such as /robot1/edge_reasoner"
)]
pub struct InvalidName(String);

impl std::str::FromStr for NodeName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<NodeName, InvalidName> {
        let path = text.strip_prefix('/').unwrap_or(text);
        if path.is_empty() || !path.split('/').all(is_token) {
            return Err(InvalidName(text.to_owned()));
        }
        let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(NodeName {
            namespace: format!("/{namespace}"),
            name: name.to_owned(),
        })
    }
}

impl NodeName {
    /// Whether a section is for this node, as rclcpp and rclpy see it: `*` stands for one part of
    /// the full name and `**` for any number of them; without a slash in front, one is meant.
    pub fn takes(&self, section: &str) -> bool {
        let full = self.to_string();
        let full: Vec<&str> = full.split('/').skip(1).collect();
        let section: Vec<&str> = section
            .strip_prefix('/')
            .unwrap_or(section)
            .split('/')
            .collect();
        matches(&section, &full)
    }
}

/// Whether a pattern's parts fit a name's. Several `**` make it walk back; `reach[k]`: whether the
/// parts of the pattern so far can stand for the first `k` parts of the name.
fn matches(pattern: &[&str], name: &[&str]) -> bool {
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    for part in pattern {
        let mut next = vec![false; name.len() + 1];
        for k in 0..=name.len() {
            next[k] = match *part {
                "**" => reach[k] || (k > 0 && next[k - 1]),
                "*" => k > 0 && reach[k - 1],
                token => k > 0 && reach[k - 1] && name[k - 1] == token,
            };
        }
        reach = next;
    }
    reach[name.len()]
}

fn is_token(token: &str) -> bool {
    let begins = token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What is wrong with a section's name, by the rules of rcl.
pub(super) fn fault_of_section(name: &str) -> Option<String> {
    const LONGEST_NAMESPACE: usize = 245;
    const LONGEST_NAME: usize = 255;
    let path = name.strip_prefix('/').unwrap_or(name);
    let (namespace, node) = path.rsplit_once('/').unwrap_or(("", path));
    let wildcard = |part: &str| part == "*" || part == "**";
    let sound = |part: &str, longest| wildcard(part) || (is_token(part) && part.len() <= longest);
    let spaces = path.contains('/').then_some(namespace);
    let mut parts = spaces.into_iter().flat_map(|spaces| spaces.split('/'));
    let bad = parts
        .find(|part| !sound(part, LONGEST_NAMESPACE - 1))
        .or((!sound(node, LONGEST_NAME)).then_some(node))?;
    Some(format!(
        "the section \"{name}\" has the part \"{bad}\"; expected names of letters, digits and _ that do \
         not begin with a digit, * or **, with single slashes between them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_for_a_node_as_rclcpp_sees_it() {
        let node: NodeName = "/robot1/arm/guard".parse().unwrap();
        for section in [
            "/**",
            "**",
            "/robot1/arm/guard",
            "robot1/arm/guard",
            "/**/guard",
            "/robot1/**",
            "/robot1/*/guard",
            "/*/*/*",
            "/**/arm/**",
            "/robot1/arm/guard/**",
        ] {
            assert!(node.takes(section), "{section}");
        }
        for section in [
            "guard",
            "/guard",
            "/*",
            "*",
            "/*/guard",
            "/robot1/arm",
            "/robot1/arm/guard/*",
            "/robot2/**",
            "/**/robot1",
        ] {
            assert!(!node.takes(section), "{section}");
        }
        let plain = NodeName::default();
        for section in ["edge_reasoner", "/edge_reasoner", "/*", "/**/edge_reasoner"] {
            assert!(plain.takes(section), "{section}");
        }
    }

    #[test]
    fn many_wildcards_take_no_time() {
        let node: NodeName = ["/a"; 60].concat().parse().unwrap();
        assert!(!node.takes(&format!("{}/b", ["/**/a"; 60].concat())));
    }

    #[test]
    fn a_full_name_is_read_back() {
        for (text, full) in [
            ("edge_reasoner", "/edge_reasoner"),
            ("/edge_reasoner", "/edge_reasoner"),
            ("/r1/guard", "/r1/guard"),
            ("r1/guard", "/r1/guard"),
        ] {
            assert_eq!(text.parse::<NodeName>().unwrap().to_string(), full);
        }
        for text in ["", "/", "/r1/", "//a", "1a", "a b", "/**"] {
            assert!(text.parse::<NodeName>().is_err(), "{text}");
        }
    }
}
