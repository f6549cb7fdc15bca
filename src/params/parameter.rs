//! The description of a parameter: a row of the table.

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// true, false
    Bool,
    /// A number; integers are taken too.
    Double {
        /// Least and greatest value allowed, in thousandths, so that the table stays constant.
        least_milli: i64,
        /// See `least_milli`.
        most_milli: i64,
    },
    /// A whole number.
    Count {
        /// Least value allowed.
        least: i64,
        /// Greatest value allowed.
        most: i64,
    },
    /// Text, one of these words if there are any.
    Word(&'static [&'static str]),
    /// A list of text.
    Words,
    /// A list of numbers; integers are taken too.
    Doubles,
    /// Processors, as text such as `0,2-3`; a single one may be a number.
    Cpus,
}

impl ParameterType {
    /// The type as docs/parameters.md names it.
    pub fn name(self) -> &'static str {
        match self {
            ParameterType::Bool => "bool",
            ParameterType::Double { .. } => "double",
            ParameterType::Count { .. } => "integer",
            ParameterType::Word(_) => "string",
            ParameterType::Words => "string[]",
            ParameterType::Doubles => "double[]",
            ParameterType::Cpus => "string",
        }
    }
}

/// When a change of a parameter is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangePolicy {
    /// At any time; it holds from the next trigger on.
    Live,
    /// While the node is unconfigured; it holds from the next configure on.
    Configure,
    /// Never: it is read once, when the process starts.
    Start,
}

impl ChangePolicy {
    /// As docs/parameters.md has it.
    pub fn name(self) -> &'static str {
        match self {
            ChangePolicy::Live => "live",
            ChangePolicy::Configure => "configure",
            ChangePolicy::Start => "start",
        }
    }
}

/// One parameter. `<source>` and `<label>` in a name stand for each source and label.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Full name.
    pub name: &'static str,
    /// Type and range.
    pub kind: ParameterType,
    /// As shown in docs/parameters.md.
    pub default: &'static str,
    /// When a change is taken.
    pub change: ChangePolicy,
    /// One line.
    pub description: &'static str,
}

/// Any text.
pub(super) const ANY: ParameterType = ParameterType::Word(&[]);
/// From 0 to 1.
pub(super) const FRACTION: ParameterType = double(0, 1_000);

pub(super) const fn double(least_milli: i64, most_milli: i64) -> ParameterType {
    ParameterType::Double {
        least_milli,
        most_milli,
    }
}

/// A parameter that is read at configure.
pub(super) const fn row(
    name: &'static str,
    kind: ParameterType,
    default: &'static str,
    description: &'static str,
) -> Parameter {
    Parameter {
        name,
        kind,
        default,
        change: ChangePolicy::Configure,
        description,
    }
}

/// A parameter that may change while the node decides.
pub(super) const fn live(
    name: &'static str,
    kind: ParameterType,
    default: &'static str,
    description: &'static str,
) -> Parameter {
    Parameter {
        change: ChangePolicy::Live,
        ..row(name, kind, default, description)
    }
}
