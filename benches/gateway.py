"""One node for several robots beside a node for each: `make bench-gateway`.

Eight robots scan ten times a second, at the same time. One node serves them all (`robots`), then each
has a node of its own, in turn, round by round: processor time per decision, memory, and what the
nodes say of their own latency, lateness and batches. The client's own work is in none of it.

Writes target/bench/gateway.json and gateway.md.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent / "live"))

import nodes  # noqa: E402, isort: skip
import block  # noqa: E402
import machine  # noqa: E402
import rclpy  # noqa: E402
from edge_reasoner.msg import Statistics  # noqa: E402
from nodes import Trouble  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import LaserScan  # noqa: E402

SCANS_HZ = 10.0
REPORTS = "statistics_period_ms:=500.0"


class Robot:
    """Scans, and what its node counts."""

    def __init__(self, client: Node, name: str) -> None:
        self.name = name
        self.scans = client.create_publisher(LaserScan, f"/{name}/scan", 10)
        self.counts: Statistics | None = None
        client.create_subscription(Statistics, f"/{name}/edge_reasoner/statistics", self.hear, 10)

    def hear(self, counts: Statistics) -> None:
        self.counts = counts


def scan() -> LaserScan:
    message = LaserScan(angle_max=6.265, angle_increment=0.0174533, range_min=0.12, range_max=3.5)
    message.header.frame_id = "base_scan"
    message.ranges = [1.5 + 0.004 * beam for beam in range(360)]
    return message


def command(parameters: list[str], rules: list[str]) -> list[str]:
    words = [str(nodes.node()), "run", "--ros-args"]
    for parameter in [f"model:={nodes.MODEL}", REPORTS, *parameters]:
        words += ["-p", parameter]
    for rule in rules:
        words += ["-r", rule]
    return words


def gateway(names: list[str], parameters: list[str]) -> list[list[str]]:
    return [command([f"robots:=[{', '.join(names)}]", *parameters], [])]


def one_each(names: list[str], parameters: list[str]) -> list[list[str]]:
    topics = [f"{source}.topic:={topic}" for source, topic in
              (("scan", "scan"), ("odom", "odom"), ("cmd", "cmd_vel"))]  # fmt: skip
    return [command([*topics, *parameters], [f"__ns:=/{name}"]) for name in names]


@contextmanager
def running(commands: list[list[str]]) -> Iterator[list[machine.Process]]:
    started = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands]
    try:
        yield [machine.Process(one.pid) for one in started]
    finally:
        for one in started:
            one.terminate()
        for one in started:
            one.wait(10)


def measure(executor: SingleThreadedExecutor, robots: list[Robot], commands: list[list[str]], seconds: float) -> dict:
    """A round: a second to settle, then `seconds` that count."""
    for robot in robots:
        robot.counts = None

    def wait(until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)

    def stream(duration: float) -> None:
        message = scan()
        began = time.monotonic()
        for number in range(round(duration * SCANS_HZ)):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
            data = serialize_message(message)
            for robot in robots:
                robot.scans.publish(data)
            wait(began + (number + 1) / SCANS_HZ)

    with running(commands) as processes:
        until = time.monotonic() + 30.0
        while not all(r.counts and r.scans.get_subscription_count() for r in robots):
            if time.monotonic() > until:
                raise Trouble("the nodes did not come up within 30 s")
            executor.spin_once(timeout_sec=0.1)
        stream(1.0)
        wait(time.monotonic() + 1.0)
        before, cpu = [r.counts for r in robots], sum(p.cpu_us() for p in processes)
        stream(seconds)
        wait(time.monotonic() + 1.0)
        cpu = sum(p.cpu_us() for p in processes) - cpu
        rss = sum(p.rss_mb() for p in processes)
    after = [r.counts for r in robots]
    decisions = sum(a.decisions - b.decisions for a, b in zip(after, before, strict=True))
    return {
        "sent": len(robots) * round(seconds * SCANS_HZ),
        "decisions": decisions,
        "late": sum(a.late - b.late for a, b in zip(after, before, strict=True)),
        "batched": sum(a.batched - b.batched for a, b in zip(after, before, strict=True)) / max(decisions, 1),
        "cpu_us_per_decision": cpu / max(decisions, 1),
        "rss_mb": rss,
        "p50_ms": median(a.latency_p50_ms for a in after),
        "p99_ms": max(a.latency_p99_ms for a in after),
    }


def table(rows: dict[str, list[dict]]) -> str:
    lines = [
        "| | decisions | late | computed with others' | CPU per decision, µs | RSS, MB | p50, ms | p99, ms |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, rounds in rows.items():
        of = lambda key: median(one[key] for one in rounds)  # noqa: E731, B023
        total = lambda key: sum(one[key] for one in rounds)  # noqa: E731, B023
        lines.append(
            f"| {name} | {total('decisions')} | {total('late')} | {of('batched'):.0%} | "
            f"{of('cpu_us_per_decision'):.0f} | {of('rss_mb'):.0f} | {of('p50_ms'):.2f} | {of('p99_ms'):.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = nodes.parser(__doc__)
    parser.add_argument("--robots", type=int, default=8, help="how many (8)")
    parser.add_argument("--seconds", type=float, default=10.0, help="per round (10)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    args = nodes.parsed(parser, robots=2, seconds=1.0, rounds=1)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    about = machine.describe()
    names = [f"r{number}" for number in range(1, args.robots + 1)]
    rclpy.init()
    client = rclpy.create_node("robots")
    executor = SingleThreadedExecutor()
    executor.add_node(client)
    robots = [Robot(client, name) for name in names]
    layouts = {
        "one node, packed": gateway(names, ["engines:=[packed]", *args.parameters]),
        "a node each, packed": one_each(names, ["engines:=[packed]", *args.parameters]),
        "one node, flex": gateway(names, ["engines:=[flex]", *args.parameters]),
        "a node each, flex": one_each(names, ["engines:=[flex]", *args.parameters]),
    }
    rows: dict[str, list[dict]] = {name: [] for name in layouts}
    for number in range(args.rounds):
        for name, commands in layouts.items():
            rows[name].append(measure(executor, robots, commands, args.seconds))
            print(f"round {number + 1}, {name}: {rows[name][-1]}", flush=True)
    words = f"{args.robots} robots, {SCANS_HZ:.0f} scans a second each. {machine.in_words(about)}.\n\n{table(rows)}\n"
    print("\n" + words)
    (args.out / "gateway.md").write_text(words)
    bundles = nodes.bundle()
    (args.out / "gateway.json").write_text(json.dumps({"machine": about, "bundles": bundles, "rounds": rows}, indent=1))
    block.write(args.out, "bench-gateway", bundles, f"{table(rows)}\n\n{machine.in_words(about)}.")
    return 0


if __name__ == "__main__":
    nodes.end_on_signals()
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(str(trouble))
