//! The hysteresis of every act: to a more cautious state at once, back only after several decisions
//! that agree.

/// A value that allows more or less than another.
pub(super) trait Allowance: Copy + PartialEq {
    /// The most that both allow.
    fn at_most(self, other: Self) -> Self;
}

/// The value in force: it falls with the first decision that allows less, and rises when enough in
/// a row allow more, and then only as far as all of them do.
#[derive(Debug)]
pub(super) struct AsymmetricDebounce<A> {
    allowed: A,
    /// Decisions in a row that allow more, and the most that all of them allow.
    freer: (u32, A),
}

impl<A: Allowance> AsymmetricDebounce<A> {
    /// Begins with what is allowed before any decision.
    pub fn new(allowed: A) -> AsymmetricDebounce<A> {
        AsymmetricDebounce {
            allowed,
            freer: (0, allowed),
        }
    }

    pub fn allowed(&self) -> A {
        self.allowed
    }

    /// Allows no more than this from here on, and counts decisions that allow more anew.
    pub fn tighten(&mut self, most: A) {
        self.allowed = most.at_most(self.allowed);
        self.freer.0 = 0;
    }

    /// A decision by an answer that is used again allows this: no more than it from here on; it does
    /// not count towards a rise.
    pub fn keep(&mut self, most: A) {
        if most.at_most(self.allowed) != self.allowed {
            self.tighten(most);
        }
    }

    /// The next decision in a row allows this; a rise takes `release_after` of them.
    pub fn follow(&mut self, wanted: A, release_after: u32) {
        if wanted.at_most(self.allowed) != self.allowed || wanted == self.allowed {
            return self.tighten(wanted);
        }
        self.freer = match self.freer {
            (0, _) => (1, wanted),
            (count, most) => (count + 1, wanted.at_most(most)),
        };
        if self.freer.0 >= release_after {
            *self = AsymmetricDebounce::new(self.freer.1);
        }
    }
}
