"""The machine and the processes on it, read from /proc."""

import os
import platform
import subprocess
import time
from pathlib import Path

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
SCHEDULERS = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}


def processor() -> str:
    """Its name: as /proc/cpuinfo has it, else the board's, else as lscpu knows it (aarch64 has no name
    in /proc/cpuinfo)."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model\t")):
            return line.split(":", 1)[1].strip()
    board = Path("/proc/device-tree/model")
    if board.exists():
        return board.read_text().strip("\0\n ")
    try:
        said = subprocess.run(["lscpu"], stdout=subprocess.PIPE, text=True).stdout
    except OSError:
        said = ""
    names = [line.split(":", 1)[1].strip() for line in said.splitlines() if line.startswith("Model name")]
    return names[0] if names else platform.machine()


def describe() -> dict:
    """What a figure without it would say nothing about."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "ros": os.environ.get("ROS_DISTRO", "?"),
        "load_before": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
    }


def in_words(machine: dict) -> str:
    return (
        f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, ROS 2 "
        f"{machine['ros']}, {machine['date']}, load before the run {machine['load_before']}"
    )


class Process:
    """A running process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.proc = Path("/proc") / str(pid)

    def cpu_us(self) -> float:
        """Processor time of all its threads, user and system, since its start."""
        # The name in brackets may hold anything; what counts is behind the last bracket.
        fields = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def rss_mb(self) -> float:
        return int((self.proc / "statm").read_text().split()[1]) * PAGE_MB

    def threads(self) -> int:
        return len(list((self.proc / "task").iterdir()))

    def descriptors(self) -> int:
        return len(list((self.proc / "fd").iterdir()))

    def scheduling(self) -> tuple[str, int]:
        """Policy and priority of its most urgent thread."""
        threads = [int(task.name) for task in (self.proc / "task").iterdir()]
        # A flag that children do not inherit the policy comes with it.
        policies = [os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK for thread in threads]
        found = list(zip([os.sched_getparam(t).sched_priority for t in threads], policies, strict=True))
        priority, policy = max(found)
        return SCHEDULERS.get(policy, str(policy)), priority


def busy_us() -> tuple[float, float]:
    """Processor time of the whole machine, and what its host took of it, since boot."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq) * TICK_US, steal * TICK_US
