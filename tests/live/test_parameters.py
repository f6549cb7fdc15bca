"""Parameters at run time, by the standard services, as `ros2 param` and rqt use them."""

import pytest
import yaml
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import ParameterEvent
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from robot import GATE
from test_lifecycle import Manager


class Client:
    """Waits for the answers of the parameter services."""

    def __init__(self, robot):
        self.robot = robot
        self.services = AsyncParameterClient(robot.node, "/edge_reasoner")
        assert robot.spin_until(self.services.services_are_ready, 10.0)

    def wait(self, future):
        assert self.robot.spin_until(future.done, 5.0), "no answer"
        return future.result()

    def set(self, **values):
        parameters = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
        return self.wait(self.services.set_parameters_atomically(parameters)).result

    def set_each(self, values):
        parameters = [Parameter(name, value=value) for name, value in values.items()]
        return self.wait(self.services.set_parameters(parameters)).results

    def get(self, *names):
        values = self.wait(self.services.get_parameters(list(names))).values
        return [parameter_value_to_python(value) for value in values]

    def names(self):
        return sorted(self.wait(self.services.list_parameters()).result.names)

    def dump(self):
        """What `ros2 param dump` writes."""
        names = self.names()
        nested = {}
        for name, value in zip(names, self.get(*names)):
            *path, last = name.split(".")
            at = nested
            for part in path:
                at = at.setdefault(part, {})
            at[last] = value
        return yaml.dump({"/edge_reasoner": {"ros__parameters": nested}}, default_flow_style=False)


def test_terms_change_between_two_cycles(robot, start):
    events = []
    robot.node.create_subscription(ParameterEvent, "/parameter_events", events.append, 10)
    node = start("deadline_ms:=50.0", "policy:=best", "scan.qos:=reliable")
    node.wait_ready(robot)
    client = Client(robot)
    robot.drive(15)
    assert robot.decisions[-1].deadline_ms == 50.0 and robot.decisions[-1].source == "MODEL"
    assert client.set(deadline_ms=80.0, confidence=1.0, policy="fastest").successful
    stamps = robot.drive(5)
    robot.spin(0.2)
    decisions = [d for answer in robot.answers(stamps) for d in answer]
    assert len(decisions) == 5, "every trigger is answered all the same"
    assert {d.deadline_ms for d in decisions} == {80.0}
    assert {d.reason for d in decisions} == {"LOW_CONFIDENCE"}, "nothing is surer than 1"
    assert client.get("deadline_ms", "confidence") == [80.0, 1.0]
    assert {p.name for p in events[-1].changed_parameters} >= {"deadline_ms", "confidence", "policy"}
    assert client.set(confidence=0.4).successful
    robot.drive(3)
    assert robot.decisions[-1].source == "MODEL"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"confidence": 1.5}, "0 to 1"),
        ({"policy": "quickest"}, "fastest, best"),
        ({"confidence": 0.7, "hold_ms": -1.0}, "hold_ms"),
        ({"deadline_ms": 0.1, "publish_margin_ms": 0.0999}, "the first exit alone takes"),
        ({"confidance": 0.5}, "did you mean confidence"),
        ({"scan__topic": "/front"}, "scan.topic needs configure"),
        ({"autostart": False}, "read once"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_change_is_refused_with_the_reason_and_nothing_changes(robot, start, values, reason):
    start("engines:=[flex]").wait_ready(robot)
    client = Client(robot)
    before = client.dump()
    result = client.set(**values)
    assert not result.successful and reason in result.reason, result
    assert client.dump() == before


def test_one_by_one_each_has_its_own_result(robot, start):
    start().wait_ready(robot)
    client = Client(robot)
    results = client.set_each({"confidence": 0.5, "policy": "quickest", "hold_ms": 100})
    assert [result.successful for result in results] == [True, False, True]
    assert client.get("confidence", "policy", "hold_ms") == [0.5, "fastest", 100.0]


def test_the_gate_follows_its_fractions(robot, start):
    node = start(*GATE, "deadline_ms:=50.0")
    node.wait_ready(robot)
    client = Client(robot)
    name = "act__velocity_gate__linear__go"
    for _ in range(20):
        robot.command(0.2)
        robot.drive(1)
    assert robot.velocities[-1].linear.x == pytest.approx(0.2)
    assert client.set(**{name: 0.5}).successful
    robot.command(0.2)
    robot.spin(0.2)
    assert robot.velocities[-1].linear.x == pytest.approx(0.1), "less at once"
    refused = client.set(act__velocity_gate__linear__stop=0.9)
    assert not refused.successful and "safe label" in refused.reason
    assert client.set(**{name: 1.0}).successful
    for _ in range(10):
        robot.command(0.2)
        robot.drive(1)
    assert robot.velocities[-1].linear.x == pytest.approx(0.2), "more as decisions earn it"


def test_a_dump_starts_the_same_node(robot, start, tmp_path):
    first = start(*GATE, "deadline_ms:=45", "realtime.cpus:=0", "odom.topic:=/odometry")
    first.wait_ready(robot)
    client = Client(robot)
    assert client.set(confidence=0.45, act__velocity_gate__linear__slow=0.3).successful
    dumped = client.dump()
    assert first.end()[0] == 0
    file = tmp_path / "dump.yaml"
    file.write_text(dumped)
    second = start(params_file=file)
    assert robot.spin_until(client.services.services_are_ready, 10.0)
    second.wait_ready(robot)
    assert client.dump() == dumped
    assert yaml.safe_load(dumped)["/edge_reasoner"]["ros__parameters"]["odom"]["topic"] == "/odometry"


def test_parameters_are_described(robot, start):
    start().wait_ready(robot)
    client = Client(robot)
    asked = ["deadline_ms", "autostart", "policy", "scan.topic", "nothing"]
    described = client.wait(client.services.describe_parameters(asked)).descriptors
    deadline, autostart, policy, topic, nothing = described
    assert deadline.floating_point_range[0].from_value == 0.1 and "trigger" in deadline.description
    assert autostart.read_only and not deadline.read_only
    assert "fastest, best" in policy.additional_constraints
    assert "unconfigured" in topic.additional_constraints
    assert nothing.type == 0
    assert list(client.wait(client.services.get_parameter_types(["deadline_ms", "x"])).types) == [3, 0]


def test_an_unconfigured_node_takes_everything_and_is_mended_one_by_one(robot, start):
    start("autostart:=false", "deadline_ms:=fast", "policy:=quickest")
    manager, client = Manager(robot), Client(robot)
    assert not manager.to(Transition.TRANSITION_CONFIGURE)
    assert client.set(deadline_ms=50.0).successful
    assert client.set(policy="best").successful
    assert client.set(odom__topic="/odometry").successful
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    assert not client.set(odom__topic="/odom").successful, "it is configured now"
    assert robot.node.get_subscriptions_info_by_topic("/odometry")
    assert manager.to(Transition.TRANSITION_CLEANUP)
    assert client.set(odom__topic="/odom").successful
