"""The derived features of a bundle in numpy: where the robot's motion carries what the laser sees."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# Rates beyond these are sensor faults; m/s and rad/s.
MAX_SPEED, MAX_TURN_RATE = 5.0, 10.0
# Below this (rad/s) an arc is a straight line.
STRAIGHT = np.float32(1e-4)

# What a derived feature asks of an input, beside what the model sees of it:
# ("clearance", half angle in degrees), ("points",), ("rate", path, most).
Need = tuple
# (input, need) to its values per row.
Get = Callable[[str, Need], np.ndarray]


class Projected:
    """Straight ahead."""

    def __init__(self, spec: dict) -> None:
        self.scan, self.clearance = spec["scan"], ("clearance", spec["half_angle_deg"])
        speeds = [speed.split(":", 1) for speed in spec["speeds"]]
        self.speeds = [(source, ("rate", path, MAX_SPEED)) for source, path in speeds]
        self.needs = [(self.scan, self.clearance), *self.speeds]
        self.horizon, self.far, self.width = spec["horizon_s"], spec["far_m"], 3

    def columns(self, get: Get, valid: dict[str, np.ndarray]) -> np.ndarray:
        speed = np.zeros(len(valid[self.scan]), np.float32)
        for source, need in reversed(self.speeds):
            speed = np.where(valid[source], get(source, need)[:, 0], speed)
        clearance = np.minimum(get(self.scan, self.clearance)[:, 0], self.far)
        ahead = (clearance - np.maximum(speed, 0.0) * self.horizon) / self.far
        return np.stack([clearance / self.far, np.clip(speed, -1.0, 1.0), np.clip(ahead, -1.0, 1.0)], axis=1)


class Arc:
    """Along the arc of the present speed and turn rate."""

    def __init__(self, spec: dict) -> None:
        self.scan, self.clearance = spec["scan"], ("clearance", spec["half_angle_deg"])
        self.motions = [
            (m["source"], ("rate", m["forward"], MAX_SPEED), ("rate", m["turn"], MAX_TURN_RATE))
            for m in spec["motions"]
        ]
        self.needs = [(self.scan, self.clearance), (self.scan, ("points",))]
        self.needs += [(source, need) for source, *pair in self.motions for need in pair]
        self.slope = np.float32(math.tan(math.radians(spec["half_angle_deg"])))
        self.horizons = np.array(spec["horizons_s"], np.float32)
        self.near, self.far = np.float32(spec.get("near_m", 0.0)), np.float32(spec["far_m"])
        self.width = len(self.horizons) + 1

    def columns(self, get: Get, valid: dict[str, np.ndarray]) -> np.ndarray:
        forward = turn = np.zeros(len(valid[self.scan]), np.float32)
        for source, fast, round_about in reversed(self.motions):
            forward = np.where(valid[source], get(source, fast)[:, 0], forward)
            turn = np.where(valid[source], get(source, round_about)[:, 0], turn)
        # Rows, horizons, points.
        turned, way = turn[:, None] * self.horizons, forward[:, None] * self.horizons
        sin, cos = np.sin(turned), np.cos(turned)
        straight = np.abs(turn)[:, None] < STRAIGHT
        angle = np.where(straight, 1.0, turned)
        dx = np.where(straight, way, way * sin / angle)[:, :, None]
        dy = np.where(straight, 0.0, way * (1.0 - cos) / angle)[:, :, None]
        x, y = np.split(get(self.scan, ("points",))[:, None, :], 2, axis=2)
        x, y, sin, cos = x - dx, y - dy, sin[:, :, None], cos[:, :, None]
        ahead, left = cos * x + sin * y, cos * y - sin * x
        square = np.where(np.abs(left) <= self.slope * ahead, ahead * ahead + left * left, np.inf)
        after = np.sqrt(square.min(axis=2))
        now = get(self.scan, self.clearance)
        least = np.minimum(now, after.min(axis=1, keepdims=True))
        ranges = np.concatenate([after, least], axis=1)
        return (np.clip(ranges, self.near, self.far) - self.near) / (self.far - self.near)


def derived(spec: dict) -> Projected | Arc:
    kinds: dict[str, Any] = {"projected_clearance": Projected, "arc_clearance": Arc}
    if spec["kind"] not in kinds:
        raise ValueError(f"derived {spec['kind']} is not known here; known: {', '.join(kinds)}")
    return kinds[spec["kind"]](spec)
