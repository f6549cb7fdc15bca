"""Our node beside what one would write instead, live, one run, alternating: `make bench-node`.

edge_reasoner is our node as it ships. rclpy_ort is a node in Python with ONNX Runtime, the same weights
in f32, the deepest exit, and our own window, compiled: what it measures is the least that a node in
Python takes, for one written by hand in numpy would take longer. r2r_echo answers every scan with an empty decision: the floor of
a node in Rust. One client sends all of them the same scans and takes the time from handing a scan to
the middleware to having the decision; all answer with the same message type.

Writes target/bench/node.json, node.png and node.svg.
"""

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "live"))

import nodes  # noqa: E402, isort: skip
import block  # noqa: E402
import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402

import load  # noqa: E402
import machine  # noqa: E402
import same_model  # noqa: E402
import show_node  # noqa: E402
from client import Client  # noqa: E402
from contest import Contestant, rounds, same_label  # noqa: E402
from processes import Processes, Trouble, free_domain  # noqa: E402
from stream import Moment, moments  # noqa: E402

# Moments of the stream, a minute of the demo's room; it begins anew after them.
STREAM = 1200
# Of them under --smoke.
SHORT = 150
# Condition, figure, whose, and the most that ours may be of it.
AIMS = (
    ("idle", "p50_us", "rclpy_ort", 0.4),
    ("idle", "p50_us", "r2r_echo", 1.3),
    ("stress", "p999_us", "rclpy_ort", 0.25),
    ("idle", "rss_mb", "rclpy_ort", 0.3),
)


def arguments() -> argparse.Namespace:
    parser = nodes.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="per node and condition (60)")
    parser.add_argument("--block", type=float, default=10.0, help="seconds of a node before the next (10)")
    parser.add_argument("--rate", type=float, default=50.0, help="scans per second (50)")
    parser.add_argument("--seed", type=int, default=17, help="of the room that is scanned (17)")
    parser.add_argument("--peer-python", type=Path, required=True, help="of benches/venv.sh rclpy_ort")
    args = nodes.parsed(parser, seconds=1.0, block=1.0)
    if not 10.0 <= args.rate <= 200.0 or args.seconds < 1.0 or args.block < 1.0:
        parser.error("--rate is 10 to 200 per second, --seconds and --block are at least 1")
    return args


def contest(args: argparse.Namespace, stream: list[Moment], report: dict) -> dict:
    """Starts the nodes, measures both conditions into the report, ends the nodes; the latencies."""
    os.environ["ROS_DOMAIN_ID"] = str(free_domain())
    commands = {
        "edge_reasoner": nodes.edge_reasoner("/bench/edge_reasoner", args.parameters),
        "rclpy_ort": nodes.rclpy_ort(args.peer_python, args.out / "clearance.onnx", "/bench/rclpy_ort"),
        "r2r_echo": nodes.r2r_echo("/bench/r2r_echo"),
    }
    logs, env = args.out / "log", dict(os.environ)
    processes = Processes(logs, env)
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    ros, executor = rclpy.create_node("bench_client"), SingleThreadedExecutor()
    executor.add_node(ros)
    try:
        contestants = []
        for name, command in commands.items():
            client = Client(ros, executor, f"/bench/{name}", f"/{name}/decision")
            processes.start(name, command)
            contestants.append(Contestant(name, machine.Process(processes.running[name].pid), client))
        for contestant in contestants:
            name = contestant.name
            if not contestant.client.wait_ready(30.0, lambda name=name: processes.ended(name)):
                raise Trouble(f"{name} does not speak.\n{processes.last_lines(name)}")
        samples = {}
        blocks = max(1, round(args.seconds / args.block))
        for condition, beside in (("idle", contextlib.nullcontext()), ("stress", load.stress(logs, env))):
            print(f"{condition}:" + (f" beside {load.words()}" if condition == "stress" else ""))
            with beside:
                busy = rounds(contestants, stream, args.rate, args.block, blocks)
            for contestant in contestants:
                if processes.ended(contestant.name):
                    raise Trouble(f"{contestant.name} ended before the end.")
            report["neighbours"][condition] = busy
            report[condition] = {c.name: c.figures() for c in contestants}
            report["same_label"][condition] = same_label(*contestants[:2])
            samples[condition] = {c.name: c.answers.latency_us for c in contestants}
        return samples
    finally:
        processes.stop()
        executor.shutdown()
        ros.destroy_node()
        rclpy.try_shutdown()


def aims(report: dict) -> list[dict]:
    """Ours over theirs."""
    made = []
    for condition, figure, other, most in AIMS:
        ratio = report[condition]["edge_reasoner"][figure] / report[condition][other][figure]
        made.append({"condition": condition, "figure": figure, "of": other, "ratio": round(ratio, 3),
                     "at_most": most, "met": ratio <= most})  # fmt: skip
    return made


def main() -> int:
    args = arguments()
    nodes.end_on_signals()
    try:
        report = {"machine": machine.in_words(machine.describe()), "rate_hz": args.rate,
                  "parameters": args.parameters, "stress_by": load.words(),
                  "neighbours": {}, "same_label": {}}  # fmt: skip
        print(f"A minute of the demo's room, {args.rate:g} scans per second.", flush=True)
        stream = moments(args.seed, SHORT if args.smoke else STREAM)
        report["bundles"] = nodes.bundle()
        report["parity"] = same_model.check(stream, args)
        samples = contest(args, stream, report)
    except Trouble as trouble:
        print(f"bench-node: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench-node: ended before the end, nothing was written", file=sys.stderr)
        return 130
    report["aims"] = aims(report)
    (args.out / "node.json").write_text(json.dumps(report, indent=2) + "\n")
    show_node.picture(report, samples, args.out)
    block.write(args.out, "bench-node", report["bundles"], show_node.figures(report))
    print("\n" + show_node.table(report))
    print(f"\nWritten: {args.out}/node.json, node.png, node.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
