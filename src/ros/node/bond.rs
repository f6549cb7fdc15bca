//! The bond with a lifecycle manager: heartbeats on the topic `bond` from activate to deactivate,
//! as Nav2's nodes send them, so that the manager notices a node that is gone or hangs. The
//! protocol is that of bond_core; the type `bond/msg/Status` is found at run time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::Stream;
use r2r::{NativeMsg, Node, Publisher, QosProfile, WrappedTypesupport};
use r2r_rcl::{
    rosidl_message_type_support_t as TypeSupport, rosidl_runtime_c__String as RosString,
    rosidl_runtime_c__String__fini, rosidl_runtime_c__String__init,
};
use serde::{Deserialize, Serialize};

use crate::ros::error::{RunError, ros};
use crate::ros::io::dynamic_type::DynamicType;
use crate::ros::io::endpoints::waiting;

/// As Nav2's nodes send it; the manager goes by its own `bond_timeout`.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A main loop that has not turned for this long hangs: no heartbeat goes out for it. Loading and
/// warming a model takes longer, but is not done while the node is active.
const HANGS: Duration = Duration::from_secs(1);
/// How often the end of a bond is sent.
const FAREWELLS: u32 = 3;

/// `bond/msg/Status` as rosidl lays it out in C; [`keep`] holds it against the description that
/// comes with the type support.
#[repr(C)]
pub struct StatusC {
    sec: i32,
    nanosec: u32,
    frame: RosString,
    id: RosString,
    instance_id: RosString,
    active: bool,
    heartbeat_timeout: f32,
    heartbeat_period: f32,
}

const FIELDS: u32 = 6;

/// Whose heart beats, or no longer does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    id: String,
    instance_id: String,
    active: bool,
    period_s: f32,
}

static FOUND: DynamicType = DynamicType::new();

impl WrappedTypesupport for Status {
    type CStruct = StatusC;

    fn get_ts() -> &'static TypeSupport {
        FOUND.get()
    }

    fn create_msg() -> *mut StatusC {
        // SAFETY: all its fields are valid when zero; rosidl then makes its strings, which want a
        // terminated buffer of their own.
        let mut message: Box<StatusC> = Box::new(unsafe { std::mem::zeroed() });
        for text in message.strings() {
            // SAFETY: a string that holds nothing yet.
            unsafe { rosidl_runtime_c__String__init(text) };
        }
        Box::into_raw(message)
    }

    fn destroy_msg(message: *mut StatusC) {
        // SAFETY: r2r gives back what `create_msg` made, once.
        let mut message = unsafe { Box::from_raw(message) };
        for text in message.strings() {
            // SAFETY: made by `create_msg`, finished once.
            unsafe { rosidl_runtime_c__String__fini(text) };
        }
    }

    fn from_native(message: &StatusC) -> Status {
        Status {
            id: message.id.to_str().to_owned(),
            instance_id: message.instance_id.to_str().to_owned(),
            active: message.active,
            period_s: message.heartbeat_period,
        }
    }

    fn copy_to_native(&self, message: &mut StatusC) {
        message.id.assign(&self.id);
        message.instance_id.assign(&self.instance_id);
        message.active = self.active;
        message.heartbeat_timeout = TIMEOUT.as_secs_f32();
        message.heartbeat_period = self.period_s;
    }
}

impl StatusC {
    fn strings(&mut self) -> [&mut RosString; 3] {
        [&mut self.frame, &mut self.id, &mut self.instance_id]
    }
}

/// The part that the main loop and the control plane share.
#[derive(Default)]
pub struct Heartbeat {
    /// Turns of the main loop.
    turns: AtomicU64,
    active: AtomicBool,
}

impl Heartbeat {
    /// The main loop still turns.
    pub fn beat(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// From activate to deactivate.
    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Release);
    }
}

/// Keeps a bond from every activate to the deactivate after it, where the package `bond` is there,
/// on a thread of its own: a heartbeat that waits for other work of the control plane would report
/// a working node as dead.
pub fn keep(node: &mut Node, period: Duration, pulse: &Arc<Heartbeat>) -> Result<(), RunError> {
    if let Err(cause) = FOUND.load::<StatusC>("bond", "Status", FIELDS) {
        tracing::info!(
            "no bond is kept with the lifecycle manager ({cause}); set bond_timeout: 0.0 there, or \
             install the package bond"
        );
        return Ok(());
    }
    let topic = "bond";
    let sisters = ros(
        "listening to bond",
        node.subscribe::<Status>(topic, QosProfile::default().keep_last(100)),
    )?;
    let publisher = ros(
        "publishing bond",
        node.create_publisher::<Status>(topic, QosProfile::default().keep_last(5)),
    )?;
    let mut heart = BondSide {
        id: ros("asking the node's name", node.name())?,
        instance_id: String::new(),
        publisher,
        period,
        sisters: Box::pin(sisters),
        state: State::Dead,
    };
    let pulse = Arc::clone(pulse);
    let beat = move || {
        let mut watch = MainLoopWatch::new();
        // To the end of the process; nothing waits for it.
        loop {
            std::thread::sleep(period);
            let hangs = watch.hangs(pulse.turns.load(Ordering::Relaxed), Instant::now());
            heart.beat(pulse.active.load(Ordering::Acquire), hangs);
        }
    };
    let thread = std::thread::Builder::new().name(String::from("bond"));
    let started = thread.spawn(beat);
    started.map(drop).map_err(|cause| RunError::System {
        doing: "starting the thread of the bond",
        cause,
    })
}

struct BondSide {
    id: String,
    instance_id: String,
    publisher: Publisher<Status>,
    period: Duration,
    sisters: Pin<Box<dyn Stream<Item = Status> + Send>>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The node is not active, or its sister has ended the bond.
    Dead,
    Alive,
    /// How many times more its end is sent.
    Dying(u32),
    /// The manager ended it; the node is still active until it is deactivated.
    Released,
}

impl State {
    /// The next state, and the status to send.
    fn next(self, active: bool, sister_died: bool) -> (State, Option<bool>) {
        match (self, active) {
            (State::Alive, true) if sister_died => (State::Released, Some(false)),
            (State::Released, true) => (State::Released, None),
            (_, true) => (State::Alive, Some(true)),
            (State::Alive, false) => (State::Dying(FAREWELLS - 1), Some(false)),
            (State::Dying(more), false) if more > 0 => (State::Dying(more - 1), Some(false)),
            (_, false) => (State::Dead, None),
        }
    }
}

impl BondSide {
    fn beat(&mut self, active: bool, hangs: bool) {
        let sister_died = self.sister_died();
        let (next, said) = self.state.next(active, sister_died);
        if next == State::Alive && self.state != State::Alive {
            self.instance_id = instance_id();
        }
        if next == State::Released && self.state == State::Alive {
            tracing::info!("the lifecycle manager ended its bond");
        }
        self.state = next;
        match said {
            Some(true) if hangs => {}
            Some(beats) => self.say(beats),
            None => {}
        }
    }

    /// Whether the manager has ended this bond.
    fn sister_died(&mut self) -> bool {
        let mut died = false;
        while let Some(status) = waiting(&mut self.sisters) {
            let sister = status.id == self.id && status.instance_id != self.instance_id;
            died |= sister && !status.active;
        }
        died
    }

    fn say(&self, active: bool) {
        let status = Status {
            id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            active,
            period_s: self.period.as_secs_f32(),
        };
        let mut message = NativeMsg::<Status>::new();
        status.copy_to_native(&mut message);
        (message.sec, message.nanosec) = crate::time::Stamp::wall_clock().to_ros();
        let _ = self.publisher.publish_native(&mut message);
    }
}

/// Detects a main loop that hangs.
struct MainLoopWatch {
    turns: u64,
    since: Instant,
}

impl MainLoopWatch {
    fn new() -> MainLoopWatch {
        MainLoopWatch {
            turns: 0,
            since: Instant::now(),
        }
    }

    fn hangs(&mut self, turns: u64, now: Instant) -> bool {
        if turns != self.turns {
            *self = MainLoopWatch { turns, since: now };
        }
        now.duration_since(self.since) >= HANGS
    }
}

/// Distinguishes this bond's two ends, and this bond from those before.
fn instance_id() -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    match random {
        Ok(uuid) => uuid.trim().to_owned(),
        Err(_) => format!(
            "{}-{}",
            std::process::id(),
            crate::time::Stamp::wall_clock()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bond_lives_while_the_node_is_active_and_says_its_end() {
        let mut state = State::Dead;
        let mut step = |active, died| {
            let (next, said) = state.next(active, died);
            state = next;
            said
        };
        assert_eq!(step(false, false), None);
        assert_eq!(step(true, false), Some(true));
        assert_eq!(step(true, false), Some(true));
        for _ in 0..FAREWELLS {
            assert_eq!(step(false, false), Some(false));
        }
        assert_eq!(step(false, false), None);
        assert_eq!(
            step(true, true),
            Some(true),
            "an older bond's end is not this one's"
        );
        // The manager ends it: that is acknowledged, and nothing more is said until the node was
        // deactivated and activated again.
        assert_eq!(step(true, true), Some(false));
        assert_eq!(step(true, false), None);
        assert_eq!(step(false, false), None);
        assert_eq!(step(true, false), Some(true));
    }

    #[test]
    fn a_loop_that_does_not_turn_hangs_until_it_does() {
        let start = Instant::now();
        let mut watch = MainLoopWatch::new();
        assert!(!watch.hangs(1, start));
        assert!(!watch.hangs(1, start + HANGS / 2));
        assert!(watch.hangs(1, start + HANGS));
        assert!(!watch.hangs(2, start + HANGS));
    }

    #[test]
    fn what_is_written_into_the_c_message_is_read_from_it() {
        let status = Status {
            id: "edge_reasoner".into(),
            instance_id: instance_id(),
            active: true,
            period_s: 0.1,
        };
        let mut message = NativeC(Status::create_msg());
        for _ in 0..3 {
            status.copy_to_native(message.get());
        }
        let read = Status::from_native(message.get());
        assert_eq!((read.id, read.instance_id), (status.id, status.instance_id));
        assert!(read.active && read.period_s == 0.1);
    }

    struct NativeC(*mut StatusC);

    impl NativeC {
        fn get(&mut self) -> &mut StatusC {
            // SAFETY: made by `create_msg`, and not given back before `drop`.
            unsafe { &mut *self.0 }
        }
    }

    impl Drop for NativeC {
        fn drop(&mut self) {
            Status::destroy_msg(self.0);
        }
    }
}
