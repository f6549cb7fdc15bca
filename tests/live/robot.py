"""A robot for the live tests: publishes scans, odometry and commands, listens to the node."""

import math
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from edge_reasoner.msg import Decision, Statistics
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import LaserScan

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(
    os.environ.get("EDGE_REASONER_NODE", ROOT / "install/edge_reasoner/lib/edge_reasoner/edge_reasoner")
)

# The velocity gate between /cmd_vel_raw and /cmd_vel.
GATE = [
    "act.velocity_gate.enabled:=true",
    "act.velocity_gate.in:=/cmd_vel_raw",
    "act.velocity_gate.out:=/cmd_vel",
    "act.velocity_gate.linear.go:=1.0",
    "act.velocity_gate.linear.slow:=0.5",
    "act.velocity_gate.linear.stop:=0.0",
]


class Node:
    """The node under test, in a process of its own."""

    def __init__(self, *parameters, params_file=None, remappings=()):
        command = [str(NODE), "run", "--ros-args"]
        if params_file:
            command += ["--params-file", str(params_file)]
        for parameter in ("model:=" + str(ROOT / "models/clearance"), *parameters):
            command += ["-p", parameter]
        for remapping in remappings:
            command += ["-r", remapping]
        # A file, not a pipe: a pipe that nobody reads fills up, and then the node waits to log.
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, cwd=ROOT)

    def wait_ready(self, robot, timeout=10.0):
        """Until its subscription to the scan is there."""
        ready = lambda: robot.scans.get_subscription_count() > 0 and robot.node.count_publishers(  # noqa: E731
            robot.namespace + "/edge_reasoner/decision"
        )
        assert robot.spin_until(ready, timeout), self.output()

    def end(self, how=signal.SIGINT, timeout=5.0):
        """Tells it to end; returns its exit code, what it printed and how long it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout)
        return self.process.returncode, self.text(), time.monotonic() - began

    def wait(self, timeout):
        """Until it ends by itself; what it printed."""
        self.process.wait(timeout)
        return self.text()

    def output(self):
        self.process.kill()
        self.process.wait()
        return self.text()

    def text(self):
        """What it printed so far."""
        self.log.seek(0)
        return self.log.read()


class Robot:
    """Publishers of the sensors, and everything the node said."""

    def __init__(self, namespace=""):
        self.namespace = namespace
        self.node = rclpy.create_node("test_robot", namespace=namespace)
        self.scans = self.node.create_publisher(LaserScan, namespace + "/scan", 10)
        self.odometry = self.node.create_publisher(Odometry, namespace + "/odom", 10)
        self.commands = self.node.create_publisher(Twist, namespace + "/cmd_vel_raw", 10)
        self.decisions, self.statistics, self.velocities, self.logs = [], [], [], []
        self.diagnostics = []
        listen = self.node.create_subscription
        listen(Decision, namespace + "/edge_reasoner/decision", self.decisions.append, 100)
        listen(DiagnosticArray, "/diagnostics", self.diagnostics.append, 10)
        listen(Statistics, namespace + "/edge_reasoner/statistics", self.statistics.append, 10)
        listen(Twist, namespace + "/cmd_vel", self.velocities.append, 10)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        listen(Log, "/rosout", self.logs.append, latched)

    def scan(self, ranges=None, stamp=None, frame="base_scan", beams=360):
        message = LaserScan()
        message.header.stamp = stamp or self.node.get_clock().now().to_msg()
        message.header.frame_id = frame
        message.angle_min = 0.0
        message.angle_increment = 2 * math.pi / beams
        message.angle_max = message.angle_increment * (beams - 1)
        message.range_min, message.range_max = 0.12, 3.5
        message.ranges = [3.0] * beams if ranges is None else ranges
        self.scans.publish(message)
        return message.header.stamp

    def move(self, speed=0.0):
        message = Odometry()
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.header.frame_id = "odom"
        message.twist.twist.linear.x = speed
        self.odometry.publish(message)

    def command(self, speed, turn=0.0):
        message = Twist()
        message.linear.x, message.angular.z = speed, turn
        self.commands.publish(message)

    def spin(self, seconds):
        self.spin_until(lambda: False, seconds)

    def spin_until(self, what, timeout):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.01)
            if what():
                return True
        return what()

    def drive(self, scans, period=0.1, **scan):
        """Sends scans with odometry between them; returns their stamps."""
        stamps = []
        for _ in range(scans):
            self.move()
            stamps.append(self.scan(**scan))
            self.spin(period)
        return stamps

    def answers(self, stamps):
        """The decisions that answer these stamps, one list per stamp."""
        key = lambda stamp: (stamp.sec, stamp.nanosec)  # noqa: E731
        return [[d for d in self.decisions if key(d.header.stamp) == key(stamp)] for stamp in stamps]


__all__ = ["GATE", "NODE", "ROOT", "Node", "Robot", "qos_profile_sensor_data"]
