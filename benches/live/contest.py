"""Several nodes in turn on the same stream, and their figures."""

import os
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from edge_reasoner.msg import Decision
from rclpy.serialization import deserialize_message

from client import Answers, Client
from machine import Process, busy_us
from processes import Trouble
from stream import Moment

# The model's window is 1.6 s long: what is measured begins with a full one.
WARM_UP_S = 2.0


@dataclass
class Contestant:
    """A running node, its client, and what was measured in one condition."""

    name: str
    process: Process
    client: Client
    answers: Answers = field(default_factory=Answers)
    cpu_us: float = 0.0
    block_medians_us: list[float] = field(default_factory=list)

    def forget(self) -> None:
        self.answers, self.cpu_us, self.block_medians_us = Answers(), 0.0, []

    def block(self, stream: list[Moment], warm_up: int, rate_hz: float) -> None:
        """Sends a part of the stream; what comes back after the warm-up counts."""
        self.client.drive(stream[:warm_up], rate_hz)
        before = self.process.cpu_us()
        answers = self.client.drive(stream[warm_up:], rate_hz)
        self.cpu_us += self.process.cpu_us() - before
        if not answers.latency_us:
            raise Trouble(f"{self.name} answered none of {answers.sent} scans.")
        self.answers.extend(answers)
        self.block_medians_us.append(float(np.median(answers.latency_us)))

    def figures(self) -> dict:
        p50, p99, p999 = np.quantile(self.answers.latency_us, [0.5, 0.99, 0.999])
        heard = self.decisions().values()
        decisions = len(heard)
        inside = np.quantile([decision.latency_ms for decision in heard], [0.5, 0.99, 0.999])
        return {
            "p50_us": round(float(p50), 1),
            "p99_us": round(float(p99), 1),
            "p999_us": round(float(p999), 1),
            "cpu_us_per_decision": round(self.cpu_us / decisions, 1),
            "rss_mb": round(self.process.rss_mb(), 1),
            "decisions": decisions,
            "unanswered": self.answers.sent - decisions,
            # By the node's own account, where it gives one.
            "inside_ms": [round(float(ms), 3) for ms in inside],
            "by_source": Counter(decision.source for decision in heard),
            "p50_us_least_and_most_of_blocks": [
                round(pick(self.block_medians_us), 1) for pick in (min, max)
            ],
        }

    def decisions(self) -> dict[int, Decision]:
        """By the number of the scan."""
        raw = self.answers.decisions.items()
        return {number: deserialize_message(message, Decision) for number, message in raw}


def same_label(one: Contestant, other: Contestant) -> float:
    """Share of the scans that both answered by the model, and with the same label."""
    pair = [{number: decision.label for number, decision in contestant.decisions().items()
             if decision.source == Decision.MODEL} for contestant in (one, other)]  # fmt: skip
    both = pair[0].keys() & pair[1].keys()
    return round(sum(pair[0][number] == pair[1][number] for number in both) / max(1, len(both)), 4)


def rounds(
    contestants: list[Contestant], stream: list[Moment], rate_hz: float, block_s: float, blocks: int
) -> dict:
    """Every node in turn, block by block, each with the same part of the stream. Returns how busy
    others kept the machine meanwhile, as shares of its processors."""
    warm_up = round(WARM_UP_S * rate_hz)
    length = warm_up + round(block_s * rate_hz)
    known = [Process(os.getpid()), *(contestant.process for contestant in contestants)]
    began, (busy, stolen), own = time.monotonic(), busy_us(), sum(p.cpu_us() for p in known)
    for contestant in contestants:
        contestant.forget()
    for number in range(blocks):
        part = [stream[(number * length + i) % len(stream)] for i in range(length)]
        # Another order every time, so that nobody always follows the same one.
        turn = number % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            contestant.block(part, warm_up, rate_hz)
        medians = ", ".join(f"{c.name} {c.block_medians_us[-1]:.0f} µs" for c in contestants)
        print(f"  block {number + 1} of {blocks}, medians: {medians}", flush=True)
    capacity = (time.monotonic() - began) * 1e6 * len(os.sched_getaffinity(0))
    own = sum(p.cpu_us() for p in known) - own
    busy_after, stolen_after = busy_us()
    return {
        "others": round(max(0.0, busy_after - busy - own) / capacity, 3),
        "stolen": round((stolen_after - stolen) / capacity, 3),
    }
