"""What counts of a drive, watched step by step with the truth that no gate has."""

import math
from collections import deque

import shapely
from shapely.geometry import Point
from world import ROBOT_RADIUS, STEP_S, World

from gate.geometry import Motion, free_way_m

# Slower than this is standing; standing for longer than STOP_S is a stop.
STANDS, TURNS, STOP_S = 0.02, 0.02, 0.5
# Who asks for so much wants to go on; so much of free way is reason to.
WANTS, FREE_M, LOOKS_M = 0.05, 0.30, 1.0
# Who gets on by less than this in a second is held: also one that creeps and halts by turns, and so never
# stands for long.
HELD_M, HELD_S = 0.05, 1.0
# A command let through at under this part creeps, or halts where next to nothing passes.
CREEPS, HALTS = 0.5, 0.02
# Halt, creep and halt within so long and so short a way, and nobody near: an alternation.
AGAIN_S, AGAIN_M, NOBODY_M = 1.5, 0.15, 1.0


class Measures:
    def __init__(self, world: World) -> None:
        self.world = world
        self.stops = self.alternations = 0
        self.wedged_s = self.held_s = 0.0
        # Where it was, as long as the driver wants on.
        self._places: deque[tuple[float, float]] = deque(maxlen=round(HELD_S / STEP_S) + 1)
        self.gap = math.inf
        self._stood = self._wedged = 0
        self._halts: deque[tuple[float, float, float]] = deque(maxlen=1)
        self._state = "goes"
        self.goals_s: list[float] = []

    def step(self, asked: Motion, passed: Motion) -> None:
        """After every step of the world: what the driver asks at the moment, and what was let through."""
        world = self.world
        speed = math.hypot(world.v, world.lateral)
        things = [thing.geometry for thing in world._obstacles]
        if speed > STANDS:
            centre = Point(*world.pose[:2])
            self.gap = min(self.gap, float(shapely.distance(things, centre).min()) - ROBOT_RADIUS)
        stands = speed < STANDS
        self._stood = self._stood + 1 if stands and abs(world.w) < TURNS else 0
        self.stops += self._stood == round(STOP_S / STEP_S)
        self._wedge(asked, stands, things)
        self._hold(asked, things)
        self._alternate(asked, passed)

    def _wedge(self, asked: Motion, stands: bool, things: list) -> None:
        """Stands although the driver wants on and the way is free, for longer than a moment."""
        wants = math.hypot(asked[0], asked[1]) > WANTS
        if not (stands and wants and self.world.bump <= 0.0):
            self._wedged = 0
            return
        if free_way_m(asked, self.world.pose, ROBOT_RADIUS, things, FREE_M + 0.02) <= FREE_M:
            self._wedged = 0
            return
        self._wedged += 1
        moment = round(STOP_S / STEP_S)
        if self._wedged > moment:
            self.wedged_s += STEP_S * (moment + 1 if self._wedged == moment + 1 else 1)

    def _hold(self, asked: Motion, things: list) -> None:
        """Hardly gets on although the driver wants on and the way is free."""
        if math.hypot(asked[0], asked[1]) <= WANTS or self.world.bump > 0.0:
            self._places.clear()
            return
        places = self._places
        places.append(self.world.pose[:2])
        if len(places) == places.maxlen and math.dist(places[0], places[-1]) < HELD_M:
            way = free_way_m(asked, self.world.pose, ROBOT_RADIUS, things, FREE_M + 0.02)
            self.held_s += STEP_S * (way > FREE_M)

    def _alternate(self, asked: Motion, passed: Motion) -> None:
        want = math.hypot(asked[0], asked[1])
        if want < WANTS:
            self._state = "goes"
            self._halts.clear()
            return
        part = math.hypot(passed[0], passed[1]) / want
        state = "halt" if part < HALTS else "creep" if part < CREEPS else "goes"
        if state == "halt" and self._state != "halt":
            x, y, _ = self.world.pose
            if self._halts and self._state == "creep":
                t, fx, fy = self._halts[0]
                soon = self.world.t - t < AGAIN_S and math.hypot(x - fx, y - fy) < AGAIN_M
                self.alternations += soon and not self._somebody_near()
        if state == "halt":
            self._halts.append((self.world.t, *self.world.pose[:2]))
        self._state = state

    def _somebody_near(self) -> bool:
        x, y, _ = self.world.pose
        return any(math.dist(person.at, (x, y)) < NOBODY_M for person in self.world.people)

    def result(self, reached: int, given_up: int) -> dict:
        log = self.world.log()
        gap = 0.0 if log["collisions"] else self.gap
        return {
            "collisions": len(log["collisions"]),
            "with": [collision["thing"] for collision in log["collisions"]],
            "metres": log["distance_m"],
            "goals": reached,
            "given_up": given_up,
            "stops": self.stops,
            "wedged_s": round(self.wedged_s, 2),
            "held_s": round(self.held_s, 2),
            "alternations": self.alternations,
            "gap_m": None if math.isinf(gap) else round(gap, 3),
            "goals_s": self.goals_s,
        }
