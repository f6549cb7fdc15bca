"""On how many unseen windows of the shipped tasks the deepest exit prefers the label that flex
prefers: our precisions, and ONNX Runtime's dynamic INT8 of the same weights."""

import subprocess
import sys

import numpy as np
import onnxruntime

import graph

TASKS = ["clearance", "terrain", "wall_following"]
OURS = ["packed_int8", "packed_bf16", "packed_f32"]


def agreement(engine, root, work, data, tasks):
    """`{task: {windows, NAME: share}}`; tasks without recordings are left out with a word."""
    found = {}
    for task in tasks:
        if not (data / task / "manifest.csv").exists():
            print(f"no recordings at {data / task}: agreement not measured", file=sys.stderr)
            continue
        out = work / task / "windows"
        model, rules = root / "models" / task, root / "params/tasks" / f"{task}.yaml"
        subprocess.run([engine, "windows", model, rules, data / task, out], check=True)
        bundle = graph.Bundle(work / task)
        sizes, labels = bundle.sizes, bundle.labels
        windows = np.fromfile(out / "windows.bin", "<f4")
        windows = windows.reshape(-1, 1, sizes["frames"], sizes["features"])

        def deepest(name):
            values = np.fromfile(out / f"{name}.bin", "<f4")
            return values.reshape(sizes["depth"], -1, labels)[-1].argmax(axis=1)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(work / task / "model_int8.onnx", options)
        last = [session.get_outputs()[-1].name]
        logits = np.concatenate([session.run(last, {"window": window})[0] for window in windows])
        ort = bundle.probabilities(logits.reshape(len(windows), -1), bundle.temperatures[-1]).argmax(axis=1)
        flex = deepest("flex")
        shares = {name: float((deepest(name) == flex).mean()) for name in OURS}
        shares["ort_int8"] = float((ort == flex).mean())
        found[task] = {"windows": len(windows)} | shares
    return found
