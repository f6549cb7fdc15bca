"""The velocity gate in a closed loop: `make bench-gate`.

Careless drivers in 40 rooms, with nothing in between, with scripts, and with our node, which decides over
DDS in lockstep with the world. Then in calm rooms, where nothing is a reason to slow down, and once in
real time for the delay that the gate adds. Drives are kept in OUT/gate/drives.jsonl, and a run that was
interrupted goes on where it was.

Writes gate.json, gate.md and gate.svg to OUT.
"""

import json
import os
import sys
from pathlib import Path

# As a package: names such as table and picture are the demo's as well.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import gate  # noqa: E402, F401, isort: skip
import block  # noqa: E402
import machine  # noqa: E402
import nodes  # noqa: E402
from gate import picture, report, table  # noqa: E402
from gate.arms import Arm, arms  # noqa: E402
from gate.pool import drive_all, trace_file  # noqa: E402
from gate.results import Results  # noqa: E402
from gate.rooms import CALM, ROOMS, Drive  # noqa: E402
from processes import Trouble  # noqa: E402

# Of a drive in real time, for the added delay.
DELAY_SECONDS = 20.0


def arguments() -> object:
    parser = nodes.parser(__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each room, each with its own noise (3)")
    parser.add_argument("--seconds", type=float, default=40.0, help="per drive (40)")
    parser.add_argument("--parallel", type=int, default=2, help="drives at a time (2)")
    parser.add_argument("--kinds", help="only rooms of these kinds, such as 'present,car'")
    parser.add_argument("--arms", help="only these arms besides approach and ours, such as 'none,scripted'")
    parser.add_argument("--calm", type=int, default=len(CALM), help=f"calm rooms ({len(CALM)})")
    parser.add_argument("--earlier", type=Path, help="a node of before, as an arm (or EARLIER=path)")
    parser.add_argument("--fresh", action="store_true", help="forget what was driven before")
    smoke = {"runs": 1, "seconds": 3.0, "kinds": "corridors,car", "calm": 1, "fresh": True}
    return nodes.parsed(parser, **smoke)


def gathered(drives: list[Drive], chosen: list[Arm], args: object, results: Results) -> report.Rooms:
    def one(drive: Drive, arm: Arm) -> list[dict]:
        keys = [Results.key(drive, arm, noise, args.seconds) for noise in range(1, args.runs + 1)]
        return [results.found[key] for key in keys]

    return {drive.name: {arm.name: one(drive, arm) for arm in chosen} for drive in drives}


def main() -> int:
    args = arguments()
    earlier = args.earlier or (Path(os.environ["EARLIER"]) if os.environ.get("EARLIER") else None)
    folder = args.out / "gate"
    folder.mkdir(parents=True, exist_ok=True)
    rooms, calm = ROOMS, CALM[: args.calm]
    if args.kinds:
        rooms = [drive for drive in ROOMS if drive.kind in args.kinds.split(",")]
        if not rooms:
            raise Trouble(f"There is no room of the kinds {args.kinds}; there are {sorted({d.kind for d in ROOMS})}.")
    found, left_out = arms(nodes.node(), earlier)
    if args.smoke:
        rooms = list({drive.kind: drive for drive in rooms}.values())
    if args.arms:
        found = [arm for arm in found if arm.name in (*args.arms.split(","), "none", "approach", "ours")]
    if args.parameters:
        extra = tuple(args.parameters)
        found = [Arm(a.name, a.how, a.node, a.parameters + extra) if a.name in ("ours", "physics") else a for a in found]
    for sentence in left_out:
        print(f"left out: {sentence}")

    about = machine.in_words(machine.describe())
    results = Results(folder / "drives.jsonl", args.fresh)
    runs = range(1, args.runs + 1)
    # Interleaved: all arms of a room follow each other, so that what changes on the machine changes for all.
    tasks = [(d, arm, args.seconds, noise, folder, False) for noise in runs for d in (*rooms, *calm) for arm in found]
    drive_all(tasks, results, args.parallel)
    # Alone on the machine, in real time.
    seconds = min(DELAY_SECONDS, args.seconds)
    paced = [(rooms[0], arm, seconds, 1, folder, True) for arm in found if arm.how in ("node", "nav2")]
    drive_all(paced, results, 1)

    by_room, by_calm = gathered(rooms, found, args, results), gathered(calm, found, args, results)
    names = [arm.name for arm in found]
    calm_times = {name: report.calm_times(by_calm, name) for name in names}
    delay = {t[1].name: results.found[Results.key(t[0], t[1], 1, seconds, "pace")]["node"]["delay_ms"] for t in paced}
    made = {
        "machine": about,
        "bundles": nodes.bundle(),
        "seconds": args.seconds,
        "runs": args.runs,
        "rooms": by_room,
        "calm": by_calm,
        "arms": {name: report.sums(by_room, name) for name in names},
        "calm_times": calm_times,
        "delay_ms": delay,
        "verdicts": report.verdicts(by_room, names, calm_times),
        "left_out": left_out,
    }
    (args.out / "gate.json").write_text(json.dumps(made, indent=1))
    said = table.whole(made)
    (args.out / "gate.md").write_text(said)
    picture.draw(traces(folder, rooms), args.out / "gate.svg")
    block.write(args.out, "bench-gate", made["bundles"], table.figures(made))
    print(said)
    return 0


def traces(folder: Path, rooms: list[Drive]) -> dict[tuple[str, str], dict]:
    found = {}
    driven = {drive.name for drive in rooms}
    for name in (name for name in picture.SHOWN if name in driven):
        for arm in picture.ARMS:
            file = trace_file(folder, name, arm)
            if file.exists():
                found[name, arm] = json.loads(file.read_text())
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"bench-gate: {trouble}")
