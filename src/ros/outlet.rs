//! Publishers of the hot path: the decision, and behind it the velocity gate and the speed limit.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crossbeam::queue::ArrayQueue;
use r2r::{Node, Publisher, PublisherUntyped, QosProfile};

use super::endpoints::Endpoints;
use super::mailbox::Mailbox;
use super::robot::Robot;
use super::speed_limit::{self, SpeedLimit};
use super::{RunError, ros};
use crate::act::attention::Note;
use crate::act::gate::{Command, Findings, Gate, GateLimits, Order, topic_type};
use crate::act::speed_limit::{Percent, SpeedLimiter, SpeedLimits};
use crate::act::wire::{encode_decision, encode_velocity};
use crate::act::{Verdict, Vocabulary};
use crate::configure::Configuration;
use crate::reason::{Decision, Publish};
use crate::sense::MessageType;
use crate::time::{Clock, Stamp, When};

/// Bytes a message of ours never exceeds, labels and frames of sane length provided.
const ROOM: usize = 2048;

thread_local! {
    // Decisions leave from the reasoner's and the guard's threads; each keeps its own buffer.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(ROOM));
}

/// Decisions kept for the cold side, which looks twenty times a second.
const NOTES: usize = 1024;
/// Decisions kept to be shown: of a few looks at several hundred Hz.
const SHOWN: usize = 64;

/// Where one robot's decisions and gated commands leave.
pub struct Outlet {
    // r2r's handle may move between threads but is not marked for being shared.
    decisions: Shared,
    gate: Option<GateOutlet>,
    speed: Option<SpeedOutlet>,
    /// Decisions nobody on the cold side has looked at; none where nobody does.
    notes: Option<ArrayQueue<Note>>,
    /// The same, whole, where they are shown.
    shown: Option<ArrayQueue<Decision>>,
    clock: Arc<dyn Clock>,
    failed: AtomicU64,
    sim_time: bool,
    /// The simulation's time in ns, where there is one; 0 before the first /clock.
    simulated: AtomicI64,
    closed: AtomicBool,
}

struct GateOutlet {
    /// Held while publishing: a command let through before a stop must not leave after it.
    gate: Mutex<Gate>,
    /// Limits that are to hold from the gate's next word on.
    limits: Mailbox<GateLimits>,
    /// For the cold side, which never waits for the gate.
    findings: Arc<Findings>,
    commands: Shared,
    stamped: bool,
    /// Of the last command, where they are stamped. Only touched with the gate in hand.
    frame: Mutex<String>,
}

struct SpeedOutlet {
    speaking: Mutex<Speaking>,
    limits: Mailbox<SpeedLimits>,
}

struct Speaking {
    limiter: SpeedLimiter,
    message: speed_limit::Message,
    publisher: Publisher<SpeedLimit>,
}

struct Shared(PublisherUntyped);

// SAFETY: `publish_raw` takes `&self`, upgrades a `Weak` (atomic) and calls
// `rcl_publish_serialized_message`, which rcl documents as thread-safe for different messages on
// one publisher; nothing else of the handle is used here. The live test publishes from the
// reasoner and the guard at once.
unsafe impl Sync for Shared {}

impl Outlet {
    /// Creates the publishers of one robot.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        configuration: &Configuration,
        robot: &Robot,
        clock: Arc<dyn Clock>,
    ) -> Result<Outlet, RunError> {
        let name = ros("asking the node's name", node.name())?;
        let decisions = endpoints.publisher(
            node,
            &robot.topic("~/decision", &name),
            "edge_reasoner/msg/Decision",
            QosProfile::default().keep_last(10),
        )?;
        let gate = match &configuration.params.gate {
            Some(params) => {
                let gate = Gate::new(params.limits.clone());
                Some(GateOutlet {
                    findings: gate.findings(),
                    gate: Mutex::new(gate),
                    limits: Mailbox::new(),
                    commands: Shared(endpoints.publisher(
                        node,
                        &robot.topic(&params.output, &name),
                        topic_type(params.stamped).ros_name(),
                        QosProfile::default().keep_last(1),
                    )?),
                    stamped: params.stamped,
                    frame: Mutex::new(String::from("base_link")),
                })
            }
            None => None,
        };
        let speed = match &configuration.params.speed_limit {
            Some(speed) => {
                speed_limit::load().map_err(RunError::NoSpeedLimit)?;
                Some(SpeedOutlet {
                    speaking: Mutex::new(Speaking {
                        limiter: SpeedLimiter::new(speed.limits.clone()),
                        message: speed_limit::Message::new(),
                        publisher: endpoints
                            .speed_limit(node, &robot.topic(&speed.topic, &name))?,
                    }),
                    limits: Mailbox::new(),
                })
            }
            None => None,
        };
        Ok(Outlet {
            decisions: Shared(decisions),
            gate,
            speed,
            notes: configuration
                .params
                .attention
                .map(|_| ArrayQueue::new(NOTES)),
            shown: (configuration.params.markers).then(|| ArrayQueue::new(SHOWN)),
            clock,
            failed: AtomicU64::new(0),
            sim_time: configuration.params.sim_time,
            simulated: AtomicI64::new(0),
            closed: AtomicBool::new(true),
        })
    }

    /// From the gate's next word on these hold.
    pub fn set_gate_limits(&self, limits: GateLimits) {
        if let Some(outlet) = &self.gate {
            outlet.limits.send(limits);
        }
    }

    /// From the next decision on these hold.
    pub fn set_speed_limits(&self, limits: SpeedLimits) {
        if let Some(speed) = &self.speed {
            speed.limits.send(limits);
        }
    }

    /// A decision the cold side has not looked at.
    pub fn next_note(&self) -> Option<Note> {
        self.notes.as_ref()?.pop()
    }

    /// A decision to be shown; the oldest are lost where nobody asks.
    pub fn next_decision(&self) -> Option<Decision> {
        self.shown.as_ref()?.pop()
    }

    /// Publishes that ROS refused.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Touches this thread's buffer, so that its first decision does not allocate it.
    pub fn warm_up() {
        BUFFER.with_borrow_mut(|buffer| buffer.reserve(ROOM));
    }

    /// Decisions and commands pass from here on; the gate begins closed.
    pub fn open(&self) {
        if let Some(outlet) = &self.gate {
            lock(&outlet.gate).reset();
        }
        if let Some(speed) = &self.speed {
            lock(&speed.speaking).limiter.reset();
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
            self.send_order(outlet, Order::stop(self.stamp()));
        }
    }

    /// What keeps the gate's commands from passing, where there is a gate.
    pub fn findings(&self) -> Option<Arc<Findings>> {
        let outlet = self.gate.as_ref()?;
        Some(Arc::clone(&outlet.findings))
    }

    /// After [`Outlet::close`], where somebody wants the node to cease: what it limited goes at the
    /// controller's speed again. A node that fails leaves its last limit.
    pub fn lift_speed_limit(&self) {
        if let Some(speed) = &self.speed {
            self.send_limit(&mut lock(&speed.speaking), Percent::NONE);
        }
    }

    fn limit_speed(&self, decision: &Decision) {
        let Some(speed) = &self.speed else {
            return;
        };
        let mut speaking = lock(&speed.speaking);
        let limiter = &mut speaking.limiter;
        speed.limits.receive(|limits| limiter.set_limits(limits));
        let limit = limiter.on_decision(self.clock.now(), Verdict::of(decision));
        if let Some(limit) = limit
            && !self.closed.load(Ordering::Acquire)
        {
            self.send_limit(&mut speaking, limit);
        }
    }

    fn send_limit(&self, speaking: &mut Speaking, limit: Percent) {
        let Speaking {
            message, publisher, ..
        } = speaking;
        self.count(message.publish(publisher, self.stamp(), limit.on_the_wire()));
    }

    /// What commands are.
    pub fn command_type(&self) -> MessageType {
        topic_type(self.gate.as_ref().is_some_and(|outlet| outlet.stamped))
    }

    /// A command came for the gate, in this frame where it has one.
    pub fn command(&self, command: Command, frame: Option<String>) {
        self.through_gate(|outlet, gate| {
            if let Some(frame) = frame {
                *lock(&outlet.frame) = frame;
            }
            let order = gate.on_command(self.when(), command);
            self.send_order(outlet, order);
        });
    }

    /// With the gate in hand and the door still open; nothing without a gate.
    fn through_gate(&self, act: impl FnOnce(&GateOutlet, &mut Gate)) {
        if let Some(outlet) = &self.gate {
            let mut gate = lock(&outlet.gate);
            outlet.limits.receive(|limits| gate.set_limits(limits));
            if !self.closed.load(Ordering::Acquire) {
                act(outlet, &mut gate);
            }
        }
    }

    fn send_order(&self, outlet: &GateOutlet, order: Order) {
        BUFFER.with_borrow_mut(|buffer| {
            let frame = lock(&outlet.frame);
            let stamped = outlet.stamped.then(|| (order.stamp, frame.as_str()));
            encode_velocity(order.velocity, stamped, buffer);
            self.count(outlet.commands.0.publish_raw(buffer));
        });
    }

    /// The simulation's time, for stamps of commands.
    pub fn set_simulated_time(&self, now: Stamp) {
        self.simulated.store(now.0, Ordering::Relaxed);
    }

    /// Now, for the gate. Read it with the gate in hand, or time may seem to go back.
    fn when(&self) -> When {
        When {
            mono: self.clock.now(),
            ros: self.stamp(),
        }
    }

    /// Bases hold stamps against their own clock, which is the system's or the simulation's.
    fn stamp(&self) -> Stamp {
        match self.sim_time {
            true => Stamp(self.simulated.load(Ordering::Relaxed)),
            false => Stamp::wall_clock(),
        }
    }

    fn count(&self, sent: r2r::Result<()>) {
        if sent.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn publish(&self, decision: &Decision, words: &Vocabulary) {
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        BUFFER.with_borrow_mut(|buffer| {
            encode_decision(decision, words, buffer);
            self.count(self.decisions.0.publish_raw(buffer));
        });
        self.through_gate(|outlet, gate| {
            if let Some(order) = gate.on_decision(self.when(), Verdict::of(decision)) {
                self.send_order(outlet, order);
            }
        });
        self.limit_speed(decision);
        if let Some(notes) = &self.notes {
            notes.force_push(Note::of(decision));
        }
        if let Some(shown) = &self.shown {
            shown.force_push(decision.clone());
        }
    }

    fn tick(&self) {
        self.through_gate(|outlet, gate| {
            if let Some(order) = gate.tick(self.when()) {
                self.send_order(outlet, order);
            }
        });
    }
}

/// One model's way out: its words for decisions.
pub struct Voice {
    outlet: Arc<Outlet>,
    words: Vocabulary,
}

impl Voice {
    /// Through this outlet.
    pub fn new(outlet: Arc<Outlet>, words: Vocabulary) -> Voice {
        Voice { outlet, words }
    }
}

impl Publish for Voice {
    fn publish(&self, decision: &Decision) {
        self.outlet.publish(decision, &self.words);
    }

    fn tick(&self) {
        self.outlet.tick();
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Neither the gate nor the frame has a state a panic could leave half changed that would not
    // stop the robot.
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
