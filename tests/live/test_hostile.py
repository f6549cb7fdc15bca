"""Floods, kills, clocks that lie, and no network: what a robot's day may bring."""

import array
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builtin_interfaces.msg import Time
from robot import NODE, ROOT
from rosgraph_msgs.msg import Clock


def rss_mib(node):
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def settle(robot):
    """The last statistics, once nothing is in flight."""
    robot.spin(0.5)
    counts = robot.statistics[-1]
    assert counts.received == counts.accepted + counts.superseded + counts.refused, counts
    assert counts.accepted == counts.decisions, counts
    return counts


def test_a_flood_is_answered_by_the_newest_and_memory_stays_flat(robot, start):
    node = start("statistics_period_ms:=200.0", "scan.qos:=reliable")
    node.wait_ready(robot)
    robot.drive(15)
    before = rss_mib(node)
    for _ in range(400):  # several hundred Hz
        robot.scan()
        robot.spin(0.003)
    for _ in range(500):  # as fast as they can be sent
        robot.scan()
    counts = settle(robot)
    assert counts.received > 400, counts
    assert rss_mib(node) - before < 20
    robot.drive(10)
    assert any(decision.source == "MODEL" for decision in robot.decisions[-5:])


def test_a_message_of_50_mb_is_refused_and_forgotten(robot, start):
    node = start("scan.qos:=reliable", "deadline_ms:=50.0", "statistics_period_ms:=200.0")
    node.wait_ready(robot)
    robot.drive(15)
    before, heard = rss_mib(node), len(robot.decisions)
    robot.scan(ranges=array.array("f", [1.0]) * 12_500_000, beams=360)
    # Decoded and refused; or thrown away, where handing it over took so long that the node cannot tell it
    # from having been stopped.
    words = ("more than 1000000 elements", "thrown away")
    refused = lambda: any(word in log.msg for log in robot.logs for word in words)  # noqa: E731
    assert robot.spin_until(refused, 30.0), node.output()
    assert robot.spin_until(lambda: len(robot.decisions) > heard, 5.0), node.output()
    reasons = {decision.reason for decision in robot.decisions[heard:]}
    assert reasons and reasons <= {"INVALID_INPUT", "STALE_INPUT"}, reasons
    robot.drive(15)
    assert any(decision.source == "MODEL" for decision in robot.decisions[-5:])
    settle(robot)
    # DDS keeps the memory for its next message in that place of its history.
    assert rss_mib(node) - before < 200


SLEEPER = """
import rclpy
from edge_reasoner.msg import Decision
rclpy.init()
node = rclpy.create_node("sleeper")
node.create_subscription(Decision, "/edge_reasoner/decision", print, 100)
while not node.count_publishers("/edge_reasoner/decision"):
    rclpy.spin_once(node, timeout_sec=0.01)
print("ready", flush=True)
rclpy.spin(node)
"""


def test_a_subscriber_that_reads_nothing_holds_nobody_up(robot, start):
    node = start("statistics_period_ms:=200.0", "deadline_ms:=50.0")
    node.wait_ready(robot)
    sleeper = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True)
    try:
        assert sleeper.stdout.readline() == "ready\n"
        robot.drive(10)
        sleeper.send_signal(signal.SIGSTOP)
        before = rss_mib(node)
        for _ in range(600):  # more than any queue of theirs holds
            robot.scan()
            robot.spin(0.002)
        counts = settle(robot)
        assert counts.received > 300, counts
        assert rss_mib(node) - before < 20
        robot.drive(10)
        assert any(decision.source == "MODEL" for decision in robot.decisions[-5:])
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_node_that_was_killed_comes_back_as_new(robot, start):
    first = start("deadline_ms:=50.0")
    first.wait_ready(robot)
    robot.drive(15)
    first.process.kill()
    first.process.wait()
    second = start("deadline_ms:=50.0")
    heard = len(robot.decisions)
    assert robot.spin_until(lambda: robot.drive(1) and len(robot.decisions) > heard + 5, 10.0)
    assert robot.decisions[heard].cycle < 10, "it counts anew"
    robot.drive(15)
    assert robot.decisions[-1].source == "MODEL"
    assert second.end()[0] == 0


class Simulation:
    """A clock of its own for the robot."""

    def __init__(self, robot):
        self.robot = robot
        self.clock = robot.node.create_publisher(Clock, "/clock", 10)
        self.now = 1000.0

    def drive(self, scans, step=0.1, stamped=True):
        stamps = []
        for _ in range(scans):
            self.now += step
            stamp = Time(sec=int(self.now), nanosec=int(self.now % 1 * 1e9))
            self.clock.publish(Clock(clock=stamp))
            self.robot.spin(0.02)
            stamps.append(self.robot.scan(stamp=stamp if stamped else None))
            self.robot.spin(0.08)
        return stamps


@pytest.mark.parametrize("jump", [-3600.0, 3600.0], ids=["an hour back", "an hour on"])
def test_a_simulation_that_jumps_is_answered_and_used_again(robot, start, jump):
    simulation = Simulation(robot)
    node = start("use_sim_time:=true", "deadline_ms:=50.0", "odom.required:=false")
    node.wait_ready(robot)
    simulation.now = 10_000.0
    simulation.drive(20)
    assert robot.decisions[-1].source == "MODEL"
    heard = len(robot.decisions)
    simulation.now += jump
    simulation.drive(20)
    reasons = {decision.reason for decision in robot.decisions[heard:]}
    assert reasons <= {"NONE", "TIME_JUMP", "INCOMPLETE_INPUT", "STALE_INPUT"}, reasons
    assert robot.decisions[-1].source == "MODEL", "one window later all is well again"
    assert node.end()[0] == 0


def test_a_simulation_that_pauses_goes_on_where_it_was(robot, start):
    simulation = Simulation(robot)
    node = start("use_sim_time:=true", "deadline_ms:=50.0")
    node.wait_ready(robot)
    simulation.drive(20)
    robot.spin(1.5)  # neither clock nor scans
    simulation.drive(20)
    assert robot.decisions[-1].source == "MODEL"
    assert node.end()[0] == 0


OFFLINE = """
import os, sys, pathlib
sys.path.insert(0, {tests!r})
import rclpy
rclpy.init()
from robot import Node, Robot
robot = Robot()
node = Node("deadline_ms:=50.0")
node.wait_ready(robot)
robot.drive(15)
decided = "MODEL" if any(d.source == "MODEL" for d in robot.decisions) else "NOTHING"
# Sockets of the node: by inode, against the kernel's tables of this namespace.
pid = node.process.pid
links = [os.readlink(link) for link in pathlib.Path(f"/proc/{{pid}}/fd").iterdir() if link.is_symlink()]
inodes = {{link[8:-1] for link in links if link.startswith("socket:[")}}
tables = {{}}
for table in ("tcp", "tcp6", "udp", "udp6", "raw", "packet"):
    lines = pathlib.Path(f"/proc/{{pid}}/net/{{table}}").read_text().splitlines()[1:]
    column = 8 if table == "packet" else 9
    tables[table] = sum(line.split()[column] in inodes for line in lines)
code = node.end()[0]
print("RESULT", decided, code, tables)
"""


def test_it_decides_without_a_network_and_opens_nothing_but_dds(tmp_path):
    alone = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    up = "ip link set lo up"
    if shutil.which("ip") is None or subprocess.run([*alone, up], capture_output=True).returncode != 0:
        pytest.skip("skipped: this system grants no network namespace (unshare, ip)")
    script = tmp_path / "offline.py"
    script.write_text(OFFLINE.format(tests=str(ROOT / "tests/live")))
    command = f"{up} && exec {sys.executable} {script}"
    environment = {**os.environ, "EDGE_REASONER_NODE": str(NODE)}
    done = subprocess.run([*alone, command], capture_output=True, text=True, timeout=60, env=environment)
    assert "RESULT MODEL 0" in done.stdout, done.stdout + done.stderr
    tables = done.stdout.split("RESULT MODEL 0 ")[1]
    for closed in ("'tcp': 0", "'tcp6': 0", "'udp6': 0", "'raw': 0", "'packet': 0"):
        assert closed in tables, tables
