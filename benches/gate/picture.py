"""Three rooms as ours and approach drove them, side by side."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from gate.table import SAID

ARMS = {"ours": "#17936b", "approach": "#7a5ba6"}
# The rooms that are shown, where they were driven.
SHOWN = ("corridors 1", "clutter 2", "corners 3")


def draw(traces: dict[tuple[str, str], dict], file: Path) -> None:
    """Of room and arm to the log of the drive. Nothing is drawn without one."""
    names = list(dict.fromkeys(name for name, _ in traces))
    if not names:
        return
    figure = Figure(figsize=(4.2 * len(names), 6.6))
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(ARMS), len(names), squeeze=False)
    for row, (arm, colour) in enumerate(ARMS.items()):
        for column, name in enumerate(names):
            if (name, arm) in traces:
                _room(axes[row][column], traces[name, arm], colour)
                axes[row][column].set_title(_title(name, arm, traces[name, arm]), fontsize=9)
    figure.tight_layout(h_pad=2.5)
    figure.savefig(file)
    figure.savefig(file.with_suffix(".png"), dpi=110)


def _title(name: str, arm: str, log: dict) -> str:
    return f"{name}, {SAID[arm]}: {log['distance_m']:.1f} m, {len(log['collisions'])} collisions"


def _room(axes: object, log: dict, colour: str) -> None:
    width, height = log["room"]
    for i, corners in enumerate(log["furniture"]):
        glass = i in log["unseen"]
        axes.add_patch(Polygon(corners, facecolor="none" if glass else "#c8ced6", edgecolor="#5b6672",
                               linestyle="--" if glass else "-", linewidth=0.8))  # fmt: skip
    for track in log["tracks"]:
        axes.plot(*zip(*track, strict=True), color="#d9822b", linewidth=0.8, alpha=0.6)
    axes.plot([p[1] for p in log["path"]], [p[2] for p in log["path"]], color=colour, linewidth=1.4)
    axes.plot(*log["path"][0][1:3], "o", color=colour, markersize=4)
    for hit in log["collisions"]:
        axes.plot(hit["x"], hit["y"], "x", color="#c0392b", markersize=7, markeredgewidth=2)
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal", xticks=[], yticks=[])
