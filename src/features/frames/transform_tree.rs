//! The tree of frames that tf publishes, in bounded memory: each frame with its parent and its pose
//! there.

use std::collections::BTreeMap;

use super::tf_message::Transforms;
use super::transform::Transform;

/// Frames kept; those of later messages are left out and counted.
pub const MAX_FRAMES: usize = 1000;
/// Longest name kept, bytes.
const MAX_NAME: usize = 256;
/// Frames named in a sentence.
const NAMED: usize = 12;

/// By which topic transforms came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformTopic {
    /// `/tf_static`: holds from then on, whatever `/tf` says.
    Static,
    /// `/tf`.
    Moving,
}

/// Frames by name.
#[derive(Clone, Debug, Default)]
pub struct TransformTree {
    links: BTreeMap<String, Link>,
    left_out: u64,
    version: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Link {
    parent: String,
    /// None: it was not a transform (not finite, or not a rotation).
    transform: Option<Transform>,
    fixed: bool,
}

/// Why a frame's place is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupFault {
    /// No transform was received.
    #[error("tf is silent")]
    Silent,
    /// The message names none.
    #[error("its header names no frame")]
    NoName,
    /// No transform mentions it.
    #[error("tf has no frame {frame}; it has {known}")]
    Unknown {
        /// The frame.
        frame: String,
        /// Some that are known.
        known: String,
    },
    /// Both are known, but not where one lies in the other.
    #[error("tf does not connect {frame} with {base}: one hangs under {roots}")]
    Apart {
        /// Asked for.
        frame: String,
        /// In which.
        base: String,
        /// The topmost frame of each.
        roots: String,
    },
    /// Parents go round.
    #[error("tf goes round in a circle at {frame}; two publishers disagree about its parent")]
    Circle {
        /// One in the circle.
        frame: String,
    },
    /// A link on the way is not a transform.
    #[error("the transform from {parent} to {child} is not finite or no rotation")]
    Unsound {
        /// Of this frame.
        parent: String,
        /// To this.
        child: String,
    },
}

impl TransformTree {
    /// Takes a message; returns whether anything is other than before.
    pub fn take(&mut self, message: &Transforms, links: TransformTopic) -> bool {
        let before = self.version;
        for one in &message.transforms {
            let (child, parent) = (plain(&one.child_frame_id), plain(&one.header.frame_id));
            let transform = Transform::new(one.translation, one.rotation);
            self.add(child, parent, transform, links == TransformTopic::Static);
        }
        self.version != before
    }

    fn add(&mut self, child: &str, parent: &str, transform: Option<Transform>, fixed: bool) {
        if child.is_empty() || child.len() > MAX_NAME || parent.len() > MAX_NAME {
            self.left_out += 1;
            return;
        }
        let full = self.links.len() >= MAX_FRAMES;
        match self.links.get_mut(child) {
            // What is fixed is not moved by /tf.
            Some(known) if known.fixed && !fixed => {}
            Some(known) => {
                // In place: /tf comes a hundred times a second.
                if (known.transform, known.fixed) != (transform, fixed) || known.parent != parent {
                    known.transform = transform;
                    known.fixed = fixed;
                    if known.parent != parent {
                        parent.clone_into(&mut known.parent);
                    }
                    self.version += 1;
                }
            }
            None if full => self.left_out += 1,
            None => {
                let link = Link {
                    parent: parent.to_owned(),
                    transform,
                    fixed,
                };
                self.links.insert(child.to_owned(), link);
                self.version += 1;
            }
        }
    }

    /// Whether no transform was received yet.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Rises whenever anything changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Transforms left out, because there were too many or their names are none.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Where `frame` lies in `base`, through as many links as it takes.
    pub fn lookup(&self, base: &str, frame: &str) -> Result<Transform, LookupFault> {
        let (base, frame) = (plain(base), plain(frame));
        if frame.is_empty() {
            return Err(LookupFault::NoName);
        }
        if frame == base {
            return Ok(Transform::IDENTITY);
        }
        if self.is_empty() {
            return Err(LookupFault::Silent);
        }
        for name in [frame, base] {
            if !self.knows(name) {
                return Err(LookupFault::Unknown {
                    frame: name.to_owned(),
                    known: self.some_names(),
                });
            }
        }
        // Up from the base, remembering nothing: the way up from the sensor looks for each of
        // these.
        let mut base_in_common = Transform::IDENTITY;
        let mut common = base;
        for _ in 0..=self.links.len() {
            if let Some(sensor_in_common) = self.climb(frame, common)? {
                return Ok(base_in_common.inverse().after(&sensor_in_common));
            }
            let Some((parent, transform)) = self.parent(common)? else {
                let sensors_root = self.root(frame)?;
                return Err(LookupFault::Apart {
                    frame: frame.to_owned(),
                    base: base.to_owned(),
                    roots: format!("{sensors_root}, the other under {common}"),
                });
            };
            base_in_common = transform.after(&base_in_common);
            common = parent;
        }
        Err(LookupFault::Circle {
            frame: base.to_owned(),
        })
    }

    /// Where `frame` lies in `above`, if that is above it.
    fn climb(&self, frame: &str, above: &str) -> Result<Option<Transform>, LookupFault> {
        let mut so_far = Transform::IDENTITY;
        let mut at = frame;
        for _ in 0..=self.links.len() {
            if at == above {
                return Ok(Some(so_far));
            }
            let Some((parent, transform)) = self.parent(at)? else {
                return Ok(None);
            };
            so_far = transform.after(&so_far);
            at = parent;
        }
        Err(LookupFault::Circle {
            frame: frame.to_owned(),
        })
    }

    fn root<'t>(&'t self, frame: &'t str) -> Result<&'t str, LookupFault> {
        let mut at = frame;
        for _ in 0..=self.links.len() {
            match self.parent(at)? {
                Some((parent, _)) => at = parent,
                None => return Ok(at),
            }
        }
        Err(LookupFault::Circle {
            frame: frame.to_owned(),
        })
    }

    fn parent(&self, child: &str) -> Result<Option<(&str, Transform)>, LookupFault> {
        let Some(link) = self.links.get(child) else {
            return Ok(None);
        };
        match link.transform {
            Some(transform) => Ok(Some((&link.parent, transform))),
            None => Err(LookupFault::Unsound {
                parent: link.parent.clone(),
                child: child.to_owned(),
            }),
        }
    }

    fn knows(&self, frame: &str) -> bool {
        self.links.contains_key(frame) || self.links.values().any(|link| link.parent == frame)
    }

    fn some_names(&self) -> String {
        let names: Vec<&str> = self.links.keys().map(String::as_str).collect();
        match names.len() > NAMED {
            true => format!(
                "{} and {} more",
                names[..NAMED].join(", "),
                names.len() - NAMED
            ),
            false => names.join(", "),
        }
    }
}

/// Frames had a leading slash in ROS 1, and some drivers still say it.
fn plain(frame: &str) -> &str {
    frame.strip_prefix('/').unwrap_or(frame)
}
