//! The inputs of one robot: its streams, its window, and their faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;
use r2r::Node;

use super::endpoints::{ByteStream, Endpoints, Subscription, waiting};
use super::model_handover::HandoverReceiver;
use super::robot::Robot;
use super::tf_listener::{TfListener, tf_topics};
use super::tf_message;
use crate::act::output::{CommandReader, RobotOutput};
use crate::act::velocity_gate::topic_type;
use crate::configure::Configuration;
use crate::features::SourceId;
use crate::ingest::{Ingest, IngestFault, IngestNotice, SourceFinding};
use crate::messages::MessageType;
use crate::ros::error::RunError;
use crate::scheduler::threaded::SchedulerThreads;
use crate::scheduler::{Request, SchedulerState};
use crate::time::{Mono, Stamp, When};

/// Faults kept for the log; more of them between two looks are only counted.
const FAULTS: usize = 16;
/// A spin hands over one message per subscription and r2r's channels hold ten.
const DEPTH: usize = 10;

/// Counters and notices that the control plane reads.
pub struct InputActivity {
    /// Faults not logged yet.
    pub faults: ArrayQueue<IngestFault>,
    /// Notices about the messages, not logged yet.
    pub remarks: ArrayQueue<IngestNotice>,
    /// Findings about lasers that are not logged yet.
    pub news: ArrayQueue<SourceFinding>,
    /// All faults.
    pub refused_messages: AtomicU64,
    /// Messages thrown away because this process was not run while they waited.
    pub withheld: AtomicU64,
    /// Per source: arrival of the newest message on the monotonic clock, in ms; -1: never.
    pub newest_ms: Vec<AtomicI64>,
    /// The same of the newest message that was not refused.
    pub used_ms: Vec<AtomicI64>,
    /// Names of the sources.
    pub names: Vec<String>,
    /// Their topics, as they are on the graph.
    pub topics: Vec<String>,
}

/// One robot's way in.
pub struct RobotInputs {
    number: usize,
    ingest: Ingest,
    robot_output: Arc<RobotOutput>,
    streams: Vec<(SourceId, usize, ByteStream)>,
    commands: Option<ByteStream>,
    reader: CommandReader,
    /// None where there is no laser, or tf's type is not installed.
    listener: Option<TfListener>,
    /// What the streams are subscriptions to, in their order; the commands' last.
    subscriptions: Vec<Subscription>,
    seen: Arc<InputActivity>,
}

/// When messages that are taken in arrived, and now, on both clocks.
pub struct ArrivalTime {
    /// Arrival.
    pub arrival: Mono,
    /// The same in ROS time.
    pub arrival_ros: Stamp,
    /// Now.
    pub now: Mono,
    /// The same in ROS time.
    pub now_ros: Stamp,
}

/// The scheduler that requests are offered to.
pub struct RequestTarget<'a> {
    /// The threads that answer them.
    pub live: &'a SchedulerThreads,
    /// The ingest thread's end of the handover, which samples windows.
    pub receiving: &'a HandoverReceiver,
    /// Whether they are answered, or counted as refused.
    pub active: bool,
}

impl RequestTarget<'_> {
    fn scheduler(&self, robot: usize) -> &SchedulerState {
        &self.live.schedulers()[robot]
    }

    fn offer(&self, robot: usize, request: Box<Request>) {
        self.receiving.show(robot, &request);
        match self.active {
            true => self.live.offer(robot, request),
            false => {
                let scheduler = self.scheduler(robot);
                scheduler.put_back(request);
                scheduler.refuse(1);
            }
        }
    }
}

impl RobotInputs {
    /// Subscribes to the sources and, when the gate is on, to its commands; `topics` are the
    /// sources' as they are on the graph.
    pub fn new(
        node: &mut Node,
        endpoints: &mut Endpoints,
        configuration: &Configuration,
        (number, robot, topics): (usize, &Robot, Vec<String>),
        robot_output: Arc<RobotOutput>,
    ) -> Result<RobotInputs, RunError> {
        let mut ingest = configuration.ingest()?;
        let name = crate::ros::error::ros("asking the node's name", node.name())?;
        let mut streams = Vec::new();
        let mut names = Vec::new();
        let mut subscriptions = Vec::new();
        for source in &configuration.params.sources {
            let Some(id) = ingest.source(&source.name) else {
                continue;
            };
            let subscription = Subscription {
                topic: robot.topic(&source.topic, &name),
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
                    topic: robot.topic(&gate.input, &name),
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
        let scans = MessageType::LaserScan.ros_name();
        let lasers = subscriptions.iter().any(|s| s.message == scans);
        let listener = match lasers.then(tf_message::load) {
            None => None,
            Some(Ok(())) => Some(endpoints.listener(node, tf_topics(robot, &name))?),
            Some(Err(cause)) => {
                tracing::warn!(
                    "tf is not read ({cause}): how lasers are mounted is what the parameters say, or \
                     assumed; install the package tf2_msgs of your ROS and source it"
                );
                None
            }
        };
        if let Some(listener) = &listener {
            ingest.set_tree(listener.tree.clone());
        }
        Ok(RobotInputs {
            number,
            ingest,
            robot_output,
            streams,
            commands,
            reader: CommandReader::default(),
            listener,
            subscriptions,
            seen: Arc::new(InputActivity {
                faults: ArrayQueue::new(FAULTS),
                remarks: ArrayQueue::new(FAULTS),
                news: ArrayQueue::new(FAULTS),
                refused_messages: AtomicU64::new(0),
                withheld: AtomicU64::new(0),
                newest_ms: names.iter().map(|_| AtomicI64::new(-1)).collect(),
                used_ms: names.iter().map(|_| AtomicI64::new(-1)).collect(),
                names,
                topics,
            }),
        })
    }

    /// Counters and notices that the control plane reads.
    pub fn seen(&self) -> Arc<InputActivity> {
        Arc::clone(&self.seen)
    }

    /// Gives the subscriptions to the next session.
    pub fn give_back(mut self, endpoints: &mut Endpoints) {
        if let Some(mut listener) = self.listener.take() {
            listener.tree = self.ingest.tree().clone();
            endpoints.give_back_listener(listener);
        }
        let streams = self.streams.into_iter().map(|(.., stream)| stream);
        let streams = streams.chain(self.commands);
        for (subscription, stream) in self.subscriptions.into_iter().zip(streams) {
            endpoints.give_back(subscription, stream);
        }
    }

    /// The simulation's time, for what leaves by this robot's output.
    pub fn set_simulated_time(&self, now: Stamp) {
        self.robot_output.set_simulated_time(now);
    }

    /// Takes in what came, and answers the trigger's silence, counted from `started` at the
    /// earliest.
    pub fn take_in(&mut self, target: &RequestTarget<'_>, moment: &ArrivalTime, started: Mono) {
        self.take_transforms();
        self.take_messages(target, moment);
        while let Some(remark) = self.ingest.next_remark() {
            let _ = self.seen.remarks.push(remark);
        }
        self.take_commands(moment);
        if target.active {
            let scheduler = target.scheduler(self.number);
            let silence = self
                .ingest
                .silence(scheduler, started, moment.now, moment.now_ros);
            if let Some(request) = silence {
                target.offer(self.number, request);
            }
        }
    }

    /// Takes in transforms.
    fn take_transforms(&mut self) {
        let ingest = &mut self.ingest;
        if let Some(listener) = &mut self.listener {
            listener.listen(|message, links| ingest.transforms(message, links));
        }
    }

    /// Throws away what waits; how many messages, and triggers among them.
    pub fn discard(&mut self) -> (u64, u64) {
        let (mut discarded, mut triggers) = (0, 0);
        for (source, _, stream) in &mut self.streams {
            while waiting(stream).is_some() {
                discarded += 1;
                triggers += u64::from(*source == self.ingest.trigger());
            }
        }
        if let Some(commands) = &mut self.commands {
            while waiting(commands).is_some() {}
        }
        (discarded, triggers)
    }

    /// After a time in which this process was not run: answers the triggers that were thrown away.
    pub fn answer_discarded(
        &mut self,
        target: &RequestTarget<'_>,
        (discarded, triggers): (u64, u64),
        (now, now_ros): (Mono, Stamp),
    ) {
        self.seen.withheld.fetch_add(discarded, Ordering::Relaxed);
        // Reliable publishers send again what was lost meanwhile, some of it later than this.
        self.ingest.doubt(now);
        let scheduler = target.scheduler(self.number);
        if triggers > 0
            && let Some(request) = self.ingest.withheld(scheduler, triggers, now, now_ros)
        {
            target.offer(self.number, request);
        }
    }

    fn take_messages(&mut self, target: &RequestTarget<'_>, moment: &ArrivalTime) {
        // Sources that fill the window before the one that asks.
        let trigger = self.ingest.trigger();
        for triggers in [false, true] {
            for index in 0..self.streams.len() {
                let (source, number, _) = self.streams[index];
                if (source == trigger) != triggers {
                    continue;
                }
                while let Some(bytes) = waiting(&mut self.streams[index].2) {
                    let millis = (moment.arrival.0 / 1_000_000) as i64;
                    self.seen.newest_ms[number].store(millis, Ordering::Relaxed);
                    if self.take(target, source, &bytes, moment) {
                        self.seen.used_ms[number].store(millis, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Takes in a message; whether it was used.
    fn take(
        &mut self,
        target: &RequestTarget<'_>,
        source: SourceId,
        bytes: &[u8],
        moment: &ArrivalTime,
    ) -> bool {
        let scheduler = target.scheduler(self.number);
        let (arrival, arrival_ros) = (moment.arrival, moment.arrival_ros);
        let (request, taken) = self
            .ingest
            .message(scheduler, source, bytes, arrival, arrival_ros);
        // The gate gets a scan before the decision on it.
        if taken.is_ok() {
            self.show_gate(source, moment);
        }
        if let Some(request) = request {
            target.offer(self.number, request);
        }
        if let Some(news) = self.ingest.news(source) {
            let _ = self.seen.news.push(news);
        }
        let used = taken.is_ok();
        if let Err(fault) = taken {
            self.seen.refused_messages.fetch_add(1, Ordering::Relaxed);
            let _ = self.seen.faults.push(fault);
        }
        used
    }

    /// Hands the gate the points of a scan and the motion of the base.
    fn show_gate(&self, source: SourceId, moment: &ArrivalTime) {
        let arrival = When {
            mono: moment.arrival,
            ros: moment.arrival_ros,
        };
        if let Some((stamp, points)) = self.ingest.points(source) {
            self.robot_output.scan((arrival, stamp), source, points);
        } else if let Some(twist) = self.ingest.twist(source) {
            self.robot_output.odometry(arrival, twist.into());
        }
    }

    fn take_commands(&mut self, moment: &ArrivalTime) {
        let Some(commands) = self.commands.as_mut() else {
            return;
        };
        let arrival = When {
            mono: moment.arrival,
            ros: moment.arrival_ros,
        };
        while let Some(bytes) = waiting(commands) {
            self.reader.read(&self.robot_output, arrival, &bytes);
        }
    }
}
