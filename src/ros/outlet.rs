//! Publishers of the hot path: the decision, and the velocity gate behind it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use r2r::{Node, PublisherUntyped, QosProfile};

use super::RunError;
use super::endpoints::Endpoints;
use crate::act::Vocabulary;
use crate::act::gate::{Gate, Velocity, Verdict, topic_type};
use crate::act::wire::{encode_decision, encode_velocity};
use crate::configure::Configuration;
use crate::reason::{Decision, Publish};
use crate::sense::MessageType;
use crate::time::{Clock, Mono, Stamp};

/// Bytes a message of ours never exceeds, labels and frames of sane length provided.
const ROOM: usize = 2048;

thread_local! {
    // Decisions leave from the reasoner's and the guard's threads; each keeps its own buffer.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(ROOM));
}

/// Where decisions and gated commands leave.
pub struct Outlet {
    // r2r's handle may move between threads but is not marked for being shared.
    decisions: Shared,
    words: Vocabulary,
    gate: Option<GateOutlet>,
    clock: Arc<dyn Clock>,
    failed: AtomicU64,
    /// The simulation's time in ns, where there is one; else 0.
    simulated: AtomicI64,
    closed: AtomicBool,
}

struct GateOutlet {
    /// Held while publishing: a command let through before a stop must not leave after it.
    gate: Mutex<Gate>,
    commands: Shared,
    stamped: bool,
    /// Of the last command, where they are stamped. Only touched with the gate in hand.
    frame: Mutex<String>,
}

struct Shared(PublisherUntyped);

// SAFETY: `publish_raw` takes `&self`, upgrades a `Weak` (atomic) and calls
// `rcl_publish_serialized_message`, which rcl documents as thread-safe for different messages on
// one publisher; nothing else of the handle is used here. The live test publishes from the
// reasoner and the guard at once.
unsafe impl Sync for Shared {}

impl Outlet {
    /// Creates the publishers.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        configuration: &Configuration,
        clock: Arc<dyn Clock>,
    ) -> Result<Outlet, RunError> {
        let decisions = endpoints.publisher(
            node,
            "~/decision",
            "edge_reasoner/msg/Decision",
            QosProfile::default().keep_last(10),
        )?;
        let gate = match &configuration.params.gate {
            Some(gate) => Some(GateOutlet {
                gate: Mutex::new(Gate::new(gate.limits.clone())),
                commands: Shared(endpoints.publisher(
                    node,
                    &gate.output,
                    topic_type(gate.stamped).ros_name(),
                    QosProfile::default().keep_last(1),
                )?),
                stamped: gate.stamped,
                frame: Mutex::new(String::from("base_link")),
            }),
            None => None,
        };
        Ok(Outlet {
            decisions: Shared(decisions),
            words: configuration.vocabulary(),
            gate,
            clock,
            failed: AtomicU64::new(0),
            simulated: AtomicI64::new(0),
            closed: AtomicBool::new(true),
        })
    }

    /// Publishes that ROS refused.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Touches this thread's buffer, so that the first decision does not allocate it.
    pub fn warm_up(&self) {
        BUFFER.with_borrow_mut(|buffer| buffer.reserve(ROOM));
    }

    /// Decisions and commands pass from here on; the gate begins closed.
    pub fn open(&self) {
        if let Some(outlet) = &self.gate {
            lock(&outlet.gate).reset();
        }
        self.closed.store(false, Ordering::Release);
    }

    /// The robot stops and nothing is published any more.
    pub fn close(&self) {
        // Under the lock: what is on its way through the gate leaves before, or finds it closed.
        let gate = self
            .gate
            .as_ref()
            .map(|outlet| (outlet, lock(&outlet.gate)));
        self.closed.store(true, Ordering::Release);
        if let Some((outlet, _held)) = gate {
            self.send_velocity(outlet, Velocity::ZERO);
        }
    }

    /// What commands are.
    pub fn command_type(&self) -> MessageType {
        topic_type(self.gate.as_ref().is_some_and(|outlet| outlet.stamped))
    }

    /// A command came for the gate, at `arrival`, in this frame where it has one.
    pub fn command(&self, arrival: Mono, command: Velocity, frame: Option<String>) {
        self.through_gate(|outlet, gate| {
            if let Some(frame) = frame {
                *lock(&outlet.frame) = frame;
            }
            let out = gate.on_command(self.clock.now(), arrival, command);
            self.send_velocity(outlet, out);
        });
    }

    /// With the gate in hand and the door still open; nothing without a gate.
    fn through_gate(&self, act: impl FnOnce(&GateOutlet, &mut Gate)) {
        if let Some(outlet) = &self.gate {
            let mut gate = lock(&outlet.gate);
            if !self.closed.load(Ordering::Acquire) {
                act(outlet, &mut gate);
            }
        }
    }

    fn send_velocity(&self, outlet: &GateOutlet, velocity: Velocity) {
        BUFFER.with_borrow_mut(|buffer| {
            let frame = lock(&outlet.frame);
            let stamped = outlet.stamped.then(|| (self.stamp(), frame.as_str()));
            encode_velocity(velocity, stamped, buffer);
            self.count(outlet.commands.0.publish_raw(buffer));
        });
    }

    /// The simulation's time, for stamps of commands.
    pub fn set_simulated_time(&self, now: Stamp) {
        self.simulated.store(now.0, Ordering::Relaxed);
    }

    /// Bases hold stamps against their own clock, which is the system's or the simulation's.
    fn stamp(&self) -> Stamp {
        match self.simulated.load(Ordering::Relaxed) {
            0 => Stamp::wall_clock(),
            simulated => Stamp(simulated),
        }
    }

    fn count(&self, sent: r2r::Result<()>) {
        if sent.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Publish for Outlet {
    fn publish(&self, decision: &Decision) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        BUFFER.with_borrow_mut(|buffer| {
            encode_decision(decision, &self.words, buffer);
            self.count(self.decisions.0.publish_raw(buffer));
        });
        self.through_gate(|outlet, gate| {
            let verdict = Verdict {
                cycle: decision.cycle,
                arrival: decision.trigger.arrival,
                label: decision.label,
            };
            if let Some(out) = gate.on_decision(self.clock.now(), verdict) {
                self.send_velocity(outlet, out);
            }
        });
    }

    fn tick(&self) {
        self.through_gate(|outlet, gate| {
            if let Some(out) = gate.tick(self.clock.now()) {
                self.send_velocity(outlet, out);
            }
        });
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither the gate nor the frame has a state a panic could leave half changed that would not
    // stop the robot.
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
