"""A room with furniture, walking people and one robot with a lidar, stepped by ir-sim.

No ROS in here: demo/robot.py puts this world behind topics, demo/ungated.py steps it directly.
Everything that happens is a function of the seed and of the commands given to step().
"""

import contextlib
import io
import json
import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import Point

from room import PERSON_RADIUS, SIZE, Room, Walk

with contextlib.redirect_stdout(io.StringIO()):  # ir-sim tells which window systems it did not find
    import irsim

STEP_S = 0.05

ROBOT_RADIUS = 0.15
MAX_SPEED = 0.5
MAX_TURN = 1.5
ACCELERATION = 1.0
TURN_ACCELERATION = 4.0

BEAMS = 360
RANGE_MIN = 0.12
RANGE_MAX = 3.5
RANGE_NOISE = 0.008

# The tightest turn of a car's middle, in m.
CAR_TURN_RADIUS = 0.45

# A person stands still rather than walk into the robot, and turns round when it does not go away.
# So every contact is one that the robot made, except with those who do not look.
PERSON_PATIENCE_S = 1.2

# After a contact the robot stands, backs off like one with a bumper, stands again.
BUMP_STAND_S, BUMP_BACK_S, BUMP_BACK_SPEED = 0.4, 0.8, 0.15
# The same thing is counted again only after the robot was this far from it.
CLEAR_OF_CONTACT = 0.30


@dataclass
class Person:
    walk: Walk
    at: np.ndarray = field(init=False)
    heading_for: int = 1
    direction: int = 1
    wait: float = 0.0
    blocked: float = 0.0

    def __post_init__(self) -> None:
        self.at = np.array(self.walk.path[0])

    def velocity(self, robot: np.ndarray) -> np.ndarray:
        """Where this person walks in the next step, seeing where the robot is."""
        if self.wait > 0.0:
            self.wait -= STEP_S
            return np.zeros(2)
        if self._waits(robot):
            return np.zeros(2)
        way = np.array(self.walk.path[self.heading_for]) - self.at
        distance = float(np.hypot(*way))
        if distance < 0.05:
            self._next_waypoint()
            return np.zeros(2)
        ahead = way / distance
        to_robot = robot - self.at
        gap = float(np.hypot(*to_robot)) - self.walk.radius - ROBOT_RADIUS
        if self.walk.gives_way > 0.0 and gap < self.walk.gives_way and float(to_robot @ ahead) > 0.0:
            self.blocked += STEP_S
            if self.blocked > PERSON_PATIENCE_S:
                self.blocked = 0.0
                self.direction = -self.direction
                self.heading_for = min(max(self.heading_for + self.direction, 0), len(self.walk.path) - 1)
            return np.zeros(2)
        self.blocked = 0.0
        return ahead * min(self.walk.speed, distance / STEP_S)

    def _waits(self, robot: np.ndarray) -> bool:
        """Whether this person stands behind a corner until the robot comes."""
        within, start = self.walk.waits_for_robot, self.walk.path[0]
        at_start = self.direction > 0 and self.heading_for == 1 and math.dist(self.at, start) < 0.06
        return within is not None and at_start and math.dist(robot, start) > within

    def _next_waypoint(self) -> None:
        if not 0 <= self.heading_for + self.direction < len(self.walk.path):
            self.direction = -self.direction
            self.wait = self.walk.pause
        self.heading_for += self.direction


@dataclass
class Collision:
    t: float
    x: float
    y: float
    thing: str


class World:
    """The room of the seed, or the one that is given; `base` is differential, car or holonomic; `noise`
    is the seed of the laser's noise."""

    def __init__(
        self,
        seed: int,
        lidar: bool = True,
        calm: bool = False,
        *,
        room: Room | None = None,
        base: str = "differential",
        noise: int = 1,
    ) -> None:
        self.room = room or Room(seed, calm)
        self.base = base
        self.people = [Person(walk) for walk in self.room.walks]
        self._noise = np.random.default_rng([seed, noise])
        self._env = _build(self, lidar)
        self._robot = self._env.robot_list[0]
        # Rays cost more than all else of a step: they are cast where somebody looks, in scan().
        self._robot.sensors = []
        self._obstacles = [o for o in self._env.obstacle_list]
        self._people_ids = [o.id for o in self._obstacles if o.name.startswith("person")]

        self.t = 0.0
        # Forward, to the left (m/s) and turning (rad/s).
        self.v = self.lateral = self.w = 0.0
        self.bump = 0.0
        self._bounce = (0.0, 0.0)
        self.touching: set[str] = set()
        self.collisions: list[Collision] = []
        self.path: list[tuple[float, float, float, float]] = []
        self.tracks: list[list[tuple[float, float]]] = [[] for _ in self.people]
        self._log()

    @property
    def pose(self) -> tuple[float, float, float]:
        x, y, yaw = self._robot.state[:3, 0]
        return float(x), float(y), float(yaw)

    def step(self, v: float, w: float, lateral: float = 0.0) -> None:
        """Advance by STEP_S with the commanded forward speed (m/s), turn rate (rad/s) and, of a holonomic
        base, speed to the left (m/s)."""
        if self.bump > 0.0:
            self.bump -= STEP_S
            backing = BUMP_STAND_S < self.bump <= BUMP_STAND_S + BUMP_BACK_S
            v, lateral = self._bounce if backing else (0.0, 0.0)
            w = 0.0
        if self.base != "holonomic":
            lateral = 0.0
        v = min(max(v, -MAX_SPEED), MAX_SPEED)
        w = min(max(w, -MAX_TURN), MAX_TURN)
        self.v = _towards(v, self.v, ACCELERATION)
        self.lateral = _towards(min(max(lateral, -MAX_SPEED), MAX_SPEED), self.lateral, ACCELERATION)
        self.w = _towards(w, self.w, TURN_ACCELERATION)
        if self.base == "car":
            most = abs(self.v) / CAR_TURN_RADIUS
            self.w = min(max(self.w, -most), most)

        before = self._robot.state.copy()
        robot = before[:2, 0]
        holonomic = self.base == "holonomic"
        actions = [[self.v, self.lateral, self.w] if holonomic else [self.v, self.w]]
        for person in self.people:
            velocity = person.velocity(robot)
            person.at = person.at + velocity * STEP_S
            actions.append(velocity.tolist())
        self._env.step(actions, action_id=[self._robot.id, *self._people_ids])
        self.t += STEP_S
        self._touch(before)
        self._log()

    def _touch(self, before: np.ndarray) -> None:
        centre = Point(*self._robot.state[:2, 0])
        apart = shapely.distance([o.geometry for o in self._obstacles], centre) - ROBOT_RADIUS
        gaps = {o.name: gap for o, gap in zip(self._obstacles, apart, strict=True)}
        self.touching = {name for name in self.touching if gaps[name] < CLEAR_OF_CONTACT}
        hit = [name for name, gap in gaps.items() if gap <= 0.0]
        if not hit:
            return
        # What it touches while it backs off from a contact is no other contact.
        speed = math.hypot(self.v, self.lateral) if self.bump <= 0.0 else max(self.v, 0.0)
        for name in hit:
            if name not in self.touching and speed > 0.0:
                x, y, _ = self.pose
                self.collisions.append(Collision(round(self.t, 2), x, y, name))
        self.touching.update(hit)
        if speed > 0.0:
            self.bump = 2 * BUMP_STAND_S + BUMP_BACK_S
            self._bounce = (-BUMP_BACK_SPEED * self.v / speed, -BUMP_BACK_SPEED * self.lateral / speed)
        self._robot.set_state(before)
        self.v = self.lateral = 0.0

    def _log(self) -> None:
        x, y, yaw = self.pose
        self.path.append((round(self.t, 3), round(x, 4), round(y, 4), round(yaw, 4)))
        for track, person in zip(self.tracks, self.people, strict=True):
            track.append((round(float(person.at[0]), 3), round(float(person.at[1]), 3)))

    def scan(self) -> np.ndarray:
        """Ranges of the beams from angle_min on, +inf where nothing returns."""
        lidar = self._robot.lidar
        lidar.step(self._robot.state[:3])
        ranges = lidar.range_data + self._noise.normal(0.0, RANGE_NOISE, BEAMS)
        # A return below range_min is no measurement: as on the real sensors, none is reported.
        return np.where(lidar.valid, np.clip(ranges, RANGE_MIN, RANGE_MAX), np.inf).astype(np.float32)

    def log(self) -> dict:
        """What happened so far, for the summary and the picture."""
        return {
            "room": SIZE,
            "step_s": STEP_S,
            "robot_radius": ROBOT_RADIUS,
            "furniture": [list(shape.exterior.coords) for shape in self.room.furniture],
            "person_radius": PERSON_RADIUS,
            "person_radii": [person.walk.radius for person in self.people],
            "unseen": sorted(self.room.unseen),
            "tracks": self.tracks,
            "path": self.path,
            "collisions": [vars(c) for c in self.collisions],
            "goals": self.room.goals,
            "distance_m": _length(self.path),
            "duration_s": round(self.t, 2),
        }


ANGLE_INCREMENT = 2.0 * math.pi / BEAMS
ANGLE_MIN = -math.pi + ANGLE_INCREMENT / 2.0


def _towards(asked: float, now: float, acceleration: float) -> float:
    """The speed one step later."""
    return now + min(max(asked - now, -acceleration * STEP_S), acceleration * STEP_S)


def _length(path: list[tuple[float, float, float, float]]) -> float:
    points = np.array(path)[:, 1:3]
    return round(float(np.hypot(*np.diff(points, axis=0).T).sum()), 2)


def _build(world: World, lidar: bool) -> "irsim.EnvBase":
    width, height = SIZE
    corners = [(0, 0), (width, 0), (width, height), (0, height), (0, 0)]
    obstacles = []
    for i, person in enumerate(world.people):
        obstacles.append({
            "name": f"person {i + 1}", "kinematics": {"name": "omni"},
            "shape": {"name": "circle", "radius": person.walk.radius},
            "state": [*map(float, person.at), 0.0], "vel_max": [2.0, 2.0], "vel_min": [-2.0, -2.0],
        })  # fmt: skip
    for i, shape in enumerate(world.room.furniture):
        vertices = [list(map(float, p)) for p in shape.exterior.coords[:-1]]
        shape_of = {"name": "polygon", "vertices": vertices}
        unseen = i in world.room.unseen
        obstacles.append({"name": f"furniture {i + 1}", "shape": shape_of, "state": [0.0, 0.0, 0.0],
                          "unobstructed": unseen})  # fmt: skip
    for i in range(4):
        ends = [list(map(float, corners[i])), list(map(float, corners[i + 1]))]
        shape_of = {"name": "linestring", "vertices": ends}
        obstacles.append({"name": f"wall {i + 1}", "shape": shape_of, "state": [0.0, 0.0, 0.0]})
    low, high = [-MAX_SPEED, -MAX_TURN], [MAX_SPEED, MAX_TURN]
    if world.base == "holonomic":
        low, high = [-MAX_SPEED, *low], [MAX_SPEED, *high]
    robot = {
        "name": "robot", "kinematics": {"name": "omni_angular" if world.base == "holonomic" else "diff"},
        "shape": {"name": "circle", "radius": ROBOT_RADIUS},
        "state": list(map(float, world.room.start)),
        "vel_min": low, "vel_max": high,
    }  # fmt: skip
    if lidar:
        # ir-sim puts beams on both ends of its range: a full turn less one step gives even spacing.
        robot["sensors"] = [{
            "name": "lidar2d", "number": BEAMS, "angle_range": 2.0 * math.pi - ANGLE_INCREMENT,
            "range_min": RANGE_MIN, "range_max": RANGE_MAX,
        }]  # fmt: skip
    scene = {
        "world": {"width": width, "height": height, "step_time": STEP_S, "collision_mode": "unobstructed"},
        "robot": [robot],
        "obstacle": obstacles,
    }
    handle, name = tempfile.mkstemp(suffix=".yaml", prefix="edge_reasoner_room_")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(scene, file)  # JSON is YAML; ir-sim takes its world from a file only
        return irsim.make(name, headless=True, display=False, log_level="ERROR", seed=0)
    finally:
        Path(name).unlink()
