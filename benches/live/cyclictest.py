"""cyclictest beside a node: how late this machine wakes a thread that only sleeps."""

import json
import os
import shutil
from pathlib import Path

import nodes
from processes import Processes

# Latencies beyond this (µs) are counted in the largest one only.
HISTOGRAM_US = 100_000


class Cyclictest:
    """One thread, woken at the node's rate, under the node's scheduling policy."""

    def __init__(self, folder: Path, rate_hz: float, policy: str, priority: int) -> None:
        self.out = folder / "cyclictest.json"
        self.out.unlink(missing_ok=True)
        self.processes = Processes(folder, dict(os.environ))
        command = ["cyclictest", "--quiet", "--threads=1", f"--interval={round(1e6 / rate_hz)}",
                   f"--histogram={HISTOGRAM_US}", f"--policy={policy}", f"--json={self.out}",
                   # Its own tuning of power management would flatter the node as well.
                   "--default-system"]  # fmt: skip
        if priority:
            command += ["--mlockall", f"--priority={priority}"]
        self.runs = shutil.which(command[0]) is not None
        if self.runs:
            self.processes.start("cyclictest", command)

    def end(self) -> dict | None:
        """`{"cycles", "max_us", "p999_us", "histogram": {µs: count}}`, or none where it did not run."""
        if not self.runs:
            return None
        if self.processes.ended("cyclictest"):
            raise nodes.Trouble(f"cyclictest ended early.\n{self.processes.last_lines('cyclictest')}")
        self.processes.stop()
        thread = json.loads(self.out.read_text())["thread"]["0"]
        histogram = {int(us): count for us, count in thread["histogram"].items()}
        cycles, seen, p999 = thread["cycles"], 0, float(thread["max"])
        for us, count in sorted(histogram.items()):
            seen += count
            if seen >= 0.999 * cycles:
                p999 = float(us)
                break
        return {"cycles": cycles, "max_us": thread["max"], "p999_us": p999, "histogram": histogram}
