"""How a laser is mounted, as tf says it: the decision follows, and what disagrees is said."""

import math

import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile

TF = pytest.importorskip("tf2_msgs.msg", reason="skipped: the ROS in use has no tf2_msgs").TFMessage

NEAR, FAR = 0.25, 3.0


class Broadcaster:
    """Says where frames lie, once, as static publishers do; beside the robot, in a node of its own."""

    def __init__(self):
        self.node = rclpy.create_node("test_tf")
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.publisher = self.node.create_publisher(TF, "/tf_static", latched)

    def say(self, *links):
        """Links of parent, child, roll and yaw."""
        message = TF()
        for parent, child, roll, yaw in links:
            one = TransformStamped()
            one.header.frame_id, one.child_frame_id = parent, child
            one.transform.translation.x = 0.1
            rotation = one.transform.rotation
            rotation.x = math.sin(roll / 2) * math.cos(yaw / 2)
            rotation.y = math.sin(roll / 2) * math.sin(yaw / 2)
            rotation.z = math.cos(roll / 2) * math.sin(yaw / 2)
            rotation.w = math.cos(roll / 2) * math.cos(yaw / 2)
            message.transforms.append(one)
        self.publisher.publish(message)


@pytest.fixture
def tf(robot):
    broadcaster = Broadcaster()
    yield broadcaster
    broadcaster.node.destroy_node()


def wall_at(degrees):
    """A wall 45 degrees wide, near; beam i of the robot's laser looks along i degrees."""
    return [NEAR if abs((beam - degrees + 180) % 360 - 180) <= 22 else FAR for beam in range(360)]


def labels(robot, degrees):
    # The first ones may go out before both ends of DDS know each other.
    answers = robot.answers(robot.drive(8, ranges=wall_at(degrees))[4:])
    assert all(len(one) == 1 for one in answers)
    return [(one[0].label, one[0].reason) for one in answers]


def logged(robot, *parts):
    return robot.spin_until(
        lambda: any(all(part in log.msg for part in parts) for log in robot.logs), 5.0
    ), [log.msg for log in robot.logs]


def test_the_decision_follows_the_transform_that_turns_the_laser(robot, start, tf):
    tf.say(("base_link", "plate", 0.0, math.pi / 2), ("plate", "base_scan", 0.0, math.pi / 2))
    node = start()
    node.wait_ready(robot)
    assert labels(robot, 180)[-1] == ("stop", "NONE"), "what is behind the laser is ahead of the robot"
    robot.decisions.clear()
    robot.spin(1.0)
    assert labels(robot, 0)[-1] == ("go", "NONE")
    # Where tf comes late, the mounting was assumed until then, which is said, too.
    found, logs = logged(robot, "scan: ", "mounting", "by tf", "180°", "upright")
    assert found, logs


def test_a_laser_that_hangs_is_read_the_other_way_round(robot, start, tf):
    tf.say(("base_link", "base_scan", math.pi, math.pi / 2))
    node = start()
    node.wait_ready(robot)
    # What it sees at 90 degrees is at 90 - 90 of the robot.
    assert labels(robot, 90)[-1] == ("stop", "NONE")
    robot.spin(1.0)
    assert labels(robot, 270)[-1] == ("go", "NONE")
    found, logs = logged(robot, "mounting by tf", "upside down")
    assert found, logs


def test_a_transform_that_comes_late_corrects_the_assumption_and_says_so(robot, start, tf):
    node = start()
    node.wait_ready(robot)
    assert labels(robot, 0)[-1] == ("stop", "NONE")
    found, logs = logged(robot, "scan: mounting assumed", "tf is silent", "scan.yaw")
    assert found, logs
    tf.say(("base_link", "base_scan", 0.0, math.pi))
    robot.spin(1.0)
    assert labels(robot, 0)[-1] == ("go", "NONE")
    assert labels(robot, 180)[-1] == ("stop", "NONE")
    found, logs = logged(robot, "until now a mounting was assumed", "was wrong")
    assert found, logs


def test_a_parameter_that_disagrees_stops_the_robot_and_both_are_named(robot, start, tf):
    tf.say(("base_link", "base_scan", 0.0, math.pi))
    node = start("scan.yaw:=0.0")
    node.wait_ready(robot)
    assert set(labels(robot, 180)) == {("stop", "INVALID_INPUT")}
    found, logs = logged(robot, "scan.yaw is 0.000 rad", "tf says", "(180°)", "base_link to base_scan")
    assert found, logs
    code, text, _ = node.end()
    assert "ERROR" in text and "scan.yaw is 0.000 rad" in text, text


def test_static_transforms_survive_a_cleanup(robot, start, tf):
    from lifecycle_msgs.srv import ChangeState

    tf.say(("base_link", "base_scan", 0.0, math.pi))
    node = start()
    node.wait_ready(robot)
    assert labels(robot, 180)[-1] == ("stop", "NONE")
    client = robot.node.create_client(ChangeState, "/edge_reasoner/change_state")
    assert client.wait_for_service(5.0)
    for number in (4, 2, 1, 3):
        request = ChangeState.Request()
        request.transition.id = number
        future = client.call_async(request)
        assert robot.spin_until(future.done, 20.0) and future.result().success, number
    robot.spin(1.0)
    assert labels(robot, 180)[-1] == ("stop", "NONE")
    robot.spin(1.0)
    assert labels(robot, 0)[-1] == ("go", "NONE")
