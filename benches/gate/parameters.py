"""The parameters our node drives a room with, as somebody would set them who knows the robot."""

import re
import subprocess
from functools import cache
from pathlib import Path

from world import RANGE_NOISE

from gate.rooms import Drive

# What turns the model's share of our gate off.
PHYSICS_ONLY = "act.velocity_gate.use_model:=false"
# How the robot of these rooms brakes; it could do 1.0 m/s² and 4.0 rad/s².
BRAKES = {
    "robot_radius": 0.15,
    "act.velocity_gate.margin_m": 0.05,
    # A thing that a single beam hits may be nearer than it reads by twice the noise; the outline is exact.
    "act.velocity_gate.creep_margin_m": 2 * RANGE_NOISE,
    "act.velocity_gate.deceleration": 0.8,
    "act.velocity_gate.turn_deceleration": 3.0,
}
# What a gate needs that goes by labels alone.
LABELS = {"linear": {"go": 1.0, "slow": 0.4, "stop": 0.0}, "angular": {"go": 1.0, "slow": 1.0, "stop": 1.0}}


@cache
def known(node: Path) -> frozenset[str]:
    """The names of all parameters that this node has."""
    said = subprocess.run([str(node), "parameters"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return frozenset(re.findall(r"^\| `([^`]+)`", said, re.MULTILINE))


def knows(node: Path, parameter: str) -> bool:
    return parameter.split(":=")[0] in known(node)


def parameters(node: Path, drive: Drive) -> list[str]:
    """For this node in this room: where it knows of brakes, these, else the labels' parts."""
    gate = "act.velocity_gate."
    if not knows(node, gate + "deceleration"):
        parts = [f"{gate}{which}.{label}:={part}" for which, of in LABELS.items() for label, part in of.items()]
        return [*parts, *drive.parameters]
    latency_ms = (drive.delay_s + drive.scan_period_s) * 1e3
    given = {**BRAKES, gate + "latency_ms": f"{latency_ms:.1f}"}
    if drive.base == "car":
        given[gate + "keep_arc"] = "true"
    return [*(f"{name}:={value}" for name, value in given.items() if knows(node, name)), *drive.parameters]
