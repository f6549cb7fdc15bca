//! The ingest thread: spins r2r, polls its streams, fills the windows and offers triggers. It is
//! the process's main thread.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use r2r::{Clock as RosClock, Node};

use super::endpoints::Endpoints;
use super::model_handover::{HandoverReceiver, ModelHandover};
use super::robot::Robot;
use super::robot_inputs::{ArrivalTime, InputActivity, RequestTarget, RobotInputs};
use crate::act::output::RobotOutput;
use crate::configure::Configuration;
use crate::ros::error::RunError;
use crate::scheduler::threaded::SchedulerThreads;
use crate::time::{Clock, Mono, Stamp};

/// Longest sleep in a spin: how soon a stop or a silence is noticed, and by how much the arrival of
/// a message may be dated wrong.
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

/// The live door's thread of control; its caller turns it, again and again.
pub struct IngestThread {
    /// One per robot.
    inputs_by_robot: Vec<RobotInputs>,
    live: Arc<SchedulerThreads>,
    receiving: HandoverReceiver,
    clock: Arc<dyn Clock>,
    ros_clock: Arc<Mutex<RosClock>>,
    sim_time: bool,
    active: bool,
    started: Mono,
    turned: Mono,
}

impl IngestThread {
    /// Subscribes, for every robot, to the sources and, when the gate is on, to its commands;
    /// `topics` are each robot's sources' as they are on the graph.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        configuration: &Configuration,
        (live, handover): (Arc<SchedulerThreads>, Arc<ModelHandover>),
        (robots, robot_outputs, topics): (&[Robot], &[Arc<RobotOutput>], Vec<Vec<String>>),
        clock: Arc<dyn Clock>,
    ) -> Result<IngestThread, RunError> {
        let started = clock.now();
        let numbered = robots.iter().enumerate().zip(topics).zip(robot_outputs);
        let inputs_by_robot = numbered.map(|(((number, robot), topics), robot_output)| {
            let (robot, robot_output) = ((number, robot, topics), Arc::clone(robot_output));
            RobotInputs::new(node, endpoints, configuration, robot, robot_output)
        });
        let inputs_by_robot = inputs_by_robot.collect::<Result<_, _>>()?;
        Ok(IngestThread {
            inputs_by_robot,
            live,
            receiving: HandoverReceiver::new(handover),
            clock,
            ros_clock: node.get_ros_clock(),
            sim_time: configuration.params.sim_time,
            active: false,
            started,
            turned: started,
        })
    }

    /// The threads that triggers are offered to.
    pub fn live(&self) -> &SchedulerThreads {
        &self.live
    }

    /// The counters that the control plane reads, robot by robot.
    pub fn seen(&self) -> impl Iterator<Item = Arc<InputActivity>> {
        self.inputs_by_robot.iter().map(RobotInputs::seen)
    }

    /// Logs which clock ages are measured on.
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
        for robot_inputs in self.inputs_by_robot {
            robot_inputs.give_back(endpoints);
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
                for robot_inputs in &self.inputs_by_robot {
                    robot_inputs.set_simulated_time(now_ros);
                }
                now_ros
            }
            false => now_ros - now.since(arrival),
        };
        let moment = ArrivalTime {
            arrival,
            arrival_ros,
            now,
            now_ros,
        };
        let target = target(&self.live, &self.receiving, self.active);
        for robot_inputs in &mut self.inputs_by_robot {
            robot_inputs.take_in(&target, &moment, self.started);
        }
    }

    /// Throws away what waited in DDS while this process was not run, and answers it as stale.
    fn discard_waiting(&mut self, node: &mut Node) {
        let mut thrown = vec![(0, 0); self.inputs_by_robot.len()];
        // DDS was stopped as well: its threads need a moment to hand over what waited in their
        // sockets, and that would look fresh.
        let until = self.clock.now() + SETTLE;
        while self.clock.now() < until {
            for (robot_inputs, (messages, triggers)) in
                self.inputs_by_robot.iter_mut().zip(&mut thrown)
            {
                let (more_messages, more_triggers) = robot_inputs.discard();
                *messages += more_messages;
                *triggers += more_triggers;
            }
            node.spin_once(SETTLE / 20);
        }
        let now = (self.clock.now(), self.now_ros());
        let target = target(&self.live, &self.receiving, self.active);
        for (robot_inputs, thrown) in self.inputs_by_robot.iter_mut().zip(thrown) {
            robot_inputs.answer_discarded(&target, thrown, now);
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

fn target<'a>(
    live: &'a SchedulerThreads,
    receiving: &'a HandoverReceiver,
    active: bool,
) -> RequestTarget<'a> {
    RequestTarget {
        live,
        receiving,
        active,
    }
}
