//! Resolves topic names as ROS does: namespace, `~` and the remappings of the command line.

use std::ffi::{CStr, CString, c_char, c_int};

use r2r::Node;
use r2r_rcl as rcl;

use crate::params::NodeName;
use crate::ros::error::{RunError, ros};
use crate::topic_names::expand;

unsafe extern "C" {
    /// rcl/remap.h; not among r2r's bindings. `output` stays null where no rule matches.
    fn rcl_remap_topic_name(
        local: *const rcl::rcl_arguments_t,
        global: *const rcl::rcl_arguments_t,
        topic: *const c_char,
        node: *const c_char,
        namespace: *const c_char,
        allocator: rcl::rcl_allocator_t,
        output: *mut *mut c_char,
    ) -> rcl::rcl_ret_t;
}

/// Resolves names as the node's own publishers and subscriptions are resolved.
pub struct RosNames {
    arguments: rcl::rcl_arguments_t,
    node: CString,
    namespace: CString,
}

impl RosNames {
    /// For this node, by the arguments of this process.
    pub fn of(node: &Node) -> Result<RosNames, RunError> {
        let text = |doing: &str, text: r2r::Result<String>| {
            ros(doing, text).and_then(|text| ros(doing, CString::new(text)))
        };
        Ok(RosNames {
            arguments: parse(std::env::args())?,
            node: text("asking the node's name", node.name())?,
            namespace: text("asking the node's namespace", node.namespace())?,
        })
    }

    /// The node's name, without its namespace.
    pub fn node(&self) -> String {
        self.node.to_string_lossy().into_owned()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        self.namespace.to_string_lossy().into_owned()
    }

    fn name(&self) -> NodeName {
        NodeName {
            namespace: self.namespace(),
            name: self.node(),
        }
    }

    /// The topic as it is on the graph.
    pub fn resolve(&self, topic: &str) -> Result<String, RunError> {
        let expanded = expand(topic, &self.name());
        let doing = || format!("resolving the topic name {topic}");
        let name = ros(doing(), CString::new(expanded.clone()))?;
        let mut output: *mut c_char = std::ptr::null_mut();
        // SAFETY: every pointer is to a live, terminated string or to arguments that `parse` made;
        // rcl copies what it needs and hands out a string of its own, or leaves null.
        let code = unsafe {
            rcl_remap_topic_name(
                std::ptr::null(),
                &self.arguments,
                name.as_ptr(),
                self.node.as_ptr(),
                self.namespace.as_ptr(),
                rcl::rcutils_get_default_allocator(),
                &mut output,
            )
        };
        if code != 0 {
            return ros(doing(), Err(format!("rcl returned {code}")));
        }
        if output.is_null() {
            return Ok(expanded);
        }
        // SAFETY: rcl succeeded and set `output` to a terminated string that it allocated with the
        // default allocator, which is malloc; it is read before it is freed, and freed once.
        unsafe {
            let resolved = CStr::from_ptr(output).to_string_lossy().into_owned();
            libc::free(output.cast());
            Ok(resolved)
        }
    }
}

impl Drop for RosNames {
    fn drop(&mut self) {
        // SAFETY: made by `rcl_parse_arguments`, finished once.
        unsafe { rcl::rcl_arguments_fini(&mut self.arguments) };
    }
}

fn parse(args: impl Iterator<Item = String>) -> Result<rcl::rcl_arguments_t, RunError> {
    let doing = "reading the command line's remappings";
    let args = ros(doing, args.map(CString::new).collect::<Result<Vec<_>, _>>())?;
    let pointers: Vec<*const c_char> = args.iter().map(|arg| arg.as_ptr()).collect();
    let count = ros(doing, c_int::try_from(pointers.len()))?;
    // SAFETY: `count` pointers to terminated strings that outlive the call; rcl copies them. The
    // arguments start zeroed, as the function demands.
    unsafe {
        let mut arguments = rcl::rcl_get_zero_initialized_arguments();
        let allocator = rcl::rcutils_get_default_allocator();
        match rcl::rcl_parse_arguments(count, pointers.as_ptr(), allocator, &mut arguments) {
            0 => Ok(arguments),
            code => ros(doing, Err(format!("rcl returned {code}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> RosNames {
        RosNames {
            arguments: parse(args.iter().map(|arg| (*arg).to_owned())).unwrap(),
            node: c"edge_reasoner".into(),
            namespace: c"/r1".into(),
        }
    }

    #[test]
    fn names_are_resolved_as_ros_does() {
        let plain = names(&["edge_reasoner", "run"]);
        for (written, resolved) in [
            ("/cmd_vel", "/cmd_vel"),
            ("cmd_vel", "/r1/cmd_vel"),
            ("~/decision", "/r1/edge_reasoner/decision"),
        ] {
            assert_eq!(plain.resolve(written).unwrap(), resolved);
        }
    }

    #[test]
    fn remappings_of_the_command_line_count() {
        let args = [
            "x",
            "--ros-args",
            "-r",
            "cmd_vel_in:=/cmd_vel",
            "-r",
            "other:a:=b",
        ];
        let remapped = names(&args);
        for _ in 0..100 {
            assert_eq!(remapped.resolve("cmd_vel_in").unwrap(), "/cmd_vel");
        }
        assert_eq!(remapped.resolve("/r1/cmd_vel_in").unwrap(), "/cmd_vel");
        assert_eq!(
            remapped.resolve("a").unwrap(),
            "/r1/a",
            "another node's rule"
        );
    }

    #[test]
    fn a_name_with_a_zero_in_it_is_an_error() {
        assert!(names(&["x"]).resolve("a\0b").is_err());
    }
}
