"""Our node, over DDS and on a clock of this program's own: one step waits for the other.

Every scan is answered by exactly one decision and every command by one velocity; both are waited for,
so a drive takes as long as the machine takes and not as long as the robot drives. Commands are stamped:
the frame of a command is its number and comes back with what was let through.
"""

import collections
import contextlib
import math
import os
import time
from pathlib import Path

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from edge_reasoner.msg import Decision
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from processes import Processes, Trouble
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import LaserScan
from world import ANGLE_INCREMENT, ANGLE_MIN, BEAMS, RANGE_MAX, RANGE_MIN, STEP_S, World

from gate.geometry import Motion

# The simulation's clock does not begin at zero, which means "not told yet".
BEGINS_S = 1000.0
# So long, of the machine's time, may an answer take.
ANSWER_S = 5.0
START_S = 20.0
# Scans before the first command: the window of the model has to fill.
WARM_UP = 20


def command_of(node: Path, parameters: list[str]) -> list[str]:
    """The node with the gate between /cmd_vel_raw and /cmd_vel, in simulated time."""
    own = {
        "model": "clearance",
        "trigger": "scan",
        "sources": "[scan,odom,cmd]",
        # The machine's load is no part of a room: the deadline is what a scan's period allows. Rooms with a slow
        # computer set their own.
        "deadline_ms": "90.0",
        "use_sim_time": "true",
        "scan.topic": "/scan",
        "odom.topic": "/odom",
        "cmd.topic": "/cmd_vel_raw",
        "cmd.type": "geometry_msgs/msg/TwistStamped",
        "act.velocity_gate.enabled": "true",
        "act.velocity_gate.in": "/cmd_vel_raw",
        "act.velocity_gate.out": "/cmd_vel",
        "act.velocity_gate.stamped": "true",
    }
    command = [str(node), "run", "--ros-args"]
    # Of a parameter that is given twice the last counts.
    for parameter in [*(f"{name}:={value}" for name, value in own.items()), *parameters]:
        command += ["-p", parameter]
    return command


class Lockstep:
    """A node as an arm: the same calls as a script's."""

    def __init__(self, command: list[str], logs: Path, domain: int) -> None:
        # The middleware takes the domain from the environment, here and in the node.
        self.processes = Processes(logs, {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1"})
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("bench_gate", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        deep = QoSProfile(depth=10)
        self.clock = self.node.create_publisher(Clock, "/clock", deep)
        self.odom = self.node.create_publisher(Odometry, "/odom", deep)
        self.scan = self.node.create_publisher(LaserScan, "/scan", deep)
        self.asked = self.node.create_publisher(TwistStamped, "/cmd_vel_raw", deep)
        self.node.create_subscription(TwistStamped, "/cmd_vel", self._on_velocity, deep)
        self._listen()
        self.began = BEGINS_S
        self.number = 0
        self.answers: dict[str, tuple[Motion, float]] = {}
        self.decided: set[int] = set()
        self.counts = {"decisions": 0, "late": 0, "sources": collections.Counter(), "reasons": collections.Counter()}
        self.delays_ms: list[float] = []
        try:
            self.processes.start("node", command)
            self._connect()
        except BaseException:
            self._end()
            raise

    def _listen(self) -> None:
        self.node.create_subscription(Decision, "/edge_reasoner/decision", self._on_decision, QoSProfile(depth=10))

    def _connected(self) -> bool:
        out = (self.clock, self.odom, self.scan, self.asked)
        return (
            all(publisher.get_subscription_count() > 0 for publisher in out)
            and self.node.count_publishers("/cmd_vel") > 0
            and self.node.count_publishers("/edge_reasoner/decision") > 0
        )

    def _connect(self) -> None:
        self._until(self._connected, "nobody takes /clock, /odom, /scan and /cmd_vel_raw", START_S)
        # That this side sees the node does not say that the node sees this side.
        self._pause(0.3)

    def warm_up(self, world: World, period_s: float, noise: int) -> None:
        """The robot stands and is seen for a while. Leaves the world's noise as it was."""
        kept, world._noise = world._noise, np.random.default_rng([noise, 99])
        steps = round(period_s / STEP_S)
        for step in range(-WARM_UP * steps, 0):
            scan = world.scan() if step % steps == 0 else None
            self.hear(step * STEP_S, world, scan, tries=8 if step < -WARM_UP * steps // 2 else 1)
        world._noise = kept
        self.counts["decisions"] = self.counts["late"] = 0
        self.counts["sources"].clear()
        self.counts["reasons"].clear()

    def hear(self, t: float, world: World, scan: np.ndarray | None, tries: int = 1) -> None:
        """The robot's clock and odometry, and a scan where there is one: returns when it is answered."""
        stamp = self._stamp(t)
        self._tell_time(stamp)
        self.odom.publish(odometry_of(stamp, world))
        if scan is None:
            return
        message = scan_of(stamp, scan)
        key = _ns(stamp)
        for last in range(tries, 0, -1):
            self.scan.publish(message)
            # The first ones may meet a node that does not hear this side yet.
            if self._answered(lambda: key in self.decided, ANSWER_S if last == 1 else 0.3):
                self.decided.clear()
                return
        self._fail(f"no decision for the scan at {t:.2f} s")

    def pass_on(self, t: float, asked: Motion) -> Motion:
        """What comes back for this command."""
        self.number += 1
        frame = f"c{self.number}"
        message = TwistStamped()
        message.header.stamp, message.header.frame_id = self._stamp(t), frame
        message.twist.linear.x, message.twist.linear.y, message.twist.angular.z = map(float, asked)
        began = time.monotonic()
        self.asked.publish(message)
        self._until(lambda: frame in self.answers, f"no answer to the command at {t:.2f} s")
        passed, at = self.answers[frame]
        self.delays_ms.append((at - began) * 1e3)
        self.answers.clear()
        return passed

    def close(self) -> dict:
        self._end()
        return {
            "decisions": self.counts["decisions"], "late": self.counts["late"],
            "sources": dict(self.counts["sources"]), "reasons": dict(self.counts["reasons"]),
            "delay_ms": [round(float(np.percentile(self.delays_ms, q)), 3) for q in (50, 99)] if self.delays_ms else None,
        }  # fmt: skip

    def _end(self) -> None:
        self.processes.stop()
        self.executor.shutdown()
        self.node.destroy_node()
        with contextlib.suppress(Exception):
            rclpy.shutdown(context=self.context)

    def _on_velocity(self, msg: TwistStamped) -> None:
        twist = msg.twist
        # The first word for a command is its answer; what follows is of later decisions.
        passed = (twist.linear.x, twist.linear.y, twist.angular.z)
        self.answers.setdefault(msg.header.frame_id, (passed, time.monotonic()))

    def _on_decision(self, msg: Decision) -> None:
        self.decided.add(_ns(msg.header.stamp))
        self.counts["decisions"] += 1
        self.counts["late"] += msg.latency_ms > msg.deadline_ms
        self.counts["sources"][msg.source] += 1
        self.counts["reasons"][msg.reason] += 1

    def _tell_time(self, stamp: Time) -> None:
        self.clock.publish(Clock(clock=stamp))

    def _stamp(self, t: float) -> Time:
        ns = round((self.began + t) * 1e9)
        return Time(sec=ns // 10**9, nanosec=ns % 10**9)

    def _answered(self, there: object, within_s: float) -> bool:
        until = time.monotonic() + within_s
        while not there():
            left = until - time.monotonic()
            if left <= 0.0:
                return False
            self.executor.spin_once(timeout_sec=min(left, 0.1))
        return True

    def _until(self, there: object, otherwise: str, within_s: float = ANSWER_S) -> None:
        if not self._answered(there, within_s):
            self._fail(f"{otherwise} within {within_s:g} s")

    def _pause(self, seconds: float) -> None:
        self._answered(lambda: False, seconds)

    def _fail(self, what: str) -> None:
        raise Trouble(f"{what}.\n{self.processes.last_lines('node')}")


def _ns(stamp: Time) -> int:
    return stamp.sec * 10**9 + stamp.nanosec


def scan_of(stamp: Time, ranges: np.ndarray) -> LaserScan:
    msg = LaserScan()
    msg.header.stamp, msg.header.frame_id = stamp, "base_scan"
    msg.angle_min, msg.angle_increment = ANGLE_MIN, ANGLE_INCREMENT
    msg.angle_max = ANGLE_MIN + (BEAMS - 1) * ANGLE_INCREMENT
    msg.scan_time = 0.1
    msg.range_min, msg.range_max = RANGE_MIN, RANGE_MAX
    msg.ranges = ranges.tolist()
    return msg


def odometry_of(stamp: Time, world: World) -> Odometry:
    x, y, yaw = world.pose
    msg = Odometry()
    msg.header.stamp, msg.header.frame_id, msg.child_frame_id = stamp, "odom", "base_footprint"
    msg.pose.pose.position.x, msg.pose.pose.position.y = x, y
    msg.pose.pose.orientation.z, msg.pose.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    msg.twist.twist.linear.x, msg.twist.twist.linear.y = world.v, world.lateral
    msg.twist.twist.angular.z = world.w
    return msg
