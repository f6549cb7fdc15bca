"""The demo: a simulated robot, or a recording, with edge_reasoner deciding at every scan.

    python demo/run.py                    # a robot in a room, about a minute, headless
    python demo/run.py --bag drive.mcap   # a recording instead, at its own rate

Writes demo.png, demo.svg, summary.json and the logs of the processes to target/demo.
"""

import argparse
import json
import math
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from processes import Processes, Trouble, free_domain

if TYPE_CHECKING:
    from table import Table

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "demo"
DECISION = "/edge_reasoner/decision"
SILENCE_S = 10.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bag", type=Path, help="play this recording (.mcap or rosbag2 directory) instead")
    parser.add_argument("--duration", type=float, help="seconds (default: 60, or the whole recording)")
    parser.add_argument("--seed", type=int, default=17, help="of the room, its people and the goals (17)")
    parser.add_argument("--calm", action="store_true", help="a room without furniture and people")
    parser.add_argument("--deadline-ms", type=float, default=20.0, help="the node's deadline (20)")
    parser.add_argument("--scan-yaw", type=float, default=0.0,
                        help="turn of the laser in rad; 3.14159: it looks backwards (0)")  # fmt: skip
    parser.add_argument("--no-second-run", action="store_true", help="leave out the drive without the gate")
    parser.add_argument("--params", type=Path, default=ROOT / "params" / "demo.yaml", help="for the node")
    parser.add_argument("-p", dest="overrides", action="append", default=[], metavar="NAME:=VALUE",
                        help="a parameter of the node, may be repeated")  # fmt: skip
    parser.add_argument("--node", type=Path, help="the node's program (default: where colcon installed it)")
    parser.add_argument("--domain", type=int, help="ROS_DOMAIN_ID (default: a free one)")
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "demo", help="folder (target/demo)")
    parser.add_argument("--headless", action="store_true", help="accepted for convenience: it always is")
    return parser.parse_args()


def installed_node() -> Path:
    prefixes = [ROOT / "install" / "edge_reasoner", ROOT / "install"]
    if elsewhere := os.environ.get("EDGE_REASONER_PREFIX"):
        prefixes.insert(0, Path(elsewhere))
    for prefix in prefixes:
        program = prefix / "lib" / "edge_reasoner" / "edge_reasoner"
        if program.exists():
            return program
    raise Trouble("The node is not built: install/edge_reasoner/lib/edge_reasoner/edge_reasoner is missing."
                  " `make demo` builds it, or `colcon build` after `source scripts/env.sh`.")  # fmt: skip


def node_command(args: argparse.Namespace) -> list[str]:
    if args.node is None:
        command = [str(installed_node())]
    elif shutil.which(args.node):
        command = [str(args.node)]
    else:
        raise Trouble(f"There is no program {args.node}.")
    if not args.params.exists():
        raise Trouble(f"There is no parameter file {args.params}.")
    command += ["run", "--ros-args", "--params-file", str(args.params)]
    parameters = {
        "deadline_ms": f"{args.deadline_ms:.3f}",
        "scan.topic": "/scan",
        "scan.yaw": f"{args.scan_yaw:.6f}",
        "odom.topic": "/odom",
        "cmd.topic": "/cmd_vel_raw",
        "act.velocity_gate.enabled": "true",
        "act.velocity_gate.in": "/cmd_vel_raw",
        "act.velocity_gate.out": "/cmd_vel",
    }
    for override in [f"{name}:={value}" for name, value in parameters.items()] + args.overrides:
        command += ["-p", override]
    return command


class Demo:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.command = node_command(args)
        if args.bag is not None and not args.bag.exists():
            raise Trouble(f"There is no recording at {args.bag}.")
        self.domain = args.domain if args.domain is not None else free_domain()
        os.environ["ROS_DOMAIN_ID"] = str(self.domain)
        # ROS for Python: imported after the domain is set, and only here, so that --help needs none.
        try:
            import rclpy

            from watch import Watch
        except ImportError as error:
            raise Trouble(
                f"{error}. This needs ROS 2 and the built messages in the environment: `make demo`"
                " sees to both, or `source scripts/env.sh` after `colcon build`."
            ) from error
        from table import Table

        self.rclpy = rclpy
        rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
        self.watch = Watch(args.scan_yaw, stamps_are_now=args.bag is None)
        self.record = self.watch.record
        self.new_table = Table
        self.processes = Processes(args.out / "log", {**os.environ, "PYTHONUNBUFFERED": "1"})
        self.robot_log = args.out / "robot.json"

    def python(self, name: str, script: str, *options: str) -> None:
        self.processes.start(name, [sys.executable, str(HERE / script), *options])

    def run(self) -> bool:
        """Drives or plays to the end. False when the user ended it before."""
        processes, table = self.processes, None
        self.robot_log.unlink(missing_ok=True)
        try:
            leader = self.start()
            table = self.new_table()
            self.follow(leader, table)
        except KeyboardInterrupt:
            print("\nEnding.")
            return False
        finally:
            # Further signals while the processes end would only leave some behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            # What moves first, the node last: its answer to the last scan still counts.
            processes.stop("driver", "player")
            processes.stop("robot")
            self.collect(0.3)
            processes.stop()
            if table is not None:
                table.close(self.record, self.status())
        return True

    def start(self) -> str:
        """Starts the processes; the name of the one whose end is the end of the demo."""
        args = self.args
        duration = args.duration or (60.0 if args.bag is None else math.inf)
        if args.bag is None:
            who = "A robot alone" if args.calm else "A robot and three people"
            what = f"{who} in a room (seed {args.seed}), {duration:.0f} s."
            room = ["--seed", str(args.seed), *(["--calm"] if args.calm else [])]
            self.python("robot", "robot.py", *room, "--duration", str(duration), "--log", str(self.robot_log))
            # The driver starts with the node, so that the minute is one of driving and not of starting.
            self.python("driver", "driver.py", *room, "--after", DECISION)
        else:
            what = f"Playing {args.bag.name} at its own rate."
        print(f"{what} ROS_DOMAIN_ID={self.domain}; Ctrl-C ends it with a summary.\n", flush=True)
        self.processes.start("node", self.command)
        if args.bag is None:
            return "robot"

        # DDS takes a moment to connect two programs, and a recorded scan comes once: hear the node first.
        until = time.monotonic() + SILENCE_S
        while self.record.statistics is None and time.monotonic() < until:
            self.collect(0.1)
            self.check_node()
        self.python("player", "play.py", str(args.bag), "--duration", str(duration), "--listeners", "2")
        return "player"

    def check_node(self) -> None:
        if self.processes.ended("node"):
            raise Trouble(f"The node ended before the demo did.\n{self.processes.last_lines('node')}")

    def follow(self, leader: str, table: "Table") -> None:
        """Takes in what arrives until the leader (robot or player) is through."""
        processes, record = self.processes, self.record
        decisions = 0
        started = heard = time.monotonic()
        while not processes.ended(leader):
            self.rclpy.spin_once(self.watch, timeout_sec=0.1)
            table.update(record, self.status())
            self.check_node()
            now = time.monotonic()
            if not record.scans and now - started > 3 * SILENCE_S:
                raise Trouble(f"No scan came from the {leader}.\n{processes.last_lines(leader)}")
            if len(record.rows) > decisions or self.scan_gap() > 1.0:
                decisions, heard = len(record.rows), now
            if now - heard > SILENCE_S:
                raise Trouble(
                    f"No decision on {DECISION} for {SILENCE_S:.0f} s although scans arrive.\n"
                    f"{processes.last_lines('node')}"
                )
            if leader == "robot" and processes.ended("driver"):
                raise Trouble(f"The driver ended.\n{processes.last_lines('driver')}")

    def scan_gap(self) -> float:
        """Seconds since the last scan: a recording may pause, and then no decision is due."""
        if not self.record.scans:
            return math.inf
        last = next(reversed(self.record.scans.values()))
        return (time.time_ns() - last.received) * 1e-9

    def collect(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.rclpy.spin_once(self.watch, timeout_sec=0.05)

    def status(self) -> str:
        rows, robot = self.record.rows, self.record.robot
        parts = [f"{len(rows)} decisions", f"{sum(row.late for row in rows)} late"]
        if robot:
            n = robot["collisions"]
            parts = [f"{robot['t']:.0f} s driven", f"{n} collision{'s' * (n != 1)}", *parts]
        return " · ".join(parts)

    def report(self, complete: bool) -> None:
        import picture
        from play import CUT
        from summary import summarise, text

        args = self.args
        png = args.out / "demo.png"
        shown = png.relative_to(Path.cwd()) if png.is_relative_to(Path.cwd()) else png
        seconds = self.record.rows[-1].t
        summary: dict = {
            "mode": "simulation" if args.bag is None else "recording",
            "complete": complete,
            "node": summarise(self.record),
            "picture": str(shown),
        }
        if args.bag is None:
            gated = json.loads(self.robot_log.read_text())
            ungated = None
            if not args.no_second_run and gated["duration_s"] > 0.0:
                from ungated import drive

                ungated = drive(args.seed, gated["duration_s"], calm=args.calm)
            summary["seed"] = args.seed
            summary["title"] = f"{gated['duration_s']:.0f} s in the room, seed {args.seed}"
            for name, log in (("gated", gated), ("ungated", ungated)):
                summary[name] = log and {
                    "collisions": len(log["collisions"]),
                    "collided_with": [c["thing"] for c in log["collisions"]],
                    "distance_m": log["distance_m"],
                }
            picture.drive(args.out, self.record, summary["node"], gated, ungated)
        else:
            summary["title"] = f"{args.bag.name}, {seconds:.0f} s"
            notes = [n for n in self.processes.log("player").read_text().splitlines() if n.startswith(CUT)]
            summary["title"] += "".join(f"\n  {note}" for note in notes)
            picture.recording(args.out, self.record, summary["node"], args.bag.stem)
        (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        print("\n" + text(summary), flush=True)

    def close(self) -> None:
        self.watch.destroy_node()
        self.rclpy.try_shutdown()


def main() -> int:
    args = arguments()

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        demo = Demo(args)
        try:
            complete = demo.run()
            if not demo.record.rows and not complete:
                return 130
            if not demo.record.rows:
                raise Trouble(f"No decision was seen.\n{demo.processes.last_lines('node')}")
            demo.report(complete)
        finally:
            demo.close()
    except Trouble as trouble:
        print(f"\ndemo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
