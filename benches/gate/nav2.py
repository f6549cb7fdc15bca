"""Nav2's collision monitor as an arm, where it is installed: mode approach, as its documentation has it.

It answers every command with one velocity under the command's header, but says nothing of a scan: so
after a scan it gets a moment to take it in.
"""

import tempfile
from pathlib import Path

import numpy as np
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage
from world import World

from gate.arms import APPROACH_POINTS, APPROACH_RADIUS, APPROACH_S, APPROACH_STEP_S
from gate.lockstep import START_S, Lockstep, odometry_of, scan_of

CONFIGURE, ACTIVATE = 1, 3
TAKES_IN_S = 0.004

PARAMETERS = f"""
collision_monitor:
  ros__parameters:
    use_sim_time: true
    enable_stamped_cmd_vel: true
    base_frame_id: base_footprint
    odom_frame_id: odom
    cmd_vel_in_topic: /cmd_vel_raw
    cmd_vel_out_topic: /cmd_vel
    state_topic: collision_monitor_state
    transform_tolerance: 0.5
    source_timeout: 1.0
    base_shift_correction: false
    stop_pub_timeout: 2.0
    polygons: [approach]
    approach:
      type: circle
      action_type: approach
      radius: {APPROACH_RADIUS}
      time_before_collision: {APPROACH_S}
      simulation_time_step: {APPROACH_STEP_S}
      min_points: {APPROACH_POINTS}
      visualize: false
      enabled: true
    observation_sources: [scan]
    scan:
      type: scan
      topic: /scan
      enabled: true
"""


class Monitor(Lockstep):
    def __init__(self, logs: Path, domain: int) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(PARAMETERS)
            file.flush()
            ros2 = ["ros2", "run", "nav2_collision_monitor", "collision_monitor"]
            super().__init__([*ros2, "--ros-args", "--params-file", file.name], logs, domain)

    def _listen(self) -> None:
        self.tf = self.node.create_publisher(TFMessage, "/tf", 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.mounting = self.node.create_publisher(TFMessage, "/tf_static", latched)
        mounted = TransformStamped()
        mounted.header.frame_id, mounted.child_frame_id = "base_footprint", "base_scan"
        mounted.transform.rotation.w = 1.0
        self.mounting.publish(TFMessage(transforms=[mounted]))
        self.change = self.node.create_client(ChangeState, "/collision_monitor/change_state")

    def _connect(self) -> None:
        self._until(self.change.service_is_ready, "no collision monitor", START_S)
        for transition in (CONFIGURE, ACTIVATE):
            request = ChangeState.Request()
            request.transition.id = transition
            future = self.change.call_async(request)
            self._until(future.done, "the collision monitor does not change its state", START_S)
            if not future.result().success:
                self._fail("the collision monitor refuses to come up")
        publishers = (self.scan, self.asked)
        self._until(lambda: all(p.get_subscription_count() > 0 for p in publishers), "it does not listen", START_S)
        self._pause(0.3)

    def hear(self, t: float, world: World, scan: np.ndarray | None, tries: int = 1) -> None:
        stamp = self._stamp(t)
        self._tell_time(stamp)
        odometry = odometry_of(stamp, world)
        moved = TransformStamped(header=odometry.header, child_frame_id="base_footprint")
        position = odometry.pose.pose.position
        moved.transform.translation.x, moved.transform.translation.y = position.x, position.y
        moved.transform.rotation = odometry.pose.pose.orientation
        self.tf.publish(TFMessage(transforms=[moved]))
        if scan is not None:
            self.scan.publish(scan_of(stamp, scan))
            self._pause(TAKES_IN_S)
