"""Our node live at 100 Hz for a long time, beside cyclictest: `make soak`.

Two runs, with normal scheduling and with SCHED_FIFO; in each one process, first alone, then beside
stress-ng. cyclictest sleeps and wakes in the same minutes, at the same rate, under the same policy: what
it sees late, this machine would make late for anybody.

Writes target/bench/soak.json, soak.png and soak.svg.
"""

import argparse
import contextlib
import json
import os
import sys
import time
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "live"))

import nodes  # noqa: E402, isort: skip
import rclpy  # noqa: E402
from edge_reasoner.msg import Statistics  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

import block  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
import show_soak  # noqa: E402
from client import Client  # noqa: E402
from course import follow, held  # noqa: E402
from cyclictest import Cyclictest  # noqa: E402
from processes import Processes, Trouble, free_domain  # noqa: E402
from stream import Moment, moments  # noqa: E402

STREAM = 1200
TOPICS = "/bench/edge_reasoner"
PRIORITY = 80
# Kept free before the deadline by the node's default: a wake-up later than this may make it late.
MARGIN_MS = 2.0


def arguments() -> argparse.Namespace:
    parser = nodes.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of all runs together (600)")
    parser.add_argument("--rate", type=float, default=100.0, help="scans per second (100)")
    parser.add_argument("--deadline-ms", type=float, default=8.0, help="of the node; below the period (8)")
    parser.add_argument("--only", choices=("normal", "fifo"), help="one of the two runs")
    parser.add_argument("--seed", type=int, default=17, help="of the room that is scanned (17)")
    args = nodes.parsed(parser, seconds=8.0)
    if (args.seconds < 20.0 and not args.smoke) or not 1.0 <= args.rate <= 1000.0:
        parser.error("--seconds is at least 20, --rate 1 to 1000 per second")
    return args


def run(args: argparse.Namespace, stream: list[Moment], parameters: list[str], each_s: float) -> dict:
    """One node through both conditions."""
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    logs, env = args.out / "log", dict(os.environ)
    processes = Processes(logs, env)
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    ros, executor = rclpy.create_node("bench_client"), SingleThreadedExecutor()
    executor.add_node(ros)
    statistics: deque[Statistics] = deque(maxlen=1)
    hear = lambda message: statistics.append(message)  # noqa: E731 (rclpy asks for a signature)
    ros.create_subscription(Statistics, "/edge_reasoner/statistics", hear, 10)
    try:
        client = Client(ros, executor, TOPICS, "/edge_reasoner/decision")
        processes.start("edge_reasoner", nodes.edge_reasoner(TOPICS, parameters))
        process = machine.Process(processes.running["edge_reasoner"].pid)
        if not client.wait_ready(30.0, lambda: processes.ended("edge_reasoner")):
            raise Trouble(f"The node does not speak.\n{processes.last_lines('edge_reasoner')}")
        client.drive(stream[: round(args.rate)], args.rate)
        policy, priority = process.scheduling()
        found = {"scheduling": {"policy": policy, "priority": priority}}
        looks, began = [], time.monotonic()
        for condition, beside in (("idle", contextlib.nullcontext()), ("stress", load.stress(logs, env))):
            with beside:
                found["stress_from_s"] = round(time.monotonic() - began, 1)
                instrument = Cyclictest(logs, args.rate, policy, priority)
                try:
                    answers, more = follow(client, process, stream, args.rate, each_s, began)
                finally:
                    beside_it = instrument.end()
            if processes.ended("edge_reasoner"):
                raise Trouble("The node ended before the end.")
            found[condition] = answers.figures() | {"cyclictest": beside_it}
            looks += more
        # The next statistics, so that all decisions are in them.
        until = time.monotonic() + 2.0
        while time.monotonic() < until:
            executor.spin_once(timeout_sec=0.1)
        return found | {"process": held(looks), "counts": counts(statistics), "looks": [vars(x) for x in looks]}
    finally:
        processes.stop()
        executor.shutdown()
        ros.destroy_node()
        rclpy.try_shutdown()


def counts(statistics: deque[Statistics]) -> dict:
    """By the node's account, and whether they add up."""
    if not statistics:
        return {"add_up": False}
    names = ("received", "accepted", "superseded", "refused", "decisions", "late")
    found = {name: getattr(statistics[0], name) for name in names}
    whole = found["accepted"] + found["superseded"] + found["refused"]
    found["add_up"] = found["received"] == whole and found["accepted"] == found["decisions"]
    return found


def verdicts(runs: dict[str, dict]) -> list[dict]:
    """The aims: nothing late beyond what cyclictest saw, memory flat, counts that add up."""
    made = []
    for name, found in runs.items():
        for condition in ("idle", "stress"):
            seen, beside = found[condition], found[condition]["cyclictest"]
            told = (f"{seen['late']} of {seen['decisions']} late, by at most"
                    f" {seen['largest_lateness_ms']:.2f} ms; ")  # fmt: skip
            if beside is None:
                most_us, told = 0.0, told + "cyclictest is not installed"
            else:
                most_us = beside["max_us"]
                beyond = beside["cycles"] - sum(
                    count for us, count in beside["histogram"].items() if us <= MARGIN_MS * 1e3
                )
                told += (f"cyclictest {beyond} of {beside['cycles']} beyond {MARGIN_MS:g} ms, at most"
                         f" {most_us / 1e3:.2f} ms")  # fmt: skip
            aim = f"{condition}: nothing late beyond what cyclictest saw"
            met = seen["largest_lateness_ms"] * 1e3 <= most_us
            made.append({"run": name, "aim": aim, "met": met, "found": told})
        process = found["process"]
        if "rss_slope_kb_per_min" in process:
            low, high = process["rss_slope_interval"]
            made.append({"run": name, "aim": "RSS slope zero", "met": low <= 0.0 <= high,
                         "found": f"{process['rss_slope_kb_per_min']:+.1f} kB per minute"
                                  f" ({low:+.1f} to {high:+.1f}), {process['rss_mb'][1]:.1f} MB"})  # fmt: skip
        told = ", ".join(f"{key} {value}" for key, value in found["counts"].items() if key != "add_up")
        made.append({"run": name, "aim": "counts add up", "met": found["counts"]["add_up"], "found": told})
    return made


def main() -> int:
    args = arguments()
    nodes.end_on_signals()
    wanted = [args.only] if args.only else ["normal", "fifo"]
    each_s = args.seconds / (2 * len(wanted))
    report = {"machine": machine.in_words(machine.describe()), "rate_hz": args.rate,
              "deadline_ms": args.deadline_ms, "parameters": args.parameters,
              "stress_by": load.words(), "runs": {}}  # fmt: skip
    try:
        report["bundles"] = nodes.bundle()
        stream = moments(args.seed, STREAM)
        for name in wanted:
            own = [f"deadline_ms:={args.deadline_ms}", *args.parameters]
            if name == "fifo":
                own += [f"realtime.priority:={PRIORITY}", "realtime.lock_memory:=true"]
            print(f"{name}: {args.rate:g} scans per second, {each_s:.0f} s idle, {each_s:.0f} s beside"
                  f" {load.words()}", flush=True)  # fmt: skip
            report["runs"][name] = found = run(args, stream, own, each_s)
            if name == "fifo" and found["scheduling"]["policy"] != "fifo":
                print("  SCHED_FIFO was refused by this system; this run is one of normal scheduling.")
    except Trouble as trouble:
        print(f"soak: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsoak: ended before the end, nothing was written", file=sys.stderr)
        return 130
    report["verdicts"] = verdicts(report["runs"])
    (args.out / "soak.json").write_text(json.dumps(report, indent=2) + "\n")
    show_soak.picture(report, args.out)
    block.write(args.out, "soak", report["bundles"], show_soak.figures(report))
    print("\n" + show_soak.table(report))
    print(f"\nWritten: {args.out}/soak.json, soak.png, soak.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
