"""The same room and the same driver without our gate, stepped directly: no ROS, faster than real time."""

import math
from collections.abc import Callable

from driver import RATE_HZ, Driver
from world import ANGLE_INCREMENT, ANGLE_MIN, STEP_S, World

# Forward speed and turn rate as asked for, and the ranges of a scan: what passes.
Gate = Callable[[float, float, list[float]], tuple[float, float]]


def drive(seed: int, duration_s: float, gate: Gate | None = None, calm: bool = False) -> dict:
    """Without any gate, or with a scripted one that sees every command and the scan of that moment."""
    world = World(seed, lidar=gate is not None, calm=calm)
    driver = Driver(world.room.goals)
    every = round(1.0 / (RATE_HZ * STEP_S))
    v = w = 0.0
    for step in range(round(duration_s / STEP_S)):
        if step % every == 0:
            v, w = driver.command(world.t, *world.pose)
            if gate is not None:
                v, w = gate(v, w, world.scan().tolist())
        world.step(v, w)
    return world.log()


def kinematic(half_angle: float, time_s: float) -> Gate:
    """Stops where the way ahead is shorter than what the asked speed makes in this time."""

    def gate(v: float, w: float, ranges: list[float]) -> tuple[float, float]:
        ahead = [r for beam, r in enumerate(ranges) if abs(_angle(beam)) <= half_angle]
        return (0.0 if v > 0.0 and min(ahead) < v * time_s else v), w

    return gate


def _angle(beam: int) -> float:
    return math.remainder(ANGLE_MIN + beam * ANGLE_INCREMENT, 2.0 * math.pi)
