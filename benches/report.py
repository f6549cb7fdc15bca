"""The scores of the shipped clearance bundle, from the report beside it: nothing is measured for them."""

import json
import time

from block import ROOT, Block

HEAD = (
    "| robot (real) | windows | persistence | kinematic projection | exit 1 | deepest exit | `fastest` "
    "| onsets found, at false alarms | kinematic, the same |",
    "|---|" + "---:|" * 8,
)


def blocks(present: dict[str, str]) -> dict[str, Block]:
    """By name; none where the report is of another bundle."""
    found = json.loads((ROOT / "models/clearance/report.json").read_text())
    task, digest = found["model"].rsplit("-", 1)
    if present.get(task) != digest:
        print(f"models/clearance/report.json is of {found['model']}, not of the bundle beside it: not taken")
        return {}
    text = "\n".join(table(found))
    name = "scores"
    return {name: Block(name, {task: digest}, time.strftime("%Y-%m-%d"), "current", f"\n{text}\n")}


def table(report: dict) -> list[str]:
    def of(part: dict, robot: str) -> dict:
        return part["per_robot"][robot]

    lines = list(HEAD)
    first, deepest, fastest = report["exits"][0], report["exits"][-1], report["fastest"]
    for robot in deepest["per_robot"]:
        if robot.endswith("(sim)"):
            continue
        kinematic = of(report["baselines"]["kinematic"], robot)
        columns = [of(report["baselines"]["persistence"], robot), kinematic, of(first, robot), of(deepest, robot)]
        columns = [f"{column['balanced_accuracy']:.3f}" for column in [*columns, of(fastest, robot)]]
        onsets = [f"{x['onset_recall']:.3f} at {x['false_alarm']:.3f}" for x in (of(deepest, robot), kinematic)]
        cells = [robot, str(of(deepest, robot)["n"]), *columns, *onsets]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
