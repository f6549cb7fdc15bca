//! Takes in messages for both doors: bytes in, and for a trigger a request to the scheduler out.

mod clock_standstill;
mod fault;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tracing::trace_span;

use crate::features::frames::{Mounting, TransformTopic, TransformTree, Transforms};
use crate::features::{
    FrozenDetector, InputFault, JumpCause, SourceId, StampLag, TriggerDecimator, Window,
    WindowSpec, WindowState,
};
use crate::messages::{Header, LaserScan, Message, MessageType, Twist};
use crate::params::Params;
use crate::scheduler::{CYCLE, InputStatus, Reason, Request, SchedulerState};
use crate::time::{Mono, Stamp};
use clock_standstill::ClockStandstill;
use fault::reason_of;
pub use fault::{IngestFault, IngestNotice, SourceFinding};

/// Remarks kept until they are read.
const REMARKS: usize = 32;

/// Decodes, fills the window and opens requests. One thread owns it.
pub struct Ingest {
    window: Window,
    sources: Vec<IngestSource>,
    trigger: SourceId,
    decimator: TriggerDecimator,
    ros_time: ClockStandstill,
    /// Whether silence is measured in a simulation's time; and that time, from turn to turn.
    sim_time: bool,
    passing: ClockStandstill,
    /// When the trigger's last message arrived, in ROS time.
    spoke: Option<Stamp>,
    /// The tree of tf.
    tree: TransformTree,
    remarks: VecDeque<IngestNotice>,
}

struct IngestSource {
    name: Arc<str>,
    message: MessageType,
    timeout: Duration,
    /// Zero: stamps are not held against arrivals.
    stamp_timeout: Duration,
    frame: Arc<str>,
    last_arrival: Option<Mono>,
    frozen: FrozenDetector,
    stamp_lag: StampLag,
    mounting: Mounting,
    /// The newest message, for its memory.
    latest: Message,
}

impl Ingest {
    /// Sources are numbered as in the window's specification.
    pub fn new(mut window: Window, spec: &WindowSpec, params: &Params) -> Self {
        let sources = spec.inputs.iter().map(|input| {
            let source = params.sources.iter().find(|s| s.name == input.source);
            let message = source.and_then(|source| MessageType::from_ros_name(&source.message));
            let name: Arc<str> = Arc::from(input.source.as_str());
            let said = params.mounting_parameters(&input.source);
            IngestSource {
                mounting: Mounting::new(Arc::clone(&name), said),
                name,
                message: message.unwrap_or(input.message),
                timeout: source.map_or(Duration::MAX, |source| source.timeout),
                stamp_timeout: source.map_or(Duration::ZERO, |source| source.stamp_timeout),
                frame: Arc::from(""),
                latest: Message::LaserScan(LaserScan::default()),
                last_arrival: None,
                frozen: FrozenDetector::new(source.map_or(Duration::ZERO, |s| s.freeze_timeout)),
                stamp_lag: StampLag::default(),
            }
        });
        window.watch_for_own_body();
        Ingest {
            tree: TransformTree::default(),
            remarks: VecDeque::with_capacity(REMARKS),
            trigger: window.trigger(),
            decimator: TriggerDecimator::new(spec.every_ms),
            ros_time: ClockStandstill::default(),
            sim_time: params.sim_time,
            passing: ClockStandstill::default(),
            spoke: None,
            sources: sources.collect(),
            window,
        }
    }

    /// The number of the source with this name.
    pub fn source(&self, name: &str) -> Option<SourceId> {
        self.window.source(name)
    }

    /// The source whose messages are answered by decisions.
    pub fn trigger(&self) -> SourceId {
        self.trigger
    }

    /// Takes transforms into the tree of tf.
    pub fn transforms(&mut self, message: &Transforms, links: TransformTopic) {
        self.tree.take(message, links);
    }

    /// Begins with this tree of tf.
    pub fn set_tree(&mut self, tree: TransformTree) {
        self.tree = tree;
    }

    /// The tree of tf as received so far.
    pub fn tree(&self) -> &TransformTree {
        &self.tree
    }

    /// The oldest remark that was not read yet.
    pub fn next_remark(&mut self) -> Option<IngestNotice> {
        self.remarks.pop_front()
    }

    fn remark(&mut self, remark: IngestNotice) {
        if self.remarks.len() < REMARKS {
            self.remarks.push_back(remark);
        }
    }

    /// Age of the newest sample of a source; none when it has none.
    pub fn age(&self, source: SourceId, now: Stamp) -> Option<Duration> {
        self.window.age(source, now)
    }

    /// What the newest scan of a source shows, as points of the base frame, m: x ahead, y to the
    /// left; and its stamp. None for sources of other kinds. Of use after a message that was taken.
    pub fn points(&self, source: SourceId) -> Option<(Stamp, impl Iterator<Item = [f64; 2]> + '_)> {
        let points = self.window.points(source)?;
        let header = self.sources.get(usize::from(source.0))?.latest.header()?;
        Some((header.stamp, points))
    }

    /// How the base moves, where the newest message of a source says so.
    pub fn twist(&self, source: SourceId) -> Option<Twist> {
        match &self.sources.get(usize::from(source.0))?.latest {
            Message::Odometry(odometry) => Some(odometry.twist.twist),
            _ => None,
        }
    }

    /// What was found out about a source since the last call; after each of its messages.
    pub fn news(&mut self, source: SourceId) -> Option<SourceFinding> {
        let news = self.window.news(source)?;
        let name = Arc::clone(&self.sources[usize::from(source.0)].name);
        Some(SourceFinding { name, news })
    }

    /// Takes in one message. When it is a trigger (and the first in its stretch of `every_ms`,
    /// where the bundle thins its trigger), the request to offer comes back, whatever is wrong with
    /// the message: every trigger is answered by a decision.
    pub fn message(
        &mut self,
        scheduler: &SchedulerState,
        source: SourceId,
        cdr: &[u8],
        arrival: Mono,
        arrival_ros: Stamp,
    ) -> (Option<Box<Request>>, Result<(), IngestFault>) {
        let index = usize::from(source.0);
        let span = trace_span!(target: CYCLE, "take_in", source = &*self.sources[index].name);
        let _inside = span.enter();
        self.sources[index].last_arrival = Some(arrival);
        if source == self.trigger {
            self.spoke = Some(arrival_ros);
        }
        let nothing = Message::Twist(Twist::default());
        let mut message = std::mem::replace(&mut self.sources[index].latest, nothing);
        let decoded = message.decode_over(self.sources[index].message, cdr);
        let header = decoded.is_ok().then(|| message.header()).flatten();
        let taken = match decoded {
            Ok(()) => self
                .hold_back(source, cdr, &message, arrival, arrival_ros)
                .and_then(|()| self.mount(scheduler, source, &message, arrival))
                .and_then(|()| {
                    let plain = as_plain_twist(&message);
                    let message = plain.as_ref().unwrap_or(&message);
                    Ok(self.window.push(source, message, arrival_ros)?)
                }),
            Err(fault) => Err(IngestFault::Decode {
                name: Arc::clone(&self.sources[index].name),
                fault,
            }),
        };
        if let Some((source, standing)) = self.window.standing() {
            let name = Arc::clone(&self.sources[usize::from(source.0)].name);
            self.remark(IngestNotice::OwnBody { name, standing });
        }
        let fault = taken.as_ref().err().map(reason_of);
        if fault == Some(Reason::TimeJump) {
            scheduler.forget_last_decision();
        }
        if let Err(IngestFault::Input(InputFault::TimeJump { cause, .. })) = &taken
            && matches!(cause, JumpCause::NewClock(_))
        {
            self.sources[index].stamp_lag.forget();
        }
        let request = match source == self.trigger && self.decimator.asks(arrival_ros) {
            true => self.request(scheduler, header, arrival, arrival_ros, fault),
            false => None,
        };
        self.sources[index].latest = message;
        (request, taken)
    }

    /// Why a message that reads well is not news: its sensor, its way here or the clock is at
    /// fault.
    fn hold_back(
        &mut self,
        source: SourceId,
        cdr: &[u8],
        message: &Message,
        arrival: Mono,
        arrival_ros: Stamp,
    ) -> Result<(), IngestFault> {
        let header = message.header();
        let of = &mut self.sources[usize::from(source.0)];
        let name = || Arc::clone(&of.name);
        if let Some(span) = of.frozen.look(cdr, header.is_some(), arrival) {
            return Err(IngestFault::Frozen { name: name(), span });
        }
        if source == self.trigger {
            let span = self.ros_time.look(arrival_ros, arrival);
            if span > of.timeout {
                return Err(IngestFault::ClockStopped { name: name(), span });
            }
        }
        let stamp = header.map_or(Stamp(0), |header| header.stamp);
        if stamp == Stamp(0) {
            return Ok(());
        }
        if let Some(more) = of.stamp_lag.look(stamp, arrival_ros, arrival) {
            return Err(IngestFault::LeftOver { name: name(), more });
        }
        let span = arrival_ros.since(stamp);
        if !of.stamp_timeout.is_zero() && span > of.stamp_timeout {
            let allowed = of.stamp_timeout;
            return Err(IngestFault::Delayed {
                name: name(),
                span,
                allowed,
            });
        }
        Ok(())
    }

    /// Sees to it that the window knows how the laser of a scan is mounted.
    fn mount(
        &mut self,
        scheduler: &SchedulerState,
        source: SourceId,
        message: &Message,
        arrival: Mono,
    ) -> Result<(), IngestFault> {
        let Message::LaserScan(scan) = message else {
            return Ok(());
        };
        let of = &mut self.sources[usize::from(source.0)];
        let looked = of.mounting.look(&self.tree, &scan.header.frame_id, arrival);
        let (remark, name) = (of.mounting.remark(), Arc::clone(&of.name));
        if let Some(remark) = remark {
            self.remark(IngestNotice::Mounting(remark));
        }
        match looked {
            Ok(None) => {}
            Ok(Some(change)) => {
                if change.forget {
                    self.window.reset();
                    scheduler.forget_last_decision();
                }
                self.window.mount(source, change.mount);
            }
            Err(fault) => {
                let fault = Box::new(fault);
                return Err(IngestFault::Mounting { name, fault });
            }
        }
        Ok(())
    }

    /// From when on the trigger's silence is answered, unless a message comes before; `started` is
    /// when the first could come.
    pub fn silent_from(&self, started: Mono) -> Mono {
        let source = &self.sources[usize::from(self.trigger.0)];
        let since = source.last_arrival.unwrap_or(started);
        since + source.timeout + Duration::from_nanos(1)
    }

    /// The request that answers a trigger source's silence, once per timeout while it lasts. In a
    /// simulation it is silence in the simulation's time, unless that stands still or was turned
    /// back.
    pub fn silence(
        &mut self,
        scheduler: &SchedulerState,
        started: Mono,
        now: Mono,
        now_ros: Stamp,
    ) -> Option<Box<Request>> {
        let timeout = self.sources[usize::from(self.trigger.0)].timeout;
        let runs = self.passing.look(now_ros, now) <= timeout;
        let silent = match self.spoke {
            Some(spoke) if self.sim_time && runs && now_ros >= spoke => {
                now_ros.since(spoke) > timeout
            }
            _ => now >= self.silent_from(started),
        };
        if !silent {
            return None;
        }
        self.spoke = Some(now_ros);
        let source = &mut self.sources[usize::from(self.trigger.0)];
        let spoke = self.window.age(self.trigger, now_ros).is_some();
        source.last_arrival = Some(now);
        let reason = match spoke {
            true => Reason::StaleInput,
            false => Reason::IncompleteInput,
        };
        self.request(scheduler, None, now, now_ros, Some(reason))
    }

    /// This process was not run until `now`: what lags is doubted for some seconds.
    pub fn doubt(&mut self, now: Mono) {
        for source in &mut self.sources {
            source.stamp_lag.doubt(now);
        }
    }

    /// The request that answers triggers whose age is not known, because this process was not run
    /// while they waited. All but the newest count as refused.
    pub fn withheld(
        &mut self,
        scheduler: &SchedulerState,
        triggers: u64,
        now: Mono,
        now_ros: Stamp,
    ) -> Option<Box<Request>> {
        scheduler.refuse(triggers.checked_sub(1)?);
        self.sources[usize::from(self.trigger.0)].last_arrival = Some(now);
        self.spoke = Some(now_ros);
        self.request(scheduler, None, now, now_ros, Some(Reason::StaleInput))
    }

    fn request(
        &mut self,
        scheduler: &SchedulerState,
        header: Option<&Header>,
        arrival: Mono,
        arrival_ros: Stamp,
        fault: Option<Reason>,
    ) -> Option<Box<Request>> {
        // There is always one: at most one per engine, one pending and one in the watchdog's hand
        // are out. Should that ever be wrong, the trigger counts as refused, not as lost.
        let Some(mut request) = scheduler.empty_request() else {
            scheduler.refuse(1);
            return None;
        };
        let frame = &mut self.sources[usize::from(self.trigger.0)].frame;
        if let Some(header) = header
            && **frame != *header.frame_id
        {
            *frame = Arc::from(header.frame_id.as_str());
        }
        let state = self.window.assemble(arrival_ros, &mut request.window);
        let mount = self.window.mount_of_sectors();
        let trigger = &mut request.trigger;
        trigger.mount = mount;
        trigger.arrival = arrival;
        trigger.arrival_ros = arrival_ros;
        trigger.frame = Arc::clone(frame);
        trigger.stamp = match header {
            Some(header) if header.stamp != Stamp(0) => header.stamp,
            _ => arrival_ros,
        };
        (trigger.input_status, trigger.input_age) = match (fault, state) {
            (Some(reason), _) => (InputStatus::Unusable(reason), Duration::ZERO),
            (None, WindowState::Ready { oldest_input }) => (InputStatus::Ready, oldest_input),
            (None, WindowState::Incomplete { .. }) => (
                InputStatus::Unusable(Reason::IncompleteInput),
                Duration::ZERO,
            ),
            (None, WindowState::Stale { age, .. }) => {
                (InputStatus::Unusable(Reason::StaleInput), age)
            }
        };
        Some(request)
    }
}

/// A stamped command as the plain one the window reads.
fn as_plain_twist(message: &Message) -> Option<Message> {
    match message {
        Message::TwistStamped(stamped) => Some(Message::Twist(stamped.twist)),
        _ => None,
    }
}
