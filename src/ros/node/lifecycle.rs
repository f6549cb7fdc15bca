//! The states of a managed node (design.ros2.org, "Managed nodes"), numbered as
//! `lifecycle_msgs` numbers them.

/// A primary state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is loaded.
    Unconfigured,
    /// Loaded and warm; triggers are counted and not answered.
    Inactive,
    /// Deciding.
    Active,
    /// Over; only a signal is waited for.
    Finalized,
}

/// The transitions of a managed node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Load, verify, warm.
    Configure,
    /// Free everything.
    Cleanup,
    /// Begin to decide.
    Activate,
    /// Cease to decide.
    Deactivate,
    /// End for good.
    Shutdown,
}

impl State {
    /// The four that a node rests in.
    pub const ALL: [State; 4] = [
        State::Unconfigured,
        State::Inactive,
        State::Active,
        State::Finalized,
    ];

    /// Number and name.
    pub fn id(self) -> (u8, &'static str) {
        match self {
            State::Unconfigured => (1, "unconfigured"),
            State::Inactive => (2, "inactive"),
            State::Active => (3, "active"),
            State::Finalized => (4, "finalized"),
        }
    }

    /// The transitions that are allowed from this state.
    pub fn transitions(self) -> &'static [Transition] {
        match self {
            State::Unconfigured => &[Transition::Configure, Transition::Shutdown],
            State::Inactive => &[
                Transition::Cleanup,
                Transition::Activate,
                Transition::Shutdown,
            ],
            State::Active => &[Transition::Deactivate, Transition::Shutdown],
            State::Finalized => &[],
        }
    }

    /// The transition that a request names: by label if it has one, else by number.
    pub fn asked(self, id: u8, label: &str) -> Option<Transition> {
        let named = |transition: &&Transition| {
            let known = transition.id(self);
            match label.is_empty() {
                true => known.0 == id,
                false => known.1 == label,
            }
        };
        self.transitions().iter().find(named).copied()
    }
}

impl Transition {
    /// Number and name; those of a shutdown depend on where it begins.
    pub fn id(self, from: State) -> (u8, &'static str) {
        match (self, from) {
            (Transition::Configure, _) => (1, "configure"),
            (Transition::Cleanup, _) => (2, "cleanup"),
            (Transition::Activate, _) => (3, "activate"),
            (Transition::Deactivate, _) => (4, "deactivate"),
            (Transition::Shutdown, State::Unconfigured) => (5, "shutdown"),
            (Transition::Shutdown, State::Inactive) => (6, "shutdown"),
            (Transition::Shutdown, _) => (7, "shutdown"),
        }
    }

    /// Its name, whatever state it begins in.
    pub fn name(self) -> &'static str {
        self.id(State::Inactive).1
    }

    /// The state once it has succeeded, for the log.
    pub fn done(self) -> &'static str {
        match self {
            Transition::Configure => "configured: inactive until it is activated",
            Transition::Activate => "activated: every trigger is answered from here on",
            Transition::Deactivate => {
                "deactivated: triggers are counted and not answered, a velocity gate has told the \
                 robot to stop"
            }
            Transition::Cleanup => "cleaned up: unconfigured, nothing is loaded",
            Transition::Shutdown => "shut down: finalized, it only waits to be ended",
        }
    }

    /// Number and name of the state in between.
    pub fn passing(self) -> (u8, &'static str) {
        match self {
            Transition::Configure => (10, "configuring"),
            Transition::Cleanup => (11, "cleaningup"),
            Transition::Shutdown => (12, "shuttingdown"),
            Transition::Activate => (13, "activating"),
            Transition::Deactivate => (14, "deactivating"),
        }
    }

    /// The state it leads to when it succeeds.
    pub fn goal(self) -> State {
        match self {
            Transition::Configure | Transition::Deactivate => State::Inactive,
            Transition::Cleanup => State::Unconfigured,
            Transition::Activate => State::Active,
            Transition::Shutdown => State::Finalized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_by_number_and_by_label_where_they_are_allowed() {
        let unconfigured = State::Unconfigured;
        assert_eq!(unconfigured.asked(1, ""), Some(Transition::Configure));
        assert_eq!(unconfigured.asked(3, ""), None);
        assert_eq!(unconfigured.asked(5, ""), Some(Transition::Shutdown));
        assert_eq!(
            State::Active.asked(0, "deactivate"),
            Some(Transition::Deactivate)
        );
        assert_eq!(
            State::Active.asked(0, "shutdown"),
            Some(Transition::Shutdown)
        );
        assert_eq!(State::Active.asked(4, "activate"), None, "the label counts");
    }

    #[test]
    fn every_way_leads_to_a_state_and_the_end_is_the_end() {
        for state in State::ALL {
            for transition in state.transitions() {
                assert_ne!(transition.goal(), state);
            }
        }
        assert!(State::Finalized.transitions().is_empty());
    }
}
