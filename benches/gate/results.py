"""What was driven, kept line by line, so that a run that was interrupted goes on, and so that a change of
our node drives only our node's arms again."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from gate.arms import Arm
from gate.rooms import Drive

ROOT = Path(__file__).resolve().parents[2]

# The files that every drive hangs on, and those that drives of nodes hang on besides.
EVERY = (
    *(f"demo/{name}.py" for name in ("world", "room", "driver", "ungated")),
    *(f"benches/gate/{name}.py" for name in ("arms", "bases", "drive", "geometry", "measures", "rooms", "scenes")),
)
NODES = (*(f"benches/gate/{name}.py" for name in ("lockstep", "nav2", "parameters")), "models/clearance/model.yaml",
         "models/clearance/weights.safetensors")  # fmt: skip


@cache
def digest(*files: Path) -> str:
    """Of what is in them; a file that is not there counts as empty."""
    sums = [hashlib.blake2b(file.read_bytes() if file.exists() else b"", digest_size=8).hexdigest() for file in files]
    return " ".join(sums)


class Results:
    def __init__(self, file: Path, fresh: bool) -> None:
        self.file = file
        if fresh:
            file.unlink(missing_ok=True)
        lines = file.read_text().splitlines() if file.exists() else []
        self.found = {}
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a run that was ended while it wrote
            self.found[entry["key"]] = entry["result"]
        # A line that was cut would swallow the next one.
        if lines and not file.read_text().endswith("\n"):
            with file.open("a") as open_file:
                open_file.write("\n")

    @staticmethod
    def key(drive: Drive, arm: Arm, noise: int, seconds: float, extra: str = "") -> str:
        """All that the result hangs on."""
        hangs_on = [ROOT / file for file in EVERY]
        if arm.how in ("node", "nav2"):
            hangs_on += [ROOT / file for file in NODES]
        if arm.node is not None:
            hangs_on.append(arm.node)
        # Without a gate nobody looks at the laser: its noise changes nothing, and every run is the same.
        noise = 0 if arm.how == "none" else noise
        what = [digest(*hangs_on), arm.name, arm.parameters, asdict(drive), noise, seconds, extra]
        return hashlib.blake2b(json.dumps(what).encode(), digest_size=12).hexdigest()

    def keep(self, key: str, result: dict, says: str) -> None:
        self.found[key] = result
        with self.file.open("a") as file:
            file.write(json.dumps({"key": key, "drive": says, "result": result}) + "\n")
