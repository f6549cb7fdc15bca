//! Decides which mounting holds for one laser: tf's, the parameters', or an assumption that is
//! logged.
//!
//! A parameter holds; tf must agree with it, or the scans are refused until one of them is
//! corrected. What no parameter gives comes from tf. Where tf is published but does not connect the
//! laser yet, its scans are refused for [`PATIENCE`]; where tf is silent, or does not connect it by
//! then, the laser is taken to look ahead, upright, from the base frame's origin. When tf connects
//! it later, tf holds from then on.

use std::sync::Arc;
use std::time::Duration;

use super::mount::{Mount, Tilt};
use super::transform_tree::{LookupFault, TransformTree};
use crate::time::Mono;

/// How long scans are refused while tf is published and does not connect their frame.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Parameter and tf may differ by this: measured mountings do.
const AGREE: f32 = 5.0 * std::f32::consts::PI / 180.0;
/// A mounting that changes by more than these has moved.
const TURNED: f32 = 0.5 * std::f32::consts::PI / 180.0;
const SHIFTED: f32 = 0.01;
/// Between two remarks about a mounting that moves.
const AGAIN: Duration = Duration::from_secs(10);

/// The parameters of a mounting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MountingParameters {
    /// Frame of the robot in which mountings are given.
    pub base_frame: String,
    /// `<source>.yaw`, rad.
    pub yaw: Option<f32>,
    /// `<source>.upside_down`.
    pub upside_down: Option<bool>,
    /// Whether the position of the laser matters, because there is a footprint.
    pub needs_place: bool,
}

impl MountingParameters {
    /// The mounting that is assumed where tf has none.
    fn assumed(&self) -> Mount {
        Mount {
            yaw: self.yaw.unwrap_or(0.0),
            upside_down: self.upside_down.unwrap_or(false),
            ..Mount::default()
        }
    }
}

/// Why scans of a laser cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MountingFault {
    /// tf is there, but not all of it yet.
    #[error(
        "where its frame {frame} sits in {base} is not known yet ({why}); its scans are refused for \
         up to {PATIENCE:?}"
    )]
    Waiting {
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
        /// What is missing.
        why: LookupFault,
    },
    /// Two sources of truth.
    #[error(
        "{parameter} is {said}, but tf says {found} (from {base} to {frame}); correct the one that is \
         wrong, or leave the parameter out and have tf's"
    )]
    Disagree {
        /// `yaw` or `upside_down`, with the source's name.
        parameter: String,
        /// Its value.
        said: String,
        /// The same by tf.
        found: String,
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
    },
    /// Not planar.
    #[error(
        "tf says that its frame {frame} is inclined by {:.0}° against {base}; a laser must scan along \
         the ground, upright or upside down; mend the transform, or turn its scans into the plane \
         first (pointcloud_to_laserscan does)",
        .tilt.angle.to_degrees()
    )]
    Tilted {
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
        /// By how much.
        tilt: Tilt,
    },
    /// It was known.
    #[error("where its frame {frame} sits in {base} is not known any more: {why}")]
    Lost {
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
        /// What is wrong.
        why: LookupFault,
    },
}

/// A notice about a mounting, for the log.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MountingNotice {
    /// Neither tf nor a parameter gives it.
    #[error(
        "{source_name}: mounting assumed: {mount}, since {why}; set {source_name}.yaw and \
         {source_name}.upside_down, or publish the transform from {base} to {frame}"
    )]
    Assumed {
        /// The source.
        source_name: Arc<str>,
        /// The mounting that is assumed.
        mount: Mount,
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
        /// Why tf does not say.
        why: LookupFault,
    },
    /// By tf.
    #[error("{source_name}: mounting by tf ({base} to {frame}): {mount}")]
    Found {
        /// The source.
        source_name: Arc<str>,
        /// Where it sits.
        mount: Mount,
        /// Frame of the scans.
        frame: String,
        /// The parameter.
        base: String,
    },
    /// By tf, after decisions had been made on another one.
    #[error(
        "{source_name}: until now a mounting was assumed ({before}), which was wrong; by tf it is \
         {now}; set {source_name}.yaw and {source_name}.upside_down to be independent of when tf comes"
    )]
    Late {
        /// The source.
        source_name: Arc<str>,
        /// The mounting that was assumed.
        before: Mount,
        /// The mounting in force.
        now: Mount,
    },
    /// It was another.
    #[error("{source_name}: its mounting moves: {before} before, {now} now; tf is followed")]
    Moved {
        /// The source.
        source_name: Arc<str>,
        /// The mounting before.
        before: Mount,
        /// The mounting in force.
        now: Mount,
    },
}

/// A change of the mounting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MountingChange {
    /// The mounting from this scan on.
    pub mount: Mount,
    /// Whether the scans before were taken in wrong directions.
    pub forget: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Unknown,
    Assumed,
    FromTf,
    Wrong(MountingFault),
}

/// The mounting of one laser over time.
#[derive(Clone, Debug)]
pub struct Mounting {
    source: Arc<str>,
    said: MountingParameters,
    state: State,
    mount: Mount,
    /// Frame of the scan that was looked up last.
    frame: String,
    version: u64,
    waiting_since: Option<Mono>,
    remark: Option<MountingNotice>,
    moved: Option<Mono>,
    told: Option<Mono>,
}

impl Mounting {
    /// For a source of this name.
    pub fn new(source: Arc<str>, said: MountingParameters) -> Mounting {
        let mount = said.assumed();
        Mounting {
            source,
            said,
            state: State::Unknown,
            mount,
            frame: String::new(),
            version: 0,
            waiting_since: None,
            remark: None,
            moved: None,
            told: None,
        }
    }

    /// The mounting as far as it is known.
    pub fn mount(&self) -> Mount {
        self.mount
    }

    /// The notice that is not logged yet.
    pub fn remark(&mut self) -> Option<MountingNotice> {
        self.remark.take()
    }

    /// What holds for a scan of this frame that arrives `now`; a change where that is not what held
    /// before. Takes no memory while nothing changes.
    pub fn look(
        &mut self,
        tree: &TransformTree,
        frame: &str,
        now: Mono,
    ) -> Result<Option<MountingChange>, MountingFault> {
        let same = self.frame == frame && self.version == tree.version();
        match &self.state {
            State::Assumed | State::FromTf if same => return Ok(None),
            State::Wrong(fault) if same && !matches!(fault, MountingFault::Waiting { .. }) => {
                return Err(fault.clone());
            }
            _ => {}
        }
        if self.frame != frame {
            frame.clone_into(&mut self.frame);
            self.waiting_since = None;
            self.state = State::Unknown;
        }
        self.version = tree.version();
        match tree.lookup(&self.said.base_frame, frame) {
            Ok(sensor_in_base) => {
                let found = Mount::of(&sensor_in_base).map_err(|tilt| MountingFault::Tilted {
                    frame: self.frame.clone(),
                    base: self.said.base_frame.clone(),
                    tilt,
                });
                let checked = found.and_then(|found| self.agree(found));
                match checked {
                    Ok(found) => Ok(self.found(found, now)),
                    Err(fault) => self.refuse(fault),
                }
            }
            Err(why) => self.not_found(tree, why, now),
        }
    }

    fn refuse<T>(&mut self, fault: MountingFault) -> Result<T, MountingFault> {
        self.state = State::Wrong(fault.clone());
        Err(fault)
    }

    /// The mounting where tf has `found`, unless a parameter gives another.
    fn agree(&self, found: Mount) -> Result<Mount, MountingFault> {
        let disagree = |what: &str, said: String, found: String| MountingFault::Disagree {
            parameter: format!("{}.{what}", self.source),
            said,
            found,
            frame: self.frame.clone(),
            base: self.said.base_frame.clone(),
        };
        let mut holds = found;
        if let Some(upside_down) = self.said.upside_down
            && upside_down != found.upside_down
        {
            let (said, found) = (upside_down.to_string(), found.upside_down.to_string());
            return Err(disagree("upside_down", said, found));
        }
        if let Some(yaw) = self.said.yaw {
            if between(yaw, found.yaw) > AGREE {
                let angle = |yaw: f32| format!("{:.3} rad ({:.0}°)", yaw, yaw.to_degrees());
                return Err(disagree("yaw", angle(yaw), angle(found.yaw)));
            }
            holds.yaw = yaw;
        }
        Ok(holds)
    }

    fn found(&mut self, now_holds: Mount, now: Mono) -> Option<MountingChange> {
        let before = std::mem::replace(&mut self.mount, now_holds);
        let turned = between(before.yaw, now_holds.yaw) > TURNED
            || before.upside_down != now_holds.upside_down;
        let shifted = (before.x - now_holds.x).hypot(before.y - now_holds.y) > SHIFTED;
        let source_name = Arc::clone(&self.source);
        let state = std::mem::replace(&mut self.state, State::FromTf);
        let assumed = state == State::Assumed;
        if assumed && turned {
            self.remark = Some(MountingNotice::Late {
                source_name,
                before,
                now: now_holds,
            });
        } else if state == State::FromTf {
            let again = self.moved.is_none_or(|at| now.since(at) >= AGAIN);
            if (turned || shifted) && again {
                self.moved = Some(now);
                self.remark = Some(MountingNotice::Moved {
                    source_name,
                    before,
                    now: now_holds,
                });
            }
        } else if self.is_news(now) {
            self.remark = Some(MountingNotice::Found {
                source_name,
                mount: now_holds,
                frame: self.frame.clone(),
                base: self.said.base_frame.clone(),
            });
        }
        (before != now_holds).then_some(MountingChange {
            mount: now_holds,
            forget: assumed && turned,
        })
    }

    fn not_found(
        &mut self,
        tree: &TransformTree,
        why: LookupFault,
        now: Mono,
    ) -> Result<Option<MountingChange>, MountingFault> {
        match &self.state {
            State::Assumed => return Ok(None),
            State::FromTf => {
                let (frame, base) = (self.frame.clone(), self.said.base_frame.clone());
                return self.refuse(MountingFault::Lost { frame, base, why });
            }
            State::Wrong(MountingFault::Waiting { .. }) | State::Unknown => {}
            State::Wrong(fault) => return Err(fault.clone()),
        }
        let told = self.said.yaw.is_some() && !self.said.needs_place;
        let since = *self.waiting_since.get_or_insert(now);
        if !told && !tree.is_empty() && now.since(since) < PATIENCE {
            let (frame, base) = (self.frame.clone(), self.said.base_frame.clone());
            return self.refuse(MountingFault::Waiting { frame, base, why });
        }
        self.state = State::Assumed;
        let mount = self.said.assumed();
        let before = std::mem::replace(&mut self.mount, mount);
        if !told && self.is_news(now) {
            self.remark = Some(MountingNotice::Assumed {
                source_name: Arc::clone(&self.source),
                mount: self.mount,
                frame: self.frame.clone(),
                base: self.said.base_frame.clone(),
                why,
            });
        }
        Ok((before != mount).then_some(MountingChange {
            mount,
            forget: false,
        }))
    }

    /// Whether what holds is to be said: not each time where two publishers take turns with frames
    /// of their own.
    fn is_news(&mut self, now: Mono) -> bool {
        let news = self.told.is_none_or(|at| now.since(at) >= AGAIN);
        if news {
            self.told = Some(now);
        }
        news
    }
}

/// The angle between two headings, rad, 0 to half a turn.
fn between(a: f32, b: f32) -> f32 {
    let turn = std::f32::consts::TAU;
    let difference = a - b;
    (difference - turn * (difference / turn).round()).abs()
}
