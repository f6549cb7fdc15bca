//! Where one robot's decisions, gated commands and speed limits leave. Publishing may take its
//! time: every publish goes through locks of the middleware, which its own threads hold while they
//! send again what readers have not acknowledged, and no way of publishing promises not to wait.
//! So:
//!
//! - No lock is held while something is published. The gate and the speed limit are computed under
//!   locks that are held for arithmetic alone; what comes of it is handed, under the same lock, to
//!   the topic's own thread ([`publisher_thread`]), which publishes the newest. An older command
//!   cannot overtake a stop, and is not published behind one.
//! - The watchdog, which answers for all robots, hands decisions over as well, and so does the
//!   engine of a gateway, which serves all robots: what holds one robot's topic holds no other
//!   robot.
//! - The engine of a single robot publishes its decisions itself: a wake-up of another thread would
//!   cost as much as a third of the whole way. Should that ever hold it for [`HELD`], decisions
//!   are handed over from there on.
//! - All decisions leave in the order in which they were handed over, each once. As many as
//!   [`ROOM_FOR`] wait; more of them are lost, oldest first, and counted. The gate has seen them
//!   all.
//!
//! Latencies and late decisions are counted where the decision was published, on whichever thread.

mod command_reader;
mod config_slot;
mod gated_commands;
pub(super) mod publish;
mod publisher_thread;
mod speed_limits;

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;

use super::act_input::ActInput;
use super::attention::AttentionSample;
use super::encode::{DecisionNames, encode_decision};
use super::speed_limit::SpeedLimits;
use super::velocity_gate::{
    BasePoint, Command, GateCounters, GateLimits, GateState, Velocity, topic_type,
};
use crate::features::SourceId;
use crate::messages::MessageType;
use crate::scheduler::{Decision, OutgoingDecision, Publish};
use crate::time::{Clock, Stamp, When};
pub use command_reader::CommandReader;
use gated_commands::GatedCommands;
pub use publish::{PublishBytes, PublishSpeedLimit};
use publish::{PublishFailures, ROOM};
use publisher_thread::{Fifo, PublisherThread};
use speed_limits::SpeedLimitOutput;

/// Decisions that wait to be published: some seconds of them.
const ROOM_FOR: usize = 256;
/// Decisions kept for the control plane, which looks twenty times a second.
const NOTES: usize = 1024;
/// Decisions kept to be shown: of a few looks at several hundred Hz.
const SHOWN: usize = 64;
/// An engine that was held for so long by publishing does not publish any more. Far above what
/// publishing takes, far below the shortest that a middleware holds it for.
const HELD: Duration = Duration::from_millis(20);

thread_local! {
    static PUBLISHES: Cell<bool> = const { Cell::new(false) };
}

/// This thread may publish decisions itself; others hand them over.
pub fn publish_from_here() {
    PUBLISHES.set(true);
}

/// The publishers of an output.
pub struct OutputParts {
    /// Publisher of the decisions.
    pub decisions: PublishBytes,
    /// Publishers of the velocity gate, where it is on.
    pub gate: Option<GateOutputParts>,
    /// Publisher of the speed limit, where it is on.
    pub speed: Option<(SpeedLimits, PublishSpeedLimit)>,
    /// Whether time for stamps is a simulation's, as set by [`RobotOutput::set_simulated_time`].
    pub sim_time: bool,
    /// Whether [`RobotOutput::next_note`] is read.
    pub notes: bool,
    /// Whether [`RobotOutput::next_decision`] is read.
    pub shown: bool,
}

/// The velocity gate of an output: its configuration and its publishers.
pub struct GateOutputParts {
    /// Its input.
    pub limits: GateLimits,
    /// Whether commands carry a stamp and a frame.
    pub stamped: bool,
    /// Publisher of the velocities.
    pub velocities: PublishBytes,
    /// Publisher of what passed and what held the rest back.
    pub state: PublishBytes,
}

/// Publishes one robot's decisions and gated commands.
pub struct RobotOutput {
    decisions: PublisherThread<Fifo<EncodableDecision>>,
    commands: Option<GatedCommands>,
    limits: Option<SpeedLimitOutput>,
    /// Decisions that the control plane has not read yet; none where it reads none.
    notes: Option<ArrayQueue<AttentionSample>>,
    /// The same, whole, where they are shown.
    shown: Option<ArrayQueue<Decision>>,
    clock: Arc<dyn Clock>,
    /// Time for stamps, where it is not a simulation's.
    wall: fn() -> Stamp,
    sim_time: bool,
    /// The simulation's time in ns, where there is one; 0 before the first /clock.
    simulated: AtomicI64,
    failed: Arc<PublishFailures>,
    lost: AtomicU64,
    /// An engine was held by publishing.
    held: AtomicBool,
    closed: AtomicBool,
}

/// A decision to be published, and the names in it.
type EncodableDecision = (OutgoingDecision, Arc<DecisionNames>);

impl RobotOutput {
    /// Closed, with a thread per topic, each of which runs `prepare` first. `wall` is the time for
    /// stamps.
    pub fn new(
        parts: OutputParts,
        (clock, wall): (Arc<dyn Clock>, fn() -> Stamp),
        prepare: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<RobotOutput> {
        let failed = Arc::new(PublishFailures::default());
        let its = || (Arc::clone(&failed), Arc::clone(&prepare));
        let commands = parts.gate.map(|gate| {
            let (failed, prepare) = its();
            let wires = (gate.velocities, gate.state, failed);
            GatedCommands::new(gate.limits, gate.stamped, wires, prepare)
        });
        let limits = parts.speed.map(|(limits, wire)| {
            let (failed, prepare) = its();
            SpeedLimitOutput::new(limits, (wire, failed), prepare)
        });
        let mut wire = parts.decisions;
        let mut buffer = Vec::with_capacity(ROOM);
        let (of_decisions, prepare) = its();
        let send = move |leaving: &mut Option<EncodableDecision>| {
            if let Some((outgoing, words)) = leaving.take() {
                outgoing.send(|decision| {
                    encode_decision(decision, &words, &mut buffer);
                    of_decisions.count(wire(&buffer));
                });
            }
        };
        Ok(RobotOutput {
            decisions: PublisherThread::start(
                "decision",
                Fifo::new(ROOM_FOR),
                None,
                prepare,
                send,
            )?,
            commands: commands.transpose()?,
            limits: limits.transpose()?,
            notes: parts.notes.then(|| ArrayQueue::new(NOTES)),
            shown: parts.shown.then(|| ArrayQueue::new(SHOWN)),
            clock,
            wall,
            sim_time: parts.sim_time,
            simulated: AtomicI64::new(0),
            failed,
            lost: AtomicU64::new(0),
            held: AtomicBool::new(false),
            closed: AtomicBool::new(true),
        })
    }

    /// These hold from the gate's next command on.
    pub fn set_gate_limits(&self, limits: GateLimits) {
        if let Some(commands) = &self.commands {
            commands.set_limits(limits);
        }
    }

    /// From the next decision on these hold.
    pub fn set_speed_limits(&self, limits: SpeedLimits) {
        if let Some(speed) = &self.limits {
            speed.set_limits(limits);
        }
    }

    /// A decision the control plane has not looked at.
    pub fn next_note(&self) -> Option<AttentionSample> {
        self.notes.as_ref()?.pop()
    }

    /// A decision to be shown; the oldest are lost where they are not read.
    pub fn next_decision(&self) -> Option<Decision> {
        self.shown.as_ref()?.pop()
    }

    /// Messages that were refused when they were published.
    pub fn failed(&self) -> u64 {
        self.failed.0.load(Ordering::Relaxed)
    }

    /// Decisions that were not published, because too many waited.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether a thread that publishes has ended by a panic.
    pub fn has_panicked(&self) -> bool {
        self.decisions.has_panicked()
            || self
                .commands
                .as_ref()
                .is_some_and(GatedCommands::has_panicked)
            || self
                .limits
                .as_ref()
                .is_some_and(SpeedLimitOutput::has_panicked)
    }

    /// Decisions and commands pass from here on; the gate begins closed.
    pub fn open(&self) {
        if let Some(commands) = &self.commands {
            commands.open();
        }
        if let Some(speed) = &self.limits {
            speed.open();
        }
        self.held.store(false, Ordering::Relaxed);
        self.closed.store(false, Ordering::Release);
    }

    /// The robot stops and nothing else is handed over any more. Does not wait; see
    /// [`RobotOutput::flush`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(speed) = &self.limits {
            speed.close();
        }
        if let Some(commands) = &self.commands {
            commands.close(self.stamp());
        }
    }

    /// After [`RobotOutput::close`], where somebody wants the node to cease: what it limited goes
    /// at the controller's speed again. A node that fails leaves its last limit.
    pub fn lift_speed_limit(&self) {
        if let Some(speed) = &self.limits {
            speed.lift(self.stamp());
        }
    }

    /// Waits until what was handed over is published, not longer than until then; the topics, in
    /// words, on which something waits still.
    pub fn flush(&self, until: Instant) -> Vec<&'static str> {
        let mut held = Vec::new();
        let mut note = |flushed: bool, topic| {
            if !flushed {
                held.push(topic);
            }
        };
        if let Some(commands) = &self.commands {
            note(commands.flush(until), "the velocity");
        }
        if let Some(speed) = &self.limits {
            note(speed.flush(until), "the speed limit");
        }
        note(self.decisions.flush(until), "decisions");
        held
    }

    /// Message type of the commands.
    pub fn command_type(&self) -> MessageType {
        topic_type(self.commands.as_ref().is_some_and(GatedCommands::stamped))
    }

    /// A command came for the gate, in this frame where it has one.
    pub fn command(&self, command: Command, frame: Option<&str>) {
        if let Some(commands) = &self.commands {
            commands.command(|| self.now(), command, frame);
        }
    }

    /// A scan arrived then and has this stamp, with something at these points of the base frame, m.
    pub fn scan(
        &self,
        came: (When, Stamp),
        source: SourceId,
        points: impl Iterator<Item = BasePoint>,
    ) {
        if let Some(commands) = &self.commands {
            let source = usize::from(source.0);
            commands.scan(|| self.now(), came, source, points);
        }
    }

    /// How the base moves, by a message that arrived then.
    pub fn odometry(&self, arrival: When, velocity: Velocity) {
        if let Some(commands) = &self.commands {
            commands.odometry(arrival, velocity);
        }
    }

    /// What keeps the gate's commands from passing, where there is a gate.
    pub fn findings(&self) -> Option<Arc<GateCounters>> {
        self.commands.as_ref().map(GatedCommands::findings)
    }

    /// What passes the gate, where there is one, and what holds the rest back.
    pub fn passing(&self) -> Option<GateState> {
        self.commands.as_ref().map(GatedCommands::passing)
    }

    /// The simulation's time, for stamps of commands.
    pub fn set_simulated_time(&self, now: Stamp) {
        self.simulated.store(now.0, Ordering::Relaxed);
    }

    /// Bases hold stamps against their own clock, which is the system's or the simulation's.
    fn stamp(&self) -> Stamp {
        match self.sim_time {
            true => Stamp(self.simulated.load(Ordering::Relaxed)),
            false => (self.wall)(),
        }
    }

    fn now(&self) -> When {
        When {
            mono: self.clock.now(),
            ros: self.stamp(),
        }
    }

    fn take(&self, outgoing: OutgoingDecision, words: &Arc<DecisionNames>) {
        if self.closed.load(Ordering::Acquire) {
            return outgoing.withhold();
        }
        let decision = outgoing.decision();
        let act_input = ActInput::of(decision);
        if let Some(commands) = &self.commands {
            commands.decision(|| self.now(), act_input);
        }
        if let Some(speed) = &self.limits {
            speed.decision(self.now(), act_input);
        }
        if let Some(notes) = &self.notes {
            notes.force_push(AttentionSample::of(decision));
        }
        if let Some(shown) = &self.shown {
            shown.force_push(decision.clone());
        }
        let leaving = (outgoing, Arc::clone(words));
        let oldest = match PUBLISHES.get() && !self.held.load(Ordering::Relaxed) {
            true => self.publish_here(leaving),
            false => self.decisions.put(|queue| queue.push(leaving)),
        };
        if let Some((oldest, _)) = oldest {
            self.lost.fetch_add(1, Ordering::Relaxed);
            oldest.withhold();
        }
    }

    fn publish_here(&self, leaving: EncodableDecision) -> Option<EncodableDecision> {
        let began = self.clock.now();
        let oldest = self.decisions.put_and_send(|queue| queue.push(leaving));
        if self.clock.now().since(began) > HELD {
            self.held.store(true, Ordering::Relaxed);
        }
        oldest
    }

    fn tick(&self) {
        if let Some(commands) = &self.commands {
            commands.tick(|| self.now());
        }
    }
}

/// Publishes one model's decisions: the names of its labels and engines.
pub struct ModelOutput {
    robot_output: Arc<RobotOutput>,
    words: Arc<DecisionNames>,
}

impl ModelOutput {
    /// Through this output.
    pub fn new(robot_output: Arc<RobotOutput>, words: DecisionNames) -> ModelOutput {
        let words = Arc::new(words);
        ModelOutput {
            robot_output,
            words,
        }
    }
}

impl Publish for ModelOutput {
    fn publish(&self, outgoing: OutgoingDecision) {
        self.robot_output.take(outgoing, &self.words);
    }

    fn tick(&self) {
        self.robot_output.tick();
    }
}

#[cfg(test)]
mod tests;
