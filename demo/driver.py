"""The careless driver: straight at the next goal, blind to what stands in between.

As a program: reads /odom, publishes /cmd_vel_raw.
"""

import argparse
import contextlib
import math

from room import Room

RATE_HZ = 10.0
SPEED = 0.45
REACHED_M = 0.25
# Without progress for this long the driver gives up and turns to the next goal.
PATIENCE_S = 3.0


class Driver:
    def __init__(self, goals: list[tuple[float, float]]) -> None:
        self.goals = goals
        self.index = 0
        self.best = math.inf
        self.since = 0.0

    def command(self, t: float, x: float, y: float, yaw: float) -> tuple[float, float]:
        """Forward speed and turn rate at time t (s) for a robot that is at x, y, yaw."""
        gx, gy = self.goals[self.index % len(self.goals)]
        distance = math.hypot(gx - x, gy - y)
        error = math.remainder(math.atan2(gy - y, gx - x) - yaw, 2.0 * math.pi)
        # Turning towards the goal is progress too: a radian counts like half a metre.
        left = distance + 0.5 * abs(error)
        if left < self.best - 0.1:
            self.best, self.since = left, t
        if distance < REACHED_M or t - self.since > PATIENCE_S:
            self.index += 1
            self.best, self.since = math.inf, t
            return 0.0, 0.0
        if abs(error) > 0.3:
            return 0.0, math.copysign(min(2.0 * abs(error), 1.2), error)
        return SPEED, 1.5 * error


def main() -> None:
    import time

    import rclpy
    from geometry_msgs.msg import Twist
    from nav_msgs.msg import Odometry
    from rclpy.executors import ExternalShutdownException

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--after", help="drive only after a decision of the model on this topic")
    parser.add_argument("--calm", action="store_true", help="a room without furniture and people")
    args = parser.parse_args()

    driver = Driver(Room(args.seed, args.calm).goals)
    rclpy.init()
    node = rclpy.create_node("driver")
    publisher = node.create_publisher(Twist, "/cmd_vel_raw", 1)
    pose: list[tuple[float, float, float]] = []
    # The driver's patience begins when the gate can open: DDS takes up to seconds to connect programs.
    ready = [args.after is None]

    def on_odom(msg: Odometry) -> None:
        q = msg.pose.pose.orientation
        p = msg.pose.pose.position
        pose[:] = [(p.x, p.y, 2.0 * math.atan2(q.z, q.w))]

    def on_timer() -> None:
        if pose and ready[0]:
            msg = Twist()
            msg.linear.x, msg.angular.z = driver.command(time.monotonic(), *pose[0])
            publisher.publish(msg)

    def on_decision(msg) -> None:  # noqa: ANN001
        ready[0] = ready[0] or msg.source == "MODEL"

    node.create_subscription(Odometry, "/odom", on_odom, 1)
    if args.after is not None:
        from edge_reasoner.msg import Decision

        node.create_subscription(Decision, args.after, on_decision, 1)
    node.create_timer(1.0 / RATE_HZ, on_timer)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


if __name__ == "__main__":
    main()
