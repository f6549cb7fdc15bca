"""The velocity gate in a closed loop, live: `make bench-gate`.

The demo's careless driver in rooms of 20 seeds, with furniture and people: without a gate, with a
scripted kinematic gate (stop when the range ahead is shorter than the speed times one second), and
with ours. Then in calm rooms, where nothing is a reason to slow down, without a gate and with ours.

Ours is live over DDS, in real time. The other two are stepped directly: the scripted gate sees every
scan without any delay, and only what the simulation holds.

Writes target/bench/gate.json, gate.md and gate.svg.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "live"))

import nodes  # noqa: E402, isort: skip
import block  # noqa: E402
import machine  # noqa: E402
import show_gate  # noqa: E402
from driver import REACHED_M  # noqa: E402
from ungated import drive, kinematic  # noqa: E402

# The cone of the clearance task, and the scripted gate's time.
HALF_ANGLE, TIME_S = math.radians(22.5), 1.0
# Standing for longer than this is a stop.
STOP_S = 0.5
# At most so much longer where there is no danger.
LONGER = 1.10


def arguments() -> argparse.Namespace:
    parser = nodes.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="rooms (20)")
    parser.add_argument("--first", type=int, default=1, help="seed of the first room (1)")
    parser.add_argument("--seconds", type=float, default=40.0, help="per drive (40)")
    parser.add_argument("--parallel", type=int, default=2, help="live drives at a time (2)")
    return nodes.parsed(parser, seeds=1, seconds=8.0)


def live(seed: int, calm: bool, args: argparse.Namespace) -> tuple[dict, dict]:
    """Our node between driver and robot: what the robot did, and what the node said of itself."""
    out = args.out / "gate" / f"{'calm' if calm else 'room'}_{seed}"
    command = [sys.executable, str(nodes.ROOT / "demo" / "run.py"), "--seed", str(seed), "--no-second-run",
               "--duration", str(args.seconds), "--out", str(out), "--node", str(nodes.node())]  # fmt: skip
    command += ["--calm"] if calm else []
    for parameter in args.parameters:
        command += ["-p", parameter]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    if done.returncode != 0:
        raise SystemExit(f"seed {seed}: the drive ended early:\n{done.stdout[-2000:]}")
    summary = json.loads((out / "summary.json").read_text())
    return json.loads((out / "robot.json").read_text()), summary["node"]


def seen(log: dict) -> dict:
    """What counts of a drive."""
    return {
        "collisions": len(log["collisions"]),
        "with": [collision["thing"] for collision in log["collisions"]],
        "distance_m": log["distance_m"],
        "stops": stops(log),
        "goals_s": goals(log),
    }


def stops(log: dict) -> int:
    path, standing, count = log["path"], 0, 0
    for (_, x0, y0, a0), (_, x1, y1, a1) in zip(path, path[1:]):
        moved = math.hypot(x1 - x0, y1 - y0) > 1e-4 or abs(math.remainder(a1 - a0, 2 * math.pi)) > 1e-3
        standing = 0 if moved else standing + 1
        count += standing == round(STOP_S / log["step_s"])
    return count


def goals(log: dict) -> list[float]:
    """When the first goals were reached, in their order, until one was not."""
    reached = []
    for t, x, y, _ in log["path"]:
        goal = log["goals"][len(reached)]
        if math.dist(goal, (x, y)) < REACHED_M:
            reached.append(t)
    return reached


def main() -> int:
    args = arguments()
    seeds = range(args.first, args.first + args.seeds)
    with ThreadPoolExecutor(args.parallel) as pool:
        ours = {calm: list(pool.map(lambda seed, calm=calm: live(seed, calm, args), seeds)) for calm in (False, True)}
    scripted = kinematic(HALF_ANGLE, TIME_S)
    rooms = {
        seed: {
            "ungated": seen(drive(seed, args.seconds)),
            "kinematic": seen(drive(seed, args.seconds, scripted)),
            "ours": seen(log),
        }
        for seed, (log, _) in zip(seeds, ours[False], strict=True)
    }
    calm = {
        seed: {"ungated": seen(drive(seed, args.seconds, calm=True)), "ours": seen(log)}
        for seed, (log, _) in zip(seeds, ours[True], strict=True)
    }
    counts = [node for drives in ours.values() for _, node in drives]
    report = {
        "machine": machine.in_words(machine.describe()),
        "bundles": nodes.bundle(),
        "seconds": args.seconds,
        "rooms": rooms,
        "calm": calm,
        "decisions": sum(node["decisions"] for node in counts),
        "late": sum(node["late"] for node in counts),
    }
    report["verdicts"] = verdicts(rooms, calm)
    (args.out / "gate.json").write_text(json.dumps(report, indent=2))
    table = show_gate.table(report)
    (args.out / "gate.md").write_text(table)
    show_gate.picture(report, args.out / "gate.svg")
    block.write(args.out, "bench-gate", report["bundles"], show_gate.figures(report))
    print(table)
    return 0


def verdicts(rooms: dict, calm: dict) -> list[dict]:
    total = {arm: sum(room[arm]["collisions"] for room in rooms.values()) for arm in ("ungated", "kinematic", "ours")}
    worse = [seed for seed, room in rooms.items() if room["ours"]["collisions"] > room["kinematic"]["collisions"]]
    both = {seed: min(len(room[arm]["goals_s"]) for arm in ("ungated", "ours")) for seed, room in calm.items()}
    times = {
        arm: sum(room[arm]["goals_s"][both[seed] - 1] for seed, room in calm.items() if both[seed])
        for arm in ("ungated", "ours")
    }
    longer = times["ours"] / times["ungated"] if times["ungated"] else math.inf
    return [
        {"aim": "in no room more collisions than the kinematic gate", "met": not worse, "found": f"more in seeds {worse}"},
        {
            "aim": "fewer collisions than it in all",
            "met": total["ours"] < total["kinematic"],
            "found": ", ".join(f"{arm} {count}" for arm, count in total.items()),
        },
        {
            "aim": f"at most {LONGER:g} times as long to the same goals where there is no danger",
            "met": longer <= LONGER,
            "found": f"{longer:.3f} over {sum(both.values())} goals",
            "times": longer,
        },
    ]


if __name__ == "__main__":
    sys.exit(main())
