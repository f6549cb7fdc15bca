"""The part of the fault matrix that needs DDS and a clock of ROS; the rest is tests/faults/main.rs.

A publisher of another type or quality says nothing to the node; the log names it, with the remedy, within
2 s of when the node is ready (by the stamps of its own log). When the fault ends, decisions are the model's
again.
"""

import pytest
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import LaserScan
from test_hostile import Simulation

TYPES = {"scan": LaserScan, "odom": Odometry, "cmd": Twist}
OTHER = {"scan": Odometry, "odom": Twist, "cmd": LaserScan}


def seconds(log):
    return log.stamp.sec + log.stamp.nanosec * 1e-9


def said(robot, what):
    return [log for log in robot.logs if log.name == "edge_reasoner" and what in log.msg]


def is_named_in_time(robot, node, what):
    assert robot.spin_until(lambda: said(robot, what), 10.0), node.output()
    ready = said(robot, "ready after")
    assert ready, node.output()
    assert seconds(said(robot, what)[0]) - seconds(ready[0]) <= 2.0


def decides_again(robot, scans=15):
    heard = len(robot.decisions)
    robot.drive(scans)
    assert robot.decisions[heard:] and robot.decisions[-1].source == "MODEL", robot.decisions[-1:]


@pytest.mark.parametrize("source", ["scan", "odom", "cmd"])
def test_a_publisher_that_is_too_unreliable_is_named_with_the_remedy(robot, start, source):
    topic = f"/the_{source}"
    wrong = robot.node.create_publisher(TYPES[source], topic, qos_profile_sensor_data)
    # The period of statistics has no say in when the log speaks.
    slow = "statistics_period_ms:=60000.0"
    node = start(f"{source}.topic:={topic}", f"{source}.qos:=reliable", f"{source}.required:=true", slow)
    is_named_in_time(robot, node, f"set {source}.qos to sensor_data")
    robot.node.destroy_publisher(wrong)


@pytest.mark.parametrize("source", ["scan", "odom", "cmd"])
def test_a_publisher_of_another_type_is_named_with_the_remedy(robot, start, source):
    topic = f"/the_{source}"
    wrong = robot.node.create_publisher(OTHER[source], topic, 10)
    node = start(f"{source}.topic:={topic}", "statistics_period_ms:=60000.0")
    is_named_in_time(robot, node, f"set {source}.topic or {source}.type")
    robot.node.destroy_publisher(wrong)


def test_a_driver_that_comes_back_too_unreliable_is_named_too(robot, start):
    node = start("scan.qos:=reliable", "scan.timeout_ms:=500.0", "deadline_ms:=50.0")
    node.wait_ready(robot)
    decides_again(robot)
    robot.node.destroy_publisher(robot.scans)
    robot.scans = robot.node.create_publisher(LaserScan, "/scan", qos_profile_sensor_data)
    named = lambda: said(robot, "set scan.qos to sensor_data")  # noqa: E731
    assert robot.spin_until(lambda: robot.drive(1) and named(), 10.0), node.output()
    assert robot.decisions[-1].reason == "STALE_INPUT"
    robot.node.destroy_publisher(robot.scans)
    robot.scans = robot.node.create_publisher(LaserScan, "/scan", 10)
    node.wait_ready(robot)
    decides_again(robot)


def test_sim_time_without_a_clock_is_never_decided_on_for_long(robot, start, tmp_path):
    params = tmp_path / "robot.yaml"
    params.write_text("edge_reasoner:\n  ros__parameters:\n    use_sim_time: true\n    deadline_ms: 50.0\n")
    node = start(params_file=params)
    node.wait_ready(robot)
    robot.drive(25)
    assert (robot.decisions[-1].source, robot.decisions[-1].reason) == ("FALLBACK", "STALE_INPUT")
    assert robot.spin_until(lambda: said(robot, "see that /clock is published"), 5.0), node.output()
    simulation = Simulation(robot)
    simulation.drive(20)
    assert robot.decisions[-1].source == "MODEL", "it comes, and so do decisions"


def test_a_clock_that_stops_while_scans_go_on_makes_them_stale(robot, start):
    simulation = Simulation(robot)
    node = start("use_sim_time:=true", "deadline_ms:=50.0")
    node.wait_ready(robot)
    simulation.drive(20)
    assert robot.decisions[-1].source == "MODEL"
    robot.drive(25)
    assert (robot.decisions[-1].source, robot.decisions[-1].reason) == ("FALLBACK", "STALE_INPUT")
    simulation.drive(20)
    assert robot.decisions[-1].source == "MODEL"
    assert node.end()[0] == 0
