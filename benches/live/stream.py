"""A minute of a robot in a room: scans, speeds and commands as they go over the wire."""

import math
import struct
from dataclasses import dataclass

from driver import RATE_HZ, Driver
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from sensor_msgs.msg import LaserScan
from world import ANGLE_INCREMENT, ANGLE_MIN, BEAMS, RANGE_MAX, RANGE_MIN, STEP_S, World

# The header comes first in LaserScan, Odometry and Decision: four bytes say the encoding, then the
# stamp follows.
STAMP = struct.Struct("<iI")
STAMP_AT = 4


def stamped(message: bytes, stamp_ns: int) -> bytes:
    """The serialized message with another stamp."""
    stamp = STAMP.pack(*divmod(stamp_ns, 1_000_000_000))
    return message[:STAMP_AT] + stamp + message[STAMP_AT + STAMP.size :]


def stamp_ns(message: bytes) -> int:
    """The stamp of a serialized message with a header."""
    seconds, nanoseconds = STAMP.unpack_from(message, STAMP_AT)
    return seconds * 1_000_000_000 + nanoseconds


@dataclass(frozen=True)
class Moment:
    """What the robot says at one time, serialized; scan and odometry still without a stamp."""

    scan: bytes
    odometry: bytes
    command: bytes


def moments(seed: int, count: int) -> list[Moment]:
    """The demo's room and driver, a moment every 50 ms of theirs."""
    world = World(seed)
    driver = Driver(world.room.goals)
    every = round(1.0 / (RATE_HZ * STEP_S))
    command = (0.0, 0.0)
    made = []
    for step in range(count):
        if step % every == 0:
            command = driver.command(world.t, *world.pose)
        world.step(*command)
        messages = (_scan(world), _odometry(world), _command(*command))
        made.append(Moment(*(bytes(serialize_message(message)) for message in messages)))
    return made


def _scan(world: World) -> LaserScan:
    message = LaserScan()
    message.header.frame_id = "base_scan"
    message.angle_min, message.angle_increment = ANGLE_MIN, ANGLE_INCREMENT
    message.angle_max = ANGLE_MIN + (BEAMS - 1) * ANGLE_INCREMENT
    message.range_min, message.range_max = RANGE_MIN, RANGE_MAX
    message.ranges = world.scan().tolist()
    return message


def _odometry(world: World) -> Odometry:
    message = Odometry()
    message.header.frame_id, message.child_frame_id = "odom", "base_footprint"
    x, y, yaw = world.pose
    message.pose.pose.position.x, message.pose.pose.position.y = x, y
    message.pose.pose.orientation.z, message.pose.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    message.twist.twist.linear.x, message.twist.twist.angular.z = world.v, world.w
    return message


def _command(speed: float, turn: float) -> Twist:
    message = Twist()
    message.linear.x, message.angular.z = speed, turn
    return message
