//! The velocity gate between the threads: commands, decisions and time go in, and gated commands go
//! to the thread that publishes them. The gate is locked for arithmetic only, and its command is
//! handed over under the same lock, so that no command overtakes a stop.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::config_slot::ConfigSlot;
use super::publish::{PublishBytes, PublishFailures, ROOM};
use super::publisher_thread::{NewestOnly, PublisherThread};
use crate::act::act_input::ActInput;
use crate::act::encode::encode_velocity;
use crate::act::velocity_gate::{
    BasePoint, Command, GateCounters, GateLimits, GateOutput, GateState, Velocity, VelocityGate,
};
use crate::time::{Stamp, When};

/// The gate of one robot.
pub(super) struct GatedCommands {
    gated: Mutex<Gated>,
    /// Limits that hold from the gate's next command on.
    limits: ConfigSlot<GateLimits>,
    stamped: bool,
    /// What keeps commands from passing.
    findings: Arc<GateCounters>,
    post: PublisherThread<NewestOnly<Vec<u8>>>,
    /// What passed and what held the rest back, beside it.
    state: PublisherThread<NewestOnly<Vec<u8>>>,
}

struct Gated {
    gate: VelocityGate,
    /// Frame of the last command, where commands are stamped.
    frame: String,
    closed: bool,
}

impl GatedCommands {
    /// Closed, until it is opened.
    pub fn new(
        limits: GateLimits,
        stamped: bool,
        (wire, state, failed): (PublishBytes, PublishBytes, Arc<PublishFailures>),
        prepare: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<GatedCommands> {
        let buffer = || Vec::with_capacity(ROOM);
        let post = |name, mut wire: PublishBytes| {
            let (failed, prepare) = (Arc::clone(&failed), Arc::clone(&prepare));
            let send = move |bytes: &mut Vec<u8>| failed.count(wire(bytes));
            PublisherThread::start(name, NewestOnly::new(buffer()), buffer(), prepare, send)
        };
        let gate = VelocityGate::new(limits);
        Ok(GatedCommands {
            findings: gate.findings(),
            gated: Mutex::new(Gated {
                gate,
                frame: String::from("base_link"),
                closed: true,
            }),
            limits: ConfigSlot::new(),
            stamped,
            post: post("velocity", wire)?,
            state: post("gate state", state)?,
        })
    }

    /// Whether commands carry a stamp and a frame.
    pub fn stamped(&self) -> bool {
        self.stamped
    }

    /// These hold from the gate's next command on.
    pub fn set_limits(&self, limits: GateLimits) {
        self.limits.send(limits);
    }

    /// Forgets everything and lets through what is let through from here on.
    pub fn open(&self) {
        let mut gated = self.lock();
        gated.gate.reset();
        gated.closed = false;
    }

    /// A stop is the last thing that is handed over.
    pub fn close(&self, now: Stamp) {
        // Under the lock: what is on its way through the gate leaves before, or finds it closed.
        let mut gated = self.lock();
        gated.closed = true;
        let stop = gated.gate.halt(now);
        self.hand_over(&gated, stop);
    }

    /// What keeps commands from passing, for the log and diagnostics.
    pub fn findings(&self) -> Arc<GateCounters> {
        Arc::clone(&self.findings)
    }

    /// A command came, in this frame where it has one. `now` is read with the gate in hand, here
    /// and below, or time would seem to go back.
    pub fn command(&self, now: impl Fn() -> When, command: Command, frame: Option<&str>) {
        self.pass(|gated| {
            if let Some(frame) = frame
                && gated.frame != frame
            {
                gated.frame.clear();
                gated.frame.push_str(frame);
            }
            Some(gated.gate.on_command(now(), command))
        });
    }

    /// A decision leaves.
    pub fn decision(&self, now: impl Fn() -> When, act_input: ActInput) {
        self.pass(|gated| gated.gate.on_decision(now(), act_input));
    }

    /// A scan came, for a gate that looks at scans.
    pub fn scan(
        &self,
        now: impl Fn() -> When,
        came: (When, Stamp),
        source: usize,
        points: impl Iterator<Item = BasePoint>,
    ) {
        self.pass(|gated| gated.gate.on_scan(now(), came, source, points));
    }

    /// The base moves like this.
    pub fn odometry(&self, arrival: When, velocity: Velocity) {
        self.pass(|gated| {
            gated.gate.on_odometry(arrival, velocity.planar());
            None
        });
    }

    /// Time passed.
    pub fn tick(&self, now: impl Fn() -> When) {
        self.pass(|gated| gated.gate.tick(now()));
    }

    /// What passes, and what holds the rest back.
    pub fn passing(&self) -> GateState {
        self.lock().gate.passing()
    }

    /// Whether all that was handed over is published by then.
    pub fn flush(&self, until: Instant) -> bool {
        self.post.flush(until) && self.state.flush(until)
    }

    /// Whether what publishes has ended by a panic.
    pub fn has_panicked(&self) -> bool {
        self.post.has_panicked() || self.state.has_panicked()
    }

    /// With the gate in hand, while it is not closed.
    fn pass(&self, act: impl FnOnce(&mut Gated) -> Option<GateOutput>) {
        let mut gated = self.lock();
        self.limits.receive(|limits| gated.gate.set_limits(limits));
        if !gated.closed
            && let Some(order) = act(&mut gated)
        {
            self.hand_over(&gated, order);
        }
    }

    fn hand_over(&self, gated: &Gated, order: GateOutput) {
        let stamped = self.stamped.then_some((order.stamp, gated.frame.as_str()));
        self.post
            .put(|slot| encode_velocity(order.velocity, stamped, slot.newest()));
        let passing = gated.gate.passing();
        self.state
            .put(|slot| passing.encode(order.stamp, &gated.frame, slot.newest()));
    }

    fn lock(&self) -> MutexGuard<'_, Gated> {
        // The gate has no state that a panic could leave half changed and that would not stop the
        // robot.
        self.gated.lock().unwrap_or_else(|held| held.into_inner())
    }
}
