//! Spins r2r, polls its streams at once, fills the window, offers triggers. Runs on the process's
//! main thread.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context as Poller;
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use futures::task::noop_waker;
use r2r::{Clock as RosClock, Node};

use super::RunError;
use super::endpoints::{Bytes, Endpoints, Subscription};
use super::graph::Graph;
use super::handover::{Handover, Receiving};
use super::outlet::Outlet;
use crate::act::Velocity;
use crate::act::gate::topic_type;
use crate::configure::Configuration;
use crate::ingest::{Ingest, IngestFault};
use crate::reason::Request;
use crate::reason::live::Live;
use crate::sense::{Message, SourceId};
use crate::time::{Clock, Mono, Stamp};

/// Longest sleep in a spin: how soon a stop or a silence is noticed, and by how much the arrival of a
/// message may be dated wrong.
const SPIN: Duration = Duration::from_millis(4);
/// A turn of the loop may take this much longer than its sleep before the machine is taken to have
/// withheld this thread. r2r does not tell when a message was received, so what is then found
/// counts as arrived when the turn began: its latency may come out up to a turn too long, never
/// too short.
const SLACK: Duration = Duration::from_millis(1);
/// After a turn this long (a stopped process, a suspended vehicle) the messages that wait may be
/// any number of turns old: they are thrown away.
const WITHHELD: Duration = Duration::from_millis(250);
/// How long after such a turn messages are still thrown away.
const SETTLE: Duration = Duration::from_millis(150);
/// A source that says nothing for this long is looked for on the graph.
const SILENT: Duration = Duration::from_secs(1);
/// Faults kept for the log; more of them between two looks are only counted.
const FAULTS: usize = 16;
/// A spin hands over one message per subscription and r2r's channels hold ten.
const DEPTH: usize = 10;

/// What the cold side may look at.
pub struct Seen {
    /// Faults not logged yet.
    pub faults: ArrayQueue<IngestFault>,
    /// What is amiss on the graph, not logged yet.
    pub notices: ArrayQueue<String>,
    /// All faults.
    pub refused_messages: AtomicU64,
    /// Messages thrown away because this process was not run while they waited.
    pub withheld: AtomicU64,
    /// Per source: arrival of the newest message on the monotonic clock, in ms; -1: never.
    pub newest_ms: Vec<AtomicI64>,
    /// Names of the sources.
    pub names: Vec<String>,
}

/// The live door's thread of control; its caller turns it, again and again.
pub struct IngestThread {
    ingest: Ingest,
    live: Arc<Live>,
    receiving: Receiving,
    outlet: Arc<Outlet>,
    clock: Arc<dyn Clock>,
    ros_clock: Arc<Mutex<RosClock>>,
    sim_time: bool,
    streams: Vec<(SourceId, usize, Bytes)>,
    commands: Option<Bytes>,
    /// What the streams are subscriptions to, in their order; the commands' last.
    subscriptions: Vec<Subscription>,
    seen: Arc<Seen>,
    graph: Graph,
    active: bool,
    started: Mono,
    turned: Mono,
}

impl IngestThread {
    /// Subscribes to the sources and, when the gate is on, to its commands.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        configuration: &Configuration,
        (live, handover): (Arc<Live>, Arc<Handover>),
        outlet: Arc<Outlet>,
        clock: Arc<dyn Clock>,
        graph: Graph,
    ) -> Result<IngestThread, RunError> {
        let ingest = configuration.ingest()?;
        let mut streams = Vec::new();
        let mut names = Vec::new();
        let mut subscriptions = Vec::new();
        for source in &configuration.params.sources {
            let Some(id) = ingest.source(&source.name) else {
                continue;
            };
            let subscription = Subscription {
                topic: source.topic.clone(),
                message: source.message.clone(),
                reliable: source.reliable,
                depth: DEPTH,
            };
            let stream = endpoints.subscribe(node, &subscription)?;
            streams.push((id, names.len(), stream));
            subscriptions.push(subscription);
            names.push(source.name.clone());
        }
        let commands = match &configuration.params.gate {
            Some(gate) => {
                let subscription = Subscription {
                    topic: gate.input.clone(),
                    message: topic_type(gate.stamped).ros_name().to_owned(),
                    reliable: false,
                    depth: 1,
                };
                let stream = endpoints.subscribe(node, &subscription)?;
                subscriptions.push(subscription);
                Some(stream)
            }
            None => None,
        };
        let started = clock.now();
        Ok(IngestThread {
            graph,
            ingest,
            live,
            receiving: Receiving::new(handover),
            outlet,
            clock,
            ros_clock: node.get_ros_clock(),
            sim_time: configuration.params.sim_time,
            streams,
            commands,
            subscriptions,
            active: false,
            started,
            turned: started,
            seen: Arc::new(Seen {
                faults: ArrayQueue::new(FAULTS),
                notices: ArrayQueue::new(FAULTS),
                refused_messages: AtomicU64::new(0),
                withheld: AtomicU64::new(0),
                newest_ms: names.iter().map(|_| AtomicI64::new(-1)).collect(),
                names,
            }),
        })
    }

    /// The threads that triggers are offered to.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// What the cold side may look at.
    pub fn shared(&self) -> Arc<Seen> {
        Arc::clone(&self.seen)
    }

    /// Says where time comes from.
    pub fn announce_clock(&self) {
        if self.sim_time {
            tracing::info!("ages of inputs are measured on /clock; deadlines are not");
        }
    }

    /// Whether triggers are answered from here on. What comes before is taken into the window all
    /// the same, so that the first answer is like any other.
    pub fn set_active(&mut self, active: bool) {
        self.active = active;
        // Loading and waiting are not turns, and silence counts from here.
        self.started = self.clock.now();
        self.turned = self.started;
    }

    /// Gives the subscriptions to the next session.
    pub fn give_back(self, endpoints: &mut Endpoints) {
        let streams = self.streams.into_iter().map(|(.., stream)| stream);
        let streams = streams.chain(self.commands);
        for (subscription, stream) in self.subscriptions.into_iter().zip(streams) {
            endpoints.give_back(subscription, stream);
        }
    }

    /// Waits for messages, a moment at most, and takes in what came.
    pub fn turn(&mut self, node: &mut Node) {
        node.spin_once(SPIN);
        let now = self.clock.now();
        self.receiving.take_over(&mut self.live, now);
        let before = std::mem::replace(&mut self.turned, now);
        let turn = now.since(before);
        if turn > WITHHELD {
            self.discard_waiting(node);
            self.turned = self.clock.now();
            return;
        }
        let arrival = if turn > SPIN + SLACK { before } else { now };
        let now_ros = self.now_ros();
        // A simulation's clock does not run with ours.
        let arrival_ros = match self.sim_time {
            true => {
                self.outlet.set_simulated_time(now_ros);
                now_ros
            }
            false => now_ros - now.since(arrival),
        };
        self.take_messages(arrival, arrival_ros);
        self.take_commands(arrival);
        if self.active {
            let desk = self.live.desk();
            let silence = self.ingest.silence(desk, self.started, now, now_ros);
            silence.into_iter().for_each(|request| self.offer(request));
        }
        self.look_at_the_graph(node, now);
    }

    fn offer(&self, request: Box<Request>) {
        self.receiving.show(&request);
        match self.active {
            true => self.live.offer(request),
            false => {
                let desk = self.live.desk();
                desk.put_back(request);
                desk.refuse(1);
            }
        }
    }

    fn look_at_the_graph(&mut self, node: &Node, now: Mono) {
        let newest = &self.seen.newest_ms;
        let heard = |source: usize| {
            let newest = newest[source].load(Ordering::Relaxed);
            newest >= 0 && now.since(Mono(newest as u64 * 1_000_000)) < SILENT
        };
        for notice in self.graph.look(node, now, heard) {
            let _ = self.seen.notices.push(notice);
        }
    }

    /// Throws away what waited in DDS while this process was not run, and answers it as stale.
    fn discard_waiting(&mut self, node: &mut Node) {
        let waker = noop_waker();
        let mut poller = Poller::from_waker(&waker);
        let mut discarded = 0;
        let mut triggers = 0;
        // DDS was stopped as well: its threads need a moment to hand over what waited in their
        // sockets, and that would look fresh.
        let until = self.clock.now() + SETTLE;
        while self.clock.now() < until {
            for (source, _, stream) in &mut self.streams {
                while stream.as_mut().poll_next(&mut poller).is_ready() {
                    discarded += 1;
                    triggers += u64::from(*source == self.ingest.trigger());
                }
            }
            if let Some(commands) = &mut self.commands {
                while commands.as_mut().poll_next(&mut poller).is_ready() {}
            }
            node.spin_once(SETTLE / 20);
        }
        let (now, now_ros) = (self.clock.now(), self.now_ros());
        self.seen.withheld.fetch_add(discarded, Ordering::Relaxed);
        // Reliable publishers send again what was lost meanwhile, some of it later than this.
        self.ingest.doubt(now);
        if triggers > 0
            && let Some(request) = self
                .ingest
                .withheld(self.live.desk(), triggers, now, now_ros)
        {
            self.offer(request);
        }
    }

    fn take_messages(&mut self, arrival: Mono, arrival_ros: Stamp) {
        let waker = noop_waker();
        let mut poller = Poller::from_waker(&waker);
        // Sources that fill the window before the one that asks.
        let trigger = self.ingest.trigger();
        for triggers in [false, true] {
            for index in 0..self.streams.len() {
                let (source, number, _) = self.streams[index];
                if (source == trigger) != triggers {
                    continue;
                }
                while let std::task::Poll::Ready(Some(bytes)) =
                    self.streams[index].2.as_mut().poll_next(&mut poller)
                {
                    self.seen.newest_ms[number]
                        .store((arrival.0 / 1_000_000) as i64, Ordering::Relaxed);
                    self.take(source, &bytes, arrival, arrival_ros);
                }
            }
        }
    }

    fn take(&mut self, source: SourceId, bytes: &[u8], arrival: Mono, arrival_ros: Stamp) {
        let desk = self.live.desk();
        let (request, taken) = self
            .ingest
            .message(desk, source, bytes, arrival, arrival_ros);
        if let Some(request) = request {
            self.offer(request);
        }
        if let Err(fault) = taken {
            self.seen.refused_messages.fetch_add(1, Ordering::Relaxed);
            let _ = self.seen.faults.push(fault);
        }
    }

    fn take_commands(&mut self, arrival: Mono) {
        let Some(commands) = self.commands.as_mut() else {
            return;
        };
        let waker = noop_waker();
        let mut poller = Poller::from_waker(&waker);
        while let std::task::Poll::Ready(Some(bytes)) = commands.as_mut().poll_next(&mut poller) {
            // A command that cannot be read is one the robot must not follow.
            let (twist, frame) = match Message::decode(self.outlet.command_type(), &bytes) {
                Ok(Message::Twist(twist)) => (Some(twist), None),
                Ok(Message::TwistStamped(stamped)) => {
                    (Some(stamped.twist), Some(stamped.header.frame_id))
                }
                _ => (None, None),
            };
            let velocity = twist.map_or(Velocity::ZERO, |twist| Velocity {
                linear: [twist.linear.x, twist.linear.y, twist.linear.z],
                angular: [twist.angular.x, twist.angular.y, twist.angular.z],
            });
            self.outlet.command(arrival, velocity, frame);
        }
    }

    fn now_ros(&self) -> Stamp {
        let mut clock = match self.ros_clock.lock() {
            Ok(clock) => clock,
            Err(poisoned) => poisoned.into_inner(),
        };
        let since_epoch = clock.get_now().unwrap_or_default();
        Stamp(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }
}
