//! Publishes `nav2_msgs/msg/SpeedLimit` without nav2_msgs at build.

use std::ffi::{CStr, c_char};

use r2r::{NativeMsg, Publisher, WrappedTypesupport};
use r2r_rcl::rosidl_message_type_support_t as TypeSupport;
use serde::{Deserialize, Serialize};

use super::dynamic_type::DynamicType;
use crate::time::Stamp;

/// The message as rosidl lays it out in C: std_msgs/Header header, bool percentage, float64
/// speed_limit. [`load`] holds it against the description that comes with the type support.
#[repr(C)]
pub struct SpeedLimitC {
    sec: i32,
    nanosec: u32,
    /// `rosidl_runtime_c__String`: data, size, capacity. Always [`EMPTY`].
    frame: (*const c_char, usize, usize),
    percentage: bool,
    speed_limit: f64,
}

const EMPTY: &CStr = c"";
const FIELDS: u32 = 3;

/// Stands for the message towards r2r; the numbers are written into [`SpeedLimitC`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SpeedLimit;

static FOUND: DynamicType = DynamicType::new();

impl WrappedTypesupport for SpeedLimit {
    type CStruct = SpeedLimitC;

    fn get_ts() -> &'static TypeSupport {
        FOUND.get()
    }

    fn create_msg() -> *mut SpeedLimitC {
        Box::into_raw(Box::new(SpeedLimitC {
            sec: 0,
            nanosec: 0,
            // rosidl wants room for the zero at the end, and only reads what is published.
            frame: (EMPTY.as_ptr(), 0, 1),
            percentage: true,
            speed_limit: 0.0,
        }))
    }

    fn destroy_msg(msg: *mut SpeedLimitC) {
        // SAFETY: r2r gives back what `create_msg` made, once.
        drop(unsafe { Box::from_raw(msg) });
    }

    fn from_native(_: &SpeedLimitC) -> SpeedLimit {
        SpeedLimit
    }

    fn copy_to_native(&self, _: &mut SpeedLimitC) {}
}

/// One message, written again and again: publishing takes no memory.
pub struct Message(NativeMsg<SpeedLimit>);

// SAFETY: it owns a plain struct on the heap that no thread is tied to.
unsafe impl Send for Message {}

impl Message {
    /// Nothing is limited.
    pub fn new() -> Message {
        Message(NativeMsg::new())
    }

    /// Publishes a percentage, 0 for no limit.
    pub fn publish(
        &mut self,
        to: &Publisher<SpeedLimit>,
        stamp: Stamp,
        percent: f64,
    ) -> r2r::Result<()> {
        (self.0.sec, self.0.nanosec) = stamp.to_ros();
        self.0.speed_limit = percent;
        to.publish_native(&mut self.0)
    }
}

/// Looks the type support up; a sentence where the package is not there or is another.
pub fn load() -> Result<(), String> {
    FOUND.load::<SpeedLimitC>("nav2_msgs", "SpeedLimit", FIELDS)
}
