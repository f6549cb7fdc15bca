//! The window: several sources on one time grid, T rows a period apart, the newest row at the
//! trigger.

mod assemble;

use std::time::Duration;

use super::chunk::Scratch;
use super::ego_motion::MotionHistory;
use super::ego_motion::distance::DistanceTravelled;
use super::frames::Mount;
use super::input_checks::header_check::{HeaderCheck, HeaderStatus};
use super::input_checks::joint_order::JointOrder;
use super::input_fault::{InputFault, InvalidSample, JumpCause};
use super::laser::{ScanFinding, ScanPreparation, StaticReturn, StaticReturnDetector};
use super::layout::{Extractor, Input, Layout};
use super::mirror::Mirror;
use super::sample_history::History;
use super::sectors::Sectors;
use super::window_spec::{SourceSettings, SpecError, WindowSpec};
use crate::messages::Message;
use crate::time::Stamp;

/// Parts of a period that are kept apart in the history of a source; a chunk sets its own.
const BUCKETS_PER_PERIOD: usize = 4;
/// Arrivals of one source may come back this little without meaning anything.
const SOURCE_REORDER_NS: i64 = 1_000_000;
/// Arrivals of different sources are handed over less orderly, and `now` may be read a little
/// before the newest of them.
const REORDER_NS: i64 = 100_000_000;
/// No recording pauses for longer.
const AHEAD_NS: i64 = 3_600_000_000_000;
/// No sample for this input and row.
const NONE: usize = usize::MAX;

/// Index of an input in `WindowSpec::inputs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u8);

/// Whether a window can be decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// A decision can be made.
    Ready {
        /// The greatest age among the samples of the newest row.
        oldest_input: Duration,
    },
    /// Not yet: a required source has sent nothing so far, or the trigger has too few rows.
    Incomplete {
        /// That source.
        source: SourceId,
    },
    /// Not any more: a required source has sent nothing for longer than its timeout.
    Stale {
        /// That source.
        source: SourceId,
        /// Age of its newest sample.
        age: Duration,
    },
}

/// The recent past of all inputs. Memory is fixed at construction, whatever the rates.
#[derive(Debug)]
pub struct Window {
    layout: Layout,
    frames: usize,
    min_frames: usize,
    period_ns: i64,
    trigger: usize,
    sources: Vec<WindowSource>,
    /// The sample being extracted.
    scratch: Vec<f32>,
    /// The slots of the chunk being written.
    chunk: Scratch,
    /// Per row and input: steps back to the sample it shows, or `NONE`.
    picks: Vec<usize>,
    /// Newest arrival of all.
    last_arrival: Option<Stamp>,
    /// The detectors of what stands still in scans, where they are on.
    watch: Option<StaticReturnWatch>,
}

#[derive(Debug)]
struct StaticReturnWatch {
    distance: DistanceTravelled,
    /// Per source.
    static_returns: Vec<StaticReturnDetector>,
    found: Option<(SourceId, StaticReturn)>,
}

#[derive(Debug)]
struct WindowSource {
    headers: HeaderCheck,
    joints: JointOrder,
    /// For a source of scans.
    preparation: Option<ScanPreparation>,
    /// One per span of its input.
    motion_histories: Vec<MotionHistory>,
    history: History,
    last_arrival: Option<Stamp>,
}

impl Window {
    /// A window for a specification, with one setting per input in its order.
    pub fn new(spec: &WindowSpec, settings: &[SourceSettings]) -> Result<Window, SpecError> {
        let layout = Layout::new(spec, settings)?;
        let trigger = layout.input("trigger", &spec.trigger)?;
        let period_ns = i64::from(spec.period_ms) * 1_000_000;
        let sources = layout.inputs.iter().map(|input| WindowSource {
            headers: HeaderCheck::default(),
            joints: JointOrder::new(input.places()),
            preparation: input.preparation(),
            motion_histories: input.motion_histories(),
            history: history(input, spec.frames, period_ns),
            last_arrival: None,
        });
        let widest = layout.inputs.iter().map(|input| input.width()).max();
        Ok(Window {
            sources: sources.collect(),
            scratch: vec![0.0; widest.unwrap_or(0)],
            chunk: layout.scratch(),
            picks: vec![NONE; spec.frames * layout.inputs.len()],
            layout,
            frames: spec.frames,
            min_frames: spec.min_frames,
            period_ns,
            trigger,
            last_arrival: None,
            watch: None,
        })
    }

    /// From here on looks for what stands still in scans while the robot drives.
    pub fn watch_for_own_body(&mut self) {
        self.watch = Some(StaticReturnWatch {
            distance: DistanceTravelled::default(),
            static_returns: vec![StaticReturnDetector::default(); self.sources.len()],
            found: None,
        });
    }

    /// The finding since the last call.
    pub fn standing(&mut self) -> Option<(SourceId, StaticReturn)> {
        self.watch.as_mut()?.found.take()
    }

    /// From here on the laser of this source is mounted like this.
    pub fn mount(&mut self, source: SourceId, mount: Mount) {
        let of = self.sources.get_mut(usize::from(source.0));
        if let Some(preparation) = of.and_then(|source| source.preparation.as_mut()) {
            preparation.mount(mount);
        }
        if let Some(watch) = &mut self.watch
            && let Some(still) = watch.static_returns.get_mut(usize::from(source.0))
        {
            still.reset();
        }
    }

    /// What the newest scan of a source shows, as points of the base frame, m: x ahead, y to the
    /// left; none for sources of other kinds.
    pub fn points(&self, source: SourceId) -> Option<impl Iterator<Item = [f64; 2]> + '_> {
        let of = self.sources.get(usize::from(source.0))?;
        of.preparation.as_ref().map(ScanPreparation::points)
    }

    /// How the laser that [`Window::sectors`] belong to is mounted.
    pub fn mount_of_sectors(&self) -> Mount {
        let inputs = self.layout.inputs.iter().zip(&self.sources);
        let mut scans =
            inputs.filter(|(input, _)| matches!(input.extractor, Extractor::Sectors { .. }));
        let preparation = scans
            .next()
            .and_then(|(_, source)| source.preparation.as_ref());
        preparation.map_or_else(Mount::default, ScanPreparation::mounted)
    }

    /// Columns F of a row: per input its features, then 1 where its sample is valid, then its
    /// age (in periods, clamped to 4, / 4; 1 without a sample); behind all inputs the derived
    /// features. All lie in [-1, 1].
    pub fn features(&self) -> usize {
        self.layout.features
    }

    /// Rows T.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The input with this name.
    pub fn source(&self, name: &str) -> Option<SourceId> {
        let found = self.layout.inputs.iter().position(|i| i.name == name);
        found.map(|index| SourceId(index as u8))
    }

    /// The input whose messages ask for decisions.
    pub fn trigger(&self) -> SourceId {
        SourceId(self.trigger as u8)
    }

    /// The sectors of its first scan; none without one.
    pub fn sectors(&self) -> Option<Sectors> {
        Sectors::of(&self.layout)
    }

    /// Left and right exchanged, for windows of this shape.
    pub fn mirror(&self) -> Mirror {
        Mirror::new(&self.layout)
    }

    /// Age of the newest sample of a source; none when it has none.
    pub fn age(&self, source: SourceId, now: Stamp) -> Option<Duration> {
        let newest = self
            .sources
            .get(usize::from(source.0))?
            .history
            .arrival(0)?;
        Some(now.since(Stamp(newest)))
    }

    /// What was found out about a source of scans since the last call, to be logged once.
    pub fn news(&mut self, source: SourceId) -> Option<ScanFinding> {
        let source = self.sources.get_mut(usize::from(source.0))?;
        source.preparation.as_mut()?.news()
    }

    /// Forgets everything, as at the start.
    pub fn reset(&mut self) {
        self.last_arrival = None;
        if let Some(watch) = &mut self.watch {
            watch
                .static_returns
                .iter_mut()
                .for_each(StaticReturnDetector::reset);
        }
        for source in &mut self.sources {
            source.headers.clear();
            source.joints.clear();
            source
                .preparation
                .iter_mut()
                .for_each(ScanPreparation::reset);
            source
                .motion_histories
                .iter_mut()
                .for_each(MotionHistory::clear);
            source.history.clear();
            source.last_arrival = None;
        }
    }

    /// Takes a message that arrived at `arrival` (ROS time, or the log time of a bag). On a fault
    /// the message was not taken and the samples before it stay, except for a time jump, where the
    /// window is emptied and the message is its first.
    pub fn push(
        &mut self,
        source: SourceId,
        message: &Message,
        arrival: Stamp,
    ) -> Result<(), InputFault> {
        let index = usize::from(source.0);
        let Some(input) = self.layout.inputs.get(index) else {
            return Err(InputFault::UnknownSource {
                id: source.0,
                inputs: self.layout.inputs.len(),
            });
        };
        let name = || input.name.clone();
        if message.kind() != input.kind {
            return Err(InputFault::WrongType {
                input: name(),
                expected: input.kind,
                found: message.kind(),
            });
        }
        let mut jump = self.arrival_jump(index, arrival);
        if jump.is_some() {
            self.reset();
            self.note_arrival(index, arrival);
            // The first header after a reset is always admitted.
            self.admit(index, message, arrival);
        } else {
            self.note_arrival(index, arrival);
            match self.admit(index, message, arrival) {
                HeaderStatus::Accept => {}
                HeaderStatus::Anew(cause) => {
                    // The source's own past of clocks outlasts its samples.
                    let headers = std::mem::take(&mut self.sources[index].headers);
                    self.reset();
                    self.sources[index].headers = headers;
                    self.note_arrival(index, arrival);
                    jump = Some(cause);
                }
                HeaderStatus::Refuse(what) => {
                    let input = self.layout.inputs[index].name.clone();
                    return Err(InputFault::Invalid { input, what });
                }
                HeaderStatus::OutOfOrder(back) => {
                    let input = self.layout.inputs[index].name.clone();
                    return Err(InputFault::OutOfOrder { input, back });
                }
            }
        }
        let input = &self.layout.inputs[index];
        let source = &mut self.sources[index];
        let sample = &mut self.scratch[..input.width()];
        let joints = source.joints.admit(message).map_err(InvalidSample::from);
        let motion_histories = &mut source.motion_histories;
        let prepared = input.prepare(message, arrival, source.preparation.as_mut());
        let prepared = joints.and_then(|()| prepared.map_err(InvalidSample::from));
        let extracted = prepared.and_then(|beams| {
            input.extract((message, beams), arrival, motion_histories, sample)?;
            if let Some(watch) = &mut self.watch {
                let travelled = motion_histories.first().and_then(MotionHistory::travelled);
                watch.distance.note(message, travelled, arrival);
                if let Some(beams) = beams {
                    let still = &mut watch.static_returns[index];
                    let standing = still.look(beams, watch.distance.metres(), arrival);
                    let standing = standing.map(|standing| (SourceId(index as u8), standing));
                    watch.found = standing.or(watch.found.take());
                }
            }
            Ok(())
        });
        if extracted.is_ok() {
            let history = &mut source.history;
            match &input.extractor {
                Extractor::Chunk(chunk) if chunk.averages() => history.average(arrival.0, sample),
                _ => history.push(arrival.0, sample),
            }
        }
        let input = || input.name.clone();
        match (jump, extracted) {
            // That time jumped matters more than what else is wrong with the message.
            (Some(cause), _) => Err(InputFault::TimeJump {
                input: input(),
                cause,
            }),
            (None, Err(what)) => Err(InputFault::Invalid {
                input: input(),
                what,
            }),
            (None, Ok(())) => Ok(()),
        }
    }

    fn note_arrival(&mut self, index: usize, arrival: Stamp) {
        self.last_arrival = self.last_arrival.max(Some(arrival));
        let source = &mut self.sources[index];
        source.last_arrival = source.last_arrival.max(Some(arrival));
    }

    fn arrival_jump(&self, index: usize, arrival: Stamp) -> Option<JumpCause> {
        let last = self.last_arrival?;
        if arrival.delta_ns(last) > AHEAD_NS {
            return Some(JumpCause::ArrivalAhead(arrival.since(last)));
        }
        let back = last.delta_ns(arrival);
        let own = self.sources[index].last_arrival;
        let own_back = own.map_or(0, |own| own.delta_ns(arrival));
        if back > REORDER_NS || own_back > SOURCE_REORDER_NS {
            let span = Duration::from_nanos(back.max(own_back).unsigned_abs());
            return Some(JumpCause::ArrivalBack(span));
        }
        None
    }

    fn admit(&mut self, index: usize, message: &Message, arrival: Stamp) -> HeaderStatus {
        match message.header() {
            Some(header) => self.sources[index].headers.admit(header, arrival),
            None => HeaderStatus::Accept,
        }
    }
}

/// Memory for all buckets from the beginning of the oldest row to now, one sample before that
/// time, and some for a `now` that is read before the newest arrivals.
fn history(input: &Input, frames: usize, period_ns: i64) -> History {
    let (buckets, rows) = match &input.extractor {
        Extractor::Chunk(chunk) => (chunk.buckets(), frames),
        _ => (BUCKETS_PER_PERIOD, frames - 1),
    };
    let bucket_ns = (period_ns / buckets as i64).max(1);
    let ahead = (REORDER_NS / bucket_ns) as usize;
    History::new(buckets * rows + ahead + 4, input.width(), bucket_ns)
}

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
