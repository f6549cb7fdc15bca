"""The window of a bundle in numpy, as one would write it for a node in Python.

What `model.yaml` says, vectorised: the geometry of a scan is computed once and kept.
"""

import math
from operator import attrgetter
from typing import Any

import numpy as np

LEAST_RANGE_M = 0.001
# Beams this close to an edge (in sectors) count on both sides of it.
EDGE = 1e-4
MAX_SPEED = 5.0
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


class Sectors:
    """Nearest valid range per sector, which sectors have one, and the clearance ahead."""

    def __init__(self, spec: dict, cones: list[float]) -> None:
        self.count, self.far = spec["count"], spec["far_m"]
        self.half_angles = [math.radians(cone) for cone in cones]
        self.width = 2 * self.count
        self.geometry: tuple | None = None

    def _learn(self, geometry: tuple[float, float, int]) -> None:
        first, step, beams = geometry
        angles = first + np.arange(beams) * step
        at = (angles / math.tau * self.count + 0.5) % self.count
        low, high = np.floor(at - EDGE) % self.count, np.floor(at + EDGE) % self.count
        both = np.flatnonzero(low != high)
        sectors = np.concatenate([low, high[both]]).astype(int)
        beams_of = np.concatenate([np.arange(beams), both])
        order = np.argsort(sectors, kind="stable")
        self.beams = beams_of[order]
        self.seen_sectors, self.starts = np.unique(sectors[order], return_index=True)
        wrapped = np.abs(angles - math.tau * np.round(angles / math.tau))
        self.ahead = [np.flatnonzero(wrapped <= half + 1e-5) for half in self.half_angles]
        self.geometry = geometry

    def __call__(self, scan: Any) -> np.ndarray:
        ranges = np.asarray(scan.ranges, np.float32)
        geometry = (scan.angle_min, scan.angle_increment, len(ranges))
        if geometry != self.geometry:
            self._learn(geometry)
        valid = (ranges >= max(scan.range_min, LEAST_RANGE_M)) & (ranges <= scan.range_max)
        ranges = np.where(valid, ranges, np.float32(np.inf))
        nearest = np.full(self.count, np.inf, np.float32)
        nearest[self.seen_sectors] = np.minimum.reduceat(ranges[self.beams], self.starts)
        clearances = [ranges[ahead].min(initial=np.inf) for ahead in self.ahead]
        return np.concatenate([np.minimum(nearest / self.far, 1.0), np.isfinite(nearest), clearances])


class Fields:
    """Scaled fields of a message, and the speeds that others ask of it."""

    def __init__(self, spec: list[dict], speeds: list[str | None]) -> None:
        self.width = len(spec)
        self.read = [attrgetter(field["path"]) for field in spec]
        self.offset = np.array([field.get("offset", 0.0) for field in spec])
        self.scale = np.array([field["scale"] for field in spec])
        self.limit = np.array([field["limit"] for field in spec])
        self.speeds = [attrgetter(path) if path else lambda _: 0.0 for path in speeds]

    def __call__(self, message: Any) -> np.ndarray:
        values = (np.array([read(message) for read in self.read]) - self.offset) / self.scale
        speeds = [read(message) for read in self.speeds]
        speeds = [speed if -MAX_SPEED <= speed <= MAX_SPEED else 0.0 for speed in speeds]
        return np.concatenate([np.clip(values, -self.limit, self.limit), speeds])


class Window:
    """Frames of all inputs, a period apart, the newest at the trigger."""

    def __init__(self, spec: dict) -> None:
        self.frames, self.period_ns = spec["frames"], spec["period_ms"] * 1_000_000
        self.back_ns = np.arange(self.frames - 1, -1, -1) * self.period_ns
        self.derived = spec.get("derived", [])
        self.inputs, self.extract, self.timeout_ns, self.columns = {}, {}, {}, {}
        column = 0
        for entry in spec["inputs"]:
            name = entry["source"]
            self.extract[name] = extract = self._extractor(name, entry["extractor"])
            self.columns[name] = column
            self.timeout_ns[name] = entry["timeout_ms"] * 1_000_000
            column += extract.width + 2
            extras = len(self.derived)
            self.inputs[name] = Samples(extract.width + extras, self.period_ns // 4)
        self.derived_column = column
        self.out = np.zeros((self.frames, column + 3 * len(self.derived)), np.float32)

    def _extractor(self, name: str, spec: dict) -> Sectors | Fields:
        if spec["kind"] == "sectors":
            return Sectors(spec, [derived["half_angle_deg"] for derived in self.derived])
        if spec["kind"] == "fields":
            asked = [dict(speed.split(":", 1) for speed in derived["speeds"]) for derived in self.derived]
            return Fields(spec["fields"], [paths.get(name) for paths in asked])
        raise ValueError(f"{name}: this window reads sectors and fields, not {spec['kind']}")

    def push(self, name: str, message: Any, arrival_ns: int) -> None:
        self.inputs[name].push(arrival_ns, self.extract[name](message))

    def assemble(self, now_ns: int) -> np.ndarray:
        """`[frames, features]`, oldest first; overwritten by the next call."""
        out, times = self.out, now_ns - self.back_ns
        limits = times.copy()
        limits[-1] += REORDER_NS
        shown = {}
        for name, samples in self.inputs.items():
            arrivals = samples.arrivals[: samples.count]
            picks = np.searchsorted(arrivals, limits, side="right") - 1
            safe = np.maximum(picks, 0)
            ages = times - samples.arrivals[safe]
            valid = (picks >= 0) & (ages <= self.timeout_ns[name])
            values = samples.values[safe]
            column, width = self.columns[name], self.extract[name].width
            out[:, column : column + width] = np.where(valid[:, None], values[:, :width], 0.0)
            out[:, column + width] = valid
            ages = np.clip(ages / self.period_ns, 0.0, MAX_AGE_PERIODS) / MAX_AGE_PERIODS
            out[:, column + width + 1] = np.where(valid, ages, 1.0)
            shown[name] = valid, values[:, width:]
        for index, derived in enumerate(self.derived):
            self._derive(index, derived, shown)
        return out

    def _derive(self, index: int, spec: dict, shown: dict) -> None:
        speed = np.zeros(self.frames)
        for source in reversed([speed.split(":", 1)[0] for speed in spec["speeds"]]):
            valid, extras = shown[source]
            speed = np.where(valid, extras[:, index], speed)
        valid, extras = shown[spec["scan"]]
        far = spec["far_m"]
        clearance = np.minimum(extras[:, index], far)
        ahead = (clearance - np.maximum(speed, 0.0) * spec["horizon_s"]) / far
        columns = np.stack([clearance / far, np.clip(speed, -1.0, 1.0), np.clip(ahead, -1.0, 1.0)], axis=1)
        column = self.derived_column + 3 * index
        self.out[:, column : column + 3] = np.where(valid[:, None], columns, 0.0)
