"""The comparison of nodes as a table and as a picture."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, SOFT, FAINT = "#1f2933", "#66717d", "#e6e9ed"
COLOUR = {"edge_reasoner": "#17936b", "rclpy_ort": "#d03a34", "r2r_echo": "#66717d"}
SAID = {"edge_reasoner": "edge_reasoner", "rclpy_ort": "rclpy + ONNX Runtime", "r2r_echo": "bare r2r echo"}
FIGURES = {"p50_us": "p50, µs", "p99_us": "p99, µs", "p999_us": "p99.9, µs",
           "cpu_us_per_decision": "CPU per decision, µs", "rss_mb": "RSS, MB"}  # fmt: skip


def table(report: dict) -> str:
    """Markdown."""
    lines = [
        f"{report['machine']}; {report['rate_hz']:g} scans per second; under stress: {report['stress_by']}.",
        "",
        "| | | " + " | ".join(FIGURES.values()) + " | decisions | unanswered |",
        "|---|---|" + "---:|" * (len(FIGURES) + 2),
    ]
    for condition in ("idle", "stress"):
        for name, found in report[condition].items():
            cells = [f"{found[figure]:.0f}" for figure in FIGURES]
            cells += [str(found["decisions"]), str(found["unanswered"])]
            lines.append(f"| {condition} | {SAID[name]} | " + " | ".join(cells) + " |")
    busy = report["neighbours"]["idle"]
    lines += ["", f"While idle, other programs took {busy['others']:.0%} of the processors, and the host"
                  f" {busy['stolen']:.0%}. Where both answered by the model, our node (the first exit that is"
                  f" sure) and the one in Python (the deepest) gave the same label on"
                  f" {report['same_label']['idle']:.1%} idle,"
                  f" {report['same_label']['stress']:.1%} under stress.",
                  ""]  # fmt: skip
    for condition in ("idle", "stress"):
        ours = report[condition]["edge_reasoner"]
        inside = ", ".join(f"{ms:.2f}" for ms in ours["inside_ms"])
        lines.append(f"edge_reasoner, {condition}: {_counts(ours['by_source'])}; inside the node, from arrival to"
                     f" publication, p50, p99 and p99.9: {inside} ms.")  # fmt: skip
    lines.append("")
    for aim in report["aims"]:
        verdict = "met" if aim["met"] else "NOT met"
        lines.append(f"{aim['condition']}, {FIGURES[aim['figure']]}: {aim['ratio']:.2f} of"
                     f" {SAID[aim['of']]}, aim {aim['at_most']:g}: {verdict}")  # fmt: skip
    return "\n".join(lines)


def figures(report: dict) -> str:
    """Markdown for docs/benchmarks.md: the table and what it comes to."""
    lines = ["| | | " + " | ".join(FIGURES.values()) + " |", "|---|---|" + "---:|" * len(FIGURES)]
    for condition in ("idle", "stress"):
        for name, found in report[condition].items():
            cells = " | ".join(f"{found[figure]:.0f}" for figure in FIGURES)
            lines.append(f"| {condition} | {SAID[name]} | {cells} |")
    ours = {condition: report[condition]["edge_reasoner"] for condition in ("idle", "stress")}
    inside = [", ".join(f"{ms:.2f}" for ms in ours[condition]["inside_ms"]) for condition in ("idle", "stress")]
    ratios = [f"{aim['condition']}, {FIGURES[aim['figure']].split(',')[0]}: {aim['ratio']:.2f} of {SAID[aim['of']]}"
              for aim in report["aims"]]  # fmt: skip
    return "\n".join(lines) + (
        f"\n\n{report['machine']}; {ours['idle']['decisions']} decisions per row, {report['rate_hz']:g} scans per"
        f" second, stress by {report['stress_by']}; while idle, other programs took"
        f" {report['neighbours']['idle']['others']:.0%} of the processors. From the arrival in our node to the"
        f" publication it was {inside[0]} ms (p50, p99, p99.9) idle and {inside[1]} ms under stress: the rest is"
        f" DDS and the client, which the echo has as well. Beside the others: {'; '.join(ratios)}."
    )


def _counts(by: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(by.items(), key=lambda item: -item[1]))


def picture(report: dict, samples: dict[str, dict[str, list[float]]], out: Path) -> None:
    """How many decisions took longer than so long, per node; node.png and node.svg."""
    figure = Figure(figsize=(13, 6.2), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.04, 0.94, "From a scan to its decision, as the subscriber sees it", fontsize=18,
                fontweight="bold", color=INK)  # fmt: skip
    figure.text(0.04, 0.025, f"{report['machine']}\nunder stress: {report['stress_by']}", fontsize=8.5,
                color=SOFT)  # fmt: skip
    every = [value for nodes in samples.values() for values in nodes.values() for value in values]
    most = max(max(len(values) for values in nodes.values()) for nodes in samples.values())
    for column, (condition, nodes) in enumerate(samples.items()):
        axes = figure.add_axes((0.075 + 0.48 * column, 0.19, 0.4, 0.58))
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name, values in nodes.items():
            ordered = np.sort(values) / 1e3
            later = 1.0 - np.arange(len(ordered)) / len(ordered)
            axes.step(ordered, later, where="post", color=COLOUR[name], linewidth=2.2)
        axes.set_xlim(min(every) / 1e3 / 1.3, max(every) / 1e3 * 1.3)
        axes.set_ylim(0.5 / most, 1.3)
        for share, name in ((0.5, "p50"), (0.01, "p99"), (0.001, "p99.9")):
            if share < 1.0 / most:
                continue
            axes.axhline(share, color=FAINT, linewidth=1, zorder=0)
            axes.annotate(name, (1, share), (4, 0), xycoords=("axes fraction", "data"), va="center",
                          textcoords="offset points", fontsize=10, color=SOFT)  # fmt: skip
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3%}".rstrip("0%").rstrip(".") + " %")
        axes.minorticks_off()
        low, high = axes.get_xlim()
        steps = (1, 2, 5) if high < 200 * low else (1, 3)
        axes.set_xticks([v for v in (step * 10.0**e for e in range(-2, 4) for step in steps) if low <= v <= high])
        axes.tick_params(colors=SOFT, length=0, labelsize=10)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.set_title(f"{condition}: share of decisions that took longer (names with medians in ms)",
                       loc="left", fontsize=11.5, color=INK, pad=26)  # fmt: skip
        x = 0.0
        for name in nodes:
            said = f"{SAID[name]} {report[condition][name]['p50_us'] / 1e3:.2f}    "
            text = axes.annotate(said, (0, 1), (x, 9), xycoords="axes fraction", textcoords="offset points",
                                 fontsize=10, fontweight="bold", color=COLOUR[name])  # fmt: skip
            x += text.get_window_extent().width * 72.0 / figure.dpi
    with matplotlib.rc_context({"svg.hashsalt": "edge_reasoner", "svg.fonttype": "path"}):
        figure.savefig(out / "node.svg", metadata={"Date": None})
    figure.savefig(out / "node.png")
