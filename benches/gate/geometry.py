"""The robot's circle along the arc of a command: where it is, when it touches, how much way is free."""

import math
from collections.abc import Sequence

import numpy as np
import shapely

# Forward and left (m/s), turning (rad/s), all held.
Motion = tuple[float, float, float]
STILL: Motion = (0.0, 0.0, 0.0)


def arc(motion: Motion, times: np.ndarray) -> np.ndarray:
    """Where a robot at the origin is at these times, one row of x and y for each."""
    v, lateral, w = motion
    if abs(w) < 1e-6:
        return np.stack([v * times, lateral * times], axis=1)
    s, c = np.sin(w * times) / w, (1.0 - np.cos(w * times)) / w
    return np.stack([v * s - lateral * c, v * c + lateral * s], axis=1)


def contact_s(motion: Motion, points: np.ndarray, radius: float, step_s: float, most_s: float, least: int) -> float:
    """How long the circle goes on, looking every step, before at least so many points lie in it: the time
    of the last step without them; 0 where they lie in it already; inf: not within most_s. Points are rows of x
    and y around the robot as it is now."""
    if len(points) < least:
        return math.inf
    times = np.arange(0.0, most_s + 1e-9, step_s)
    centres = arc(motion, times)
    square = ((points[None, :, :] - centres[:, None, :]) ** 2).sum(axis=2)
    touched = np.flatnonzero((square < radius * radius).sum(axis=1) >= least)
    return float(times[max(touched[0] - 1, 0)]) if len(touched) else math.inf


def free_way_m(
    motion: Motion, pose: tuple[float, float, float], radius: float, things: Sequence[shapely.Geometry], most_m: float
) -> float:
    """How far along the arc of the command the circle goes before it touches one of the things, in m."""
    speed = math.hypot(motion[0], motion[1])
    if speed == 0.0:
        return 0.0
    ways = np.arange(0.0, most_m + 1e-9, 0.02)
    x, y, yaw = pose
    local = arc(motion, ways / speed)
    c, s = math.cos(yaw), math.sin(yaw)
    centres = shapely.points(x + c * local[:, 0] - s * local[:, 1], y + s * local[:, 0] + c * local[:, 1])
    nearest = np.full(len(ways), np.inf)
    for thing in things:
        nearest = np.minimum(nearest, shapely.distance(centres, thing))
    touched = np.flatnonzero(nearest < radius)
    return float(ways[touched[0]]) if len(touched) else most_m
