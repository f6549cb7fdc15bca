"""The one client of the live benches: sends the stream, hears the decisions, takes the time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_reasoner.msg import Decision
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import LaserScan

from stream import Moment, stamp_ns, stamped


@dataclass
class Answers:
    """What came back for some scans."""

    sent: int = 0
    # From handing a scan to the middleware to having its decision in hand, µs; one per answered scan.
    latency_us: list[float] = field(default_factory=list)
    # Serialized, by the number of the scan they answer.
    decisions: dict[int, bytes] = field(default_factory=dict)

    def extend(self, more: "Answers") -> None:
        self.decisions |= {self.sent + number: decision for number, decision in more.decisions.items()}
        self.latency_us += more.latency_us
        self.sent += more.sent


class Client:
    """Talks to one node under test. All clients of a process share `node` and its executor.

    Scans are serialized beforehand and decisions stay serialized, so that the least of the client
    is in what it measures. Sending has a thread of its own: the executor waits already when an
    answer comes.
    """

    def __init__(self, node: Node, executor: SingleThreadedExecutor, topics: str, decision: str) -> None:
        self.executor = executor
        self.scans = node.create_publisher(LaserScan, f"{topics}/scan", 10)
        self.odometry = node.create_publisher(Odometry, f"{topics}/odom", 10)
        self.commands = node.create_publisher(Twist, f"{topics}/cmd_vel", 10)
        self.heard = node.create_subscription(Decision, decision, self._on_decision, 100, raw=True)
        self.node = node
        self.decision = decision
        # By stamp: the number of a scan and when it was sent (ns).
        self.pending: dict[int, tuple[int, int]] = {}
        self.answers = Answers()

    def wait_ready(self, within_s: float, ended: Callable[[], bool]) -> bool:
        """Until the node under test hears the scans and speaks, or has ended."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not ended():
            self.executor.spin_once(timeout_sec=0.05)
            if self.scans.get_subscription_count() and self.node.count_publishers(self.decision):
                return True
        return False

    def drive(self, stream: list[Moment], rate_hz: float) -> Answers:
        """Sends all of it at this rate; the answers, with those that come within half a second."""
        self.answers, self.pending = Answers(), {}
        sender = threading.Thread(target=self._send, args=(stream, 1.0 / rate_hz))
        sender.start()
        while sender.is_alive():
            self.executor.spin_once(timeout_sec=0.1)
        until = time.monotonic() + 0.5
        while self.pending and time.monotonic() < until:
            self.executor.spin_once(timeout_sec=0.05)
        return self.answers

    def _send(self, stream: list[Moment], period_s: float) -> None:
        began = time.monotonic()
        for index, moment in enumerate(stream):
            # Speeds come between the scans and are not in the way of the next decision.
            _sleep_until(began + (index + 0.5) * period_s)
            self.commands.publish(moment.command)
            self.odometry.publish(stamped(moment.odometry, time.time_ns()))
            _sleep_until(began + (index + 1) * period_s)
            stamp = time.time_ns()
            scan = stamped(moment.scan, stamp)
            self.answers.sent += 1
            self.pending[stamp] = index, time.monotonic_ns()
            self.scans.publish(scan)

    def _on_decision(self, message: bytes) -> None:
        now = time.monotonic_ns()
        number, sent = self.pending.pop(stamp_ns(message), (None, 0))
        if number is not None:
            self.answers.latency_us.append((now - sent) / 1e3)
            self.answers.decisions[number] = message


def _sleep_until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)
