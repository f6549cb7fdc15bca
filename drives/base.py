"""A robot on two wheels, its odometry and its laser, each as imperfect as those one meets."""

import math
from dataclasses import dataclass

import numpy as np
from world import MATT, World

# What a driver says where something is nearer than range_min: the range all the same, "too near" by
# REP 117, range_min, or its code for no return.
TOO_NEAR = ("true", "minus_inf", "clipped", "code")

class Base:
    """Follows commands late and with limited acceleration; what it bumps into stops it."""

    def __init__(self, random: np.random.Generator, world: World) -> None:
        self.world = world
        self.radius = random.uniform(0.08, 0.28)
        self.most = math.exp(random.uniform(math.log(0.15), math.log(0.9)))
        self.acceleration = random.uniform(0.3, 2.5)
        self.turn_most = random.uniform(0.8, 2.8)
        self.turn_acceleration = random.uniform(2.0, 12.0)
        self.x, self.y, self.yaw = self._start(random)
        self.speed = self.turn = 0.0

    def _start(self, random: np.random.Generator) -> tuple[float, float, float]:
        best = (-math.inf, 0.0, 0.0)
        for _ in range(60):
            x, y = random.uniform(0.2, self.world.size[0] - 0.2), random.uniform(0.2, self.world.size[1] - 0.2)
            best = max(best, (min(self.world.clearance(x, y), self.radius + 0.3), x, y))
        return best[1], best[2], random.uniform(-math.pi, math.pi)

    def step(self, dt: float, forward: float, turn: float) -> None:
        forward = min(max(forward, -self.most), self.most)
        turn = min(max(turn, -self.turn_most), self.turn_most)
        self.speed += min(max(forward - self.speed, -self.acceleration * dt), self.acceleration * dt)
        self.turn += min(max(turn - self.turn, -self.turn_acceleration * dt), self.turn_acceleration * dt)
        self.yaw = math.remainder(self.yaw + self.turn * dt, math.tau)
        x = self.x + self.speed * dt * math.cos(self.yaw)
        y = self.y + self.speed * dt * math.sin(self.yaw)
        gap = self.world.clearance(x, y)
        if gap < self.radius and gap < self.world.clearance(self.x, self.y):
            self.speed = 0.0
        else:
            self.x, self.y = x, y


class Odometer:
    """Adds up what the wheels say, and tells speed and turn rate: smooth, or with spikes of small and uneven steps."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.rate = random.choice([5.0, 10.0, 20.0, 30.0, 50.0])
        self.jitter = random.choice([0.0, 0.1, 0.5])
        self.scale, self.turn_scale = random.normal(1.0, 0.03, 2)
        self.noise = random.choice([0.0, 0.005, 0.03])
        self.spikes = random.choice([0.0, 0.0, 0.03, 0.1])
        self.delay = random.uniform(0.0, 0.15)
        self.pose = (0.0, 0.0, 0.0)
        self.wheels: tuple[float, float, float] | None = None

    def place(self, base: Base) -> tuple[float, float, float]:
        """Where the wheels say that the robot is: near where it is, and further off with every metre."""
        wheels = (base.x, base.y, base.yaw)
        if self.wheels is not None:
            (x, y, yaw), (x0, y0, yaw0) = wheels, self.wheels
            turn = math.remainder(yaw - yaw0, math.tau)
            # Sideways nothing moves on two wheels.
            way = math.cos(yaw0 + turn / 2) * (x - x0) + math.sin(yaw0 + turn / 2) * (y - y0)
            way, turn = way * self.scale, turn * self.turn_scale
            told_x, told_y, told = self.pose
            self.pose = (
                told_x + way * math.cos(told + turn / 2),
                told_y + way * math.sin(told + turn / 2),
                math.remainder(told + turn, math.tau),
            )
        self.wheels = wheels
        slip = self.random.normal(0.0, 0.05 * self.noise, 3)
        x, y, yaw = self.pose
        return x + slip[0], y + slip[1], yaw + slip[2]

    def read(self, base: Base) -> tuple[float, float]:
        speed = base.speed * self.scale + self.random.normal(0.0, self.noise)
        turn = base.turn * self.turn_scale + self.random.normal(0.0, 2.0 * self.noise)
        if self.random.random() < self.spikes:
            speed *= self.random.uniform(0.0, 8.0)
            turn *= self.random.uniform(0.0, 8.0)
        return speed, turn


@dataclass
class Reading:
    """What a LaserScan holds."""

    angle_min: float
    increment: float
    range_min: float
    range_max: float
    ranges: np.ndarray


class Laser:
    """A planar scanner: any beam count, field of view, mounting, limits and code for no return."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.beams = int(random.choice([180, 240, 270, 360, 361, 450, 500, 541, 640, 720, 1081, 1440]))
        self.view = math.radians(random.choice([180.0, 200.0, 240.0, 270.0, 360.0, 360.0, 360.0]))
        self.yaw = float(random.choice([0.0, 0.0, 0.0, math.pi, math.pi, math.pi / 2]))
        full = self.view > 6.28
        # A narrow one looks ahead.
        self.yaw = self.yaw if full else float(random.choice([0.0, 0.0, math.pi]))
        self.increment = self.view / (self.beams if full else self.beams - 1)
        self.first = -self.view / 2 if not full else float(random.choice([-math.pi, 0.0]))
        if not full and self.yaw != 0.0:
            self.first += math.pi
        if random.random() < 0.2:
            self.first, self.increment = self.first + self.increment * (self.beams - 1), -self.increment
        self.range_min = float(random.choice([0.0, 0.02, 0.05, 0.1, 0.12, 0.15]))
        self.range_max = float(random.choice([3.5, 4.0, 5.0, 5.6, 8.0, 12.0, 25.0]))
        self.noise = float(random.choice([0.0, 0.003, 0.01, 0.02]))
        self.share = float(random.choice([0.0, 0.005, 0.01]))
        self.bias = random.normal(0.0, 0.01)
        self.code = float(random.choice([0.0, math.inf, math.nan, self.range_max + 1.0]))
        self.lost = float(random.choice([0.0, 0.01, 0.05, 0.2, 0.5]))
        self.blocks = float(random.choice([0.0, 0.0, 0.02, 0.08]))
        self.rate = float(random.choice([5.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0]))
        self.jitter = float(random.choice([0.0, 0.05, 0.3]))
        self.delay = random.uniform(0.0, 0.15)
        # Of their own, so that the rest of a drive does not depend on them.
        own = random.spawn(1)[0]
        self.too_near = str(own.choice(TOO_NEAR))
        if own.random() < 0.1:
            # A depth camera's.
            self.range_min = float(own.choice([0.2, 0.3, 0.45]))

    def nearer(self, ranges: np.ndarray, least: float) -> np.ndarray | float:
        """What it says where something is nearer than it can measure."""
        if self.too_near == "true":
            return np.maximum(ranges, 0.001)
        # Beyond range_max would be far.
        code = 0.0 if math.isfinite(self.code) else self.code
        return {"clipped": least, "minus_inf": -math.inf, "code": code}[self.too_near]

    def read(self, base: Base) -> Reading:
        random = self.random
        angles = self.first + self.increment * np.arange(self.beams)
        ranges, seen = base.world.cast(base.x, base.y, angles + self.yaw + base.yaw)
        # The nearer the end of a surface's visibility, the more often it is missed.
        missed = random.random(self.beams) < np.maximum((np.minimum(ranges, MATT) / seen) ** 3, self.lost)
        gone = missed | (ranges > self.range_max)
        if random.random() < self.blocks * 10.0:
            start, length = random.integers(self.beams), int(random.integers(2, 2 + self.beams // 20))
            gone[start : start + length] = True
        ranges = ranges + random.normal(0.0, 1.0, self.beams) * (self.noise + self.share * np.minimum(ranges, 30.0))
        ranges = np.minimum(ranges + self.bias, self.range_max)
        least = max(self.range_min, 0.005)
        ranges = np.where(ranges < least, self.nearer(ranges, least), ranges)
        ranges = np.where(gone, self.code, ranges)
        return Reading(self.first, self.increment, self.range_min, self.range_max, ranges)
