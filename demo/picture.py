"""The picture of a run: where the robot went, how long its decisions took, which exits they came from."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from watch import Record, Row

INK, SOFT, FAINT = "#1f2933", "#66717d", "#e6e9ed"
LABEL = {"go": "#17936b", "slow": "#eba312", "stop": "#d03a34"}
OTHER = "#7b5aa6"
Colour = str | tuple[float, float, float, float]
# Width left of a plot for its tick labels, in parts of the figure.
TICK_ROOM = 0.045
EXITS = matplotlib.colormaps["GnBu"]
SOURCE = {"HOLD": "#b7a3d0", "FALLBACK": "#d97b66"}
FURNITURE, FURNITURE_EDGE, WALL, PEOPLE, GREY_PATH = "#dde2e8", "#b5bec9", "#39434f", "#7f9bd1", "#7a848f"


def _figure(heading: str) -> Figure:
    figure = Figure(figsize=(16, 9), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.03, 0.955, heading, fontsize=22, fontweight="bold", color=INK, va="center")
    return figure


def _save(figure: Figure, out: Path) -> None:
    # A fixed salt and no date: the same run gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "edge_reasoner", "svg.fonttype": "path"}):
        figure.savefig(out / "demo.svg", metadata={"Date": None})
    figure.savefig(out / "demo.png")


def _title(ax: Axes, finding: str, words: list[tuple[str, Colour]]) -> None:
    """A bold line above the axes that says what one sees; under it words in their colours: the legend."""
    left = ax.get_position(original=True).x0 - (0.0 if not ax.axison else TICK_ROOM)
    edge: dict[str, Any] = {"xycoords": ("figure fraction", "axes fraction"), "textcoords": "offset points"}
    edge["xy"] = (left, 1)
    ax.annotate(finding, xytext=(0, 31), fontsize=16.5, fontweight="bold", color=INK, **edge)
    x = 0.0
    for word, colour in words:
        weight = "normal" if colour == SOFT else "bold"
        text = ax.annotate(word, xytext=(x, 11), fontsize=13.5, fontweight=weight, color=colour, **edge)
        x += text.get_window_extent().width * 72.0 / ax.figure.dpi


def _plain(ax: Axes, grid: bool = True) -> None:
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color("#b8c0c8")
    ax.tick_params(colors=SOFT, labelsize=12.5, length=0)
    ax.tick_params(axis="x", pad=8)
    if grid:
        ax.grid(axis="y", color=FAINT, linewidth=1)
    ax.set_axisbelow(True)


def _seconds(ax: Axes, rows: list[Row]) -> None:
    ax.set_xlim(0, max(math.ceil(rows[-1].t), 1))
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g} s")


def _room(ax: Axes, log: dict) -> None:
    width, height = log["room"]
    ax.set_xlim(-0.1, width + 0.1)
    ax.set_ylim(-0.1, height + 0.1)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.add_patch(Rectangle((0, 0), width, height, facecolor="#fbfbfa", edgecolor=WALL, linewidth=4))
    for corners in log["furniture"]:
        ax.add_patch(Polygon(corners, facecolor=FURNITURE, edgecolor=FURNITURE_EDGE, linewidth=1.2))
    for track in log["tracks"]:
        ax.plot(*np.array(track).T, color=PEOPLE, linewidth=1.6, alpha=0.55, solid_capstyle="round")
        ax.add_patch(Circle(track[-1], log["person_radius"], facecolor="#c9d6ef", edgecolor=PEOPLE, zorder=3))


def _ends(ax: Axes, log: dict) -> None:
    ax.add_patch(Circle(log["path"][0][1:3], log["robot_radius"], facecolor=INK, edgecolor="white", zorder=7))
    ax.add_patch(Circle(log["path"][-1][1:3], log["robot_radius"], facecolor="white", edgecolor=INK,
                        linewidth=2.2, zorder=7))  # fmt: skip


def _collisions(ax: Axes, log: dict) -> None:
    for c in log["collisions"]:
        if c["thing"].startswith("person"):
            track = log["tracks"][int(c["thing"].split()[1]) - 1]
            where = track[min(round(c["t"] / log["step_s"]), len(track) - 1)]
            ax.add_patch(Circle(where, log["person_radius"], facecolor="#c9d6ef", edgecolor=PEOPLE, zorder=3))
        ax.plot(c["x"], c["y"], marker="o", markersize=25, color="white", alpha=0.85, zorder=8)
        ax.plot(c["x"], c["y"], marker="o", markersize=22, markerfacecolor="none", zorder=9,
                markeredgecolor=LABEL["stop"], markeredgewidth=2.5)  # fmt: skip
        ax.plot(c["x"], c["y"], marker="x", markersize=10, color=LABEL["stop"], markeredgewidth=3.2, zorder=9)


def _collision_count(n: int) -> str:
    return {0: "no collision", 1: "1 collision"}.get(n, f"{n} collisions")


def _shares(seconds: dict[str, float]) -> list[tuple[str, Colour]]:
    """How the time divides among the labels, each in its colour."""
    total = sum(seconds.values()) or 1.0
    words: list[tuple[str, Colour]] = []
    for label, colour in LABEL.items():
        words += [(f"{label} {seconds.get(label, 0.0) / total:.0%}", colour), ("   ", SOFT)]
    return words


def _gated(ax: Axes, record: Record, log: dict, seconds: dict[str, float]) -> None:
    _room(ax, log)
    path = np.array(log["path"])
    labels = {row.stamp: row.label for row in record.rows}
    now = ""
    runs: list[tuple[str, list[tuple[float, float]]]] = []
    stops: list[np.ndarray] = []
    start = path[0, 1:3]
    ends = [t for _, t in log["scans"]][1:] + [path[-1, 0]]
    for (stamp, t), end in zip(log["scans"], ends, strict=True):
        label = labels.get(stamp, now)
        piece = path[(path[:, 0] >= t - 1e-6) & (path[:, 0] <= end + 1e-6), 1:3]
        if len(piece) < 2:
            continue
        if label != now or not runs:
            runs.append((label, [tuple(piece[0])]))
            # One dot per place: there the robot stood, perhaps turning.
            if label == "stop" and all(math.dist(piece[0], other) > 0.35 for other in (start, *stops)):
                stops.append(piece[0])
        runs[-1][1].extend(map(tuple, piece[1:]))
        now = label
    ax.add_collection(LineCollection(
        [points for _, points in runs], colors=[LABEL.get(label, OTHER) for label, _ in runs],
        linewidths=4.5, capstyle="round", joinstyle="round", zorder=5,
    ))  # fmt: skip
    if stops:
        ax.plot(*np.array(stops).T, "o", color=LABEL["stop"], markersize=13, markeredgecolor="white",
                markeredgewidth=1.8, zorder=6)  # fmt: skip
    _ends(ax, log)
    _collisions(ax, log)
    words = [(f"{log['distance_m']:.0f} m driven; of the time  ", SOFT), *_shares(seconds)]
    _title(ax, f"With the gate: {_collision_count(len(log['collisions']))}", words)


def _ungated(ax: Axes, log: dict) -> None:
    _room(ax, log)
    ax.plot(*np.array(log["path"])[:, 1:3].T, color=GREY_PATH, linewidth=3, solid_joinstyle="round", zorder=5)
    _ends(ax, log)
    _collisions(ax, log)
    words: list[tuple[str, Colour]] = [(f"{log['distance_m']:.0f} m driven; same seed, same driver", SOFT)]
    _title(ax, f"Without it: {_collision_count(len(log['collisions']))}", words)


def _key(ax: Axes) -> None:
    """What the marks in the rooms mean."""
    ax.set_xlim(0, 10)
    ax.set_ylim(0, 10)
    ax.axis("off")
    entries = ["start", "end", "stopped", "collision", "person, track", "furniture"]
    for i, name in enumerate(entries):
        y = 9.3 - 1.55 * i
        if name == "start":
            ax.plot(1, y, "o", markersize=16, color=INK)
        elif name == "end":
            ax.plot(1, y, "o", markersize=15, color="white", markeredgecolor=INK, markeredgewidth=2.2)
        elif name == "stopped":
            ax.plot(1, y, "o", markersize=13, color=LABEL["stop"])
        elif name == "collision":
            ax.plot(1, y, "o", markersize=20, markerfacecolor="none", markeredgecolor=LABEL["stop"],
                    markeredgewidth=2.3)  # fmt: skip
            ax.plot(1, y, "x", markersize=9, color=LABEL["stop"], markeredgewidth=3)
        elif name == "furniture":
            ax.plot(1, y, "s", markersize=17, markerfacecolor=FURNITURE, markeredgecolor=FURNITURE_EDGE)
        else:
            ax.plot([0.1, 1.9], [y, y], color=PEOPLE, linewidth=1.6, alpha=0.6)
            ax.plot(1, y, "o", markersize=18, markerfacecolor="#c9d6ef", markeredgecolor=PEOPLE)
        ax.text(2.6, y, name, fontsize=13.5, color=INK, va="center")


def _exit_colours(exits: int) -> dict[object, Colour]:
    shades = np.linspace(0.45, 0.95, max(exits, 1))
    return dict([*((k + 1, EXITS(shades[k])) for k in range(exits)), *SOURCE.items()])


def _kind(row: Row) -> object:
    """What a decision rests on: the number of its exit, or the source that stood in."""
    return row.exit if row.source == "MODEL" else row.source


def _latency(ax: Axes, rows: list[Row], node: dict) -> None:
    deadline = node["deadline_ms"]
    colours = _exit_colours(node["exits"])
    t = np.array([row.t for row in rows])
    y = np.maximum([row.latency_ms for row in rows], 1e-2)
    late = np.array([row.late for row in rows])
    ax.set_yscale("log")
    ax.scatter(t[~late], y[~late], s=15, linewidths=0,
               c=[colours.get(_kind(r), OTHER) for r in rows if not r.late])  # fmt: skip
    if late.any():
        ax.scatter(t[late], y[late], s=55, marker="X", color=LABEL["stop"], edgecolors="white", zorder=5)
    ax.axhline(deadline, color=LABEL["stop"], linewidth=2)
    ax.annotate(f"deadline {deadline:g} ms", (1, deadline), (0, 5), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", fontsize=13, color=LABEL["stop"])  # fmt: skip
    low = min(y.min(), deadline / 50)
    ax.set_ylim(low / 1.4, max(y.max(), deadline) * 2.6)
    ticks = [v for v in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low / 1.4 <= v]
    ticks = [v for v in ticks if v <= max(y.max(), deadline)]
    ax.set_yticks(ticks[:: max(1, math.ceil(len(ticks) / 6))])
    ax.set_yticks([], minor=True)
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:g} ms")
    _seconds(ax, rows)
    _plain(ax)
    q = node["latency_ms"]
    n = len(rows)
    finding = f"{node['late']} of {n} decisions late" if node["late"] else f"All {n} decisions in time"
    detail = f"median {_short(q['p50'])}, 99 % within {_short(q['p99'])}, slowest {_short(q['max'])}"
    _title(ax, finding, [(detail, SOFT)])


def _short(ms: float) -> str:
    return f"{ms:.2g} ms" if ms < 10 else f"{ms:.0f} ms"


def _exits(ax: Axes, rows: list[Row], node: dict) -> None:
    colours = _exit_colours(node["exits"])
    span = max(rows[-1].t, 1.0)
    width = next((w for w in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300) if span / w <= 24), span / 24)
    edges = np.arange(0.0, span + width, width)
    bins = np.minimum((np.array([row.t for row in rows]) / width).astype(int), len(edges) - 2)
    totals = np.maximum(np.bincount(bins, minlength=len(edges) - 1), 1)
    bottom = np.zeros(len(edges) - 1)
    used = [k for k in colours if any(_kind(row) == k for row in rows)]
    for kind in used:
        hits = np.array([_kind(row) == kind for row in rows])
        part = np.bincount(bins[hits], minlength=len(edges) - 1) / totals
        ax.bar(edges[:-1], part, width * 0.9, bottom, align="edge", color=colours[kind])
        bottom += part
    ax.set_ylim(0, 1)
    _seconds(ax, rows)
    ax.set_yticks([0, 0.5, 1])
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    _plain(ax)

    n = len(rows)
    per_exit = {int(k): v for k, v in node["by_exit"].items()}
    model = node["by_source"].get("MODEL", 0)
    if not model:
        finding = "No decision came from the model"
    elif len(per_exit) == 1:
        finding = f"Every decision of the model from exit {next(iter(per_exit))} of {node['exits']}"
    else:
        first, most = min(per_exit), max(per_exit, key=lambda k: per_exit[k])
        if per_exit[first] / n >= 0.2:
            share = f"{per_exit[first] / n:.0%}"
            finding = f"Exit {first} of {node['exits']} was enough for {share} of the decisions"
        else:
            finding = f"Exit {most} of {node['exits']} gave {per_exit[most] / n:.0%} of the decisions"
    words: list[tuple[str, Colour]] = []
    for kind in used:
        first_exit = isinstance(kind, int) and not words
        name = f"exit {kind}" if first_exit else str(kind).lower()
        words += [("■ ", colours[kind]), (f"{name}    ", SOFT)]
    _title(ax, finding, words)


def drive(out: Path, record: Record, node: dict, gated: dict, ungated: dict | None) -> None:
    deadline = f"{node['deadline_ms']:g} ms"
    figure = _figure(f"A careless driver in a room, go / slow / stop decided at every scan within {deadline}")
    left = figure.add_axes((0.03, 0.335, 0.41, 0.5))
    left.set_anchor("W")
    _gated(left, record, gated, node["seconds"])
    if ungated is not None:
        right = figure.add_axes((0.445, 0.335, 0.41, 0.5))
        right.set_anchor("W")
        _ungated(right, ungated)
    _key(figure.add_axes((0.858, 0.44, 0.13, 0.395)))
    _latency(figure.add_axes((0.075, 0.055, 0.38, 0.17)), record.rows, node)
    _exits(figure.add_axes((0.55, 0.055, 0.42, 0.17)), record.rows, node)
    _save(figure, out)


def _front(ax: Axes, record: Record) -> None:
    rows = record.rows
    times = [(s.received - record.first_received) * 1e-9 for s in record.scans.values()]
    front = np.array([s.front for s in record.scans.values()])
    top = max(1.6, min(4.0, float(np.max(front[np.isfinite(front)], initial=0.0)) * 1.08))
    ax.plot(times, np.minimum(front, top), color="#aab4bf", linewidth=1.6, zorder=2)
    for label, colour in LABEL.items():
        chosen = [row for row in rows if row.label == label and row.stamp in record.scans]
        y = [min(record.scans[row.stamp].front, top) for row in chosen]
        ax.scatter([row.t for row in chosen], y, s=22, color=colour, linewidths=0, zorder=3)
    for limit, label in ((0.4, "stop"), (0.8, "slow")):
        ax.axhline(limit, color=LABEL[label], linewidth=1.2, linestyle=(0, (4, 4)), zorder=1)
        ax.annotate(f"{label} below", (1, limit), (6, 0), xycoords=("axes fraction", "data"), va="center",
                    textcoords="offset points", fontsize=12.5, color=LABEL[label])  # fmt: skip
    _seconds(ax, rows)
    ax.set_ylim(0, top * 1.03)
    ax.set_yticks([0.0, 0.4, 0.8, *np.arange(1.5 if top < 3 else 2.0, top, 1.0)])
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:g} m")
    _plain(ax, grid=False)


def recording(out: Path, record: Record, node: dict, name: str) -> None:
    rows, seconds = record.rows, node["seconds"]
    figure = _figure(f"{name}: go / slow / stop at every scan within {node['deadline_ms']:g} ms")
    top = figure.add_axes((0.075, 0.41, 0.845, 0.43))
    _front(top, record)
    words = [("nearest return ahead (top edge: none), coloured by decision:  ", SOFT), *_shares(seconds)]
    _title(top, f"{len(rows)} decisions on {len(record.scans)} scans", words)
    _latency(figure.add_axes((0.075, 0.06, 0.4, 0.2)), rows, node)
    _exits(figure.add_axes((0.56, 0.06, 0.41, 0.2)), rows, node)
    _save(figure, out)
