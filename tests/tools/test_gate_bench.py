"""The geometry, the scripts and the sums of `make bench-gate`."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

ROOT = Path(__file__).resolve().parents[2]
# drives/ has a world of its own, which other tests of the same run import by that name.
OTHERS, PATH = {name: sys.modules.pop(name) for name in ("world",) if name in sys.modules}, list(sys.path)
sys.path[:0] = [str(ROOT / "benches"), str(ROOT / "demo")]

pytest.importorskip("irsim")

import gate  # noqa: E402, F401, isort: skip
from gate import report, table  # noqa: E402
from gate.arms import ANGLES, Approach, Arm  # noqa: E402
from gate.bases import DRIVERS  # noqa: E402
from gate.drive import run  # noqa: E402
from gate.geometry import arc, contact_s, free_way_m  # noqa: E402
from gate.measures import Measures  # noqa: E402
from gate.results import Results  # noqa: E402
from gate.rooms import CALM, ROOMS, TWELVE  # noqa: E402
from room import SIZE, Room, Walk  # noqa: E402
from world import CAR_TURN_RADIUS, ROBOT_RADIUS, STEP_S, Person, World  # noqa: E402

del sys.modules["world"]
sys.modules.update(OTHERS)
sys.path[:] = [*PATH, *(folder for folder in sys.path if folder not in PATH)]


def test_an_arc_of_a_quarter_turn_ends_beside_its_middle() -> None:
    (x, y), = arc((0.5, 0.0, 0.5), np.array([math.pi]))
    assert (x, y) == pytest.approx((1.0, 1.0))
    (x, y), = arc((0.0, 0.5, 0.5), np.array([math.pi]))
    assert (x, y) == pytest.approx((-1.0, 1.0))
    (x, y), = arc((0.3, -0.4, 0.0), np.array([2.0]))
    assert (x, y) == pytest.approx((0.6, -0.8))


def test_free_way_is_to_the_circle_and_along_the_arc() -> None:
    ahead = [shapely.box(1.0, -1.0, 1.2, 1.0)]
    assert free_way_m((0.4, 0.0, 0.0), (0.0, 0.0, 0.0), 0.15, ahead, 2.0) == pytest.approx(0.85, abs=0.03)
    assert free_way_m((-0.4, 0.0, 0.0), (0.0, 0.0, 0.0), 0.15, ahead, 2.0) == 2.0
    # Turned by a quarter it drives along the wall; a circle of half a metre turns away before it.
    assert free_way_m((0.4, 0.0, 0.0), (0.0, 0.0, math.pi / 2), 0.15, ahead, 1.0) == 1.0
    assert free_way_m((0.4, 0.0, 0.8), (0.0, 0.0, 0.0), 0.15, ahead, 3.0) == 3.0
    assert free_way_m((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), 0.15, ahead, 1.0) == 0.0


def test_contact_needs_enough_points_and_tells_the_last_step_without() -> None:
    wall = np.array([[0.58, y] for y in (-0.02, -0.01, 0.01, 0.02)])
    # 0.4 m to the circle's front at 0.5 m/s.
    assert contact_s((0.5, 0.0, 0.0), wall, 0.18, 0.1, 1.2, 4) == pytest.approx(0.8)
    assert contact_s((0.5, 0.0, 0.0), wall[:3], 0.18, 0.1, 1.2, 4) == math.inf
    assert contact_s((-0.5, 0.0, 0.0), wall, 0.18, 0.1, 1.2, 4) == math.inf
    assert contact_s((0.5, 0.0, 0.0), wall - [0.5, 0.0], 0.18, 0.1, 1.2, 4) == 0.0


def test_approach_scales_the_whole_command() -> None:
    script = Approach()
    ranges = np.full(len(ANGLES), np.inf)
    assert script.pass_on(0.0, (0.5, 0.0, 0.3)) == (0.5, 0.0, 0.3)
    ahead = np.abs(ANGLES) < 0.05
    ranges[ahead] = 0.58 / np.cos(ANGLES[ahead])
    script.hear(0.0, None, ranges)
    v, lateral, w = script.pass_on(0.0, (0.5, 0.0, 0.0))
    assert v == pytest.approx(0.5 * 0.8 / 1.2, abs=0.05) and (lateral, w) == (0.0, 0.0)
    v, _, w = script.pass_on(0.0, (0.5, 0.0, 0.2))
    assert 0.0 < v < 0.5 and w / 0.2 == pytest.approx(v / 0.5)


def test_there_are_forty_rooms_and_the_first_twelve_are_the_demos() -> None:
    assert len(ROOMS) == 40 and len({drive.name for drive in ROOMS}) == 40
    assert [drive.name for drive in ROOMS[:12]] == [f"present {seed}" for seed in range(1, 13)]
    assert TWELVE == {drive.name for drive in ROOMS[:12]}
    for drive in ROOMS[:12]:
        assert drive.room.goals == Room(drive.seed).goals and drive.room.start == Room(drive.seed).start
    assert {drive.base for drive in ROOMS} == set(DRIVERS)


@pytest.mark.parametrize("drive", [*ROOMS, *CALM], ids=lambda drive: drive.name)
def test_a_room_is_possible(drive) -> None:
    room = drive.room
    free = lambda at, gap: all(shape.distance(shapely.Point(at)) > gap for shape in room.furniture)  # noqa: E731
    inside = shapely.box(0, 0, *SIZE)
    assert free(room.start[:2], ROBOT_RADIUS)
    assert len(room.goals) >= 10
    for goal in room.goals:
        assert inside.contains(shapely.Point(goal)) and free(goal, ROBOT_RADIUS), goal
    for walk in room.walks:
        line = shapely.LineString(walk.path)
        assert all(shape.distance(line) > walk.radius - 1e-6 for shape in room.furniture), walk
        assert math.dist(walk.path[0], room.start[:2]) > walk.radius + ROBOT_RADIUS


def test_what_returns_nothing_is_not_in_the_scan_and_can_be_touched() -> None:
    room = Room(21)
    room.furniture, room.walks = [shapely.box(3.0, 2.0, 3.4, 4.0)], []
    room.start, room.unseen = (2.5, 3.0, 0.0), frozenset()
    seen = World(21, room=room).scan()
    room.unseen = frozenset({0})
    world = World(21, room=room)
    assert np.nanmin(seen) < 0.6 and np.nanmin(world.scan()) > 1.5
    for _ in range(60):
        world.step(0.4, 0.0)
    assert [hit.thing for hit in world.collisions] == ["furniture 1"]


def _walks(walk: Walk, robot: tuple[float, float], seconds: float) -> np.ndarray:
    person = Person(walk)
    for _ in range(round(seconds / STEP_S)):
        person.at = person.at + person.velocity(np.array(robot)) * STEP_S
    return person.at


def test_who_stands_behind_a_corner_waits_for_the_robot_and_who_does_not_look_walks_on() -> None:
    walk = Walk([(2.0, 1.0), (2.0, 3.0)], 1.0, 5.0, waits_for_robot=1.5)
    assert _walks(walk, (5.0, 1.0), 3.0) == pytest.approx((2.0, 1.0))
    assert _walks(walk, (2.9, 1.0), 3.0) == pytest.approx((2.0, 3.0), abs=0.06)
    # 0.20 and 0.15 m are the two bodies.
    for gives_way in (0.4, 0.1):
        _, y = _walks(Walk([(2.0, 1.0), (2.0, 5.0)], 1.0, 1.0, gives_way=gives_way), (2.0, 3.0), 2.5)
        assert 3.0 - y - 0.35 == pytest.approx(gives_way, abs=0.06)
    _, y = _walks(Walk([(2.0, 1.0), (2.0, 5.0)], 1.0, 1.0, gives_way=0.0), (2.0, 3.2), 2.5)
    assert y > 3.0


def test_a_car_does_not_turn_on_the_spot_and_a_holonomic_base_drives_sideways() -> None:
    car, free = World(1, calm=True, base="car"), World(1, calm=True, base="holonomic")
    before = car.pose
    for _ in range(20):
        car.step(0.0, 1.0)
    assert car.pose == pytest.approx(before)
    for _ in range(20):
        car.step(0.3, 1.5)
    assert abs(car.w) <= car.v / CAR_TURN_RADIUS + 1e-9 and car.w > 0.0
    x, y, yaw = free.pose
    for _ in range(20):
        free.step(0.0, 0.0, 0.3)
    moved = np.subtract(free.pose[:2], (x, y))
    assert free.pose[2] == pytest.approx(yaw)
    assert moved @ [-math.sin(yaw), math.cos(yaw)] > 0.15 and abs(moved @ [math.cos(yaw), math.sin(yaw)]) < 1e-6


@pytest.mark.parametrize("base", DRIVERS)
def test_every_base_reaches_goals_where_nothing_is_in_the_way(base, tmp_path) -> None:
    from dataclasses import replace

    drive = replace(CALM[0], base=base)
    assert run(drive, Arm("none", "none"), 30.0, 1, tmp_path)["goals"] >= 2


def test_a_car_that_stands_before_a_wall_backs_out() -> None:
    driver = DRIVERS["car"]([(4.0, 0.0)])
    asked = [driver.command(0.1 * i, 0.0, 0.0, 0.0) for i in range(16)]
    assert asked[0][0] > 0.0 and asked[-1][0] < 0.0


def _driven(collisions: list[str], metres: float, wedged_s: float = 0.0) -> dict:
    return {
        "collisions": len(collisions), "with": collisions, "metres": metres, "goals": 2, "given_up": 0, "stops": 1,
        "wedged_s": wedged_s, "held_s": 1.0, "alternations": 0, "gap_m": 0.06, "goals_s": [10.0 / metres], "node": {},
    }  # fmt: skip


def test_sums_say_the_spread_and_with_whom() -> None:
    rooms = {
        "a 1": {"ours": [_driven([], 4.0), _driven(["person 1"], 5.0)]},
        "b 1": {"ours": [_driven(["wall 1"], 6.0), _driven([], 6.0)]},
    }
    said = report.sums(rooms, "ours")
    assert (said["collisions"], said["people"], said["metres"]) == (1.0, 0.5, 10.5)
    assert said["spread"]["metres"] == [10.0, 11.0] and said["with"] == {"person": 1, "wall": 1}


def test_verdicts_name_the_room_in_which_another_arm_avoids_a_collision() -> None:
    arms = ["none", "approach", "ours"]
    rooms = {
        "a 1": {"none": [_driven(["wall 1"], 9.0)], "approach": [_driven([], 4.0, 3.0)], "ours": [_driven([], 5.0)]},
        "b 1": {"none": [_driven([], 9.0)], "approach": [_driven([], 4.0)], "ours": [_driven(["wall 2"], 5.0)]},
    }
    calm = {"none": 1.0, "approach": 1.0, "ours": 1.02}
    found = {verdict["aim"]: verdict for verdict in report.verdicts(rooms, arms, calm)}
    assert found["no collision that another arm avoids"]["found"] == "b 1"
    met = {aim.split()[0]: verdict["met"] for aim, verdict in found.items()}
    assert met == {"no": False, "fewer": False, "at": True, "calm": False, "stands": True}


def test_who_creeps_and_halts_by_turns_never_stands_and_is_held_all_the_same() -> None:
    world = World(1, calm=True)
    measures = Measures(world)
    for step in range(100):
        world.step(0.06 if step // 6 % 2 else 0.0, 0.0)
        measures.step((0.45, 0.0, 0.0), (0.06, 0.0, 0.0))
    said = measures.result(0, 0)
    assert said["wedged_s"] == 0.0 and said["held_s"] == pytest.approx(4.0, abs=0.1)


def test_a_result_hangs_on_the_node_only_where_a_node_drives(tmp_path) -> None:
    nodes = [tmp_path / "a", tmp_path / "b"]
    for node in nodes:
        node.write_text(node.name)
    ours = {Results.key(ROOMS[0], Arm("ours", "node", node), 1, 40.0) for node in nodes}
    assert len(ours) == 2
    # Its noise is all that a script's runs differ by; without a gate nobody hears it.
    runs = {how: {Results.key(ROOMS[0], Arm("none", how), noise, 40.0) for noise in (1, 2)} for how in ("none", "script")}
    assert len(runs["none"]) == 1 and len(runs["script"]) == 2


def test_rays_are_cast_where_somebody_looks() -> None:
    world = World(3)
    at_first = world._robot.lidar.range_data.copy()
    for _ in range(10):
        world.step(0.3, 0.2)
    assert (world._robot.lidar.range_data == at_first).all()
    world.scan()
    assert (world._robot.lidar.range_data != at_first).any()


def test_results_go_on_after_a_line_that_was_cut(tmp_path) -> None:
    file = tmp_path / "drives.jsonl"
    Results(file, False).keep("k", {"metres": 1.0}, "a drive")
    with file.open("a") as whole:
        whole.write('{"key": "l", "res')
    again = Results(file, False)
    assert again.found == {"k": {"metres": 1.0}}
    again.keep("m", {"metres": 2.0}, "another")
    assert Results(file, False).found.keys() == {"k", "m"}
    assert Results(file, True).found == {}


def test_the_table_has_a_row_for_every_arm() -> None:
    rooms = {"a 1": {arm: [_driven([], 4.0)] for arm in table.SAID}}
    arms = {arm: report.sums(rooms, arm) for arm in table.SAID}
    made = {
        "machine": "a machine", "rooms": rooms, "runs": 1, "seconds": 40.0, "arms": arms, "left_out": [],
        "calm_times": {}, "delay_ms": {}, "verdicts": report.verdicts(rooms, list(arms), {"ours": None}),
    }  # fmt: skip
    said = table.whole(made)
    assert all(f"| {words} |" in said for words in table.SAID.values())
