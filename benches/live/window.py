"""The window of a bundle in numpy, as one would write it for a node in Python.

What `model.yaml` says, vectorised: the geometry of a scan is computed once and kept.
"""

import math
from operator import attrgetter
from typing import Any

import numpy as np

from derived import Need, derived

LEAST_RANGE_M = 0.001
# Beams this close to an edge (in sectors) count on both sides of it.
EDGE = 1e-4
# Points kept of a scan, and where one is that there is not.
POINTS, NOWHERE = 120, 1e6
MAX_AGE_PERIODS = 4.0
REORDER_NS = 100_000_000
KEPT, ROOM = 64, 1024


class Samples:
    """The newest samples of one input, in order of arrival; of each quarter period the last."""

    def __init__(self, width: int, bucket_ns: int) -> None:
        self.bucket_ns = bucket_ns
        self.arrivals = np.zeros(ROOM, np.int64)
        self.values = np.zeros((ROOM, width), np.float32)
        self.count = 0

    def push(self, arrival: int, values: np.ndarray) -> None:
        last = self.count - 1
        if last >= 0 and arrival // self.bucket_ns == self.arrivals[last] // self.bucket_ns:
            self.count = last
        elif self.count == ROOM:
            self.arrivals[:KEPT] = self.arrivals[-KEPT:]
            self.values[:KEPT] = self.values[-KEPT:]
            self.count = KEPT
        self.arrivals[self.count] = arrival
        self.values[self.count] = values
        self.count += 1


class Grid:
    """Which beams look into which of so many sectors, kept in order of the sectors."""

    def __init__(self, count: int, angles: np.ndarray) -> None:
        at = (angles / math.tau * count + 0.5) % count
        low, high = np.floor(at - EDGE) % count, np.floor(at + EDGE) % count
        both = np.flatnonzero(low != high)
        sectors = np.concatenate([low, high[both]]).astype(int)
        order = np.argsort(sectors, kind="stable")
        self.beams = np.concatenate([np.arange(len(angles)), both])[order]
        self.sectors, self.starts, lengths = np.unique(sectors[order], return_index=True, return_counts=True)
        self.of = np.repeat(np.arange(len(lengths)), lengths)

    def nearest(self, ranges: np.ndarray) -> np.ndarray:
        """Per sector that has beams."""
        return np.minimum.reduceat(ranges[self.beams], self.starts)

    def nearest_beams(self, ranges: np.ndarray) -> np.ndarray:
        """Likewise, the beams that are."""
        hits = np.flatnonzero(ranges[self.beams] == self.nearest(ranges)[self.of])
        return self.beams[hits[np.searchsorted(hits, self.starts)]]


class Sectors:
    """Nearest valid range per sector, which sectors have one, and what derived features need."""

    def __init__(self, spec: dict, needs: list[Need]) -> None:
        self.count, self.far = spec["count"], spec["far_m"]
        self.width, self.needs = 2 * self.count, needs
        self.extras = [2 * POINTS if need == ("points",) else 1 for need in needs]
        self.geometry: tuple | None = None

    def _learn(self, geometry: tuple[float, float, int]) -> None:
        first, step, beams = geometry
        angles = first + np.arange(beams) * step
        self.grid, self.points = Grid(self.count, angles), Grid(POINTS, angles)
        self.directions = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
        self.wrapped = np.abs(angles - math.tau * np.round(angles / math.tau))
        self.geometry = geometry

    def __call__(self, scan: Any) -> np.ndarray:
        ranges = np.asarray(scan.ranges, np.float32)
        geometry = (scan.angle_min, scan.angle_increment, len(ranges))
        if geometry != self.geometry:
            self._learn(geometry)
        valid = (ranges >= max(scan.range_min, LEAST_RANGE_M)) & (ranges <= scan.range_max)
        ranges = np.where(valid, ranges, np.float32(np.inf))
        nearest = np.full(self.count, np.inf, np.float32)
        nearest[self.grid.sectors] = self.grid.nearest(ranges)
        extras = [self._extra(need, ranges) for need in self.needs]
        return np.concatenate([np.minimum(nearest / self.far, 1.0), np.isfinite(nearest), *extras])

    def _extra(self, need: Need, ranges: np.ndarray) -> np.ndarray:
        if need[0] == "clearance":
            ahead = self.wrapped <= math.radians(need[1]) + 1e-5
            return ranges[ahead].min(initial=np.inf, keepdims=True)
        beams = self.points.nearest_beams(ranges)
        points = np.full((2, POINTS), NOWHERE, np.float32)
        there = np.isfinite(ranges[beams])
        points[:, self.points.sectors[there]] = ranges[beams[there]] * self.directions[:, beams[there]]
        return points.reshape(-1)


class Fields:
    """Scaled fields of a message, and the rates that derived features need."""

    def __init__(self, spec: list[dict], needs: list[Need]) -> None:
        self.width, self.needs = len(spec), needs
        self.extras = [1] * len(needs)
        self.read = [attrgetter(field["path"]) for field in spec]
        self.offset = np.array([field.get("offset", 0.0) for field in spec])
        self.scale = np.array([field["scale"] for field in spec])
        self.limit = np.array([field["limit"] for field in spec])
        self.rates = [(attrgetter(path), most) for _, path, most in needs]

    def __call__(self, message: Any) -> np.ndarray:
        values = (np.array([read(message) for read in self.read]) - self.offset) / self.scale
        rates = [(read(message), most) for read, most in self.rates]
        rates = [rate if -most <= rate <= most else 0.0 for rate, most in rates]
        return np.concatenate([np.clip(values, -self.limit, self.limit), rates])


class Window:
    """Frames of all inputs, a period apart, the newest at the trigger."""

    def __init__(self, spec: dict) -> None:
        self.frames, self.period_ns = spec["frames"], spec["period_ms"] * 1_000_000
        self.back_ns = np.arange(self.frames - 1, -1, -1) * self.period_ns
        self.derived = [derived(entry) for entry in spec.get("derived", [])]
        self.inputs, self.extract, self.timeout_ns, self.columns, self.places = {}, {}, {}, {}, {}
        column = 0
        for entry in spec["inputs"]:
            name = entry["source"]
            # Several derived features may need the same.
            asked = [need for group in self.derived for source, need in group.needs if source == name]
            self.extract[name] = extract = self._extractor(name, entry["extractor"], list(dict.fromkeys(asked)))
            ends = np.cumsum([extract.width, *extract.extras])
            for need, begin, end in zip(extract.needs, ends, ends[1:], strict=False):
                self.places[name, need] = slice(begin, end)
            self.inputs[name] = Samples(int(ends[-1]), self.period_ns // 4)
            self.columns[name] = column
            self.timeout_ns[name] = entry["timeout_ms"] * 1_000_000
            column += extract.width + 2
        self.derived_column = column
        self.out = np.zeros((self.frames, column + sum(group.width for group in self.derived)), np.float32)

    def _extractor(self, name: str, spec: dict, needs: list[Need]) -> Sectors | Fields:
        if spec["kind"] == "sectors":
            return Sectors(spec, needs)
        if spec["kind"] == "fields":
            return Fields(spec["fields"], needs)
        raise ValueError(f"{name}: this window reads sectors and fields, not {spec['kind']}")

    def push(self, name: str, message: Any, arrival_ns: int) -> None:
        self.inputs[name].push(arrival_ns, self.extract[name](message))

    def assemble(self, now_ns: int) -> np.ndarray:
        """`[frames, features]`, oldest first; overwritten by the next call."""
        out, times = self.out, now_ns - self.back_ns
        limits = times.copy()
        limits[-1] += REORDER_NS
        shown, valid = {}, {}
        for name, samples in self.inputs.items():
            arrivals = samples.arrivals[: samples.count]
            picks = np.searchsorted(arrivals, limits, side="right") - 1
            safe = np.maximum(picks, 0)
            ages = times - samples.arrivals[safe]
            valid[name] = there = (picks >= 0) & (ages <= self.timeout_ns[name])
            shown[name] = values = samples.values[safe]
            column, width = self.columns[name], self.extract[name].width
            out[:, column : column + width] = np.where(there[:, None], values[:, :width], 0.0)
            out[:, column + width] = there
            ages = np.clip(ages / self.period_ns, 0.0, MAX_AGE_PERIODS) / MAX_AGE_PERIODS
            out[:, column + width + 1] = np.where(there, ages, 1.0)
        column = self.derived_column
        for group in self.derived:
            columns = group.columns(lambda name, need: shown[name][:, self.places[name, need]], valid)
            out[:, column : column + group.width] = np.where(valid[group.scan][:, None], columns, 0.0)
            column += group.width
        return out
