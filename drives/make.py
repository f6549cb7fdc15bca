"""Simulated drives to learn from: many rooms, lasers, robots and drivers, as recordings with a list.

    python drives/make.py --out target/drives --count 100 --seconds 40 --seed 1

The same seed gives the same drives.
"""

import argparse
import csv
import heapq
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from base import Base, Laser, Odometer
from drivers import KINDS, LOOKS
from record import Recorder
from world import World

STEP_S = 0.02
COLUMNS = ["file", "group", "robot", "kind", "licence", "yaw_rad", "duplicate_of"]


def ticks(random: np.random.Generator, rate: float, jitter: float, seconds: float) -> Iterator[float]:
    t = random.uniform(0.0, 1.0 / rate)
    while t < seconds:
        yield t
        t += max(0.005, random.normal(1.0, jitter)) / rate


def drive(random: np.random.Generator, path: Path, seconds: float) -> float:
    """Records one drive and returns the yaw of its laser (rad)."""
    world = World(random)
    base, laser, odometer = Base(random, world), Laser(random), Odometer(random)
    driver = KINDS[int(random.integers(len(KINDS)))](random, base.most)
    # Between a look and the wheels: the driver's eyes, the radio, the motor controller.
    latency = random.uniform(0.02, 0.4)
    command_rate = float(random.choice([2.0, 5.0, 10.0, 20.0, 50.0]))
    on_change = random.random() < 0.2
    # Some say more than the wheels can do.
    eager = math.exp(random.uniform(0.0, math.log(6.0))) if random.random() < 0.3 else 1.0
    has_odometry, has_commands = random.random() < 0.75, random.random() < 0.92
    events = [(t, "scan") for t in ticks(random, laser.rate, laser.jitter, seconds)]
    events += [(t, "odom") for t in ticks(random, odometer.rate, odometer.jitter, seconds)]
    events += [(t, "look") for t in ticks(random, command_rate, 0.05, seconds)]
    events.sort()
    late: list[tuple[float, int, str, tuple]] = []
    pending: list[tuple[float, tuple[float, float]]] = []
    told, said = (0.0, 0.0), None
    t = 0.0
    with Recorder(path) as recorder:
        for number, (when, kind) in enumerate(events):
            while t + STEP_S <= when:
                t += STEP_S
                while pending and pending[0][0] <= t:
                    told = pending.pop(0)[1]
                base.step(STEP_S, *told)
                world.step(STEP_S, (base.x, base.y))
            while late and late[0][0] <= when:
                recorder.write(*_of(heapq.heappop(late)))
            if kind == "scan":
                heapq.heappush(late, (when + laser.delay, number, "scan", (when, laser.read(base))))
            elif kind == "odom" and has_odometry:
                told_of = (when, odometer.place(base), odometer.read(base))
                heapq.heappush(late, (when + odometer.delay, number, "odom", told_of))
            elif kind == "look":
                view, _ = world.cast(base.x, base.y, LOOKS + base.yaw)
                forward, turn = driver.command(when, np.minimum(view, 10.0))
                command = (eager * forward, turn)
                pending.append((when + latency, command))
                if has_commands and (not on_change or command != said):
                    said = command
                    heapq.heappush(late, (when + random.uniform(0.0, 0.02), number, "cmd", command))
        while late:
            recorder.write(*_of(heapq.heappop(late)))
    return laser.yaw


def _of(event: tuple[float, int, str, tuple]) -> tuple[float, str, tuple]:
    return event[0], event[2], event[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("target/drives"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--numbers", type=int, nargs="+", help="these drives of the seed, not the first --count")
    parser.add_argument("--licence", default="own", help="what the list says of them (own)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with open(args.out / "manifest.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for number in args.numbers or range(args.count):
            name = f"drive_{number:03}.mcap"
            random = np.random.default_rng([args.seed, number])
            yaw = drive(random, args.out / name, args.seconds)
            yaw = f"{math.remainder(yaw, math.tau):.6f}"
            rows.writerow([name, f"drive_{number:03}", "drawn", "sim", args.licence, yaw, ""])


if __name__ == "__main__":
    main()
