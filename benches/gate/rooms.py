"""The 40 rooms of the bench, and the calm ones: what stands there, which robot, laser and computer."""

from dataclasses import dataclass
from functools import cached_property

from room import Room

from gate.scenes import SCENES


@dataclass(frozen=True)
class Drive:
    """One room with the robot that drives in it."""

    kind: str
    seed: int
    scene: str = "present"
    base: str = "differential"
    # From a command to the motion it makes: the computer, the bus and the base's controller.
    delay_s: float = 0.05
    # 10 Hz, or 5.
    scan_period_s: float = 0.1
    # Parameters that this room asks of our node.
    parameters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind} {self.seed}"

    @cached_property
    def room(self) -> Room:
        return SCENES[self.scene](self.seed)


# A computer on which inference seldom makes the deadline. The model takes a few tenths of a millisecond on any
# computer that this bench runs on, so the deadline is made short instead of the computer slow.
SLOW_COMPUTER = ("deadline_ms:=0.4", "publish_margin_ms:=0.25", "refuse_impossible_deadline:=false")
SLOW_DELAY_S = 0.2


def _kind(kind: str, seeds: range, **changes: object) -> list[Drive]:
    scene = kind if kind in SCENES else "present"
    return [Drive(kind, seed, **{"scene": scene, **changes}) for seed in seeds]


ROOMS: list[Drive] = [
    *_kind("present", range(1, 13)),
    *_kind("doors", range(1, 4)),
    *_kind("corridors", range(1, 3)),
    *_kind("dead ends", range(1, 3)),
    *_kind("clutter", range(1, 3)),
    *_kind("glass", range(21, 23)),
    *_kind("corners", range(1, 5)),
    *_kind("children", range(25, 27)),
    *_kind("fast people", range(27, 29)),
    *_kind("slow computer", range(29, 31), delay_s=SLOW_DELAY_S, parameters=SLOW_COMPUTER),
    *_kind("laser at 5 Hz", range(31, 33), scan_period_s=0.2),
    *_kind("car", range(33, 36), scene="wide", base="car"),
    *_kind("holonomic", range(36, 38), base="holonomic"),
]

CALM: list[Drive] = _kind("calm", range(1, 7))

# The twelve that figures of other gates are known for.
TWELVE = frozenset(drive.name for drive in ROOMS if drive.kind == "present")
