"""What stands between driver and robot: nothing, scripts, our node in several forms, Nav2's monitor."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ungated import kinematic
from world import ANGLE_INCREMENT, ANGLE_MIN, BEAMS, STEP_S

from gate.geometry import Motion, contact_s
from gate.parameters import PHYSICS_ONLY, knows

# The cone of the clearance task, and the scripted gate's time.
HALF_ANGLE, TIME_S = math.radians(22.5), 1.0

# Nav2's collision monitor, mode approach: its circle, its time, its steps and its min_points.
APPROACH_RADIUS, APPROACH_S, APPROACH_STEP_S, APPROACH_POINTS = 0.18, 1.2, 0.1, 4

ANGLES = ANGLE_MIN + np.arange(BEAMS) * ANGLE_INCREMENT
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@dataclass(frozen=True)
class Arm:
    """One way to stand in between. `how`: none, script, node or nav2."""

    name: str
    how: str
    node: Path | None = None
    parameters: tuple[str, ...] = ()


class Script:
    """Stepped with the world: hears what a node would hear, at the same times."""

    def __init__(self) -> None:
        self.ranges = np.full(BEAMS, np.inf)

    def hear(self, t: float, world: object, scan: np.ndarray | None) -> None:
        if scan is not None:
            self.ranges = np.asarray(scan, dtype=float)

    def pass_on(self, t: float, asked: Motion) -> Motion:
        return asked

    def close(self) -> dict:
        return {}


class Scripted(Script):
    """Stops where the way ahead is shorter than what the asked speed makes in a second."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = kinematic(HALF_ANGLE, TIME_S)

    def pass_on(self, t: float, asked: Motion) -> Motion:
        v, w = self.gate(asked[0], asked[2], self.ranges.tolist())
        return v, asked[1], w


class Approach(Script):
    """The idea of Nav2's mode approach: the command is followed in steps until enough points lie in the
    circle, and scaled as a whole by the time that takes over the time there should be."""

    def pass_on(self, t: float, asked: Motion) -> Motion:
        seen = np.isfinite(self.ranges)
        points = DIRECTIONS[seen] * self.ranges[seen, None]
        ttc = contact_s(asked, points, APPROACH_RADIUS, APPROACH_STEP_S, APPROACH_S, APPROACH_POINTS)
        part = min(ttc / APPROACH_S, 1.0)
        return asked[0] * part, asked[1] * part, asked[2] * part


SCRIPTS = {"none": Script, "scripted": Scripted, "approach": Approach}


def has_nav2() -> bool:
    """Whether the environment has the package."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any((Path(p) / "lib" / "nav2_collision_monitor" / "collision_monitor").exists() for p in prefixes if p)


def arms(node: Path, earlier: Path | None) -> tuple[list[Arm], list[str]]:
    """All there are here, and a sentence for each that is left out."""
    found = [Arm(name, "none" if name == "none" else "script") for name in SCRIPTS]
    left_out = []
    if knows(node, PHYSICS_ONLY):
        found.append(Arm("physics", "node", node, (PHYSICS_ONLY,)))
    else:
        left_out.append(f"physics: this node does not know {PHYSICS_ONLY.split(':=')[0]}")
    found.append(Arm("ours", "node", node))
    if earlier is not None:
        found.append(Arm("before", "node", earlier))
    else:
        left_out.append("before: no node of before was named (EARLIER=path)")
    if has_nav2():
        found.append(Arm("nav2", "nav2"))
    else:
        left_out.append("nav2: the package nav2_collision_monitor is not in this environment")
    return found, left_out


STEPS_PER_COMMAND = round(0.1 / STEP_S)
