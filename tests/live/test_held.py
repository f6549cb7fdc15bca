"""What holds the node from outside: readers that have stopped reading, and a disk that does not answer."""

import os
import signal
import subprocess
import sys
import time

import pytest
from edge_reasoner.srv import LoadModel
from geometry_msgs.msg import Twist
from rclpy.parameter import Parameter
from robot import GATE
from test_models import Loader, bundle
from test_parameters import Client

# Reads decisions and commands reliably, with little room, as a tool may that was left behind stopped.
READER = """
import rclpy
from edge_reasoner.msg import Decision
from geometry_msgs.msg import Twist
from rclpy.qos import QoSProfile
rclpy.init()
node = rclpy.create_node("reader")
node.create_subscription(Decision, "/edge_reasoner/decision", lambda _: None, QoSProfile(depth=1))
node.create_subscription(Twist, "/cmd_vel", lambda _: None, QoSProfile(depth=1))
rclpy.spin(node)
"""


@pytest.fixture
def reader(robot):
    process = subprocess.Popen([sys.executable, "-c", READER])
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


@pytest.fixture
def hanging(tmp_path):
    """A bundle whose weights nobody ever delivers, as on a disk that is gone."""
    folder = bundle(tmp_path / "hanging")
    weights = folder / "weights.safetensors"
    weights.unlink()
    os.mkfifo(weights)
    return folder


def test_a_reader_that_stops_holds_neither_decisions_nor_commands(robot, start, reader):
    node = start(*GATE, "deadline_ms:=50.0", "statistics_period_ms:=200.0")
    node.wait_ready(robot)
    reads = lambda: robot.node.count_subscribers("/cmd_vel") > 1  # noqa: E731
    assert robot.spin_until(reads, 10.0)
    robot.drive(20)
    reader.send_signal(signal.SIGSTOP)
    heard, sent = len(robot.decisions), 0
    for _ in range(100):
        robot.command(0.3)
        robot.drive(1, period=0.02)
        sent += 1
    assert robot.spin_until(lambda: len(robot.decisions) >= heard + sent - 5, 5.0)
    assert robot.decisions[-1].source == "MODEL"
    assert robot.velocities[-1].linear.x == pytest.approx(0.3)
    late = robot.statistics[-1].late
    assert late <= sent // 10, "late now and then on a busy machine, not for a reader"
    # No more commands: the guard stops the robot, reader or not.
    assert robot.spin_until(lambda: robot.velocities[-1] == Twist(), 3.0)
    code, text, seconds = node.end()
    assert code == 0 and "not published" not in text, text
    assert seconds < 2.0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_model_that_is_never_loaded_does_not_keep_the_process(robot, start, hanging, how):
    node = start(f"model:={hanging}")
    there = lambda: "edge_reasoner" in robot.node.get_node_names()  # noqa: E731
    assert robot.spin_until(there, 10.0)
    robot.spin(1.0)
    assert node.process.poll() is None, "it waits for the weights"
    code, text, seconds = node.end(how)
    assert code == 0 and "still loading a model" in text, text
    # A second is what is asked for; a busy machine gets another.
    assert seconds < 2.0


def test_a_parameter_that_names_such_a_model_does_not_keep_the_process_either(robot, start, hanging):
    node = start("autostart:=false")
    client = Client(robot)
    model = Parameter("model", value=str(hanging))
    named = client.services.set_parameters_atomically([model])
    robot.spin(1.0)
    assert not named.done(), "it waits for the weights"
    code, text, seconds = node.end(signal.SIGTERM)
    assert code == 0, text
    assert seconds < 2.0


def test_decisions_go_on_while_a_model_is_loaded_that_never_comes(robot, start, hanging):
    node = start("deadline_ms:=50.0", "act.markers.enabled:=true")
    node.wait_ready(robot)
    loader = Loader(robot)
    loader.seconds(1.0)
    loader.load_client.call_async(LoadModel.Request(path=str(hanging)))
    loader.seconds(1.0)
    assert robot.decisions[-1].source == "MODEL"
    began = time.monotonic()
    code, text, _ = node.end(signal.SIGTERM)
    assert code == 0 and "ended:" in text, text
    assert time.monotonic() - began < 2.0

