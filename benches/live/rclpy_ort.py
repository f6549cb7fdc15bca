"""The node one would write instead: rclpy, numpy, ONNX Runtime."""

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
from sensor_msgs.msg import LaserScan

from model import Model


class Decider(Node):
    def __init__(self, model: Model) -> None:
        super().__init__("rclpy_ort")
        self.model = model
        self.decisions = self.create_publisher(Decision, "~/decision", 10)
        listen = self.create_subscription
        listen(LaserScan, "/scan", self.on_scan, qos_profile_sensor_data)
        listen(Odometry, "/odom", self.on_odometry, qos_profile_sensor_data)
        listen(Twist, "/cmd_vel", self.on_command, qos_profile_sensor_data)

    def on_odometry(self, message: Odometry) -> None:
        self.model.window.push("odom", message, time.time_ns())

    def on_command(self, message: Twist) -> None:
        self.model.window.push("cmd", message, time.time_ns())

    def on_scan(self, message: LaserScan) -> None:
        now = time.time_ns()
        self.model.window.push("scan", message, now)
        probabilities = self.model.probabilities(now)
        best = int(probabilities.argmax())
        answer = Decision()
        answer.header = message.header
        answer.label, answer.label_index = self.model.labels[best], best
        answer.confidence = float(probabilities[best])
        answer.probabilities = probabilities.tolist()
        answer.source = Decision.MODEL
        self.decisions.publish(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the bundle")
    parser.add_argument("--exported", type=Path, required=True, help="where to write it as ONNX")
    args, ros = parser.parse_known_args()
    model = Model(args.model, args.exported)
    rclpy.init(args=ros)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Decider(model))


if __name__ == "__main__":
    main()
