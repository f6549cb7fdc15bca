//! The velocity gate at work: commands, decisions and time go in, and what the gate lets through is
//! handed to the thread that publishes it. The gate is in one hand at a time, for arithmetic only; what
//! it says is handed over before the next has it, so that no command overtakes a stop.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::mailbox::Mailbox;
use super::post::{Latest, Post};
use super::{Failed, ROOM, Wire};
use crate::act::gate::{Gate, GateLimits, Velocity, Verdict};
use crate::act::wire::encode_velocity;
use crate::time::{Mono, Stamp};

/// The gate of one robot.
pub(super) struct Commands {
    gated: Mutex<Gated>,
    /// Limits that are to hold from the gate's next word on.
    limits: Mailbox<GateLimits>,
    stamped: bool,
    post: Post<Latest<Vec<u8>>>,
}

struct Gated {
    gate: Gate,
    /// Of the last command, where they are stamped.
    frame: String,
    closed: bool,
}

impl Commands {
    /// Closed, until it is opened.
    pub fn new(
        limits: GateLimits,
        stamped: bool,
        (mut wire, failed): (Wire, Arc<Failed>),
        prepare: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Commands> {
        let buffer = || Vec::with_capacity(ROOM);
        let send = move |bytes: &mut Vec<u8>| failed.count(wire(bytes));
        Ok(Commands {
            gated: Mutex::new(Gated {
                gate: Gate::new(limits),
                frame: String::from("base_link"),
                closed: true,
            }),
            limits: Mailbox::new(),
            stamped,
            post: Post::start("velocity", Latest::new(buffer()), buffer(), prepare, send)?,
        })
    }

    /// Whether commands carry a stamp and a frame.
    pub fn stamped(&self) -> bool {
        self.stamped
    }

    /// From the gate's next word on these hold.
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
    pub fn close(&self, stamp: Stamp) {
        // Under the lock: what is on its way through the gate leaves before, or finds it closed.
        let mut gated = self.lock();
        gated.closed = true;
        self.hand_over(&gated, Velocity::ZERO, stamp);
    }

    /// A command came at `arrival`, in this frame where it has one.
    pub fn command(
        &self,
        (now, stamp): (Mono, Stamp),
        arrival: Mono,
        command: Velocity,
        frame: Option<&str>,
    ) {
        self.pass(stamp, |gated| {
            if let Some(frame) = frame
                && gated.frame != frame
            {
                gated.frame.clear();
                gated.frame.push_str(frame);
            }
            Some(gated.gate.on_command(now, arrival, command))
        });
    }

    /// A decision leaves.
    pub fn decision(&self, (now, stamp): (Mono, Stamp), verdict: Verdict) {
        self.pass(stamp, |gated| gated.gate.on_decision(now, verdict));
    }

    /// Time passed.
    pub fn tick(&self, (now, stamp): (Mono, Stamp)) {
        self.pass(stamp, |gated| gated.gate.tick(now));
    }

    /// Whether all that was handed over is published by then.
    pub fn flush(&self, until: Instant) -> bool {
        self.post.flush(until)
    }

    /// Whether what publishes has ended by a panic.
    pub fn has_fallen(&self) -> bool {
        self.post.has_fallen()
    }

    /// With the gate in hand, while it is not closed.
    fn pass(&self, stamp: Stamp, act: impl FnOnce(&mut Gated) -> Option<Velocity>) {
        let mut gated = self.lock();
        self.limits.receive(|limits| gated.gate.set_limits(limits));
        if !gated.closed
            && let Some(velocity) = act(&mut gated)
        {
            self.hand_over(&gated, velocity, stamp);
        }
    }

    fn hand_over(&self, gated: &Gated, velocity: Velocity, stamp: Stamp) {
        let stamped = self.stamped.then_some((stamp, gated.frame.as_str()));
        self.post
            .put(|slot| encode_velocity(velocity, stamped, slot.newest()));
    }

    fn lock(&self) -> MutexGuard<'_, Gated> {
        // The gate has no state that a panic could leave half changed and that would not stop the
        // robot.
        self.gated.lock().unwrap_or_else(|held| held.into_inner())
    }
}
