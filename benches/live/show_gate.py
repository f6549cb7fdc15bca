"""The closed loop as a table and as a picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ARMS = {"ungated": "#9aa5b1", "kinematic": "#d9822b", "ours": "#17936b"}


def table(report: dict) -> str:
    """Markdown, then the verdicts."""
    rooms = report["rooms"]
    lines = [
        f"{report['machine']}; {len(rooms)} rooms and as many calm ones, {report['seconds']:g} s each;"
        f" {report['decisions']} decisions live, {report['late']} late.",
        "",
        "| | collisions | with people | rooms without one | stops | distance, m |",
        "|---|" + "---:|" * 5,
    ]
    lines += [f"| {arm} | " + " | ".join(cells) + " |" for arm, cells in _rows(report).items()]
    calm = {arm: sum(room[arm]["distance_m"] for room in report["calm"].values()) for arm in ("ungated", "ours")}
    lines += ["", f"Calm rooms: {calm['ungated']:.0f} m ungated, {calm['ours']:.0f} m with ours.", ""]
    for verdict in report["verdicts"]:
        said = "met" if verdict["met"] else "NOT met"
        lines.append(f"- {verdict['aim']}: {said} ({verdict['found']})")
    return "\n".join(lines) + "\n"


SAID = {"ungated": "no gate", "kinematic": "scripted gate", "ours": "ours"}


def figures(report: dict) -> str:
    """Markdown for README.md: the table and what it comes to."""
    lines = ["| | collisions | with people | rooms without one | stops | driven, m |", "|---|" + "---:|" * 5]
    lines += [f"| {SAID[arm]} | " + " | ".join(cells) + " |" for arm, cells in _rows(report).items()]
    rooms, times = len(report["calm"]), report["verdicts"][-1]["times"]
    return "\n".join(lines) + (
        f"\n\nIn {rooms} calm rooms, where nothing is a reason to slow down, the same goals take {times:.3f} times"
        f" as long. {report['machine']}; of {report['decisions']} decisions {report['late']} were late."
    )


def _rows(report: dict) -> dict[str, list[str]]:
    """Of each arm over all rooms: collisions, with people, rooms without one, stops, metres."""
    rows = {}
    for arm in ARMS:
        drives = [room[arm] for room in report["rooms"].values()]
        counts = [
            sum(drive["collisions"] for drive in drives),
            sum(thing.startswith("person") for drive in drives for thing in drive["with"]),
            sum(drive["collisions"] == 0 for drive in drives),
            sum(drive["stops"] for drive in drives),
            round(sum(drive["distance_m"] for drive in drives)),
        ]
        rows[arm] = [str(count) for count in counts]
    return rows


def picture(report: dict, file: Path) -> None:
    """Collisions per room."""
    rooms = report["rooms"]
    figure = Figure(figsize=(10, 3.4))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for at, (arm, colour) in enumerate(ARMS.items()):
        places = [place + 0.27 * (at - 1) for place in range(len(rooms))]
        axes.bar(places, [room[arm]["collisions"] for room in rooms.values()], 0.25, color=colour, label=arm)
    axes.set_xticks(range(len(rooms)), list(rooms))
    axes.set_xlabel("seed of the room")
    axes.set_ylabel(f"collisions in {report['seconds']:g} s")
    axes.legend(frameon=False, loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(file)
    figure.savefig(file.with_suffix(".png"), dpi=110)
