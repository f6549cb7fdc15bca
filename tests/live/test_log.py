"""What the log says to whoever reads it: topics as they are on the graph, what is there instead of what is
missing, one line per cause, and how a node ends that was refused."""

import re
import subprocess
import time

import pytest
from lifecycle_msgs.msg import Transition
from nav_msgs.msg import Odometry
from robot import GATE, NODE, ROOT
from sensor_msgs.msg import LaserScan
from test_lifecycle import Manager

REFUSED = 78


def said(robot, what):
    return [log.msg for log in robot.logs if log.name.endswith("edge_reasoner") and what in log.msg]


def test_topics_are_named_as_they_are_on_the_graph(robot, start):
    node = start(
        *GATE,
        "act.velocity_gate.in:=raw",
        "act.velocity_gate.out:=cmd_vel",
        "cmd.topic:=raw",
        "statistics_period_ms:=300.0",
        remappings=["__ns:=/r1", "odom:=wheels/odom", "raw:=/r1/asked"],
    )
    for line in [
        "scan: /r1/scan (sensor_msgs/msg/LaserScan), triggers",
        "odom: /r1/wheels/odom (",
        "cmd: /r1/asked (",
        "velocity gate: /r1/asked → /r1/cmd_vel (geometry_msgs/msg/Twist)",
        "deadline 20 ms, ready after",
    ]:
        assert robot.spin_until(lambda: said(robot, line), 10.0), (line, node.output())
    topics = lambda: {  # noqa: E731
        value.value for array in robot.diagnostics for s in array.status for value in s.values if value.key == "topic"
    }
    assert robot.spin_until(lambda: "/r1/wheels/odom" in topics(), 5.0), topics()


def test_a_topic_that_nobody_publishes_is_said_with_those_of_its_type(robot, start):
    front = robot.node.create_publisher(LaserScan, "/front/scan", 10)
    node = start("scan.topic:=scann", "deadline_ms:=50.0")
    word = "scan: nothing was ever heard on /scann: nobody publishes it; of the type sensor_msgs/msg/LaserScan there is "
    assert robot.spin_until(lambda: said(robot, word), 15.0), node.output()
    assert "/front/scan, /scan: set scan.topic" in said(robot, word)[0]
    # An optional one too; of its type there is none but what the test itself would command.
    assert robot.spin_until(lambda: said(robot, "cmd: nothing was ever heard on /cmd_vel"), 10.0)
    # The robot's odometry has a publisher that says nothing.
    assert robot.spin_until(lambda: said(robot, "odom: nothing was ever heard on /odom, though /test_robot"), 10.0)
    robot.spin(6.0)
    assert len(said(robot, "nothing was ever heard on /scann: nobody")) == 1, "said once"
    robot.node.destroy_publisher(front)


def test_a_storm_of_bad_messages_is_one_line_and_a_count(robot, start):
    node = start("deadline_ms:=50.0", "statistics_period_ms:=200.0")
    node.wait_ready(robot)
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 13.0:
        robot.move()
        # Another number in every message: the cause is one.
        robot.odometry.publish(broken_odometry(robot, sent))
        robot.scan()
        sent += 1
        robot.spin(0.02)
    lines = said(robot, "odom")
    lines = [line for line in lines if "finite" in line]
    assert len(lines) == 2, lines
    more = re.search(r"\((\d+) times more in (\S+) s\)", lines[1])
    assert more and int(more.group(1)) > 100 and 9.0 < float(more.group(2)) < 12.0, lines
    code, text, _ = node.end()
    rest = [line for line in text.splitlines() if "finite" in line]
    told = sum(int(count) for line in rest for count in re.findall(r"\((\d+) times more", line))
    refused = int(re.search(r"(\d+) messages refused", text).group(1))
    told += sum("(once more in" in line for line in rest)
    assert code == 0 and told + 1 == refused, (rest, refused)


def broken_odometry(robot, number):
    message = Odometry()
    message.header.stamp = robot.node.get_clock().now().to_msg()
    message.header.frame_id = "odom"
    message.twist.twist.linear.x = float("nan") if number % 2 else float("inf")
    message.pose.pose.position.x = float(number)
    return message


def test_a_model_that_hears_the_gate_instead_of_the_controller_is_warned_about(robot, start):
    node = start(*GATE, "cmd.topic:=cmd_vel")
    word = "cmd.topic is /cmd_vel, which the velocity gate itself publishes"
    assert robot.spin_until(lambda: said(robot, word), 10.0), node.output()
    assert "set cmd.topic to /cmd_vel_raw" in said(robot, word)[0]
    robot.spin(6.0)
    assert not said(robot, "cmd: nothing was ever heard"), "it is its own publisher"


def test_a_model_that_hears_the_controller_is_not(robot, start):
    node = start(*GATE, "cmd.topic:=cmd_vel_raw")
    node.wait_ready(robot)
    robot.spin(1.0)
    assert not said(robot, "the velocity gate itself publishes")


def test_activate_and_deactivate_say_so(robot, start):
    start("autostart:=false")
    manager = Manager(robot)
    ways = [
        (Transition.TRANSITION_CONFIGURE, "configured: "),
        (Transition.TRANSITION_ACTIVATE, "activated: "),
        (Transition.TRANSITION_DEACTIVATE, "deactivated: "),
        (Transition.TRANSITION_CLEANUP, "cleaned up: "),
        (Transition.TRANSITION_UNCONFIGURED_SHUTDOWN, "shut down: "),
    ]
    for transition, word in ways:
        assert not said(robot, word)
        assert manager.to(transition)
        assert robot.spin_until(lambda: said(robot, word), 5.0), word


@pytest.mark.parametrize(
    "parameters",
    [
        ["deadline_ms:=fast"],
        ["model:=nowhere"],
        ["autostart:=2"],
        ["act.velocity_gate.enabled:=true"],
        [*GATE, "act.velocity_gate.in:=/cmd_vel"],
    ],
    ids=["value", "model", "autostart", "gate", "one topic"],
)
def test_what_is_refused_ends_with_a_code_of_its_own(start, parameters):
    node = start(*parameters)
    text, _ = node.process.communicate(timeout=30)
    assert node.process.returncode == REFUSED, text


def test_ros_arguments_without_a_verb_run():
    command = [str(NODE), "--ros-args", "-p", "deadline_ms:=fast"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert run.returncode == REFUSED and 'deadline_ms is "fast"' in run.stdout + run.stderr, run


def test_a_node_without_any_argument_runs(robot, start):
    alone = subprocess.Popen([str(NODE)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    try:
        assert robot.spin_until(lambda: said(robot, "activated: "), 10.0)
    finally:
        alone.terminate()
        text, _ = alone.communicate(timeout=10)
    assert alone.returncode == 0, text


