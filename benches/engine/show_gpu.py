"""The GPU comparison as a table and as a picture."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"wgpu": "tab:blue", "packed": "tab:orange", "cuda": "tab:gray"}


def describe(machine):
    gpu = machine["gpu"]
    card = f"{gpu['name']} (driver {gpu['driver']})" if gpu else "no NVIDIA GPU"
    return f"{card}, {machine['cores']} cores of {machine['processor']}, {machine['date']}."


def table(report, file):
    lines = [describe(report["machine"]), ""]
    sizes = report["sizes"]
    lines += ["Batches: median µs from the windows in memory to the last exit's answers (99th percentile).", ""]
    for name, size in sizes.items():
        batches = size["batches"]
        every = list(dict.fromkeys(e for batch in batches.values() for e in batch["engines"]))
        shape = size["architecture"]
        lines.append(
            f"**{name}** (frames {shape['frames']}, features {shape['features']}, width {shape['width']}, "
            f"depth {shape['depth']})"
        )
        lines += ["", "| | " + " | ".join(f"batch {rows}" for rows in batches) + " |"]
        lines.append("|---|" + "---:|" * len(batches))
        for engine in every:
            found = [batch["engines"].get(engine) for batch in batches.values()]
            cells = [f"{one['median_us']:.0f} ({one['p99_us']:.0f})" if one else "-" for one in found]
            lines.append(f"| {engine} | " + " | ".join(cells) + " |")
        for engine, found in size["exits"].items():
            to = ", ".join(f"{us:.0f}" for us in found["exits_us"])
            lines.append(f"\n{engine}: to each exit, all read, {to} µs; the last in one go {found['last_us']:.0f} µs.")
        if size["starts"]:
            untuned, tuned = size["starts"]["untuned_ms"], size["starts"]["tuned_ms"]
            lines.append(
                f"\nwgpu from the start of loading to a first answer: {sum(untuned):.0f} ms untuned, "
                f"{sum(tuned):.0f} ms with what the start before tuned."
            )
        first = next(iter(batches.values()))["engines"]
        memory = ", ".join(
            f"{engine} {seen['rss_mib']} MiB resident + {seen['gpu_mib']} MiB of the GPU" for engine, seen in first.items()
        )
        lines += ["", f"Memory at the first batch size: {memory}.", ""]
        for at, seen in enumerate(size.get("steady", [])):
            lines.append(
                f"- minute {at / 2:.1f}: median {seen['median_us']} µs, p99 {seen['p99_us']}, most {seen['most_us']}, "
                f"{seen['rss_mib']} MiB resident, {seen.get('used_mib')} MiB of the GPU, {seen.get('sm_mhz')} MHz"
            )
    file.write_text("\n".join(lines) + "\n")


def picture(report, file):
    sizes = report["sizes"]
    figure, axes = plt.subplots(1, len(sizes), figsize=(1 + 2.8 * len(sizes), 3.6), squeeze=False)
    for axis, (title, size) in zip(axes[0], sizes.items()):
        rows = [int(batch) for batch in size["batches"]]
        every = dict.fromkeys(e for batch in size["batches"].values() for e in batch["engines"])
        for engine in every:
            found = [batch["engines"].get(engine) for batch in size["batches"].values()]
            points = [(at, one["median_us"]) for at, one in zip(rows, found) if one]
            colour = COLOURS[engine.split("_")[0]]
            style = "-" if engine.endswith("f32") else "--"
            axis.plot(*zip(*points), style, marker=".", color=colour, label=engine)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(rows, rows)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("windows at a time")
        axis.grid(linewidth=0.3)
    axes[0][0].set_ylabel("median µs to the last exit")
    axes[0][-1].legend(fontsize=7)
    figure.suptitle(describe(report["machine"]), fontsize=9)
    figure.tight_layout()
    figure.savefig(file)
