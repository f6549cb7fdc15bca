"""What a run comes to, as numbers and as text."""

from collections import Counter
from itertools import pairwise

import numpy as np

from watch import Record, Row

LABELS = ("go", "slow", "stop")


def quantiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(max(values), 3)}


def seconds_per_label(rows: list[Row]) -> dict[str, float]:
    """How long each label stood, from one decision to the next."""
    out: dict[str, float] = {}
    for row, after in pairwise(rows):
        out[row.label] = out.get(row.label, 0.0) + min(after.t - row.t, 1.0)
    return {label: round(s, 1) for label, s in out.items()}


def summarise(record: Record) -> dict:
    rows = record.rows
    statistics = record.statistics
    cycles = [row.cycle for row in rows]
    missed = cycles[-1] - cycles[0] + 1 - len(set(cycles)) if rows else 0
    return {
        "decisions": len(rows),
        "scans": len(record.scans),
        "late": sum(row.late for row in rows),
        "missed_cycles": missed,
        "twice_answered": len(cycles) - len(set(cycles)),
        "superseded": statistics.superseded if statistics else None,
        "deadline_ms": rows[-1].deadline_ms if rows else None,
        "by_source": dict(Counter(row.source for row in rows)),
        "by_reason": dict(Counter(row.reason for row in rows if row.reason != "NONE")),
        "by_exit": {str(k): n for k, n in sorted(Counter(row.exit for row in rows if row.exit).items())},
        "exits": max((row.exits for row in rows), default=0),
        "latency_ms": quantiles([row.latency_ms for row in rows]),
        "seen_ms": quantiles([row.seen_ms for row in rows if row.seen_ms is not None]),
        "seconds": seconds_per_label(rows),
    }


def _counts(counts: dict) -> str:
    return " · ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _quantiles(q: dict[str, float] | None) -> str:
    return f"p50 {q['p50']:.2f} · p99 {q['p99']:.2f} · max {q['max']:.2f} ms" if q else "not measured"


def text(s: dict) -> str:
    """The summary for people; s is what run.py writes to summary.json."""
    node = s["node"]
    source = _counts(node["by_source"])
    if node["by_reason"]:
        source += f"   ({_counts(node['by_reason'])})"
    total = sum(node["seconds"].values()) or 1.0
    order = sorted(node["seconds"], key=lambda n: LABELS.index(n) if n in LABELS else 9)
    labels = " · ".join(f"{n} {node['seconds'][n]:.1f} s ({node['seconds'][n] / total:.0%})" for n in order)
    extra = "".join(
        f", {node[key]} {word}"
        for key, word in (("missed_cycles", "not seen here"), ("twice_answered", "answered twice"),
                          ("superseded", "superseded"))
        if node[key]
    )  # fmt: skip
    seen_from = "scan published" if s["mode"] == "simulation" else "scan received"
    lines = [
        s["title"],
        f"  decisions      {node['decisions']} cycles, {node['late']} late"
        f" (deadline {node['deadline_ms']:g} ms){extra}",
        f"  source         {source}",
        f"  exit used      {_counts(node['by_exit'])}   (of {node['exits']})",
        f"  latency        {_quantiles(node['latency_ms'])}   (scan's arrival to decision's publication)",
        f"  end to end     {_quantiles(node['seen_ms'])}   ({seen_from} to decision received, over DDS)",
        f"  time           {labels}",
    ]
    if "gated" in s:
        runs = [("with the gate", s["gated"])]
        if s["ungated"]:
            runs.append(("without it", s["ungated"]))
        lines.append("")
        for name, run in runs:
            n = run["collisions"]
            lines.append(f"  {name:<14} {n} collision{'s' * (n != 1)}, {run['distance_m']:.1f} m driven")
        if s["ungated"]:
            lines.append("                 (the same seed and driver code; stepped directly, without ROS)")
    lines += ["", f"  picture        {s['picture']}"]
    return "\n".join(lines)
