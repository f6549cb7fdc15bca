"""The rooms' furniture, people, start and goals, each kind from a seed.

All rooms are as large as the demo's, and the demo's rooms are the kind `present`.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import shapely
from room import SIZE, Room, Walk
from shapely.geometry import Point, Polygon

WIDTH, HEIGHT = SIZE
XY = tuple[float, float]
CHILD_RADIUS = 0.12
# Who comes round a corner stands still so near the robot.
SEES_LATE_M = 0.05
# How far, to either side, the goals before and behind a door are off its middle, in m.
OFF_DOOR = 0.3


class Scene(Room):
    """A room that is laid out by hand: what World needs of one."""

    def __init__(
        self, seed: int, furniture: list[Polygon], walks: list[Walk], start: tuple[float, float, float],
        goals: list[XY],
    ) -> None:  # fmt: skip
        self.seed = seed
        self.furniture, self.walks, self.start, self.goals = furniture, walks, start, goals
        self.unseen = frozenset()


def present(seed: int) -> Room:
    return Room(seed)


def calm(seed: int) -> Room:
    return Room(seed, calm=True)


def doors(seed: int) -> Room:
    """Two walls across the room, each with a door of 0.45 to 0.6 m; the goals lead through."""
    rng = np.random.default_rng([seed, 2])
    furniture: list[Polygon] = []
    ways: list[list[XY]] = []
    for x in (2.7, 5.3):
        y, width = rng.uniform(1.6, 4.4), rng.uniform(0.45, 0.6)
        furniture.append(shapely.box(x - 0.05, 0.0, x + 0.05, y - width / 2))
        furniture.append(shapely.box(x - 0.05, y + width / 2, x + 0.05, HEIGHT))
        ways.append([(x - 0.7, y), (x + 0.7, y)])
    rooms = [(0.7, 1.7), (3.6, 4.4), (6.3, 7.3)]
    goals: list[XY] = []
    for _ in range(6):
        there = [_in(rng, rooms[1]), *_near(rng, ways[1], OFF_DOOR), _in(rng, rooms[2])]
        goals += [_in(rng, rooms[0]), *_near(rng, ways[0], OFF_DOOR), *there]
        goals += [*_near(rng, ways[1][::-1], OFF_DOOR), _in(rng, rooms[1]), *_near(rng, ways[0][::-1], OFF_DOOR)]
    return Scene(seed, furniture, [], (1.2, 3.0, 0.0), goals)


def corridors(seed: int) -> Room:
    """A corridor of 0.7 to 1 m through the middle; in every second room somebody walks in it."""
    rng = np.random.default_rng([seed, 3])
    half = rng.uniform(0.35, 0.5)
    furniture = [
        shapely.box(1.8, 1.5, 6.2, 3.0 - half),
        shapely.box(1.8, 3.0 + half, 6.2, 4.5),
        # Something stands at the wall of the corridor.
        shapely.box(3.9, 3.0 + half - 0.12, 4.2, 3.0 + half),
    ]
    walks = [Walk([(2.2, 2.85), (5.8, 2.85)], 0.5, 1.0)] if seed % 2 else []
    ends = [[(1.1, 3.0), (6.9, 3.0)], [(6.9, 3.0), (1.1, 3.0)]]
    corners = [[(7.1, 1.0), (7.1, 5.0)], [(0.9, 5.0), (0.9, 1.0)]]
    goals: list[XY] = []
    for i in range(24):
        goals += _near(rng, ends[i % 2], 0.3)
        if i % 3 == 2:
            goals.append(corners[i % 2][int(rng.integers(2))])
    return Scene(seed, furniture, walks, (0.9, 3.0, 0.0), goals)


def dead_ends(seed: int) -> Room:
    """Three pockets of 0.8 to 1 m at the walls; the goals lead to their ends and out again."""
    rng = np.random.default_rng([seed, 4])
    furniture: list[Polygon] = []
    ends: list[list[XY]] = []
    for x, up in ((1.8, False), (4.1, True), (6.3, False)):
        x, half, deep = x + rng.uniform(-0.2, 0.2), rng.uniform(0.4, 0.5), rng.uniform(1.2, 1.7)
        low, high = (HEIGHT - deep, HEIGHT) if up else (0.0, deep)
        furniture.append(shapely.box(x - half - 0.12, low, x - half, high))
        furniture.append(shapely.box(x + half, low, x + half + 0.12, high))
        end, mouth = (HEIGHT - 0.3, HEIGHT - deep - 0.7) if up else (0.3, deep + 0.7)
        ends.append([(x, mouth), (x, end), (x, mouth)])
    goals: list[XY] = []
    for i in range(20):
        mouth, end, out = ends[i % 3]
        goals += [_beside(rng, mouth, 0.3), _beside(rng, end, 0.22), _beside(rng, out, 0.3)]
    return Scene(seed, furniture, [], (1.0, 3.0, 0.0), goals)


def clutter(seed: int) -> Room:
    """Small things, 0 to 12 cm beside the robot's body along the straight ways between the corners; the
    goals are up to 12 cm off the corners, so that some of them stand in the way."""
    rng = np.random.default_rng([seed, 5])
    corners = [(1.0, 1.1), (7.0, 1.1), (7.0, 4.9), (1.0, 4.9)]
    furniture: list[Polygon] = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        length = math.dist(a, b)
        along, left = np.subtract(b, a) / length, np.array([a[1] - b[1], b[0] - a[0]]) / length
        at, side = 1.0, 1.0
        while at < length - 0.9:
            radius = rng.uniform(0.05, 0.15)
            off = side * (0.15 + rng.uniform(0.0, 0.12) + radius)
            centre = np.array(a) + at * along + off * left
            furniture.append(Point(*centre).buffer(radius, quad_segs=4))
            at, side = at + rng.uniform(0.5, 0.9), -side
    goals = _near(rng, (corners[1:] + corners[:1]) * 15, 0.12)
    return Scene(seed, furniture, [], (1.0, 1.1, 0.0), goals)


def glass(seed: int) -> Room:
    """A present room in which two pieces return nothing: glass, black furniture."""
    room = Room(seed)
    rng = np.random.default_rng([seed, 6])
    inside = range(2, len(room.furniture))
    room.unseen = frozenset(int(i) for i in rng.choice(inside, 2, replace=False))
    return room


def corners(seed: int) -> Room:
    """People stand behind shelves beside the way, step into it at 1 to 1.4 m/s when the robot is near,
    see it at the last moment, and stop there."""
    rng = np.random.default_rng([seed, 7])
    furniture: list[Polygon] = []
    walks: list[Walk] = []
    for x, side in ((2.6, -1.0), (4.2, 1.0), (5.8, -1.0)):
        x = x + rng.uniform(-0.2, 0.2)
        near, far = 3.0 + side * 0.55, 3.0 + side * 1.3
        furniture.append(shapely.box(x - 0.6, min(near, far), x + 0.3, max(near, far)))
        hidden, stop = (x + 0.56, 3.0 + side * 1.0), (x + 0.56, 3.0 + side * rng.uniform(0.0, 0.15))
        within = rng.uniform(1.0, 1.4)
        speed, pause = rng.uniform(1.0, 1.4), rng.uniform(1.5, 3.0)
        walk = Walk([hidden, stop], float(speed), float(pause), waits_for_robot=float(within))
        walks.append(replace(walk, gives_way=SEES_LATE_M))
    ends = [(0.8, 3.0), (7.2, 3.0)]
    goals = [point for _ in range(20) for point in _near(rng, [ends[1], ends[0]], 0.12)]
    return Scene(seed, furniture, walks, (0.8, 3.0, 0.0), goals)


def children(seed: int) -> Room:
    """Small, 1 to 1.5 m/s, and they do not look where the robot is."""
    return _hurried(seed, radius=CHILD_RADIUS, gives_way=0.0)


def fast(seed: int) -> Room:
    """Grown up, at 1 to 1.5 m/s; they give way."""
    return _hurried(seed)


def wide(seed: int) -> Room:
    """A present room with goals that a car can turn at."""
    room = Room(seed)

    def free(goal: XY) -> bool:
        walls = min(goal[0], goal[1], WIDTH - goal[0], HEIGHT - goal[1])
        return walls > 0.8 and all(shape.distance(Point(goal)) > 0.6 for shape in room.furniture)

    room.goals = [goal for goal in room.goals if free(goal)]
    return room


def _hurried(seed: int, **changes: object) -> Room:
    room = Room(seed)
    rng = np.random.default_rng([seed, 8])
    room.walks = [
        replace(walk, speed=float(rng.uniform(1.0, 1.5)), pause=0.4, **changes) for walk in room.walks
    ]
    return room


def _in(rng: np.random.Generator, xs: tuple[float, float]) -> XY:
    return round(float(rng.uniform(*xs)), 3), round(float(rng.uniform(1.0, HEIGHT - 1.0)), 3)


def _near(rng: np.random.Generator, points: list[XY], off: float = 0.06) -> list[XY]:
    return [(x, round(float(y + rng.uniform(-off, off)), 3)) for x, y in points]


def _beside(rng: np.random.Generator, point: XY, off: float) -> XY:
    return round(float(point[0] + rng.uniform(-off, off)), 3), point[1]


SCENES: dict[str, Callable[[int], Room]] = {
    "present": present, "calm": calm, "doors": doors, "corridors": corridors, "dead ends": dead_ends,
    "clutter": clutter, "glass": glass, "corners": corners, "children": children, "fast people": fast,
    "wide": wide,
}  # fmt: skip
