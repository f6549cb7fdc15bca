"""Rooms to drive in: walls, furniture, posts and people, each seen by a laser as far as its surface allows."""

import math

import numpy as np

# What a laser sees of a surface ends here (m): matt ones are seen from anywhere, dark and glossy ones from near.
MATT = 100.0


class Person:
    """Walks between places on two legs, and stands in between."""

    def __init__(self, random: np.random.Generator, size: tuple[float, float]) -> None:
        self.random = random
        self.size = size
        self.at = self._place()
        self.goal = self._place()
        self.speed = random.uniform(0.3, 1.5)
        self.leg = random.uniform(0.05, 0.11)
        # Dark trousers return little.
        self.seen = random.uniform(0.5, 3.0) if random.random() < 0.3 else MATT
        self.wait = random.uniform(0.0, 6.0)
        self.heading = 0.0
        self.phase = 0.0

    def _place(self) -> np.ndarray:
        return self.random.uniform(0.3, 1.0, 2) * (np.array(self.size) - 0.6)

    def step(self, dt: float, robot: tuple[float, float]) -> None:
        if self.wait > 0.0:
            self.wait -= dt
            return
        way = self.goal - self.at
        left = math.hypot(*way)
        if left < 0.1:
            self.goal = self._place()
            self.speed = self.random.uniform(0.3, 1.5)
            self.wait = self.random.uniform(0.0, 8.0) if self.random.random() < 0.6 else 0.0
            return
        ahead = way / left
        # People walk past a robot, not over it.
        gap = np.array(robot) - self.at
        near = math.hypot(*gap)
        if near < 0.45 and ahead @ gap > 0.0:
            self.goal = self._place()
            self.wait = self.random.uniform(0.0, 2.0)
            return
        self.heading = math.atan2(ahead[1], ahead[0])
        self.phase += dt * 5.0
        self.at = self.at + ahead * min(self.speed * dt, left)

    def legs(self) -> list[tuple[float, float, float]]:
        side = np.array([-math.sin(self.heading), math.cos(self.heading)]) * 0.11
        stride = np.array([math.cos(self.heading), math.sin(self.heading)]) * 0.18 * math.sin(self.phase)
        left, right = self.at + side + stride, self.at - side - stride
        return [(left[0], left[1], self.leg), (right[0], right[1], self.leg)]


class Ambush(Person):
    """Waits beside the way until the robot is near, often behind something, then steps into its way, stops there and
    looks, and goes back."""

    def __init__(self, random: np.random.Generator, size: tuple[float, float], hides: list[np.ndarray]) -> None:
        super().__init__(random, size)
        self.hides = hides
        self.at = self._hide()
        self.wait = 0.0
        self.within = random.uniform(0.8, 2.0)
        self.before: np.ndarray | None = None
        self.back = False
        self.rests = random.uniform(0.0, 5.0)
        self.goal = None  # waits for the robot

    def _hide(self) -> np.ndarray:
        return self.hides[int(self.random.integers(len(self.hides)))] + self.random.uniform(-0.1, 0.1, 2)

    def step(self, dt: float, robot: tuple[float, float]) -> None:
        here = np.array(robot)
        moved = here - self.before if self.before is not None else np.zeros(2)
        self.before = here
        if self.rests > 0.0:
            self.rests -= dt
            return
        speed = math.hypot(*moved) / dt
        gap = here - self.at
        if self.goal is None:
            if math.hypot(*gap) > self.within or speed < 0.05:
                return
            # Into the way, at most where the robot is in half a second to one and a half.
            self.goal = here + moved / dt * self.random.uniform(0.5, 1.5) + self.random.uniform(-0.15, 0.15, 2)
            self.home = self.at
            self.speed = self.random.uniform(0.6, 1.6)
        way = self.goal - self.at
        left = math.hypot(*way)
        # Sees the robot at the last moment, and stands.
        blocked = math.hypot(*gap) < self.random.uniform(0.25, 0.4) and way @ gap > 0.0
        if left < 0.05 or blocked:
            if self.back or (blocked and self.random.random() < 0.02):
                self.goal, self.back = None, False
                self.rests = self.random.uniform(2.0, 8.0)
            elif left < 0.05:
                self.goal, self.back = self.home, True
                self.rests = self.random.uniform(0.5, 3.0)
            return
        ahead = way / left
        self.heading = math.atan2(ahead[1], ahead[0])
        self.phase += dt * 5.0
        self.at = self.at + ahead * min(self.speed * dt, left)


class World:
    """One room, or a corridor, with what stands and moves in it."""

    def __init__(self, random: np.random.Generator) -> None:
        if random.random() < 0.3:
            self.size = (random.uniform(6.0, 14.0), random.uniform(1.2, 2.5))
        else:
            self.size = (random.uniform(2.5, 9.0), random.uniform(2.5, 9.0))
        width, depth = self.size
        segments = _box(width / 2, depth / 2, width, depth, 0.0)
        # Inner walls with a gap at one end.
        for _ in range(random.integers(0, 3)):
            if width > 4.0 and depth > 2.5:
                x, gap = random.uniform(1.2, width - 1.2), random.uniform(0.9, 1.6)
                low, high = (0.0, depth - gap) if random.random() < 0.5 else (gap, depth)
                segments.append((x, low, x, high))
        # Behind the ends of these walls people wait. They draw from numbers of their own, so that all else is as
        # without them.
        apart = random.spawn(1)[0]
        hides = [np.array([x + side * 0.3, gap + sign * apart.uniform(0.1, 0.3)])
                 for x, low, _, high in segments[4:]
                 for gap, sign in [(high, -1.0) if low == 0.0 else (low, 1.0)]
                 for side in (-1.0, 1.0)]  # fmt: skip
        area = width * depth
        for _ in range(random.poisson(area * random.uniform(0.02, 0.14))):
            x, y = random.uniform(0.2, width), random.uniform(0.2, depth)
            w, d = random.uniform(0.15, 1.2, 2)
            segments += _box(x, y, w, d, random.uniform(0.0, math.pi))
        posts = random.poisson(area * random.uniform(0.0, 0.15))
        self.posts = [
            (random.uniform(0.2, width), random.uniform(0.2, depth), random.uniform(0.015, 0.2)) for _ in range(posts)
        ]
        self.segments = np.array(segments)
        dark = random.uniform(0.0, 0.9) if random.random() < 0.5 else 0.0
        self.seen = np.where(random.random(len(segments)) < dark, random.uniform(0.3, 3.0, len(segments)), MATT)
        crowd = int(random.integers(1, 5)) if random.random() < 0.6 else 0
        self.people = [Person(random, self.size) for _ in range(crowd)]
        if apart.random() < 0.35:
            # Else behind whatever stands in the room, or in the open.
            hides = hides or [apart.uniform(0.3, 1.0, 2) * (np.array(self.size) - 0.6) for _ in range(4)]
            self.people += [Ambush(apart, self.size, hides) for _ in range(int(apart.integers(1, 4)))]

    def step(self, dt: float, robot: tuple[float, float]) -> None:
        for person in self.people:
            person.step(dt, robot)

    def cast(self, x: float, y: float, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (m, infinite: nothing) along each ray, and how far its surface can be seen."""
        dx, dy = np.cos(angles)[:, None], np.sin(angles)[:, None]
        ax, ay, bx, by = (column[None, :] for column in self.segments.T)
        ex, ey, px, py = bx - ax, by - ay, ax - x, ay - y
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = dx * ey - dy * ex
            along = (px * ey - py * ex) / cross
            part = (px * dy - py * dx) / cross
            along = np.where((along > 1e-6) & (part >= 0.0) & (part <= 1.0), along, np.inf)
        nearest = along.argmin(axis=1)
        distance, seen = along[np.arange(len(angles)), nearest], self.seen[nearest]
        legs = [(leg, person.seen) for person in self.people for leg in person.legs()]
        circles = np.array(self.posts + [leg for leg, _ in legs]).reshape(-1, 3)
        if len(circles):
            round_seen = np.array([MATT] * len(self.posts) + [seen for _, seen in legs])
            cx, cy, radius = circles[:, 0] - x, circles[:, 1] - y, circles[:, 2]
            ahead, aside = dx * cx + dy * cy, dx * cy - dy * cx
            inner = radius**2 - aside**2
            hits = np.where((inner > 0.0) & (ahead > 0.0), ahead - np.sqrt(np.maximum(inner, 0.0)), np.inf)
            first = hits.argmin(axis=1)
            hit = hits[np.arange(len(angles)), first]
            seen = np.where(hit < distance, round_seen[first], seen)
            distance = np.minimum(distance, np.maximum(hit, 0.01))
        return distance, seen

    def clearance(self, x: float, y: float) -> float:
        """Distance (m) from a point to the nearest thing; negative outside of the room."""
        ax, ay, bx, by = self.segments.T
        ex, ey = bx - ax, by - ay
        part = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex**2 + ey**2), 0.0, 1.0)
        least = float(np.hypot(x - ax - part * ex, y - ay - part * ey).min())
        for cx, cy, radius in self.posts + [leg for person in self.people for leg in person.legs()]:
            least = min(least, math.hypot(x - cx, y - cy) - radius)
        inside = 0.0 < x < self.size[0] and 0.0 < y < self.size[1]
        return least if inside else -least


def _box(x: float, y: float, w: float, d: float, turn: float) -> list[tuple[float, float, float, float]]:
    cos, sin = math.cos(turn), math.sin(turn)
    corners = [
        (x + cos * u - sin * v, y + sin * u + cos * v)
        for u, v in [(-w / 2, -d / 2), (w / 2, -d / 2), (w / 2, d / 2), (-w / 2, d / 2)]
    ]
    return [(*corners[i], *corners[(i + 1) % 4]) for i in range(4)]
