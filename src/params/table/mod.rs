//! The table of all parameters, a file for each part of the node: validation and the table in
//! docs/parameters.md come from here.

mod act;
mod decision;
mod node;
mod sources;

pub use super::parameter::{ChangePolicy, Parameter, ParameterType};

/// All parameters, in the order of docs/parameters.md.
pub fn all() -> impl Iterator<Item = &'static Parameter> {
    let parts = [decision::ROWS, sources::ROWS, act::ROWS, node::ROWS];
    parts.into_iter().flatten()
}

/// The table as docs/parameters.md shows it.
pub fn markdown() -> String {
    let mut text = String::from(
        "| parameter | type | default | range | change | |\n|---|---|---|---|---|---|\n",
    );
    for parameter in all() {
        let range = match parameter.kind {
            ParameterType::Double {
                least_milli,
                most_milli,
            } => format!(
                "{} to {}",
                least_milli as f64 / 1e3,
                most_milli as f64 / 1e3
            ),
            ParameterType::Count { least, most } => format!("{least} to {most}"),
            ParameterType::Word(words) => words.join(", "),
            _ => String::new(),
        };
        text += &format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            parameter.name,
            parameter.kind.name(),
            parameter.default,
            range,
            parameter.change.name(),
            parameter.description
        );
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_documentation_shows_this_table() {
        let page = include_str!("../../../docs/parameters.md");
        assert!(
            page.contains(&super::markdown()),
            "docs/parameters.md does not hold the table of parameters; it must read:\n{}",
            super::markdown()
        );
    }
}
