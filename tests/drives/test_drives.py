"""The simulated drives that teach: reproducible, varied, and true to geometry."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcap_ros2.reader import read_ros2_messages

DRIVES = Path(__file__).parents[2] / "drives"
sys.path.insert(0, str(DRIVES))

from base import Base, Laser, Odometer
from drivers import KINDS, LOOKS
from world import World


def make(out: Path, seed: int, count: int = 3) -> Path:
    command = [sys.executable, DRIVES / "make.py", "--out", out, "--count", str(count), "--seconds", "4"]
    subprocess.run([*command, "--seed", str(seed)], check=True)
    return out


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("drives"), seed=1)


def listed(folder: Path) -> list[dict[str, str]]:
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(drives: Path, tmp_path: Path) -> None:
    again, other = make(tmp_path / "again", seed=1), make(tmp_path / "other", seed=2)
    for row in listed(drives):
        recorded = (drives / row["file"]).read_bytes()
        assert recorded == (again / row["file"]).read_bytes()
        assert recorded != (other / row["file"]).read_bytes()


def test_every_drive_is_its_own_group_of_our_own_and_has_what_the_task_needs(drives: Path) -> None:
    rows = listed(drives)
    assert {row["licence"] for row in rows} == {"own"} and {row["kind"] for row in rows} == {"sim"}
    assert len({row["group"] for row in rows}) == len(rows) == 3
    for row in rows:
        messages = list(read_ros2_messages(drives / row["file"]))
        scans = [m for m in messages if m.channel.topic == "/scan"]
        assert len(scans) >= 15
        times = [m.log_time_ns for m in messages]
        assert times == sorted(times)


@pytest.mark.parametrize("seed", range(20))
def test_no_ray_ends_before_the_nearest_thing_and_one_meets_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    world = World(random)
    base = Base(random, world)
    gap = world.clearance(base.x, base.y)
    if gap <= 0.0:
        pytest.skip("this room is too full to stand in")
    distances, _ = world.cast(base.x, base.y, np.linspace(-math.pi, math.pi, 7201))
    assert gap - 1e-6 <= distances.min() <= gap + 0.01


@pytest.mark.parametrize("seed", range(10))
def test_a_beam_measures_what_is_where_it_looks(seed: int) -> None:
    random = np.random.default_rng(seed)
    base, laser = Base(random, World(random)), Laser(random)
    laser.noise = laser.share = laser.bias = laser.lost = laser.blocks = 0.0
    base.world.seen[:] = math.inf
    reading = laser.read(base)
    angles = reading.angle_min + reading.increment * np.arange(len(reading.ranges)) + laser.yaw
    truth, _ = base.world.cast(base.x, base.y, angles + base.yaw)
    inside = (truth > 0.2) & (truth < reading.range_max)
    assert inside.any()
    shown = reading.ranges[inside]
    returned = np.isfinite(shown) & (shown > 0.0) & (shown <= reading.range_max)
    assert returned.mean() > 0.5  # dark trousers
    assert np.abs(shown[returned] - truth[inside][returned]).max() < 1e-6
    # Every laser sees what is ahead, whichever way it is mounted.
    assert np.abs(np.angle(np.exp(1j * angles))).min() < 0.03


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__name__))
def test_every_driver_drives_and_none_through_walls(kind: type) -> None:
    way = 0.0
    for seed in range(3):
        random = np.random.default_rng(seed)
        world = World(random)
        base = Base(random, world)
        driver = kind(random, base.most)
        for step in range(1500):
            view, _ = world.cast(base.x, base.y, LOOKS + base.yaw)
            if step % 5 == 0:
                command = driver.command(step * 0.02, np.minimum(view, 10.0))
            before, at = world.clearance(base.x, base.y), (base.x, base.y)
            base.step(0.02, *command)
            moved = math.dist(at, (base.x, base.y))
            way += moved
            after = world.clearance(base.x, base.y)
            assert moved == 0.0 or after >= min(base.radius, before)
    assert way > 0.1


@pytest.mark.parametrize("seed", range(10))
def test_wheels_tell_the_way_that_was_driven_within_their_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    base, odometer = Base(random, World(random)), Odometer(random)
    way = turned = told_way = told_turned = 0.0
    before, place = (base.x, base.y, base.yaw), odometer.place(base)
    assert math.hypot(*place[:2]) < 0.01  # where it began, not where it is in the room
    for step in range(500):
        base.step(0.02, base.most, 0.5)
        at, told = (base.x, base.y, base.yaw), odometer.place(base)
        way += math.dist(before[:2], at[:2])
        turned += math.remainder(at[2] - before[2], math.tau)
        heading = place[2] + math.remainder(told[2] - place[2], math.tau) / 2
        told_way += (told[0] - place[0]) * math.cos(heading) + (told[1] - place[1]) * math.sin(heading)
        told_turned += math.remainder(told[2] - place[2], math.tau)
        before, place = at, told
    assert abs(told_way - way * odometer.scale) < 0.05 + 0.01 * way
    assert abs(told_turned - turned * odometer.turn_scale) < 0.02
