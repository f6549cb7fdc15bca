"""The comparison as a table and as a picture."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter


def names(report):
    """In the order of the first size, fastest first."""
    first = next(iter(report["sizes"].values()))["results"]
    every = {name for size in report["sizes"].values() for name in size["results"]}
    return sorted(every, key=lambda name: first.get(name, {}).get("median_us", float("inf")))


def table(report, file):
    machine, sizes = report["machine"], report["sizes"]
    peaks = [kind for kind in ("int8", "bf16", "f32") if kind in machine["peaks_mac_per_ns"]]
    lines = [
        f"{machine['processor']} (family/model {machine['family_model']}), one pinned core of "
        f"{machine['cores']}, load {machine['load']:.1f}, {machine['date']}.",
        "This core's peaks, multiply-adds per ns: "
        + ", ".join(f"{kind} {machine['peaks_mac_per_ns'][kind]:.0f}" for kind in peaks)
        + ".",
        "Median µs of a window through every exit (99th percentile; median with cold caches).",
        "",
        "| | " + " | ".join(sizes) + " |",
        "|---|" + "---:|" * len(sizes),
    ]
    for name in names(report):
        cells = []
        for size in sizes.values():
            found = size["results"].get(name)
            cells.append(
                f"{found['median_us']:.1f} ({found['p99_us']:.0f}; {found['cold_us']:.0f})" if found else "-"
            )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    rows = {
        "fastest peer": lambda size: size["best_peer"],
        "fastest peer / ours": lambda size: f"**{size['ratio']:.2f}**",
        "floor, µs": lambda size: f"{size['floor_us']:.1f}" if size["floor_us"] else "-",
        "ours / floor": lambda size: f"{size['times_floor']:.2f}" if size["times_floor"] else "-",
        "fastest peer / floor": lambda size: (
            f"{size['ratio'] * size['times_floor']:.1f}" if size["times_floor"] else "-"
        ),
    }
    for name, cell in rows.items():
        lines.append(f"| {name} | " + " | ".join(map(cell, sizes.values())) + " |")
    for title, size in sizes.items():
        for name, why in size["missing"].items():
            lines += ["", f"{name} is not in the column {title}: {why}."]
    if "7-bit" in machine["int8_of_ort"]:
        lines += ["", f"INT8 of ONNX Runtime is with {machine['int8_of_ort']}."]
    for task, found in report.get("agreement", {}).items():
        shares = {name: share for name, share in found.items() if name != "windows"}
        said = ", ".join(f"{name} {100 * share:.2f} %" for name, share in shares.items())
        lines += ["", f"Same label as flex on {found['windows']} unseen windows of {task}: {said}."]
    file.write_text("\n".join(lines) + "\n")


def in_short(report):
    """The clearance model in two sentences."""
    machine, size = report["machine"], report["sizes"]["clearance"]
    median = lambda name: f"{size['results'][name]['median_us']:.3g} µs"
    peers = {"OpenVINO": "openvino", "ONNX Runtime": "ort"}
    said = []
    for peer, prefix in peers.items():
        found = [name for name in size["results"] if name.startswith(prefix)]
        if found:
            said.append(f"{peer} {median(min(found, key=lambda name: size['results'][name]['median_us']))}")
    text = (
        f"A window of the clearance model through all four exits, one core ({machine['processor']}, "
        f"{machine['date']}, `make bench-engine`): {median('packed_int8')} on `packed` in INT8, "
        f"{median('packed_f32')} in f32, {median('flex')} on `flex`; {', '.join(said)}."
    )
    if found := report.get("agreement", {}).get("clearance"):
        text += (
            f" INT8 prefers the label of the f32 model on {100 * found['packed_int8']:.2f} % of "
            f"{found['windows']} windows that did not teach it."
        )
    larger = [report["sizes"][name] for name in ("S1", "S2", "S3", "S4") if name in report["sizes"]]
    if larger:
        ratios = ", ".join(f"{size['ratio']:.1f}" for size in larger)
        text += f" On four larger models (S1 to S4) it is {ratios} times as fast as the fastest of its peers"
        floors = [size["times_floor"] for size in larger if size["times_floor"]]
        if floors:
            text += f", at {min(floors):.1f} to {max(floors):.1f} times what the multiply-adds alone take on this core"
        text += "."
    return text


def picture(report, file):
    sizes = report["sizes"]
    order = names(report)
    figure, axes = plt.subplots(
        1, len(sizes), figsize=(2 + 2.2 * len(sizes), 4), sharey=True, squeeze=False
    )
    for axis, (title, size) in zip(axes[0], sizes.items()):
        for at, name in enumerate(order):
            median = size["results"].get(name, {}).get("median_us")
            if median:
                axis.plot(median, at, "o", color="tab:orange" if name.startswith("packed") else "tab:gray")
                label = {"fontsize": 7, "va": "center", "xytext": (5, 0), "textcoords": "offset points"}
                axis.annotate(f"{median:.4g}", (median, at), **label)
        if size["floor_us"]:
            axis.axvline(size["floor_us"], color="black", linestyle=":", linewidth=1)
        axis.set_xscale("log")
        low, high = axis.get_xlim()
        axis.set_xlim(low, high * 4)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_title(f"{title}: {size['ratio']:.1f}×", fontsize=9)
        axis.set_xlabel("median µs")
        axis.grid(axis="y", linewidth=0.3)
    axes[0][0].set_yticks(range(len(order)), order)
    axes[0][0].invert_yaxis()
    figure.suptitle(
        "A window through every exit, one core; dotted: the arithmetic's floor; ×: fastest peer / ours",
        fontsize=10,
    )
    figure.tight_layout()
    figure.savefig(file)
