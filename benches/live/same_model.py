"""Whether the node in Python runs our model: the stream as a recording through both, at the same times."""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

import nodes
from processes import Trouble
from stream import Moment, stamped

# Largest difference of a probability: engine flex and ONNX Runtime both compute in f32.
TOLERANCE = 1e-4
BEGIN_NS = 1_700_000_000_000_000_000


def check(stream: list[Moment], args: argparse.Namespace) -> dict:
    """`{"flex": ..., "as_shipped": ...}`, each with the number of scans and decisions, the largest
    difference of a probability of the deepest exit, and the share with the same label. Refuses
    another model."""
    folder = args.out / "parity"
    shutil.rmtree(folder, ignore_errors=True)
    recording = _record(stream, args.rate, folder / "stream")
    flex = _compare(args.peer_python, recording, folder / "flex", ["engines:=[flex]"])
    if not flex["decisions"] or flex["largest_difference"] > TOLERANCE:
        raise Trouble(f"The node in Python does not run our model: {flex}; at most {TOLERANCE} apart is right.")
    shipped = _compare(args.peer_python, recording, folder / "as_shipped", args.parameters)
    print(f"Deepest exit on {flex['decisions']} of {flex['scans']} scans: engine flex and ONNX Runtime are at"
          f" most {flex['largest_difference']:.1e} apart in probability; our node's own engine"
          f" {shipped['largest_difference']:.1e}, same label on {shipped['same_label']:.2%}.")  # fmt: skip
    return {"flex": flex, "as_shipped": shipped}


def _record(stream: list[Moment], rate_hz: float, folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    types = get_typestore(Stores.ROS2_JAZZY)
    period_ns = round(1e9 / rate_hz)
    with Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        scans, odometry, commands = (
            writer.add_connection(topic, kind, typestore=types)
            for topic, kind in (
                ("/scan", "sensor_msgs/msg/LaserScan"),
                ("/odom", "nav_msgs/msg/Odometry"),
                ("/cmd_vel", "geometry_msgs/msg/Twist"),
            )
        )
        for index, moment in enumerate(stream):
            before, at = (BEGIN_NS + (2 * index + half) * period_ns // 2 for half in (1, 2))
            writer.write(commands, before, moment.command)
            writer.write(odometry, before, stamped(moment.odometry, before))
            writer.write(scans, at, stamped(moment.scan, at))
    return next(folder.glob("*.mcap"))


def _compare(python: Path, recording: Path, out: Path, parameters: list[str]) -> dict:
    replay = [nodes.node(), "replay", recording, "--model", nodes.MODEL, "--out", out]
    # The deepest exit, whatever this machine takes for it.
    for parameter in [*parameters, "policy:=best", "deadline_ms:=1000.0"]:
        replay += ["-p", parameter]
    _finish(replay, "replay")
    decisions = next(iter(sorted(out.glob("*.mcap"))), None)
    if decisions is None:
        raise Trouble(f"replay wrote no decisions to {out}.")
    compare = [python, nodes.LIVE / "parity.py", "--model", nodes.MODEL]
    compare += ["--library", nodes.window(), "--exported", out / "model.onnx", "--recording", recording, "--decisions", decisions]
    return json.loads(_finish(compare, "the comparison of probabilities"))


def _finish(command: list[object], what: str) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Trouble(f"{what} ended with exit code {done.returncode}:\n{said}")
    return done.stdout
