"""A soak as a table and as a picture."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, SOFT, FAINT = "#1f2933", "#66717d", "#e6e9ed"
NODE, INSTRUMENT, LATE = "#17936b", "#66717d", "#d03a34"
SAID = {"normal": "normal scheduling", "fifo": "SCHED_FIFO"}


def table(report: dict) -> str:
    """Markdown, then the verdicts."""
    lines = [
        f"{report['machine']}; {report['rate_hz']:g} scans per second, deadline {report['deadline_ms']:g} ms;"
        f" under stress: {report['stress_by']}.",
        "",
        "| run | condition | decisions | late | largest lateness, ms | p50, ms | p99.9, ms | max, ms"
        " | client p99.9, ms | client max, ms | cyclictest p99.9, ms | cyclictest max, ms |",
        "|---|---|" + "---:|" * 10,
    ]
    for name, run in report["runs"].items():
        policy = run["scheduling"]["policy"]
        for condition in ("idle", "stress"):
            found, beside = run[condition], run[condition]["cyclictest"]
            spent = found["latency_ms"]
            cells = [str(found["decisions"]), f"{found['late']} ({found['late_share']:.3%})",
                     f"{found['largest_lateness_ms']:.2f}",
                     *(f"{spent[key]:.2f}" for key in ("p50", "p999", "max")),
                     *(f"{found['client_ms'][key]:.2f}" for key in ("p999", "max"))]  # fmt: skip
            cells += [f"{beside[key] / 1e3:.2f}" for key in ("p999_us", "max_us")] if beside else ["-", "-"]
            lines.append(f"| {name} ({policy}) | {condition} | " + " | ".join(cells) + " |")
    lines.append("")
    for verdict in report["verdicts"]:
        said = "met" if verdict["met"] else "NOT met"
        lines.append(f"{verdict['run']}, {verdict['aim']}: {said} ({verdict['found']})")
    for name, run in report["runs"].items():
        process = run["process"]
        unanswered = sum(run[condition]["unanswered"] for condition in ("idle", "stress"))
        beyond = [run[condition]["beyond_deadline_at_client"] for condition in ("idle", "stress")]
        lines.append(f"{name}: threads {_span(process['threads'])}, descriptors"
                     f" {_span(process['descriptors'])}; unanswered (superseded) {unanswered}; longer than the"
                     f" deadline from sending to hearing, at the client: {beyond[0]} idle, {beyond[1]} under"
                     " stress")  # fmt: skip
    return "\n".join(lines)


def figures(report: dict) -> str:
    """Markdown for docs/benchmarks.md: the table and what it comes to."""
    lines = [
        "| scheduling | | decisions | late by the node's account | p50, ms | p99.9, ms | cyclictest p99.9, ms"
        " | cyclictest max, ms |",
        "|---|---|" + "---:|" * 6,
    ]
    said = []
    for name, run in report["runs"].items():
        kind = SAID[name] if run["scheduling"]["policy"] == ("other" if name == "normal" else name) else f"{name} refused"
        for condition in ("idle", "stress"):
            found, beside = run[condition], run[condition]["cyclictest"]
            cells = [str(found["decisions"]), str(found["late"])]
            cells += [f"{found['latency_ms'][key]:.2f}" for key in ("p50", "p999")]
            cells += [f"{beside[key] / 1e3:.2f}" for key in ("p999_us", "max_us")] if beside else ["-", "-"]
            lines.append(f"| {kind} | {condition} | " + " | ".join(cells) + " |")
        latest = max(run[condition]["largest_lateness_ms"] for condition in ("idle", "stress"))
        process = run["process"]
        said.append(
            f"{kind}: late by at most {latest:.1f} ms, memory {process['rss_mb'][0]:.1f} MB at first and"
            f" {process['rss_mb'][1]:.1f} MB at the end, {_span(process['threads'])} threads,"
            f" {_span(process['descriptors'])} descriptors"
        )
    return "\n".join(lines) + f"\n\n{report['machine']}; stress by {report['stress_by']}. {'. '.join(said)}."


def _span(ends: list[int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def picture(report: dict, out: Path) -> None:
    """Per run: worst latency and memory over time, and the latenesses beside cyclictest's."""
    runs = report["runs"]
    figure = Figure(figsize=(14, 1.3 + 3.4 * len(runs)), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    figure.text(0.04, 1 - 0.45 / height, f"{report['rate_hz']:g} scans per second, deadline"
                f" {report['deadline_ms']:g} ms", fontsize=18, fontweight="bold", color=INK)  # fmt: skip
    figure.text(0.04, 0.2 / height, f"{report['machine']}; under stress: {report['stress_by']}", fontsize=8.5,
                color=SOFT)  # fmt: skip
    for row, (name, run) in enumerate(runs.items()):
        bottom = (0.95 + 3.4 * (len(runs) - 1 - row)) / height
        tall = 2.45 / height
        title = f"{SAID[name]}: slowest decision per 2 s, ms"
        _worst(figure.add_axes((0.06, bottom, 0.36, tall)), report, run, title)
        _memory(figure.add_axes((0.48, bottom, 0.19, tall)), run)
        _beside(figure.add_axes((0.74, bottom, 0.23, tall)), run)
    with matplotlib.rc_context({"svg.hashsalt": "edge_reasoner", "svg.fonttype": "path"}):
        figure.savefig(out / "soak.svg", metadata={"Date": None})
    figure.savefig(out / "soak.png")


def _plain(axes: Axes, title: str) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=SOFT, length=0, labelsize=9)
    axes.grid(axis="y", color=FAINT)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=11, color=INK)


def _worst(axes: Axes, report: dict, run: dict, title: str) -> None:
    at = np.array([look["second"] for look in run["looks"]])
    worst = np.array([look["worst_ms"] for look in run["looks"]])
    late = worst > report["deadline_ms"]
    axes.set_yscale("log")
    axes.scatter(at, np.maximum(worst, 0.05), s=9, c=np.where(late, LATE, NODE), linewidths=0, clip_on=False)
    axes.axhline(report["deadline_ms"], color=LATE, linewidth=1.4)
    axes.set_ylim(0.05, max(2 * report["deadline_ms"], 1.5 * worst.max()))
    axes.minorticks_off()
    axes.annotate("deadline", (1, report["deadline_ms"]), (0, 4), xycoords=("axes fraction", "data"), ha="right",
                  textcoords="offset points", fontsize=8.5, color=LATE)  # fmt: skip
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _seconds(axes, run)
    _plain(axes, title)


def _memory(axes: Axes, run: dict) -> None:
    axes.plot([look["second"] for look in run["looks"]], [look["rss_mb"] for look in run["looks"]],
              color=NODE, linewidth=1.6)  # fmt: skip
    most = max(look["rss_mb"] for look in run["looks"])
    axes.set_ylim(0, 1.25 * most)
    _seconds(axes, run)
    slope = run["process"].get("rss_slope_kb_per_min")
    _plain(axes, "RSS, MB" + ("" if slope is None else f" ({slope:+.1f} kB per minute)"))


def _seconds(axes: Axes, run: dict) -> None:
    axes.set_xlim(0, run["looks"][-1]["second"])
    axes.axvline(run["stress_from_s"], color=SOFT, linewidth=1, linestyle=(0, (4, 4)))
    axes.annotate("stress", (run["stress_from_s"], 1), (4, -10), xycoords=("data", "axes fraction"),
                  textcoords="offset points", fontsize=8.5, color=SOFT)  # fmt: skip
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")


def _beside(axes: Axes, run: dict) -> None:
    """Share of wake-ups (cyclictest) and of decisions (the node) that took longer, both conditions."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    for condition, style in (("idle", "-"), ("stress", (0, (3, 1.5)))):
        found = run[condition]
        axes.step(*_later(found["curve_ms"]), where="post", color=NODE, linestyle=style, linewidth=1.5)
        if found["cyclictest"]:
            histogram = sorted((int(us), n) for us, n in found["cyclictest"]["histogram"].items())
            us, counts = np.array(histogram).T
            after = 1.0 - (np.cumsum(counts) - counts) / counts.sum()
            axes.step(np.maximum(us, 1) / 1e3, after, where="post", color=INSTRUMENT, linestyle=style, linewidth=1.5)
    axes.set_ylim(0.5 / max(run[condition]["decisions"] for condition in ("idle", "stress")), 1.3)
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _plain(axes, "share longer than; dashed: stress")
    axes.annotate("node", (1, 1), (-70, -12), xycoords="axes fraction", textcoords="offset points", color=NODE,
                  fontsize=9, fontweight="bold")  # fmt: skip
    axes.annotate("cyclictest", (1, 1), (-70, -24), xycoords="axes fraction", textcoords="offset points",
                  color=INSTRUMENT, fontsize=9, fontweight="bold")  # fmt: skip


def _later(curve: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    values, shares = np.array(curve).T
    return values, shares
