"""Whether two programs run the same model: a recording through `edge_reasoner replay` and through the
window and the weights of the Python node, at the same times.

Prints `{"decisions", "largest_difference", "same_label"}` as JSON. Runs in the Python node's
environment.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
from mcap.reader import make_reader
from mcap_ros2.reader import read_ros2_messages

from model import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the bundle")
    parser.add_argument("--library", type=Path, required=True, help="examples/window.rs, built")
    parser.add_argument("--exported", type=Path, required=True, help="where to write it as ONNX")
    parser.add_argument("--recording", type=Path, required=True, help="mcap with /scan, /odom, /cmd_vel")
    parser.add_argument("--decisions", type=Path, required=True, help="mcap that replay wrote of it")
    args = parser.parse_args()

    model = Model(args.library, args.model, args.exported)
    sources = {"/scan": "scan", "/odom": "odom", "/cmd_vel": "cmd"}
    theirs = {}
    with args.recording.open("rb") as file:
        for _, channel, message in make_reader(file).iter_messages():
            source, now = sources[channel.topic], message.log_time
            if not model.window.push(source, message.data, now):
                raise SystemExit(f"a message on {channel.topic} was refused at {now}")
            if source == "scan":
                # A LaserScan begins with its stamp, behind four bytes that say the encoding.
                theirs[struct.unpack_from("<iI", message.data, 4)] = model.probabilities(now)
    ours = {
        _stamp(entry.ros_msg): np.array(entry.ros_msg.probabilities)
        for entry in read_ros2_messages(args.decisions)
        if entry.schema.name == "edge_reasoner/msg/Decision" and entry.ros_msg.source == "MODEL"
    }
    both = sorted(ours.keys() & theirs.keys())
    differences = [float(np.abs(ours[stamp] - theirs[stamp]).max()) for stamp in both]
    same = [int(ours[stamp].argmax() == theirs[stamp].argmax()) for stamp in both]
    found = {"scans": len(theirs), "decisions": len(both)}
    if both:
        found |= {"largest_difference": max(differences), "same_label": sum(same) / len(both)}
    print(json.dumps(found))


def _stamp(message: object) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


if __name__ == "__main__":
    main()
