"""The same room and the same driver without a gate, stepped directly: no ROS, faster than real time."""

from driver import RATE_HZ, Driver
from world import STEP_S, World


def drive(seed: int, duration_s: float) -> dict:
    world = World(seed, lidar=False)
    driver = Driver(world.room.goals)
    every = round(1.0 / (RATE_HZ * STEP_S))
    v = w = 0.0
    for step in range(round(duration_s / STEP_S)):
        if step % every == 0:
            v, w = driver.command(world.t, *world.pose)
        world.step(v, w)
    return world.log()
