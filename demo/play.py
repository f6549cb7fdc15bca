"""Plays a recording's laser scans, odometry and commands over DDS at the rate they were recorded.

The messages leave as the bytes that were recorded, stamps included. The recorded command goes to
/cmd_vel_raw, where the driver's would be: what the gate makes of it drives nobody.
"""

import argparse
import importlib
import time
from collections.abc import Iterator
from pathlib import Path

OUT = {
    "sensor_msgs/msg/LaserScan": "/scan",
    "nav_msgs/msg/Odometry": "/odom",
    "geometry_msgs/msg/Twist": "/cmd_vel_raw",
}
PREFERRED = {"/scan", "/odom", "/cmd_vel"}

# run.py looks for these words.
CUT = "The recording is cut"

Message = tuple[int, str, bytes]  # log time in ns, topic to publish on, CDR


def choose(channels: list[tuple[str, str]]) -> dict[str, str]:
    """Recorded topic to topic to publish, one per type, from (topic, type) pairs."""
    chosen: dict[str, str] = {}
    for topic, kind in sorted(channels, key=lambda c: (c[0] not in PREFERRED, c[0])):
        if kind in OUT and OUT[kind] not in chosen.values():
            chosen[topic] = OUT[kind]
    if "/scan" not in chosen.values():
        raise SystemExit("The recording holds no sensor_msgs/msg/LaserScan: nothing to decide on.")
    return chosen


def read_mcap(path: Path) -> tuple[list[str], Iterator[Message]]:
    from mcap.exceptions import McapError
    from mcap.reader import NonSeekingReader, make_reader

    def messages(topics: dict[str, str]) -> Iterator[Message]:
        with path.open("rb") as file:
            try:
                whole = make_reader(file).get_summary() is not None
            except McapError:
                whole = False
        with path.open("rb") as file:
            reader = make_reader(file) if whole else NonSeekingReader(file)
            try:
                for _, channel, message in reader.iter_messages(list(topics), log_time_order=whole):
                    yield message.log_time, topics[channel.topic], message.data
            except McapError:
                print(f"{CUT}; played up to there.", flush=True)

    channels: set[tuple[str, str]] = set()
    with path.open("rb") as file:
        try:
            summary = make_reader(file).get_summary()
        except McapError:
            summary = None
        if summary is not None:
            channels = {(c.topic, summary.schemas[c.schema_id].name) for c in summary.channels.values()}
        else:
            file.seek(0)
            try:
                for schema, channel, _ in NonSeekingReader(file).iter_messages(log_time_order=False):
                    channels.add((channel.topic, schema.name if schema else ""))
            except McapError:
                pass  # a cut file: what came before the cut is known now
            if not channels:
                raise SystemExit(f"{CUT} before its first complete chunk: nothing can be played.")
    chosen = choose(list(channels))
    return sorted(chosen.values()), messages(chosen)


def read_directory(path: Path) -> tuple[list[str], Iterator[Message]]:
    from rosbags.rosbag2 import Reader

    with Reader(path) as reader:
        chosen = choose([(c.topic, c.msgtype) for c in reader.connections])

    def messages() -> Iterator[Message]:
        with Reader(path) as reader:
            wanted = [c for c in reader.connections if c.topic in chosen]
            for connection, log_time, data in reader.messages(wanted):
                yield log_time, chosen[connection.topic], data

    return sorted(chosen.values()), messages()


def read(path: Path) -> tuple[list[str], Iterator[Message]]:
    """The topics to publish and the messages in order, of an .mcap or a rosbag2 directory."""
    if not path.exists():
        raise SystemExit(f"There is no recording at {path}.")
    if path.is_dir() or path.suffix == ".db3":
        return read_directory(path if path.is_dir() else path.parent)
    return read_mcap(path)


def main() -> None:
    import rclpy
    from rclpy.executors import ExternalShutdownException

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bag", type=Path)
    parser.add_argument("--duration", type=float, default=float("inf"), help="stop after this many seconds")
    parser.add_argument("--listeners", type=int, default=1, help="wait for this many subscribers of /scan")
    args = parser.parse_args()

    topics, messages = read(args.bag)
    rclpy.init()
    node = rclpy.create_node("player")
    publishers = {}
    for kind, topic in OUT.items():
        if topic in topics:
            package, _, name = kind.split("/")
            publishers[topic] = node.create_publisher(
                getattr(importlib.import_module(f"{package}.msg"), name), topic, 10
            )
    print("publishing", ", ".join(topics), flush=True)
    try:
        give_up = time.monotonic() + 15.0
        while publishers["/scan"].get_subscription_count() < args.listeners and time.monotonic() < give_up:
            rclpy.spin_once(node, timeout_sec=0.1)
        start = first = None
        for log_time, topic, data in messages:
            if start is None or first is None:
                start, first = time.monotonic(), log_time
            offset = (log_time - first) * 1e-9
            if offset > args.duration:
                break
            ahead = start + offset - time.monotonic()
            if ahead > 0.0:
                time.sleep(ahead)
            if not rclpy.ok():
                break
            publishers[topic].publish(bytes(data))
        time.sleep(0.5)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == "__main__":
    main()
