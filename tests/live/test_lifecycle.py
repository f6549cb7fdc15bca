"""A managed node, by the standard services, as a lifecycle manager uses them."""

from pathlib import Path

import pytest
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from robot import GATE

AT = "/edge_reasoner/"


class Manager:
    """Asks the node to change its state."""

    def __init__(self, robot):
        self.robot = robot
        self.events = []
        robot.node.create_subscription(TransitionEvent, AT + "transition_event", self.events.append, 10)
        self.change = robot.node.create_client(ChangeState, AT + "change_state")
        self.asked = robot.node.create_client(GetState, AT + "get_state")
        assert robot.spin_until(self.change.service_is_ready, 10.0)

    def call(self, client, request, patience=10.0):
        if not client.service_is_ready():
            assert self.robot.spin_until(client.service_is_ready, 5.0)
            # The node must have found this client too, or DDS loses its answer.
            self.robot.spin(0.5)
        future = client.call_async(request)
        assert self.robot.spin_until(future.done, patience), "no answer"
        return future.result()

    def to(self, transition, label=""):
        wanted = Transition(id=transition, label=label)
        return self.call(self.change, ChangeState.Request(transition=wanted)).success

    def state(self):
        return self.call(self.asked, GetState.Request()).current_state.label


def footprint(node):
    at = Path(f"/proc/{node.process.pid}")
    status = (at / "status").read_text()
    rss = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return rss, len(list((at / "fd").iterdir())), len(list((at / "task").iterdir()))


def test_it_decides_only_while_it_is_active(robot, start):
    node = start("autostart:=false", "statistics_period_ms:=200.0")
    manager = Manager(robot)
    assert manager.state() == "unconfigured"
    robot.drive(5)
    assert not robot.decisions
    assert not manager.to(Transition.TRANSITION_ACTIVATE), "not from here"
    assert manager.to(Transition.TRANSITION_CONFIGURE) and manager.state() == "inactive"
    robot.drive(15)
    assert not robot.decisions, "counted, not answered"
    assert robot.statistics[-1].refused > 5
    assert manager.to(Transition.TRANSITION_ACTIVATE) and manager.state() == "active"
    robot.drive(3)
    assert [d.source for d in robot.decisions[:2]] == ["MODEL", "MODEL"], "the window was filled before"
    assert manager.to(0, "deactivate")
    heard = len(robot.decisions)
    robot.drive(5)
    assert len(robot.decisions) == heard
    assert manager.to(Transition.TRANSITION_CLEANUP) and manager.state() == "unconfigured"
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    assert manager.to(Transition.TRANSITION_ACTIVATE)
    robot.drive(15)
    assert robot.decisions[-1].source == "MODEL"
    ways = [(event.start_state.label, event.goal_state.label) for event in manager.events]
    assert ("configuring", "inactive") in ways and ("activating", "active") in ways, ways
    assert manager.to(Transition.TRANSITION_ACTIVE_SHUTDOWN) and manager.state() == "finalized"
    assert node.end()[0] == 0


def test_a_configure_that_fails_leaves_it_unconfigured_with_the_cause(robot, start):
    node = start("autostart:=false", "deadline_ms:=fast", "policy:=quickest")
    manager = Manager(robot)
    assert not manager.to(Transition.TRANSITION_CONFIGURE)
    assert manager.state() == "unconfigured"
    code, text, _ = node.end()
    assert code == 0 and "2 faults" in text and "deadline_ms" in text, text


def test_states_and_transitions_are_listed(robot, start):
    start()
    manager = Manager(robot)
    # While a transition is under way there is none to ask for.
    for _ in range(100):
        if manager.state() == "active":
            break
        robot.spin(0.1)
    states = robot.node.create_client(GetAvailableStates, AT + "get_available_states")
    names = [state.label for state in manager.call(states, GetAvailableStates.Request()).available_states]
    assert names == ["unconfigured", "inactive", "active", "finalized"]
    here = robot.node.create_client(GetAvailableTransitions, AT + "get_available_transitions")
    ways = manager.call(here, GetAvailableTransitions.Request()).available_transitions
    assert [way.transition.label for way in ways] == ["deactivate", "shutdown"]
    graph = robot.node.create_client(GetAvailableTransitions, AT + "get_transition_graph")
    assert len(manager.call(graph, GetAvailableTransitions.Request()).available_transitions) == 7


def test_deactivating_stops_the_robot(robot, start):
    start(*GATE, "deadline_ms:=50.0")
    manager = Manager(robot)
    for _ in range(25):
        robot.command(0.2)
        robot.drive(1)
    assert robot.velocities[-1].linear.x > 0.0
    assert manager.to(Transition.TRANSITION_DEACTIVATE)
    robot.command(0.2)
    robot.spin(0.3)
    assert robot.velocities[-1].linear.x == 0.0


@pytest.mark.parametrize("rounds", [1000])
def test_a_thousand_rounds_leave_nothing_behind(robot, start, rounds):
    node = start("autostart:=false")
    manager = Manager(robot)
    assert manager.to(Transition.TRANSITION_CONFIGURE)
    for _ in range(20):
        assert manager.to(Transition.TRANSITION_ACTIVATE) and manager.to(Transition.TRANSITION_DEACTIVATE)
    before = footprint(node)
    for _ in range(rounds):
        assert manager.to(Transition.TRANSITION_ACTIVATE) and manager.to(Transition.TRANSITION_DEACTIVATE)
    for _ in range(10):
        assert manager.to(Transition.TRANSITION_CLEANUP) and manager.to(Transition.TRANSITION_CONFIGURE)
    # A thread of the runtime that has nothing to do ends after ten seconds.
    robot.spin_until(lambda: footprint(node)[1:] == before[1:], 15.0)
    after = footprint(node)
    assert after[0] - before[0] < 10 and after[1:] == before[1:], (before, after)
    assert manager.to(Transition.TRANSITION_ACTIVATE)
    robot.drive(15)
    assert robot.decisions[-1].source == "MODEL"
