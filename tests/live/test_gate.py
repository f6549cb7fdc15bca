"""The velocity gate over DDS where something is wrong: blind lasers, old commands, clocks, slow sensors."""

import math

import pytest
from builtin_interfaces.msg import Time
from edge_reasoner.msg import VelocityGate
from geometry_msgs.msg import TwistStamped
from robot import GATE
from rosgraph_msgs.msg import Clock

# As the params files have it: before an obstacle the robot may turn.
TURNING = [*GATE, *(f"act.velocity_gate.angular.{label}:=1.0" for label in ("go", "slow", "stop"))]
STAMPED = [
    "act.velocity_gate.in:=/cmd_vel_asked",
    "act.velocity_gate.out:=/cmd_vel_stamped",
    "act.velocity_gate.stamped:=true",
]
WALL = [0.25] * 360
BLIND = [math.nan] * 360


def drive(robot, scans, **scan):
    """A driver who turns and drives, with scans between."""
    for _ in range(scans):
        robot.command(0.2, turn=0.5)
        robot.drive(1, **scan)


def passes(robot):
    """What the robot was told last."""
    last = robot.velocities[-1]
    return last.linear.x, last.angular.z


def said(robot, what):
    return [log.msg for log in robot.logs if what in log.msg]


def gate_status(robot):
    every = [status for message in robot.diagnostics for status in message.status]
    return [status for status in every if status.name.endswith(": velocity gate")]


def test_before_a_wall_the_robot_turns_and_with_a_blind_laser_it_does_not(robot, start):
    start(*TURNING, "deadline_ms:=50.0").wait_ready(robot)
    drive(robot, 25)
    assert passes(robot) == pytest.approx((0.2, 0.5))
    drive(robot, 25, ranges=WALL)
    assert (robot.decisions[-1].source, robot.decisions[-1].label) == ("MODEL", "stop")
    assert passes(robot) == pytest.approx((0.0, 0.5)), "it may turn away"
    drive(robot, 1, ranges=BLIND)
    heard = len(robot.velocities)
    drive(robot, 20, ranges=BLIND)
    assert robot.decisions[-1].source == "FALLBACK", robot.decisions[-1]
    turns = {velocity.angular.z for velocity in robot.velocities[heard:]}
    assert turns == {0.0}, robot.decisions[-1].reason
    drive(robot, 25, ranges=WALL)
    assert passes(robot) == pytest.approx((0.0, 0.5)), "it sees again"


def test_a_dead_laser_stops_the_turn_long_before_the_decision_timeout(robot, start):
    timeouts = ["scan.timeout_ms:=300.0", "act.velocity_gate.decision_timeout_ms:=60000.0"]
    start(*TURNING, *timeouts, "deadline_ms:=50.0").wait_ready(robot)
    drive(robot, 25, ranges=WALL)
    assert passes(robot) == pytest.approx((0.0, 0.5))
    for _ in range(15):
        robot.command(0.2, turn=0.5)
        robot.spin(0.1)
    assert (robot.decisions[-1].source, robot.decisions[-1].reason) == ("FALLBACK", "STALE_INPUT")
    assert passes(robot) == (0.0, 0.0)


def test_what_passes_blind_is_what_the_parameters_say(robot, start):
    blind = "act.velocity_gate.blind.angular:=0.5"
    start(*TURNING, blind, "deadline_ms:=50.0").wait_ready(robot)
    drive(robot, 25, ranges=WALL)
    drive(robot, 10, ranges=BLIND)
    assert passes(robot) == pytest.approx((0.0, 0.25))
    assert robot.spin_until(lambda: said(robot, "blind.angular is 0.5: the robot turns on"), 2.0)


def test_a_gate_that_would_hold_the_robot_for_ever_says_so(robot, start):
    start(*GATE).wait_ready(robot)
    remedy = "set act.velocity_gate.angular.stop to 1.0"
    assert robot.spin_until(lambda: said(robot, remedy), 2.0)


def asked(robot, seconds_old, speed=0.2):
    now = robot.node.get_clock().now().nanoseconds - int(seconds_old * 1e9)
    command = TwistStamped()
    command.header.stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
    command.twist.linear.x = speed
    return command


def test_commands_are_as_old_as_their_stamps(robot, start):
    heard = []
    robot.node.create_subscription(TwistStamped, "/cmd_vel_stamped", heard.append, 10)
    out = robot.node.create_publisher(TwistStamped, "/cmd_vel_asked", 10)
    node = start(*TURNING, *STAMPED, "statistics_period_ms:=200.0", "deadline_ms:=50.0")
    node.wait_ready(robot)

    def send(times, seconds_old):
        for _ in range(times):
            sent = asked(robot, seconds_old)
            out.publish(sent)
            robot.drive(1)
        return sent.header.stamp

    stamp = send(25, 0.1)
    assert heard[-1].twist.linear.x == pytest.approx(0.2)
    assert heard[-1].header.stamp == stamp, "not younger than what it repeats"
    for seconds_old, word in [(7.0, "old by its stamp"), (-7.0, "ahead of this node's clock")]:
        send(1, seconds_old)
        before = len(heard)
        send(10, seconds_old)
        assert {message.twist.linear.x for message in heard[before:]} == {0.0}, seconds_old
        assert robot.spin_until(lambda word=word: said(robot, word), 2.0)
        assert len(said(robot, word)) == 1, "once, not per command"
        assert b"\x01" in {status.level for status in gate_status(robot)}
        send(10, 0.0)
        assert heard[-1].twist.linear.x == pytest.approx(0.2), "fresh ones pass"


def test_a_laser_slower_than_decisions_count_is_named_with_what_to_set(robot, start):
    node = start(*TURNING, "statistics_period_ms:=200.0", "deadline_ms:=50.0")
    node.wait_ready(robot)
    for _ in range(7):
        for _ in range(6):
            robot.command(0.2, turn=0.5)
            robot.spin(0.1)
        robot.scan()
    word = "set act.velocity_gate.decision_timeout_ms to"
    assert robot.spin_until(lambda: said(robot, word), 2.0), node.output()
    assert robot.decisions[-1].source == "MODEL", "nothing else is amiss"
    assert {velocity.linear.x for velocity in robot.velocities} <= {0.0}
    assert gate_status(robot)[-1].level == b"\x02" and word in gate_status(robot)[-1].message
    robot.spin(1.0)
    assert len(said(robot, word)) == 1


class Simulation:
    """Clock, laser and driver of a simulation that runs `factor` times as fast as the machine."""

    def __init__(self, robot, factor):
        self.robot, self.factor, self.now = robot, factor, 1000.0
        self.clock = robot.node.create_publisher(Clock, "/clock", 10)
        self.due = self.now

    def run(self, seconds, until=lambda: False, laser=True, clock=True):
        """For so many seconds of the simulation; returns after how many `until` held."""
        began = passed = self.now
        while passed < began + seconds and not until():
            passed += 0.02 * self.factor
            self.now = passed if clock else self.now
            self.clock.publish(Clock(clock=Time(sec=int(self.now), nanosec=int(self.now % 1 * 1e9))))
            if passed >= self.due:
                self.due = passed + 0.1
                if laser:
                    self.robot.scan(stamp=Time())  # as old as its arrival
                self.robot.command(0.2)
            self.robot.spin(0.02)
        return passed - began


def test_a_slow_simulation_moves_and_a_clock_that_stands_still_stops_it(robot, start):
    timeouts = ["scan.timeout_ms:=60000.0", "act.velocity_gate.decision_timeout_ms:=400.0"]
    node = start(*TURNING, *timeouts, "use_sim_time:=true", "deadline_ms:=50.0")
    node.wait_ready(robot)
    drives = lambda: bool(robot.velocities) and passes(robot)[0] > 0.0  # noqa: E731
    stands = lambda: passes(robot)[0] == 0.0  # noqa: E731
    slow = Simulation(robot, 0.2)
    slow.run(3.0, until=drives)
    assert drives(), "ten scans a second of the simulation, two of the machine"
    slow.run(0.5)
    assert drives()
    slow.run(2.0, until=stands, clock=False)
    assert stands(), "the clock stands still, scans and commands go on"


def test_a_quick_simulation_stops_in_its_own_time(robot, start):
    timeouts = ["scan.timeout_ms:=60000.0", "act.velocity_gate.decision_timeout_ms:=10000.0"]
    node = start(*TURNING, *timeouts, "use_sim_time:=true", "deadline_ms:=50.0")
    node.wait_ready(robot)
    quick = Simulation(robot, 10.0)
    quick.run(50.0, until=lambda: bool(robot.velocities) and passes(robot)[0] > 0.0)
    assert passes(robot)[0] > 0.0
    stopped = quick.run(60.0, until=lambda: passes(robot)[0] == 0.0, laser=False)
    assert passes(robot)[0] == 0.0
    assert stopped < 50.0, "and not after ten seconds of the machine"


# A round robot of 0.2 m: scans cap commands under every label.
ROUND = [
    "act.velocity_gate.enabled:=true",
    "act.velocity_gate.in:=/cmd_vel_raw",
    "act.velocity_gate.out:=/cmd_vel",
    "robot_radius:=0.2",
    "act.velocity_gate.margin_m:=0.1",
    "deadline_ms:=50.0",
]


def around(**near):
    """A scan with nothing within 3 m but at these places, by name: m."""
    ranges = [3.0] * 360
    places = {"ahead": 0, "left": 90, "right": 270}
    for place, metres in near.items():
        for beam in range(-10, 11):
            ranges[(places[place] + beam) % 360] = metres
    return ranges


def test_scans_cap_commands_in_every_direction_and_say_what_held_them_back(robot, start):
    states = []
    robot.node.create_subscription(VelocityGate, "/edge_reasoner/velocity_gate", states.append, 10)
    start(*ROUND).wait_ready(robot)
    robot.drive(25)

    def passed(linear, turn=0.0, **near):
        for _ in range(12):
            robot.command(linear, turn=turn)
            robot.drive(1, ranges=around(**near))
        return passes(robot)

    assert passed(0.2, 0.5) == pytest.approx((0.2, 0.5))
    assert robot.spin_until(lambda: states and states[-1].held_by == "NOTHING", 2.0)
    assert states[-1].word == "go"
    assert passed(0.2, 0.5, ahead=0.28) == pytest.approx((0.0, 0.5)), "it may turn"
    assert robot.spin_until(lambda: states[-1].held_by == "SCAN", 2.0)
    state = states[-1]
    assert (state.word, state.linear_part, state.asked.linear.x) == ("stop", 0.0, 0.2)
    assert (state.point.x, state.distance_m) == pytest.approx((0.28, 0.08), abs=0.01)
    assert passed(-0.2, ahead=0.28)[0] == pytest.approx(-0.2), "and back away"
    assert passed(0.2, left=0.28)[0] > 0.1, "and pass along"
    robot.command(0.2)
    robot.drive(3, ranges=BLIND)
    assert robot.spin_until(lambda: states[-1].held_by in ("BLIND", "NO_COMMAND"), 2.0)
    assert passes(robot) == (0.0, 0.0)


def test_a_gate_without_an_outline_says_that_it_goes_by_labels_alone(robot, start):
    start(*TURNING).wait_ready(robot)
    assert robot.spin_until(lambda: said(robot, "by labels alone"), 2.0)
    assert said(robot, "set robot_radius or footprint")
