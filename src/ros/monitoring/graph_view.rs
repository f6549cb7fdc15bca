//! The ROS graph as the node sees it, for threads that do not own the node.

use std::sync::{Mutex, MutexGuard};

use r2r::{Node, QosProfile};

/// A publisher as the graph knows it.
pub struct PublisherInfo {
    /// The node that has it.
    pub node: String,
    /// The node's namespace.
    pub namespace: String,
    /// `package/msg/Name`.
    pub message: String,
    /// The QoS that it offers.
    pub qos: QosProfile,
}

/// Asks the graph from the control plane while the main thread spins the node. Closed before the
/// node is gone.
pub struct GraphView(Mutex<Option<*const Node>>);

// SAFETY: the pointer is only followed by `publishers_of`, under the lock, see there.
unsafe impl Send for GraphView {}
// SAFETY: as above.
unsafe impl Sync for GraphView {}

impl GraphView {
    /// The view of this node, which must not move before [`GraphView::close`].
    pub fn of(node: &Node) -> GraphView {
        GraphView(Mutex::new(Some(node)))
    }

    /// From here on there is no node to ask. Waits for a question that is being asked.
    pub fn close(&self) {
        self.lock().take();
    }

    /// The publishers of a topic, by its full name; none where the graph cannot be read now.
    pub fn publishers_of(&self, topic: &str) -> Vec<PublisherInfo> {
        let node = self.lock();
        let Some(node) = *node else {
            return Vec::new();
        };
        // SAFETY: the node is alive and where it was, or the view would be closed. Of the node r2r
        // reads the pointer to rcl's node here, which is written when the node is made and never
        // again, whatever else the main thread changes in it; rcl's node is constant from then on.
        // The graph behind it is guarded by a lock of the middleware's (rmw.h: thread-safe), and
        // rclcpp asks it from any thread in the same way.
        let asked = unsafe { (*node).get_publishers_info_by_topic(topic, false) };
        let found = asked
            .unwrap_or_default()
            .into_iter()
            .map(|info| PublisherInfo {
                node: info.node_name,
                namespace: info.node_namespace,
                message: info.topic_type,
                qos: info.qos_profile,
            });
        found.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Option<*const Node>> {
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }
}
