"""The simulated robot as a ROS 2 node.

Publishes /scan (10 Hz) and /odom (20 Hz), drives by the Twist on --cmd, stops when that is silent.
The room stands still until the first command, then runs in real time for --duration seconds.
"""

import argparse
import json
import math
import time
from pathlib import Path

import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import LaserScan
from std_msgs.msg import String

from world import ANGLE_INCREMENT, ANGLE_MIN, BEAMS, RANGE_MAX, RANGE_MIN, STEP_S, World

STEPS_PER_SCAN = 2
STEPS_PER_STATUS = 5
COMMAND_TIMEOUT_S = 0.5


class Robot(Node):
    def __init__(self, seed: int, duration_s: float, cmd: str, calm: bool) -> None:
        super().__init__("robot")
        self.world = World(seed, calm=calm)
        self.duration_s = duration_s
        self.steps = 0
        self.scans: list[tuple[int, float]] = []
        self.command = (0.0, 0.0)
        self.commanded_at: float | None = None
        self.scan_publisher = self.create_publisher(LaserScan, "/scan", 5)
        self.odom_publisher = self.create_publisher(Odometry, "/odom", 5)
        self.status_publisher = self.create_publisher(String, "/demo/robot", 5)
        self.create_subscription(Twist, cmd, self.on_command, 1)
        self.create_timer(STEP_S, self.on_step)

    @property
    def done(self) -> bool:
        return self.world.t >= self.duration_s - 1e-6

    def on_command(self, msg: Twist) -> None:
        self.command = (msg.linear.x, msg.angular.z)
        self.commanded_at = time.monotonic()

    def on_step(self) -> None:
        if self.commanded_at is not None:
            fresh = time.monotonic() - self.commanded_at < COMMAND_TIMEOUT_S
            self.world.step(*(self.command if fresh else (0.0, 0.0)))
        stamp = self.get_clock().now()
        self.publish_odom(stamp)
        if self.steps % STEPS_PER_SCAN == 0:
            self.publish_scan(stamp)
        if self.steps % STEPS_PER_STATUS == 0:
            status = {"t": round(self.world.t, 2), "collisions": len(self.world.collisions)}
            self.status_publisher.publish(String(data=json.dumps(status)))
        self.steps += 1

    def publish_scan(self, stamp: rclpy.time.Time) -> None:
        msg = LaserScan()
        msg.header.stamp = stamp.to_msg()
        msg.header.frame_id = "base_scan"
        msg.angle_min = ANGLE_MIN
        msg.angle_max = ANGLE_MIN + (BEAMS - 1) * ANGLE_INCREMENT
        msg.angle_increment = ANGLE_INCREMENT
        msg.scan_time = STEPS_PER_SCAN * STEP_S
        msg.range_min, msg.range_max = RANGE_MIN, RANGE_MAX
        msg.ranges = self.world.scan().tolist()
        self.scans.append((stamp.nanoseconds, self.world.t))
        self.scan_publisher.publish(msg)

    def publish_odom(self, stamp: rclpy.time.Time) -> None:
        x, y, yaw = self.world.pose
        msg = Odometry()
        msg.header.stamp = stamp.to_msg()
        msg.header.frame_id = "odom"
        msg.child_frame_id = "base_footprint"
        msg.pose.pose.position.x, msg.pose.pose.position.y = x, y
        msg.pose.pose.orientation.z, msg.pose.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
        msg.twist.twist.linear.x, msg.twist.twist.angular.z = self.world.v, self.world.w
        self.odom_publisher.publish(msg)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--duration", type=float, default=60.0)
    parser.add_argument("--cmd", default="/cmd_vel", help="topic of the velocity command")
    parser.add_argument("--calm", action="store_true", help="a room without furniture and people")
    parser.add_argument("--log", type=Path, required=True, help="where to write what happened (JSON)")
    args = parser.parse_args()

    rclpy.init()
    robot = Robot(args.seed, args.duration, args.cmd, args.calm)
    try:
        while not robot.done:
            rclpy.spin_once(robot, timeout_sec=0.2)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    args.log.write_text(json.dumps({**robot.world.log(), "scans": robot.scans}))


if __name__ == "__main__":
    main()
