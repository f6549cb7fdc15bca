"""Listens to the node: every decision, the statistics, and the scans they answer."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from edge_reasoner.msg import Decision, Statistics
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import LaserScan
from std_msgs.msg import String

# The sector the decision is about: ±22.5° around the robot's forward direction.
FRONT = math.radians(22.5)


@dataclass
class Row:
    """One decision as it arrived."""

    t: float  # s since the first one
    stamp: int  # ns, of the scan
    cycle: int
    label: str
    confidence: float
    source: str
    reason: str
    explanation: str
    exit: int
    exits: int
    latency_ms: float
    deadline_ms: float
    seen_ms: float | None  # scan published (or, from a recording, arrived here) to decision received

    @property
    def late(self) -> bool:
        return self.latency_ms > self.deadline_ms


@dataclass
class Scan:
    received: int  # ns
    front: float  # nearest valid range ahead, inf when nothing returned


def front_range(msg: LaserScan, yaw: float) -> float:
    ranges = np.asarray(msg.ranges)
    angles = msg.angle_min + np.arange(len(ranges)) * msg.angle_increment + yaw
    ahead = np.abs(np.remainder(angles + math.pi, 2.0 * math.pi) - math.pi) <= FRONT
    low = max(msg.range_min, 1e-3)
    valid = ahead & np.isfinite(ranges) & (ranges >= low) & (ranges <= msg.range_max)
    return float(ranges[valid].min()) if valid.any() else math.inf


@dataclass
class Record:
    rows: list[Row] = field(default_factory=list)
    scans: dict[int, Scan] = field(default_factory=dict)
    statistics: Statistics | None = None
    robot: dict = field(default_factory=dict)
    first_received: int = 0
    last_received: int = 0


class Watch(Node):
    def __init__(self, scan_yaw: float, stamps_are_now: bool) -> None:
        super().__init__("demo_watch")
        self.record = Record()
        self.scan_yaw = scan_yaw
        self.stamps_are_now = stamps_are_now
        deep = QoSProfile(depth=200)
        self.create_subscription(Decision, "/edge_reasoner/decision", _timed(self.on_decision), deep)
        self.create_subscription(Statistics, "/edge_reasoner/statistics", self.on_statistics, 10)
        self.create_subscription(LaserScan, "/scan", _timed(self.on_scan), 50)
        self.create_subscription(String, "/demo/robot", self.on_robot, 10)

    def on_scan(self, msg: LaserScan, received: int) -> None:
        stamp = _ns(msg.header.stamp)
        self.record.scans[stamp] = Scan(received, front_range(msg, self.scan_yaw))

    def on_decision(self, msg: Decision, received: int) -> None:
        record = self.record
        stamp = _ns(msg.header.stamp)
        if not record.rows:
            record.first_received = received
        record.last_received = received
        since = stamp if self.stamps_are_now else None
        if since is None and stamp in record.scans:
            since = record.scans[stamp].received
        record.rows.append(
            Row(
                t=(received - record.first_received) * 1e-9,
                stamp=stamp,
                cycle=msg.cycle,
                label=msg.label,
                confidence=msg.confidence,
                source=msg.source,
                reason=msg.reason,
                explanation=msg.explanation,
                exit=msg.exit,
                exits=msg.exits,
                latency_ms=msg.latency_ms,
                deadline_ms=msg.deadline_ms,
                seen_ms=None if since is None else (received - since) * 1e-6,
            )  # fmt: skip
        )

    def on_statistics(self, msg: Statistics) -> None:
        self.record.statistics = msg

    def on_robot(self, msg: String) -> None:
        self.record.robot = json.loads(msg.data)


def _timed(callback: Callable[[Any, int], None]) -> Callable[..., None]:
    """Hands over when a message was received (ns), by DDS where rclpy tells, else by our own clock."""
    if not hasattr(Subscription, "CallbackType"):  # Humble
        return lambda msg: callback(msg, time.time_ns())
    return lambda msg, info: callback(msg, info["received_timestamp"] or time.time_ns())


def _ns(stamp: Any) -> int:
    return stamp.sec * 1_000_000_000 + stamp.nanosec
