"""The bond with a lifecycle manager, as bond_core has it and Nav2 uses it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from edge_reasoner.srv import LoadModel
from lifecycle_msgs.msg import Transition
from package import environment_with, in_sourced_ros
from test_lifecycle import Manager
from test_models import bundle

STATUS = """std_msgs/Header header
string id
string instance_id
bool active
float32 heartbeat_timeout
float32 heartbeat_period
"""
# The manager's end: writes down what it hears, and says what it is told, for this node's bond.
SISTER = """
import json, sys, threading, time
import rclpy
from bond.msg import Status
rclpy.init()
node = rclpy.create_node("manager")
voice = node.create_publisher(Status, "/bond", 5)
def heard(status):
    if status.instance_id != "sister":
        print(json.dumps({"id": status.id, "instance": status.instance_id, "active": status.active,
                          "period": status.heartbeat_period, "timeout": status.heartbeat_timeout,
                          "at": time.monotonic()}), flush=True)
node.create_subscription(Status, "/bond", heard, 100)
def speak():
    for line in sys.stdin:
        words = line.split()
        voice.publish(Status(id=words[0], instance_id="sister", active=words[1] == "alive"))
threading.Thread(target=speak, daemon=True).start()
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def bond(tmp_path_factory):
    """Environment with the package bond."""
    return environment_with("bond", "Status", STATUS, tmp_path_factory.mktemp("bond"))


@pytest.fixture
def sister(bond, monkeypatch, tmp_path, robot):
    for name, value in bond.items():
        monkeypatch.setenv(name, value)

    class Sister:
        log = tmp_path / "heard.txt"

        def __init__(self):
            self.process = subprocess.Popen(
                [sys.executable, "-c", SISTER], stdin=subprocess.PIPE, stdout=self.log.open("w"), text=True
            )
            assert robot.spin_until(lambda: robot.node.count_subscribers("/bond") > 0, 10.0)

        def heard(self):
            return [json.loads(line) for line in self.log.read_text().splitlines()]

        def say(self, bond, word):
            self.process.stdin.write(f"{bond} {word}\n")
            self.process.stdin.flush()

        def hears(self, what, timeout=5.0):
            assert robot.spin_until(lambda: what(self.heard()), timeout), self.heard()[-5:]

    sister = Sister()
    yield sister
    sister.process.kill()
    sister.process.wait()


def test_it_beats_from_activate_to_deactivate(robot, start, sister):
    start("autostart:=false")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    robot.spin(0.5)
    assert not sister.heard(), "not before it is active"
    assert manager.to(Transition.TRANSITION_ACTIVATE)
    sister.hears(lambda heard: len(heard) >= 20)
    beats = sister.heard()
    assert {(b["id"], b["active"]) for b in beats} == {("edge_reasoner", True)}, beats
    assert {round(b["period"], 3) for b in beats} == {0.1} and beats[0]["timeout"] == 4.0
    assert len({b["instance"] for b in beats}) == 1
    assert manager.to(Transition.TRANSITION_DEACTIVATE)
    sister.hears(lambda heard: not heard[-1]["active"])
    robot.spin(0.5)
    ended = len(sister.heard())
    robot.spin(0.5)
    assert len(sister.heard()) == ended, "silent once it is over"
    assert manager.to(Transition.TRANSITION_ACTIVATE)
    sister.hears(lambda heard: len(heard) > ended and heard[-1]["active"])
    assert sister.heard()[-1]["instance"] != beats[0]["instance"], "another bond"


def test_a_bond_that_the_manager_ends_is_acknowledged_and_decisions_go_on(robot, start, sister):
    start("autostart:=false", "statistics_period_ms:=200.0")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE) and manager.to(Transition.TRANSITION_ACTIVATE)
    sister.say("another_node", "dead")
    sister.say("edge_reasoner", "alive")
    sister.hears(lambda heard: len(heard) >= 10 and heard[-1]["active"])
    sister.say("edge_reasoner", "dead")
    sister.hears(lambda heard: not heard[-1]["active"])
    robot.spin(0.5)
    assert not sister.heard()[-1]["active"], "not taken back"
    robot.drive(15)
    assert robot.decisions[-1].source == "MODEL"
    assert manager.state() == "active"


def test_a_node_that_is_stopped_does_not_beat(robot, start, sister):
    node = start("autostart:=false")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE) and manager.to(Transition.TRANSITION_ACTIVATE)
    sister.hears(lambda heard: len(heard) >= 5)
    node.process.send_signal(signal.SIGSTOP)
    robot.spin(0.5)
    stopped = len(sister.heard())
    robot.spin(1.0)
    assert len(sister.heard()) == stopped
    node.process.send_signal(signal.SIGCONT)
    sister.hears(lambda heard: len(heard) > stopped + 5 and heard[-1]["active"])


def test_it_beats_while_a_model_is_loaded_that_never_comes_and_markers_are_drawn(
    robot, start, sister, tmp_path
):
    hanging = bundle(tmp_path / "hanging")
    (hanging / "weights.safetensors").unlink()
    os.mkfifo(hanging / "weights.safetensors")
    node = start("autostart:=false", "act.markers.enabled:=true")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE) and manager.to(Transition.TRANSITION_ACTIVATE)
    sister.hears(lambda heard: len(heard) >= 5)
    loads = robot.node.create_client(LoadModel, "/edge_reasoner/load_model")
    assert robot.spin_until(loads.service_is_ready, 10.0)
    robot.spin(0.5)
    answer = loads.call_async(LoadModel.Request(path=str(hanging)))
    robot.drive(20)
    beats = [beat["at"] for beat in sister.heard() if beat["active"]]
    assert not answer.done(), "it hangs"
    before = len(beats)
    sister.hears(lambda heard: len(heard) >= before + 10)
    assert node.end(signal.SIGTERM)[0] == 0


def test_a_node_that_starts_itself_keeps_no_bond(robot, start, sister):
    node = start()
    node.wait_ready(robot)
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        robot.drive(1)
    assert robot.decisions and not sister.heard()


def test_without_the_package_it_says_what_to_tell_the_manager(robot, start):
    if in_sourced_ros("bond"):
        pytest.skip("skipped: the package bond is installed here")
    node = start("autostart:=false")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    _, text, _ = node.end()
    assert "bond_timeout: 0.0" in text and "install the package bond" in text, text
