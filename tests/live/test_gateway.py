"""A gateway: one node decides for several robots, each under its own namespace."""

import time

import pytest
from edge_reasoner.srv import LoadModel
from robot import GATE, ROOT, Robot

ROBOTS = "robots:=[r1, r2]"
NEAR = [0.3] * 360


@pytest.fixture
def robots(robot):
    """Two robots beside the one that listens to the log."""
    pair = [Robot("/r1"), Robot("/r2")]
    yield pair
    for one in pair:
        one.node.destroy_node()


def ready(node, robots):
    for robot in robots:
        node.wait_ready(robot)
    # Until everyone hears everyone, and the windows are full.
    drive(robots, 1.0)


def drive(robots, seconds, *, period=0.05, ranges=(None, None), speed=None):
    """Scans of both at the same time; what each sent."""
    stamps = [[], []]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for index, robot in enumerate(robots):
            robot.move()
            if speed is not None:
                robot.command(speed)
            if ranges[index] != "silent":
                stamps[index].append(robot.scan(ranges=ranges[index], frame=robot.namespace[1:]))
        for robot in robots:
            robot.spin(period / 2)
    for robot in robots:
        robot.spin(0.3)
    return stamps


def settled(robot, stamps):
    """Its decisions, after everything it sent was answered once."""
    answers = robot.answers(stamps)
    assert all(len(answer) <= 1 for answer in answers), "answered twice"
    counts = robot.statistics[-1]
    assert counts.received == counts.accepted + counts.superseded + counts.refused, counts
    assert counts.accepted == counts.decisions, counts
    assert sum(not answer for answer in answers) <= counts.superseded, counts
    return [answer[0] for answer in answers if answer]


def test_each_robot_gets_the_answers_to_its_own_scans(robots, start):
    file = ROOT / "params/gateway.yaml"
    node = start("statistics_period_ms:=200.0", "scan.qos:=reliable", params_file=file)
    ready(node, robots)
    stamps = drive(robots, 3.0, ranges=(None, NEAR))
    free, blocked = (settled(robot, sent)[-20:] for robot, sent in zip(robots, stamps))
    assert {(d.label, d.source, d.header.frame_id) for d in free} == {("go", "MODEL", "r1")}
    assert {(d.label, d.source, d.header.frame_id) for d in blocked} == {("stop", "MODEL", "r2")}
    names = {status.name for message in robots[0].diagnostics for status in message.status}
    assert {name.split(":")[0] for name in names} == {"r1/edge_reasoner", "r2/edge_reasoner"}
    code, text, _ = node.end()
    assert code == 0 and "r1: ended: " in text and "r2: ended: " in text, text


def test_one_robots_silence_and_nonsense_is_its_own(robots, start):
    node = start(ROBOTS, "scan.timeout_ms:=300.0", "statistics_period_ms:=200.0", "scan.qos:=reliable")
    ready(node, robots)
    stamps = drive(robots, 2.0, ranges=(None, "silent"))
    assert {d.source for d in settled(robots[0], stamps[0])[5:]} == {"MODEL"}
    silent = robots[1].decisions[-1]
    assert (silent.source, silent.reason, silent.label) == ("FALLBACK", "STALE_INPUT", "stop")
    bad = [float("nan")] * 360
    stamps = drive(robots, 1.0, ranges=(None, bad))
    assert {d.source for d in settled(robots[0], stamps[0])} == {"MODEL"}
    code, text, _ = node.end()
    assert code == 0 and "r2: " in text, text


def test_each_robot_has_its_own_gate(robots, start):
    node = start(ROBOTS, *GATE, "act.velocity_gate.release_after:=1")
    ready(node, robots)
    drive(robots, 2.0, ranges=(None, NEAR), speed=0.5)
    free, blocked = ([v.linear.x for v in robot.velocities[-10:]] for robot in robots)
    assert set(free) == {0.5}, free
    assert set(blocked) == {0.0}, blocked
    for robot in robots:
        robot.velocities.clear()
    node.end()
    for robot in robots:
        assert robot.spin_until(lambda: robot.velocities, 2.0), "no farewell"
        assert robot.velocities[-1].linear.x == 0.0


def test_triggers_run_together_where_the_engine_gains_and_slack_is_given(robots, start):
    node = start(
        ROBOTS, "engines:=[flex]", "deadline_ms:=100.0", "batch_slack_ms:=40.0", "statistics_period_ms:=200.0"
    )
    ready(node, robots)
    stamps = drive(robots, 3.0)
    for robot, sent in zip(robots, stamps):
        assert {d.source for d in settled(robot, sent)[5:]} == {"MODEL"}
        counts = robot.statistics[-1]
        assert counts.batched > 0.5 * counts.decisions, counts
    code, text, _ = node.end()
    assert code == 0 and "for 2 robots at once" in text and "% computed with other robots'" in text, text


def test_another_model_takes_over_for_all(robots, start):
    node = start(ROBOTS, "statistics_period_ms:=200.0", "scan.qos:=reliable")
    ready(node, robots)
    client = robots[0].node.create_client(LoadModel, "/edge_reasoner/load_model")
    assert robots[0].spin_until(client.service_is_ready, 10.0)
    future = client.call_async(LoadModel.Request(path=str(ROOT / "models/clearance")))
    sent = [[], []]
    while not future.done():
        for all_sent, new in zip(sent, drive(robots, 0.2)):
            all_sent += new
    answer = future.result()
    assert answer.success and "from here on" in answer.message, answer.message
    for robot, stamps in zip(robots, sent):
        assert {d.source for d in settled(robot, stamps)} == {"MODEL"}


def test_names_that_cannot_be_namespaces_are_refused(robot, start):
    node = start("robots:=[r1, /r2, r1, '3']")
    node.process.wait(10.0)
    code, text, _ = node.end()
    assert code != 0
    assert "robots names r1 twice" in text and '"/r2"' in text and '"3"' in text, text
