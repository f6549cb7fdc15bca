"""One node over a long time: what it answered, and what it held on to."""

import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from edge_reasoner.msg import Decision
from rclpy.serialization import deserialize_message
from scipy.stats import theilslopes

from client import Answers, Client
from machine import Process
from processes import Trouble
from stream import Moment

# Between two looks at the process.
LOOK_S = 2.0
# Share of a run in which a node may still take memory: first messages, first of every path.
SETTLING = 0.2
LEAST_LOOKS = 5


@dataclass(frozen=True)
class Look:
    """A process at one time, and the worst answer since the look before."""

    second: float
    rss_mb: float
    threads: int
    descriptors: int
    worst_ms: float


@dataclass
class Condition:
    """Answers of one condition."""

    sent: int = 0
    # By the node's own account: from the arrival of a scan to the publication of its decision.
    latency_ms: list[float] = field(default_factory=list)
    # As the client saw it.
    client_us: list[float] = field(default_factory=list)
    # The node counts from an arrival that it may put too early, never too late; the client from the
    # sending of a scan, with both ways through DDS and its own waits. The truth lies between.
    late: int = 0
    beyond_deadline_at_client: int = 0
    largest_lateness_ms: float = 0.0
    by_source: Counter = field(default_factory=Counter)
    by_reason: Counter = field(default_factory=Counter)

    def take(self, answers: Answers) -> float:
        """Adds answers; the largest latency among them, ms."""
        self.sent += answers.sent
        self.client_us += answers.latency_us
        worst = 0.0
        for raw, client_us in zip(answers.decisions.values(), answers.latency_us, strict=True):
            decision = deserialize_message(raw, Decision)
            self.beyond_deadline_at_client += client_us > 1e3 * decision.deadline_ms
            lateness = decision.latency_ms - decision.deadline_ms
            self.latency_ms.append(decision.latency_ms)
            self.late += lateness > 0.0
            self.largest_lateness_ms = max(self.largest_lateness_ms, lateness)
            self.by_source[decision.source] += 1
            self.by_reason[decision.reason] += 1
            worst = max(worst, decision.latency_ms)
        return worst

    def _curve(self) -> list[list[float]]:
        """Latency (ms) and the share of decisions that took longer, for a picture."""
        shares = np.logspace(0.0, -np.log10(len(self.latency_ms)), 60)
        values = np.quantile(self.latency_ms, 1.0 - shares)
        return [[round(float(value), 4), float(share)] for value, share in zip(values, shares, strict=True)]

    def figures(self) -> dict:
        quantiles = [0.5, 0.99, 0.999, 1.0]
        names = ("p50", "p99", "p999", "max")
        node = np.quantile(self.latency_ms, quantiles)
        client = np.quantile(self.client_us, quantiles) / 1e3
        decisions = len(self.latency_ms)
        return {
            "scans": self.sent,
            "decisions": decisions,
            "unanswered": self.sent - decisions,
            "late": self.late,
            "late_share": self.late / decisions,
            "beyond_deadline_at_client": self.beyond_deadline_at_client,
            "largest_lateness_ms": round(self.largest_lateness_ms, 3),
            "latency_ms": {name: round(float(ms), 3) for name, ms in zip(names, node, strict=True)},
            "client_ms": {name: round(float(ms), 3) for name, ms in zip(names, client, strict=True)},
            "curve_ms": self._curve(),
            "by_source": dict(self.by_source),
            "by_reason": dict(self.by_reason),
        }


def follow(
    client: Client, process: Process, stream: list[Moment], rate_hz: float, seconds: float, began: float
) -> tuple[Condition, list[Look]]:
    """Drives the node for so long, and looks at its process meanwhile."""
    condition, looks = Condition(), []
    per_look, at = round(LOOK_S * rate_hz), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        part = [stream[(at + i) % len(stream)] for i in range(per_look)]
        worst = condition.take(client.drive(part, rate_hz))
        at += per_look
        second = time.monotonic() - began
        looks.append(Look(second, process.rss_mb(), process.threads(), process.descriptors(), worst))
    if not condition.latency_ms:
        raise Trouble(f"The node answered none of {condition.sent} scans.")
    return condition, looks


def held(looks: list[Look]) -> dict:
    """Memory over time by the Theil-Sen slope (the median of all pairs' slopes) and its 95 % interval,
    kB per minute; threads and descriptors, least and most. The beginning is left out."""
    steady = [look for look in looks if look.second >= SETTLING * looks[-1].second]
    found = {
        "rss_mb": [round(steady[0].rss_mb, 2), round(steady[-1].rss_mb, 2)],
        "threads": [pick(look.threads for look in steady) for pick in (min, max)],
        "descriptors": [pick(look.descriptors for look in steady) for pick in (min, max)],
    }
    if len(steady) >= LEAST_LOOKS:
        # The work grows with the square of the points.
        thin = steady[:: 1 + len(steady) // 1000]
        slope, _, low, high = theilslopes([x.rss_mb * 1024 for x in thin], [x.second / 60 for x in thin])
        found["rss_slope_kb_per_min"] = round(float(slope), 2)
        found["rss_slope_interval"] = [round(float(low), 2), round(float(high), 2)]
    return found
