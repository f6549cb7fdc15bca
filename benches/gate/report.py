"""From single drives to sums per arm and verdicts."""

import math
from statistics import mean

from gate.rooms import TWELVE

# Of room name to arm to the runs.
Rooms = dict[str, dict[str, list[dict]]]
SUMS = ("collisions", "people", "metres", "goals", "given_up", "stops", "wedged_s", "held_s", "alternations")


def sums(rooms: Rooms, arm: str) -> dict:
    """Of one arm over these rooms: the mean over the runs, and the least and the most of a run."""
    runs = list(zip(*(room[arm] for room in rooms.values()), strict=True))
    each = [{name: sum(_value(drive, name) for drive in drives) for name in SUMS} for drives in runs]
    said: dict = {name: round(mean(run[name] for run in each), 2) for name in SUMS}
    said["spread"] = {name: [round(f(run[name] for run in each), 2) for f in (min, max)] for name in SUMS}
    said["with"] = _with(rooms, arm)
    said["stops_per_metre"] = round(said["stops"] / said["metres"], 3) if said["metres"] else None
    gaps = [drive["gap_m"] for run in runs for drive in run if drive["gap_m"] is not None]
    said["gap_m"] = min(gaps) if gaps else None
    said["late"] = sum(drive["node"].get("late", 0) for run in runs for drive in run)
    said["decisions"] = sum(drive["node"].get("decisions", 0) for run in runs for drive in run)
    return said


def _value(drive: dict, name: str) -> float:
    return sum(thing.startswith("person") for thing in drive["with"]) if name == "people" else drive[name]


def _with(rooms: Rooms, arm: str) -> dict[str, int]:
    """Contacts of all runs by what was touched."""
    counts: dict[str, int] = {}
    for room in rooms.values():
        for drive in room[arm]:
            for thing in drive["with"]:
                kind = thing.split()[0]
                counts[kind] = counts.get(kind, 0) + 1
    return counts


def calm_times(calm: Rooms, arm: str) -> float | None:
    """How many times as long the goals take that both this arm and none reach; none: there are none."""
    mine = other = 0.0
    for room in calm.values():
        for drive, free in zip(room[arm], room["none"], strict=True):
            both = min(len(drive["goals_s"]), len(free["goals_s"]))
            if both:
                mine, other = mine + drive["goals_s"][both - 1], other + free["goals_s"][both - 1]
    return round(mine / other, 4) if other else None


def of_kind(rooms: Rooms, names: frozenset[str]) -> Rooms:
    return {name: room for name, room in rooms.items() if name in names}


def verdicts(rooms: Rooms, arms: list[str], calm: dict[str, float | None]) -> list[dict]:
    """The aims, whether they are met (none: it is only told), and what was found."""
    said: list[dict] = []

    def aim(text: str, met: bool | None, found: str) -> None:
        said.append({"aim": text, "met": met, "found": found})

    total = {arm: sums(rooms, arm) for arm in arms}
    ours, approach = total["ours"], total["approach"]
    twelve = of_kind(rooms, TWELVE)
    if twelve.keys() == TWELVE:
        t = sums(twelve, "ours")
        met = t["metres"] >= 115.0 and t["goals"] >= 20.0 and t["collisions"] == 0 and (t["gap_m"] or 0.0) >= 0.05
        found = f"{t['metres']:g} m, {t['goals']:g} goals, {t['collisions']:g} collisions, {t['gap_m']} m"
        aim("in the twelve present rooms at least 115 m, 20 goals, no collision, least gap 0.05 m", met, found)
    hits = {name: {arm: sum(d["collisions"] for d in room[arm]) for arm in arms} for name, room in rooms.items()}
    avoided = [name for name, of in hits.items() if of["ours"] > min(of.values())]
    aim("no collision that another arm avoids", not avoided, ", ".join(avoided) or "none")
    found = f"{ours['collisions']:g} against {approach['collisions']:g}"
    aim("fewer collisions than approach in all", ours["collisions"] < approach["collisions"], found)
    part = ours["metres"] / approach["metres"] if approach["metres"] else math.inf
    aim("at least as many metres as approach", part >= 1.0, f"{part:.3f}")
    time = calm["ours"]
    aim("calm rooms take at most 1.01 times as long", time is not None and time <= 1.01, str(time))
    met = ours["wedged_s"] <= approach["wedged_s"] / 2
    found = f"{ours['wedged_s']:g} s against {approach['wedged_s']:g} s"
    aim("stands with free way at most half as long as approach", met, found)
    if "physics" in total:
        physics = total["physics"]
        met = physics["collisions"] <= approach["collisions"] and physics["metres"] >= approach["metres"]
        found = f"{physics['collisions']:g} collisions, {physics['metres']:g} m"
        aim("physics alone not worse than approach", met, found)
        less, metres = physics["collisions"] - ours["collisions"], ours["metres"] - physics["metres"]
        aim("the model's share", None, f"{less:+g} collisions avoided, {metres:+.1f} m")
    return said
