"""Those who drive: each sees what is around the robot now and then, and says speed and turn rate."""

import math

import numpy as np

# Directions (rad) in which a driver looks.
LOOKS = np.radians(np.arange(-180, 180, 10))


class Driver:
    """Looks `view`: distances (m) along LOOKS."""

    def __init__(self, random: np.random.Generator, most: float) -> None:
        self.random = random
        self.most = most * random.uniform(0.4, 1.0)
        self.near = random.uniform(0.25, 1.0)
        self.turn = random.uniform(0.3, 1.6)
        self.side = float(random.choice([-1.0, 1.0]))
        self.until = 0.0
        self.now = (0.0, 0.0)

    def ahead(self, view: np.ndarray, half: float = 0.4) -> float:
        return float(view[np.abs(LOOKS) <= half].min())

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        raise NotImplementedError


class Wanderer(Driver):
    """Straight on until something is near; then turns on the spot, or backs off."""

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        if t < self.until:
            return self.now
        if self.ahead(view) < self.near:
            self.side = float(self.random.choice([-1.0, 1.0]))
            self.until = t + self.random.uniform(0.4, 2.5)
            back = -self.most * 0.5 if self.random.random() < 0.3 else 0.0
            self.now = (back, self.side * self.turn)
            return self.now
        return self.most, 0.0


class WallFollower(Driver):
    """Keeps a wall at one side."""

    def __init__(self, random: np.random.Generator, most: float) -> None:
        super().__init__(random, most)
        self.keep = random.uniform(0.25, 0.7)
        self.gain = random.uniform(0.8, 3.0)
        self.slows = random.random() < 0.5

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        ahead = self.ahead(view)
        if ahead < self.near:
            return (0.0 if self.slows else self.most * 0.3), -self.side * self.turn
        beside = (LOOKS * self.side > 0.6) & (LOOKS * self.side < 2.0)
        distance = min(float(view[beside].min()), 1.5)
        front = float(view[(LOOKS * self.side > 0.6) & (LOOKS * self.side < 1.2)].min())
        error = min(distance, front * 0.7) - self.keep
        return self.most, self.side * max(min(self.gain * error, self.turn), -self.turn)


class Follower(Driver):
    """Goes after the nearest thing ahead and stops before it: a person, or what it takes for one."""

    def __init__(self, random: np.random.Generator, most: float) -> None:
        super().__init__(random, most)
        self.reach = random.uniform(1.0, 3.0)
        self.keep = random.uniform(0.25, 0.7)

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        seen = np.where(np.abs(LOOKS) <= 1.0, view, np.inf)
        nearest = int(seen.argmin())
        if seen[nearest] > self.reach:
            return 0.0, self.side * self.turn * 0.5
        speed = min(max(seen[nearest] - self.keep, -0.3), 1.0) * self.most
        return speed, 1.5 * float(LOOKS[nearest])


class Square(Driver):
    """So long ahead, so long around, whatever is there; a bump is answered by backing off."""

    def __init__(self, random: np.random.Generator, most: float) -> None:
        super().__init__(random, most)
        self.straight, self.corner = random.uniform(1.5, 5.0), math.pi / 2 / self.turn
        self.going = False

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        if t >= self.until:
            self.going = not self.going
            self.until = t + (self.straight if self.going else self.corner)
            self.now = (self.most, 0.0) if self.going else (0.0, self.side * self.turn)
            if self.going and self.ahead(view) < 0.2:
                self.now = (-self.most, 0.0)
        return self.now


class Hand(Driver):
    """A hand at a joystick: a mood for a while, brakes before things, mostly in time."""

    def __init__(self, random: np.random.Generator, most: float) -> None:
        super().__init__(random, most)
        self.care = random.uniform(0.3, 1.6)
        self.again = True

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        random = self.random
        ahead = self.ahead(view)
        if t < self.until and not (self.again and self.now[0] > 0.0 and ahead < self.near):
            return self.now
        self.until = t + random.uniform(0.4, 3.0)
        # Whether the hand looks up before its mood is over.
        self.again = random.random() < 0.8
        if ahead < self.near:
            left, right = view[(LOOKS > 0.3) & (LOOKS < 1.6)].mean(), view[(LOOKS < -0.3) & (LOOKS > -1.6)].mean()
            way = math.copysign(1.0, left - right)
            choices = [(0.0, 0.0), (0.0, way * self.turn), (-self.most * 0.5, 0.0), (self.most * 0.3, way * self.turn)]
        else:
            slow = min(1.0, ahead / 2.0 * self.care)
            choices = [
                (self.most, 0.0),
                (self.most * slow, random.uniform(-1.0, 1.0) * self.turn),
                (self.most * slow, 0.0),
                (0.0, random.choice([-1.0, 1.0]) * self.turn),
                (0.0, 0.0),
            ]
        self.now = choices[int(random.integers(len(choices)))]
        return self.now


class Careful(Driver):
    """Slows down in proportion to what is ahead and steers to where there is room."""

    def command(self, t: float, view: np.ndarray) -> tuple[float, float]:
        ahead = self.ahead(view)
        front = np.abs(LOOKS) < 1.4
        room = np.minimum(view[front], 3.0)
        pull = float((room * np.sin(LOOKS[front])).sum() / room.sum())
        if ahead < self.near * 0.6:
            return 0.0, math.copysign(self.turn, pull)
        return self.most * min(1.0, ahead / (2.0 * self.near)), 1.5 * self.turn * pull


KINDS = [Wanderer, WallFollower, Follower, Square, Hand, Hand, Careful]
