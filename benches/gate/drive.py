"""One drive: a world, a driver, an arm between them, and what came of it."""

import os
import time
from pathlib import Path

from world import STEP_S, World

from gate.arms import SCRIPTS, STEPS_PER_COMMAND, Arm
from gate.bases import DRIVERS
from gate.geometry import STILL, Motion
from gate.measures import Measures
from gate.parameters import parameters
from gate.rooms import Drive


def between(arm: Arm, drive: Drive, logs: Path) -> object:
    """What passes commands on; a node is started."""
    if arm.how in ("none", "script"):
        return SCRIPTS[arm.name]()
    # ROS is imported where it is needed only.
    from gate import lockstep

    domain = int(os.environ["ROS_DOMAIN_ID"])
    if arm.how == "nav2":
        from gate import nav2

        return nav2.Monitor(logs, domain)
    given = [*parameters(arm.node, drive), *arm.parameters]
    return lockstep.Lockstep(lockstep.command_of(arm.node, given), logs, domain)


def run(
    drive: Drive, arm: Arm, seconds: float, noise: int, logs: Path, *, trace: bool = False, pace: bool = False,
    delay_s: float | None = None,
) -> dict:  # fmt: skip
    """Drives so long; `pace` keeps to real time. Commands act after the room's delay, or this one."""
    began = time.monotonic()
    world = World(drive.seed, lidar=arm.how != "none", room=drive.room, base=drive.base, noise=noise)
    driver = DRIVERS[drive.base](drive.room.goals)
    measures = Measures(world)
    per_scan = round(drive.scan_period_s / STEP_S)
    delay = round((drive.delay_s if delay_s is None else delay_s) / STEP_S)
    gate = between(arm, drive, logs)
    said: dict = {}
    try:
        if hasattr(gate, "warm_up"):
            gate.warm_up(world, drive.scan_period_s, noise)
        asked: Motion = STILL
        underway: list[tuple[int, Motion]] = []
        acts: Motion = STILL
        passed: Motion = STILL
        started = time.monotonic()
        for step in range(round(seconds / STEP_S)):
            if pace:
                time.sleep(max(0.0, started + step * STEP_S - time.monotonic()))
            scan = world.scan() if arm.how != "none" and step % per_scan == 0 else None
            gate.hear(step * STEP_S, world, scan)
            if step % STEPS_PER_COMMAND == 0:
                reached = driver.reached
                asked = driver.command(world.t, *world.pose)
                if driver.reached > reached:
                    measures.goals_s.append(round(world.t, 2))
                passed = gate.pass_on(step * STEP_S, asked)
                underway.append((step + delay, passed))
            while underway and underway[0][0] <= step:
                acts = underway.pop(0)[1]
            world.step(acts[0], acts[2], acts[1])
            measures.step(asked, passed)
    finally:
        said = gate.close()
    result = measures.result(driver.reached, driver.given_up)
    if trace:
        result["trace"] = world.log()
    result["node"] = said
    result["wall_s"] = round(time.monotonic() - began, 2)
    return result
