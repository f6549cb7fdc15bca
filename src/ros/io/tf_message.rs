//! `tf2_msgs/msg/TFMessage` for r2r: its layout in C, and its type support, which is found at run
//! time.

use r2r::WrappedTypesupport;
use r2r::geometry_msgs::msg::TransformStamped as Native;
use r2r_rcl::rosidl_message_type_support_t as TypeSupport;

use super::dynamic_type::DynamicType;
use crate::features::frames::{MAX_TRANSFORMS, TransformStamped, Transforms};
use crate::messages::{Header, Quaternion, Vector3};
use crate::time::Stamp;

/// The message as rosidl lays it out in C: one sequence. [`load`] holds it against the description
/// that comes with the type support.
#[repr(C)]
pub struct TransformsC {
    data: *mut <Native as WrappedTypesupport>::CStruct,
    size: usize,
    capacity: usize,
}

/// Members of the message.
const FIELDS: u32 = 1;

unsafe extern "C" {
    /// rosidl's, of geometry_msgs, which r2r links; frees what a sequence holds.
    fn geometry_msgs__msg__TransformStamped__Sequence__fini(sequence: *mut TransformsC);
}

static FOUND: DynamicType = DynamicType::new();

impl WrappedTypesupport for Transforms {
    type CStruct = TransformsC;

    fn get_ts() -> &'static TypeSupport {
        FOUND.get()
    }

    fn create_msg() -> *mut TransformsC {
        // As rosidl makes an empty sequence.
        Box::into_raw(Box::new(TransformsC {
            data: std::ptr::null_mut(),
            size: 0,
            capacity: 0,
        }))
    }

    #[expect(clippy::not_unsafe_ptr_arg_deref, reason = "r2r's trait has it so")]
    fn destroy_msg(message: *mut TransformsC) {
        // SAFETY: r2r gives back what `create_msg` made, once. rosidl filled it, if anybody did.
        unsafe {
            geometry_msgs__msg__TransformStamped__Sequence__fini(message);
            drop(Box::from_raw(message));
        }
    }

    fn from_native(message: &TransformsC) -> Transforms {
        // Too many are none, as in a recording: half a tree would be a wrong one.
        if message.data.is_null() || message.size > MAX_TRANSFORMS {
            return Transforms::default();
        }
        // SAFETY: rosidl keeps `size` whole messages behind `data`, for as long as the message is.
        let natives = unsafe { std::slice::from_raw_parts(message.data, message.size) };
        let natives = natives.iter().map(Native::from_native);
        Transforms {
            transforms: natives.map(transform).collect(),
        }
    }

    /// It is only read.
    fn copy_to_native(&self, _: &mut TransformsC) {}
}

fn transform(native: Native) -> TransformStamped {
    let (stamp, moved, turned) = (
        native.header.stamp,
        native.transform.translation,
        native.transform.rotation,
    );
    TransformStamped {
        header: Header {
            stamp: Stamp::from_ros(stamp.sec, stamp.nanosec),
            frame_id: native.header.frame_id,
        },
        child_frame_id: native.child_frame_id,
        translation: Vector3 {
            x: moved.x,
            y: moved.y,
            z: moved.z,
        },
        rotation: Quaternion {
            x: turned.x,
            y: turned.y,
            z: turned.z,
            w: turned.w,
        },
    }
}

/// Looks the type support up; a sentence where the package is not there or is another.
pub fn load() -> Result<(), String> {
    FOUND.load::<TransformsC>("tf2_msgs", "TFMessage", FIELDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_c_is_read_and_freed() {
        let empty = Transforms::create_msg();
        // SAFETY: made above, and given back once below.
        let read = Transforms::from_native(unsafe { &*empty });
        assert_eq!(read, Transforms::default());
        Transforms::destroy_msg(empty);
        let natives = [Native {
            child_frame_id: "laser".into(),
            ..Native::default()
        }];
        let made = Native::create_msg();
        // SAFETY: r2r made it; it is given back once below and only read in between.
        unsafe { natives[0].copy_to_native(&mut *made) };
        let one = TransformsC {
            data: made,
            size: 1,
            capacity: 1,
        };
        let read = Transforms::from_native(&one);
        assert_eq!(read.transforms[0].child_frame_id, "laser");
        Native::destroy_msg(made);
    }
}
