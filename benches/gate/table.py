"""The bench as Markdown."""

SAID = {
    "none": "no gate", "scripted": "scripted: range ahead < v x 1 s", "approach": "approach, 1.2 s (script)",
    "nav2": "Nav2 collision monitor, approach", "before": "ours before", "physics": "ours, physics only",
    "ours": "ours",
}  # fmt: skip
HEAD = (
    "| | collisions (people) | metres | goals | given up | free way: stands / hardly gets on, s | stops per m | alternations"
    " | least gap, m | calm time | delay p50/p99, ms |\n|---|" + "---:|" * 10
)
MET = {True: "met", False: "NOT met", None: "told"}


def whole(report: dict) -> str:
    lines = [
        f"{report['machine']}; {len(report['rooms'])} rooms, {report['runs']} runs each, {report['seconds']:g} s a"
        " drive. Mean over the runs of the sum over the rooms, in brackets the least and the most of a run.",
        "",
        HEAD,
        *(_row(arm, of, report) for arm, of in report["arms"].items()),
        "",
        "Collisions by kind of room (all runs):",
        "",
        *_kinds(report),
        "",
        *(f"- {v['aim']}: {MET[v['met']]} ({v['found']})" for v in report["verdicts"]),
        *(f"- Left out: {sentence}." for sentence in report["left_out"]),
    ]
    return "\n".join(lines) + "\n"


def figures(report: dict) -> str:
    """For docs/benchmarks.md: the table and what it is of."""
    rows = [_row(arm, of, report) for arm, of in report["arms"].items()]
    return "\n".join([HEAD, *rows]) + (
        f"\n\n{len(report['rooms'])} rooms, {report['runs']} runs each, {report['seconds']:g} s a drive, in lockstep."
        f" {report['machine']}."
    )


def _row(arm: str, of: dict, report: dict) -> str:
    spread = of["spread"]

    def number(name: str, form: str = "g") -> str:
        low, high = spread[name]
        around = f" ({low:{form}}–{high:{form}})" if low != high else ""
        return f"{of[name]:{form}}{around}"

    calm, delay = report["calm_times"].get(arm), report["delay_ms"].get(arm)
    cells = [
        f"{number('collisions', '.1f')}, people {of['people']:.1f}", number("metres", ".0f"), number("goals", ".1f"),
        f"{of['given_up']:.1f}", f"{number('wedged_s', '.0f')} / {number('held_s', '.0f')}", f"{of['stops_per_metre'] or 0:.2f}",
        f"{of['alternations']:.0f}", "-" if of["gap_m"] is None else f"{of['gap_m']:.2f}",
        "-" if calm is None else f"{calm:.3f}", f"{delay[0]:.2f} / {delay[1]:.2f}" if delay else "-",
    ]  # fmt: skip
    return f"| {SAID[arm]} | " + " | ".join(cells) + " |"


def _kinds(report: dict) -> list[str]:
    """A row for each kind of room: collisions, and metres, by arm."""
    arms = list(report["arms"])
    kinds: dict[str, list[str]] = {}
    for name in report["rooms"]:
        kinds.setdefault(name.rsplit(" ", 1)[0], []).append(name)
    lines = ["| | " + " | ".join(f"{SAID[arm]}: collisions, m" for arm in arms) + " |", "|---|" + "---:|" * len(arms)]
    for kind, names in kinds.items():
        cells = []
        for arm in arms:
            drives = [drive for name in names for drive in report["rooms"][name][arm]]
            metres = sum(drive["metres"] for drive in drives) / report["runs"]
            cells.append(f"{sum(drive['collisions'] for drive in drives)}, {metres:.1f}")
        lines.append(f"| {kind} ({len(names)}) | " + " | ".join(cells) + " |")
    return lines
