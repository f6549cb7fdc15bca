"""Careless drivers for the three bases: straight at the next goal, blind to what stands in between.

The differential's is the demo's own. All count goals alike: one is reached, or given up after 3 s
without progress.
"""

import math

from driver import PATIENCE_S, REACHED_M, SPEED, Driver
from world import CAR_TURN_RADIUS

from gate.geometry import STILL, Motion


class Differential:
    def __init__(self, goals: list[tuple[float, float]]) -> None:
        self.driver = Driver(goals)
        self.reached = self.given_up = 0

    def command(self, t: float, x: float, y: float, yaw: float) -> Motion:
        """What the driver wants at time t (s) with the robot at x, y, yaw."""
        before = self.driver.index
        gx, gy = self.goal
        near = math.hypot(gx - x, gy - y) < REACHED_M
        v, w = self.driver.command(t, x, y, yaw)
        if self.driver.index != before:
            self.reached += near
            self.given_up += not near
            return STILL
        return self.steer(t, x, y, yaw, v, w)

    def steer(self, t: float, x: float, y: float, yaw: float, v: float, w: float) -> Motion:
        """For the base at hand; v and w are what a differential would be asked."""
        return v, 0.0, w

    @property
    def goal(self) -> tuple[float, float]:
        return self.driver.goals[self.driver.index % len(self.driver.goals)]

    def bearing(self, x: float, y: float, yaw: float) -> float:
        gx, gy = self.goal
        return math.remainder(math.atan2(gy - y, gx - x) - yaw, 2.0 * math.pi)


class Holonomic(Differential):
    """Drives at the goal sideways as well, and turns towards it on the way."""

    def steer(self, t: float, x: float, y: float, yaw: float, v: float, w: float) -> Motion:
        bearing = self.bearing(x, y, yaw)
        turn = math.copysign(min(abs(bearing), 0.8), bearing)
        return SPEED * math.cos(bearing), SPEED * math.sin(bearing), turn


# A car that has not moved for so long backs out, for so long.
STUCK_S, BACKING_S = 1.0, 1.6
BACKING_SPEED = 0.25


class Car(Differential):
    """Cannot turn on the spot: steers towards the goal, and backs out when it is stuck or the goal is
    inside its turning circle."""

    def __init__(self, goals: list[tuple[float, float]]) -> None:
        super().__init__(goals)
        # Backing out takes longer than the demo's driver has patience for.
        self.moved_at, self.moved_from = 0.0, (math.inf, math.inf)
        self.back_until = -math.inf
        self.side = 1.0

    def command(self, t: float, x: float, y: float, yaw: float) -> Motion:
        if t < self.back_until:
            self.driver.since += 0.1
        return super().command(t, x, y, yaw)

    def steer(self, t: float, x: float, y: float, yaw: float, v: float, w: float) -> Motion:
        bearing = self.bearing(x, y, yaw)
        if math.dist(self.moved_from, (x, y)) > 0.02:
            self.moved_at, self.moved_from = t, (x, y)
        if t >= self.back_until:
            gx, gy = self.goal
            ahead, left = math.hypot(gx - x, gy - y) * math.cos(bearing), math.hypot(gx - x, gy - y) * math.sin(bearing)
            inside = math.hypot(ahead, abs(left) - CAR_TURN_RADIUS) < CAR_TURN_RADIUS - REACHED_M
            if t - self.moved_at > STUCK_S or inside:
                self.back_until, self.side = t + BACKING_S, math.copysign(1.0, bearing)
                self.moved_at = t + BACKING_S
        if t < self.back_until:
            return -BACKING_SPEED, 0.0, self.side * BACKING_SPEED / CAR_TURN_RADIUS
        speed = SPEED if abs(bearing) < 0.5 else 0.3
        most = speed / CAR_TURN_RADIUS
        return speed, 0.0, min(max(1.5 * bearing, -most), most)


DRIVERS = {"differential": Differential, "car": Car, "holonomic": Holonomic}
assert STUCK_S < PATIENCE_S
