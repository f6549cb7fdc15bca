"""A furnished room with people, a start and goals, all from one seed.

Only numpy and shapely in here: the driver needs the goals and not the simulator.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.affinity
from shapely.geometry import LineString, Point, Polygon

SIZE = (8.0, 6.0)
PERSON_RADIUS = 0.20


@dataclass
class Walk:
    """What one person does: up and down this path."""

    path: list[tuple[float, float]]
    speed: float
    pause: float
    radius: float = PERSON_RADIUS
    # Stands still rather than come nearer to the robot than this (m). 0: does not look, and walks on.
    gives_way: float = 0.40
    # Stands at the start of the path until the robot is so near (m); none: walks all the time.
    waits_for_robot: float | None = None


class Room:
    """A calm room has neither furniture nor people, and its goals keep away from the walls: nothing
    there is a reason to slow down."""

    def __init__(self, seed: int, calm: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.furniture = [] if calm else _furnish(rng)
        self.walks = [] if calm else _walks(rng, self.furniture)
        self.start = _start(rng, self.furniture, self.walks)
        # Pieces, by their place among the furniture, that the laser does not see.
        self.unseen: frozenset[int] = frozenset()
        margin, apart = (1.4, 2.5) if calm else (0.5, 3.0)
        self.goals = _goals(rng, self.furniture, self.start, margin, apart)


def _furnish(rng: np.random.Generator) -> list[Polygon]:
    """Two pieces against the walls, five in the room; a robot passes between any two."""
    width, height = SIZE
    placed: list[Polygon] = []
    wanted = [("wall", 1.7, 0.7), ("wall", 1.3, 0.4), ("box", 1.3, 0.75), ("box", 0.6, 0.6),
              ("box", 0.5, 0.4), ("round", 0.28, 0.0), ("round", 0.18, 0.0)]  # fmt: skip
    for kind, a, b in wanted:
        for _ in range(2000):
            if kind == "wall":
                side = rng.integers(4)
                along = rng.uniform(0.2, 0.8)
                upright = side % 2 == 1
                w, h = (b, a) if upright else (a, b)
                x = [along * width, width - w / 2, along * width, w / 2][side]
                y = [h / 2, along * height, height - h / 2, along * height][side]
                shape = shapely.box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            else:
                x, y = rng.uniform(1.3, width - 1.3), rng.uniform(1.2, height - 1.2)
                if kind == "round":
                    shape = Point(x, y).buffer(a, quad_segs=8)
                else:
                    box = shapely.box(x - a / 2, y - b / 2, x + a / 2, y + b / 2)
                    shape = shapely.affinity.rotate(box, rng.uniform(-40.0, 40.0))
            inside = shapely.box(0, 0, width, height).buffer(1e-9).contains(shape)
            if inside and all(shape.distance(other) > 0.9 for other in placed):
                placed.append(shape)
                break
    return placed


def _free(rng: np.random.Generator, furniture: list[Polygon], margin: float) -> tuple[float, float]:
    width, height = SIZE
    while True:
        x, y = rng.uniform(margin, width - margin), rng.uniform(margin, height - margin)
        if all(shape.distance(Point(x, y)) > margin for shape in furniture):
            return round(float(x), 3), round(float(y), 3)


def _walks(rng: np.random.Generator, furniture: list[Polygon]) -> list[Walk]:
    """Three people, each up and down a path of its own that crosses neither furniture nor another's."""
    walks: list[Walk] = []
    paths: list[LineString] = []
    for _ in range(3):
        for _ in range(4000):
            points = [_free(rng, furniture, 0.45) for _ in range(3)]
            line = LineString(points)
            legs = np.hypot(*np.diff(np.array(points), axis=0).T)
            clear = all(line.distance(shape) > PERSON_RADIUS + 0.1 for shape in furniture)
            apart = all(line.distance(other) > 2.2 * PERSON_RADIUS for other in paths)
            if clear and apart and legs.min() > 1.2:
                paths.append(line)
                walks.append(Walk(points, float(rng.uniform(0.4, 0.7)), float(rng.uniform(0.3, 1.5))))
                break
    return walks


def _start(
    rng: np.random.Generator, furniture: list[Polygon], walks: list[Walk]
) -> tuple[float, float, float]:
    while True:
        x, y = _free(rng, furniture, 0.8)
        if all(np.hypot(*(np.subtract(walk.path[0], (x, y)))) > 1.2 for walk in walks):
            return x, y, float(rng.uniform(-math.pi, math.pi))


def _goals(
    rng: np.random.Generator,
    furniture: list[Polygon],
    start: tuple[float, float, float],
    margin: float,
    apart: float,
) -> list[tuple[float, float]]:
    """Points across the room, so far from everything and from each other. Whether the straight way to them is free, nobody checks."""
    goals: list[tuple[float, float]] = []
    last = start[:2]
    while len(goals) < 60:
        goal = _free(rng, furniture, margin)
        if math.dist(goal, last) > apart:
            goals.append(goal)
            last = goal
    return goals
