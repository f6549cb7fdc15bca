"""A recording in the making: one .mcap with /scan, /odom and /cmd_vel, as a robot would have recorded it."""

import math
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from base import Reading
from mcap.writer import CompressionType, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
TOPICS = {
    "scan": ("/scan", "sensor_msgs/msg/LaserScan"),
    "odom": ("/odom", "nav_msgs/msg/Odometry"),
    "cmd": ("/cmd_vel", "geometry_msgs/msg/Twist"),
}
# Drives begin at a time that no clock will show again.
START_NS = 1_600_000_000_000_000_000


def _stamp(t: float) -> int:
    return START_NS + round(t * 1e9)


class Recorder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self.file = open(self.path, "wb")
        self.writer = Writer(self.file, compression=CompressionType.ZSTD)
        self.writer.start(profile="ros2", library="")
        self.channels = {}
        for key, (topic, kind) in TOPICS.items():
            text, _ = STORE.generate_msgdef(kind, ros_version=2)
            schema = self.writer.register_schema(name=kind, encoding="ros2msg", data=text.encode())
            self.channels[key] = self.writer.register_channel(topic=topic, message_encoding="cdr", schema_id=schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.finish()
        self.file.close()

    def write(self, t: float, key: str, content: tuple) -> None:
        """What arrived at t (s): a scan (stamp, Reading), odometry (stamp, pose, motion) or a command."""
        message = {"scan": scan, "odom": odometry, "cmd": twist}[key](*content)
        data = bytes(STORE.serialize_cdr(message, TOPICS[key][1]))
        self.writer.add_message(self.channels[key], log_time=_stamp(t), publish_time=_stamp(t), data=data)


def _header(t: float, frame: str) -> Any:
    seconds, rest = divmod(_stamp(t), 1_000_000_000)
    time = TYPES["builtin_interfaces/msg/Time"](sec=seconds, nanosec=rest)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def scan(t: float, reading: Reading) -> Any:
    last = reading.angle_min + reading.increment * (len(reading.ranges) - 1)
    return TYPES[TOPICS["scan"][1]](
        header=_header(t, "laser"),
        angle_min=reading.angle_min,
        angle_max=last,
        angle_increment=reading.increment,
        time_increment=0.0,
        scan_time=0.0,
        range_min=reading.range_min,
        range_max=reading.range_max,
        ranges=reading.ranges.astype(np.float32),
        intensities=np.zeros(0, np.float32),
    )


def twist(forward: float, turn: float) -> Any:
    vector = TYPES["geometry_msgs/msg/Vector3"]
    linear, angular = vector(x=float(forward), y=0.0, z=0.0), vector(x=0.0, y=0.0, z=float(turn))
    return TYPES[TOPICS["cmd"][1]](linear=linear, angular=angular)


def odometry(t: float, pose: tuple[float, float, float], motion: tuple[float, float]) -> Any:
    x, y, yaw = pose
    place = TYPES["geometry_msgs/msg/Pose"](
        position=TYPES["geometry_msgs/msg/Point"](x=x, y=y, z=0.0),
        orientation=TYPES["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)),
    )
    unknown = np.zeros(36)
    return TYPES[TOPICS["odom"][1]](
        header=_header(t, "odom"),
        child_frame_id="base_link",
        pose=TYPES["geometry_msgs/msg/PoseWithCovariance"](pose=place, covariance=unknown),
        twist=TYPES["geometry_msgs/msg/TwistWithCovariance"](twist=twist(*motion), covariance=unknown),
    )
