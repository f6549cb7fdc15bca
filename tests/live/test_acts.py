"""What decisions do beside the gate: the speed limit for Nav2, and the call for attention."""

import subprocess
import sys

import pytest
from edge_reasoner.msg import Attention
from package import environment_with, in_sourced_ros
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Bool
from test_parameters import Client

LIMITS = [
    "act.speed_limit.enabled:=true",
    "act.speed_limit.percent.go:=0.0",
    "act.speed_limit.percent.slow:=60.0",
    "act.speed_limit.percent.stop:=20.0",
]
LISTENER = """
import rclpy
from nav2_msgs.msg import SpeedLimit
rclpy.init()
node = rclpy.create_node("controller")
def heard(limit):
    print(limit.percentage, limit.speed_limit, limit.header.stamp.sec > 0, flush=True)
node.create_subscription(SpeedLimit, "/speed_limit", heard, 10)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def nav2(tmp_path_factory):
    """Environment with nav2_msgs."""
    definition = "std_msgs/Header header\nbool percentage\nfloat64 speed_limit\n"
    return environment_with("nav2_msgs", "SpeedLimit", definition, tmp_path_factory.mktemp("nav2"))


def test_the_speed_limit_follows_the_decisions_and_is_cleared(robot, start, nav2, monkeypatch, tmp_path):
    for name, value in nav2.items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "limits.txt"
    with log.open("w") as file:
        listener = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=file)
    try:
        heard = lambda: [line.split() for line in log.read_text().splitlines()]  # noqa: E731
        node = start(*LIMITS, "deadline_ms:=50.0")
        node.wait_ready(robot)
        listens = lambda: robot.node.count_subscribers("/speed_limit") > 0  # noqa: E731
        assert robot.spin_until(listens, 10.0)
        robot.drive(25)
        robot.drive(25, ranges=[0.25] * 360)
        assert robot.decisions[-1].label == "stop"
        assert heard()[-1] == ["True", "20.0", "True"], heard()
        client = Client(robot)
        assert client.set(act__speed_limit__percent__stop=10.0).successful
        robot.drive(2, ranges=[0.25] * 360)
        assert heard()[-1] == ["True", "10.0", "True"], "less with the next decision"
        robot.drive(30)
        assert robot.decisions[-1].label == "go"
        assert heard()[-1] == ["True", "0.0", "True"], "no limit under go"
        robot.drive(25, ranges=[0.25] * 360)
        assert heard()[-1][1] == "10.0"
        assert node.end()[0] == 0
        robot.spin(0.5)
        assert heard()[-1][1] == "0.0", "an orderly end clears it"
        assert {line[1] for line in heard()} <= {"0.0", "10.0", "20.0", "60.0"}
    finally:
        listener.kill()
        listener.wait()


def test_without_nav2_the_limit_is_refused_by_name(start):
    if in_sourced_ros("nav2_msgs"):
        pytest.skip("skipped: nav2_msgs is installed here")
    node = start(*LIMITS)
    text = node.wait(10)
    assert node.process.returncode != 0
    assert "act.speed_limit.enabled" in text and "install the package nav2_msgs" in text, text


def test_somebody_is_called_when_decisions_stay_unsure_and_dismissed_when_they_are_not(robot, start):
    node = start(
        "act.attention.enabled:=true",
        "act.attention.decisions:=10",
        "deadline_ms:=50.0",
        "statistics_period_ms:=200.0",
    )
    node.wait_ready(robot)
    robot.drive(30)
    calls, flags = [], []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.node.create_subscription(Attention, "/edge_reasoner/attention", calls.append, latched)
    robot.node.create_subscription(Bool, "/edge_reasoner/attention_needed", flags.append, latched)
    assert robot.spin_until(lambda: calls and flags, 3.0), "latched: whoever comes late hears it"
    assert not calls[-1].needed and not flags[-1].data
    client = Client(robot)
    assert client.set(confidence=1.0).successful  # nothing is surer than 1: fallbacks
    robot.drive(15)
    assert robot.spin_until(lambda: calls[-1].needed, 2.0)
    assert flags[-1].data and calls[-1].last_reason == "LOW_CONFIDENCE", calls[-1]
    assert "not the model's" in calls[-1].explanation
    robot.spin_until(lambda: False, 0.3)
    last = {status.name: status for status in robot.diagnostics[-1].status}
    assert last["edge_reasoner: attention"].level == b"\x01"
    said = len(calls)
    assert client.set(confidence=0.4, act__attention__confidence=0.0).successful
    robot.drive(6)
    assert len(calls) == said, "a few good ones do not dismiss it"
    robot.drive(10)
    assert robot.spin_until(lambda: not calls[-1].needed, 2.0)
    assert not flags[-1].data and len(calls) == said + 1


def test_nobody_is_called_unless_asked_for(robot, start):
    start("deadline_ms:=50.0").wait_ready(robot)
    assert robot.node.count_publishers("/edge_reasoner/attention") == 0
    assert robot.node.count_publishers("/speed_limit") == 0
