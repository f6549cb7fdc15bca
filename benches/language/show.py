"""The comparison as a table and as a picture."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def peers(report):
    return {name: row for name, row in report["rows"].items() if row["path"] == "llama.cpp"}


def measures(report):
    """Words, how to find the figure in a row, whether more is better, and the floor where there is one."""
    ours = next(iter(report["rows"].values()))
    least = report["floor"]
    for tokens in ours["prefill_tok_s"]:
        yield (
            f"prompt of {tokens} tokens, tokens/s",
            lambda row, tokens=tokens: row["prefill_tok_s"].get(tokens),
            True,
            least["prefill_tok_s"],
        )
    for depth in ours["decode_ms"]:
        find = lambda row, depth=depth: row["decode_ms"].get(depth)
        yield f"a token behind {depth}, ms", find, False, least["decode_ms"][depth]
    for depth in ours["cold_decode_ms"]:
        find = lambda row, depth=depth: row["cold_decode_ms"].get(depth)
        yield f"the same behind {depth} with cold caches, ms", find, False, None
    for depth in ours["forced_ms"]:
        find = lambda row, depth=depth: row.get("forced_ms", {}).get(depth)
        yield f"a token behind {depth} where a grammar allows few, ms", find, False, None
    for thoughts in ours["label_ms"]:
        find = lambda row, thoughts=thoughts: row["label_ms"].get(thoughts)
        yield f"a label behind {thoughts} tokens of thought, ms", find, False, None
    yield "JSON, by 16 tokens, ms", lambda row: row["json16_ms"], False, None
    yield "load, s", lambda row: row["load_s"], False, None
    yield "memory when loaded, MiB", lambda row: row["rss_mb"]["loaded"], False, None
    yield "memory at the end, MiB", lambda row: row["rss_mb"]["end"], False, None


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(report, file):
    machine, rows, asked = report["machine"], report["rows"], report["question"]
    best = peers(report)
    peaks = machine["peaks"]
    first = next(iter(rows.values()))
    lines = [
        f"{report['model']['file']}; {machine['processor']}, one pinned core of {machine['cores']}, load "
        f"{machine['load']:.1f}, {machine['date']}; ours on {first['path']}. This core reads as many bytes as the "
        f"model has at {peaks['memory_gb_s']:.1f} GB/s, and multiplies {peaks['int8']:.0f} pairs of bytes per ns.",
        f"Medians. A label: {asked['prefix']} tokens of prompt are cached, {asked['new']} are new; ours answers without a "
        "thought first, then with it.",
        "",
        "| | " + " | ".join(rows) + " | ours, against the better of llama.cpp's | against the floor |",
        "|---|" + "---:|" * (len(rows) + 2),
    ]
    for words, find, more, least in measures(report):
        values = [find(row) for row in rows.values()]
        theirs = [find(row) for row in best.values() if find(row) is not None]
        ratio = "-"
        if theirs:
            ratio = f"**{values[0] / max(theirs):.2f}** times" if more else f"**{values[0] / min(theirs):.2f}** of it"
        above = "-"
        if least:
            above = f"{least / values[0]:.2f}" if more else f"{values[0] / least:.2f}"
        lines.append(f"| {words} | " + " | ".join(map(number, values)) + f" | {ratio} | {above} |")
    answers = ", ".join(f"{name}: {row['json_answer'][0]} tokens" for name, row in rows.items())
    lines += ["", f"The JSON: {first['json_answer'][1]} ({answers})."]
    file.write_text("\n".join(lines) + "\n")


def picture(report, file):
    """Milliseconds of a token and of a label, by engine."""
    rows = report["rows"]
    kinds = [("decode_ms", "a token, by its depth"), ("label_ms", "a label, by tokens of thought")]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, (kind, title) in zip(axes, kinds, strict=True):
        for name, row in rows.items():
            axis.plot(list(row[kind]), list(row[kind].values()), marker="o", label=name)
        if kind in report["floor"]:
            floor = {depth: report["floor"][kind][depth] for depth in next(iter(rows.values()))[kind]}
            axis.plot(list(floor), list(floor.values()), linestyle=":", color="grey", label="memory alone")
        axis.set(title=title, ylabel="ms", ylim=(0, None))
    axes[0].legend(fontsize="small")
    figure.savefig(file)
    plt.close(figure)
