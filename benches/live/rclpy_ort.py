"""The node one would write instead: rclpy, ONNX Runtime, and a window.

Its window is ours, compiled, and takes the messages as they come over the wire, so that no time goes
into making Python objects of them: a node written by hand in numpy takes longer.
"""

import argparse
import contextlib
import time
from pathlib import Path

import rclpy
from edge_reasoner.msg import Decision
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import LaserScan
from std_msgs.msg import Header

from model import Model


class Decider(Node):
    def __init__(self, model: Model) -> None:
        super().__init__("rclpy_ort")
        self.model = model
        self.decisions = self.create_publisher(Decision, "~/decision", 10)
        for kind, topic, heard in (
            (LaserScan, "/scan", self.on_scan),
            (Odometry, "/odom", self.on_odometry),
            (Twist, "/cmd_vel", self.on_command),
        ):
            self.create_subscription(kind, topic, heard, qos_profile_sensor_data, raw=True)

    def on_odometry(self, message: bytes) -> None:
        self.model.window.push("odom", message, time.time_ns())

    def on_command(self, message: bytes) -> None:
        self.model.window.push("cmd", message, time.time_ns())

    def on_scan(self, message: bytes) -> None:
        now = time.time_ns()
        self.model.window.push("scan", message, now)
        probabilities = self.model.probabilities(now)
        best = int(probabilities.argmax())
        answer = Decision()
        # The header comes first in a LaserScan; what follows it is left alone.
        answer.header = deserialize_message(message, Header)
        answer.label, answer.label_index = self.model.labels[best], best
        answer.confidence = float(probabilities[best])
        answer.probabilities = probabilities.tolist()
        answer.source = Decision.MODEL
        self.decisions.publish(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the bundle")
    parser.add_argument("--library", type=Path, required=True, help="examples/window.rs, built")
    parser.add_argument("--exported", type=Path, required=True, help="where to write it as ONNX")
    args, ros = parser.parse_known_args()
    model = Model(args.library, args.model, args.exported)
    rclpy.init(args=ros)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Decider(model))


if __name__ == "__main__":
    main()
