"""Boosted trees on the flattened window beside a bundle, on the same left-out groups, robot by robot:
target/bench/trees/TASK/trees.json and trees.md. `make bench-trees` calls it.

The trees learn from the windows that taught the bundle, without their varied copies, and every class
counts alike. "defaults" are the library's; "tuned" are chosen from a few settings by cross-validation
over the groups that teach.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import sklearn
from safetensors import safe_open
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold

SETTINGS = [
    {},
    {"learning_rate": 0.05, "max_iter": 200, "max_leaf_nodes": 15, "l2_regularization": 1.0},
    {"learning_rate": 0.05, "max_iter": 300, "max_leaf_nodes": 7, "l2_regularization": 1.0},
    {"learning_rate": 0.03, "max_iter": 300, "max_leaf_nodes": 15, "min_samples_leaf": 100},
]
FOLDS = 3


def trees(settings, seed):
    return HistGradientBoostingClassifier(
        class_weight="balanced", early_stopping=False, random_state=seed, **settings
    )


def tune(windows, labels, groups, seed):
    """The settings that score best on groups they have not seen; none of a single group."""
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:
        return None
    scores = []
    for settings in SETTINGS:
        found = np.full(len(labels), -1)
        for teach, judge in GroupKFold(folds).split(windows, labels, groups):
            model = trees(settings, seed).fit(windows[teach], labels[teach])
            found[judge] = model.predict(windows[judge])
        scores.append(balanced_accuracy_score(labels, found))
    best = int(np.argmax(scores))
    print(f"tuned over {len(SETTINGS)} settings: {SETTINGS[best]}, {scores[best]:.3f}", flush=True)
    return SETTINGS[best]


def evaluate(arguments, folder):
    """The bundle's report, and the windows."""
    file = folder / "windows.safetensors"
    command = [arguments.node, "eval", "--model", arguments.model, "--task", arguments.task]
    command += ["--data", *arguments.data, "--yaw", str(arguments.yaw), "--out", folder]
    done = subprocess.run([*command, "--windows", file, "--json"], capture_output=True, text=True)
    if "none of the recordings that taught" in done.stderr:
        # Those that ship learned from recordings that not everybody has.
        print(f"skipped: {done.stderr.strip()}")
        raise SystemExit(0)
    if done.returncode:
        raise SystemExit(f"bench-trees: {done.stderr.strip() or 'eval failed'}")
    report = json.loads((folder / "report.json").read_text())
    with safe_open(file, framework="numpy") as opened:
        names = {key: value for key, value in opened.metadata().items()}
        columns = {key: opened.get_tensor(key) for key in opened.keys()}
    for key in ("labels", "robots", "groups"):
        names[key] = json.loads(names[key])
    return report, columns, names


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", required=True, help="the program")
    parser.add_argument("--model", required=True, help="folder of the bundle")
    parser.add_argument("--task", required=True, help="its task file")
    parser.add_argument("--data", required=True, nargs="+", help="folders with recordings")
    parser.add_argument("--yaw", type=float, default=0.0, help="for folders without a list, rad")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--untuned", action="store_true", help="the library's defaults alone")
    parser.add_argument("--smoke", action="store_true", help="few trees, to OUT/smoke, to see that it runs: no figures")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.untuned, arguments.out = True, arguments.out / "smoke"

    with tempfile.TemporaryDirectory() as folder:
        report, columns, names = evaluate(arguments, Path(folder))
    windows, labels, judges = columns["windows"], columns["label"], columns["judges"] == 1
    teach = ~judges
    if not judges.any():
        print(f"skipped: all of the recordings in {', '.join(arguments.data)} taught {names['model']}")
        return
    candidates = {"trees, defaults": {"max_iter": 5} if arguments.smoke else {}}
    if not arguments.untuned:
        best = tune(windows[teach], labels[teach], columns["group"][teach], arguments.seed)
        if best:
            candidates["trees, tuned"] = best

    robots = {}
    for name, baseline in report["baselines"].items():
        for robot, scores in baseline["per_robot"].items():
            robots.setdefault(robot, {})[name] = scores["balanced_accuracy"]
    for name, settings in candidates.items():
        model = trees(settings, arguments.seed).fit(windows[teach], labels[teach])
        answers = model.predict(windows)
        for number, robot in enumerate(names["robots"]):
            mine = judges & (columns["robot"] == number)
            if mine.any():
                # As our own score: over the classes that occur in the truth.
                recalls = [
                    np.mean(answers[mine & (labels == label)] == label)
                    for label in np.unique(labels[mine])
                ]
                robots.setdefault(robot, {})[name] = float(np.mean(recalls))
    for exit in report["exits"]:
        name = f"exit {exit['exit']} of {len(report['exits'])}"
        for robot, scores in exit["per_robot"].items():
            robots[robot][name] = scores["balanced_accuracy"]

    rows = list(dict.fromkeys(name for scores in robots.values() for name in scores))
    lines = [
        f"# {names['model']} beside boosted trees\n",
        f"Balanced accuracy on the windows that did not teach ({judges.sum()}; {teach.sum()} taught "
        f"the trees); scikit-learn {sklearn.__version__}, HistGradientBoostingClassifier.\n",
        "| | " + " | ".join(robots) + " |",
        "|---|" + "---:|" * len(robots),
    ]
    for name in rows:
        cells = (robots[robot].get(name) for robot in robots)
        cells = ("-" if cell is None else f"{cell:.3f}" for cell in cells)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    deepest = f"exit {len(report['exits'])} of {len(report['exits'])}"
    for robot, scores in robots.items():
        best = max((scores[name] for name in candidates if name in scores), default=None)
        if best is not None and deepest in scores:
            gap = scores[deepest] - best
            verdict = "loses to" if gap < 0 else "beats"
            lines.append(f"\n{robot}: the bundle {verdict} the better trees by {100 * abs(gap):.1f} points.")
    text = "\n".join(lines) + "\n"
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "trees.md").write_text(text)
    found = {"model": names["model"], "settings": candidates, "per_robot": robots}
    (arguments.out / "trees.json").write_text(json.dumps(found, indent=2) + "\n")
    print(text)


if __name__ == "__main__":
    main()
