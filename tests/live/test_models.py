"""Another model without a restart: ~/load_model and ~/rollback under a steady stream of triggers."""

import shutil
import time
from pathlib import Path

import pytest
import yaml
from edge_reasoner.srv import LoadModel
from lifecycle_msgs.msg import Transition
from robot import ROOT
from std_srvs.srv import Trigger
from test_lifecycle import AT, Manager
from test_parameters import Client

SHIPPED = ROOT / "models/clearance"
PERIOD = 0.02


def bundle(folder, **changes):
    """A copy of the bundle that ships, with some of its manifest's first level changed."""
    shutil.copytree(SHIPPED, folder)
    manifest = yaml.safe_load((folder / "model.yaml").read_text())
    manifest.update(changes)
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


class Loader:
    """Asks for models while scans go on at 50 Hz."""

    def __init__(self, robot):
        self.robot = robot
        self.load_client = robot.node.create_client(LoadModel, AT + "load_model")
        self.back_client = robot.node.create_client(Trigger, AT + "rollback")
        assert robot.spin_until(self.load_client.service_is_ready, 10.0)
        self.stamps = []

    def stream(self, until, patience):
        end = time.monotonic() + patience
        while not until() and time.monotonic() < end:
            began = time.monotonic()
            self.robot.move()
            self.stamps.append(self.robot.scan())
            self.robot.spin(max(0.0, PERIOD - (time.monotonic() - began)))
        assert until(), "no answer"

    def seconds(self, seconds):
        end = time.monotonic() + seconds
        self.stream(lambda: time.monotonic() >= end, seconds + 1.0)

    def load(self, path):
        future = self.load_client.call_async(LoadModel.Request(path=str(path)))
        self.stream(future.done, 30.0)
        return future.result()

    def rollback(self):
        future = self.back_client.call_async(Trigger.Request())
        self.stream(future.done, 10.0)
        return future.result()

    def settle(self):
        """All decisions since the first stamp; every trigger was answered once, or superseded."""
        self.robot.spin(0.5)
        answers = self.robot.answers(self.stamps)
        assert all(len(answer) <= 1 for answer in answers), "answered twice"
        counts = self.robot.statistics[-1]
        assert counts.received == counts.accepted + counts.superseded + counts.refused, counts
        assert counts.accepted == counts.decisions, counts
        missing = sum(not answer for answer in answers)
        assert missing <= counts.superseded, (missing, counts)
        return [answer[0] for answer in answers if answer]


@pytest.fixture
def loader(robot, start):
    node = start("deadline_ms:=100.0", "publish_margin_ms:=20.0", "scan.qos:=reliable", "statistics_period_ms:=200.0")
    node.wait_ready(robot)
    loader = Loader(robot)
    loader.seconds(2.0)  # the window fills
    loader.stamps.clear()
    loader.node = node
    return loader


def broken(kind, folder):
    if kind == "missing":
        return folder / "nowhere"
    if kind == "cut":
        bundle(folder)
        weights = folder / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    if kind == "not yaml":
        bundle(folder)
        (folder / "model.yaml").write_text("{{{")
    if kind == "other labels":
        bundle(folder, labels=["go", "stop", "slow"])
    if kind == "other task":
        return ROOT / "models/terrain"
    return folder


@pytest.mark.parametrize("kind", ["missing", "cut", "not yaml", "other labels", "other task"])
def test_a_bad_bundle_never_interrupts_decisions(loader, tmp_path, kind):
    before = loader.robot.decisions[-1].model_id
    answer = loader.load(broken(kind, tmp_path / "bad"))
    assert not answer.success and answer.message, answer
    assert answer.model_id == before
    loader.seconds(0.5)
    decisions = loader.settle()
    assert {d.model_id for d in decisions} == {before}
    assert {d.source for d in decisions} == {"MODEL"}
    assert not loader.rollback().success, "nothing was replaced"


def test_a_good_bundle_takes_over_between_two_cycles_and_back(loader, tmp_path):
    robot = loader.robot
    client = Client(robot)
    before = robot.decisions[-1].model_id
    other = bundle(tmp_path / "other", name="clearance_b")
    loader.seconds(0.5)
    answer = loader.load(other)
    assert answer.success, answer.message
    assert answer.model_id.startswith("clearance_b-") and "8 windows" in answer.message, answer
    loader.seconds(1.0)
    assert robot.decisions[-1].model_id == answer.model_id
    assert client.get("model") == [str(other)]
    assert client.set(confidence=0.41).successful, "parameters reach the model at work"
    assert loader.rollback().success
    loader.seconds(1.0)
    decisions = loader.settle()
    ids = [d.model_id for d in decisions]
    assert ids[0] == ids[-1] == before
    changes = sum(a != b for a, b in zip(ids, ids[1:]))
    assert changes == 2, "one swap there and one back, nothing in between"
    cycles = [d.cycle for d in decisions]
    assert cycles == sorted(set(cycles)), "they are counted on"
    assert {d.source for d in decisions} == {"MODEL"}, {d.reason for d in decisions}
    assert robot.statistics[-1].late == 0
    assert client.get("model", "confidence") == [str(SHIPPED), 0.41]
    code, text, _ = loader.node.end()
    assert code == 0 and "panicked" not in text, text


def test_models_change_again_and_again_and_nothing_is_left(loader, tmp_path):
    others = [bundle(tmp_path / name, name=name) for name in ("a", "b")]

    def threads():
        return len(list(Path(f"/proc/{loader.node.process.pid}/task").iterdir()))

    loader.load(others[1])
    loader.load(others[0])
    some = threads()
    for turn in range(4):
        assert loader.load(others[(turn + 1) % 2]).success
    assert threads() <= some + 1
    loader.settle()


def test_only_a_configured_node_loads_models(robot, start):
    start("autostart:=false")
    manager = Manager(robot)
    client = robot.node.create_client(LoadModel, AT + "load_model")
    request = LoadModel.Request(path=str(SHIPPED))
    refused = manager.call(client, request, 20.0)
    assert not refused.success and "not configured" in refused.message
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    assert manager.call(client, request, 20.0).success, "inactive: loaded, to decide once active"
    assert manager.to(Transition.TRANSITION_CLEANUP)
    assert manager.to(Transition.TRANSITION_CONFIGURE), "the loaded one is configured"



@pytest.mark.parametrize("form", ["params file", "nothing said"])
def test_the_advice_for_a_bundle_of_other_work_works(robot, start, form, tmp_path):
    """What the answer says is done; then the node decides by that bundle."""
    params = ROOT / "params/clearance.yaml" if form == "params file" else None
    node = start("deadline_ms:=100.0", params_file=params)
    manager = Manager(robot)
    node.wait_ready(robot)
    terrain = ROOT / "models/terrain"
    client = robot.node.create_client(LoadModel, AT + "load_model")
    refused = manager.call(client, LoadModel.Request(path=str(terrain)), 20.0)
    assert not refused.success and "so it cannot take over" in refused.message
    if form == "params file":
        # Its sections are about the other bundle's sources: no order of transitions helps.
        assert "start the node anew with parameters made for it" in refused.message, refused.message
        assert "scan.topic" in refused.message, "why"
        assert node.end()[0] == 0
        start("model:=" + str(terrain), params_file=ROOT / "params/terrain.yaml")
    else:
        assert f"set the parameter model to {terrain}" in refused.message, refused.message
        assert manager.to(Transition.TRANSITION_DEACTIVATE) and manager.to(Transition.TRANSITION_CLEANUP)
        assert Client(robot).set(model=str(terrain)).successful
        assert manager.to(Transition.TRANSITION_CONFIGURE) and manager.to(Transition.TRANSITION_ACTIVATE)
    heard = lambda: robot.node.count_subscribers("/imu/data")  # noqa: E731
    assert robot.spin_until(heard, 15.0)
